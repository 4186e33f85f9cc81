"""Addresses of files of this machine as paths."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

#: Who may be named as the machine that we are on (RFC 8089).
HERE = ("", "localhost")


def path_of(address: str) -> str:
    """Return the path that a ``file://`` address stands for; any other address, or a path, as it is.

    >>> path_of("file:///data/a%20b.tif"), path_of("/data/a%20b.tif"), path_of("https://x/a%20b.tif")
    ('/data/a b.tif', '/data/a%20b.tif', 'https://x/a%20b.tif')
    """
    parts = urlsplit(address)
    if parts.scheme != "file" or parts.netloc not in HERE:
        return address
    # What follows "?" or "#" is a part of the name, unless it was written in per cent as it should be.
    return unquote(address.partition("://")[2].removeprefix(parts.netloc))
