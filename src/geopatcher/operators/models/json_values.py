"""Values of JSON that are what they must be."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Json: TypeAlias = "Mapping[str, object]"


def check_keys(given: Json, known: Iterable[str], where: str) -> None:
    """Refuse keys that are not known, and say which was meant."""
    names = list(known)
    for key in given:
        if key not in names:
            near = get_close_matches(key, names, n=1, cutoff=0)
            raise ValueError(f"there is no key {key!r}{where}: is {near[0]!r} meant?")


def object_of(given: object, what: str) -> Json:
    """Return an object of JSON."""
    if not isinstance(given, dict):
        raise ValueError(f"{what} is {given!r}: it must be an object with names")  # noqa: TRY004 - of JSON
    return given


def list_of(given: object, what: str) -> list[object]:
    """Return a list of JSON, an empty one for nothing."""
    if given is None:
        return []
    if not isinstance(given, list | tuple):
        raise ValueError(f"{what} is {given!r}: it must be a list")  # noqa: TRY004 - of JSON
    return [*given]


def texts_of(given: object, what: str) -> tuple[str, ...] | None:
    """Return texts, ``None`` for none."""
    listed = list_of(given, what)
    return tuple(str(one) for one in listed) or None


def text_of(given: object, what: str) -> str | None:
    """Return a text, or nothing."""
    if given is not None and not isinstance(given, str):
        raise ValueError(f"{what} is {given!r}: it must be a text")
    return given


def number_of(given: object, what: str) -> float:
    """Return a number."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ValueError(f"{what} is {given!r}: it must be a number")  # noqa: TRY004 - of JSON
    return given


def whole_of(given: object, what: str, default: int | None) -> int:
    """Return a whole number, or what stands for none."""
    number = default if given is None else given
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValueError(f"{what} is {given!r}: it must be a whole number")  # noqa: TRY004 - of JSON
    return number
