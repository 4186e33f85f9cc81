"""Servers that send a web page where a file is asked for, mostly one to log in, as if all were well."""

from __future__ import annotations

import re

from geopatcher._optional import load
from geopatcher.errors import SourceError
from geopatcher.errors.redaction import shown
from geopatcher.formats.http_requests import TIMEOUT_S, opener, request_for
from geopatcher.formats.signing import SIGNED
from geopatcher.formats.traffic import TRAFFIC

#: Bytes by which a page is told from a file.
START_BYTES = 512
_WEB = re.compile(r"(?:/vsicurl/)?(https?://.*)", re.IGNORECASE | re.DOTALL)
_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)


def web_address(path: str) -> str | None:
    """Return the address at which a web server is asked for a file, signed where it has to be.

    Raises
    ------
    SourceError
        It cannot be signed.

    Examples
    --------
    >>> web_address("/vsicurl/https://host/a.tif"), web_address("s3://bucket/a.tif")
    ('https://host/a.tif', None)

    """
    found = _WEB.fullmatch(SIGNED.of(path)) if _WEB.fullmatch(path) else None
    return None if found is None else found[1]


def page_instead_of(path: str) -> str:
    """Return what to say of an address at which a server sends a web page, ``""`` where it does not.

    It is asked once, for the beginning; one that does not answer sends none.

    >>> page_instead_of("a.tif")
    ''
    """
    try:
        address = web_address(path)
    except SourceError:
        return ""
    if address is None:
        return ""
    TRAFFIC.add(1)
    try:
        question = request_for(address, "GET", {"Range": f"bytes=0-{START_BYTES - 1}"})
        with opener().open(question, timeout=TIMEOUT_S) as reply:
            start, kind, place = reply.read(START_BYTES), reply.headers.get_content_type(), reply.geturl()
    except (OSError, load("http.client").HTTPException, ValueError):
        return ""
    TRAFFIC.add(0, len(start))
    if not (is_page(start) or kind in ("text/html", "application/xhtml+xml")):
        return ""
    moved = shown(place) != shown(request_for(address, "GET", {}).full_url)
    where = f", from {shown(place)}" if moved else ""
    return (
        f"asked for it without credentials, its server sends a web page{where}, probably one to log in: "
        f"check the address, and give credentials, or sign=, a function that returns one that lets us in"
    )


def is_page(start: bytes) -> bool:
    """Whether what begins so is HTML.

    >>> is_page(b"<!DOCTYPE html><html>"), is_page(b"  <html lang='en'>"), is_page(b"II*")
    (True, True, False)
    """
    return _PAGE.match(start) is not None
