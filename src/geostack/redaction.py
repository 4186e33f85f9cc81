"""Texts of others without what is secret in them."""

from __future__ import annotations

import re

_URL_PASSWORD = re.compile(r"(?<=//)[^/\s@]+@")
_URL_QUERY = re.compile(r"\?[^\s\"'<>)]+")
_NAMED_SECRET = re.compile(
    r"(?i)\b([\w-]*(?:sig|token|key|secret|password|signature|credential|authorization)[\"']?\s*[=:]\s*[\"']?)"
    r"(?:bearer\s+)?[^\s&\"',;)}]+"
)


def without_secrets(text: str) -> str:
    """Cut passwords and queries out of addresses, and values that are named like secrets.

    >>> without_secrets("https://ann:pw@host/a.tif?sig=abc was refused, token=xyz")
    'https://host/a.tif?… was refused, token=…'
    """
    text = _URL_PASSWORD.sub("", text)
    return _NAMED_SECRET.sub(r"\1…", _URL_QUERY.sub("?…", text))


def reason(error: Exception) -> str:
    r"""Return what an error of a library says, on one line, without secrets, and not too long.

    >>> reason(ValueError("a\n  token=xyz"))
    'a token=…'
    """
    text = " ".join(without_secrets(str(error)).split())
    return text if len(text) <= 300 else f"{text[:300]}…"
