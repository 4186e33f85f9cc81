"""What can go wrong between a question and a list of scenes; no message repeats a key or a token."""

from __future__ import annotations


class GeostackError(Exception):
    """Base of every error this package raises on purpose."""


class MissingExtraError(GeostackError, ImportError):
    """An optional library is not installed; names the extra that brings it."""


class NoItemsError(GeostackError, LookupError):
    """The API answered and no item fits; says what was asked and what came closest."""


class StacApiError(GeostackError, ConnectionError):
    """The API could not be reached, refused the question, or does not speak STAC; names the API."""


class ItemError(GeostackError, ValueError):
    """An item cannot be used: it lacks a band, or says something that cannot be; names item and asset."""
