"""Servers that refuse to say what a file is without sending it (`HEAD`), and send it all the same.

A signature is often for `GET` only. GDAL asks some of these servers otherwise by itself, such as S3.
"""

from __future__ import annotations

import os
import threading
import urllib.error
from collections import OrderedDict
from typing import TYPE_CHECKING

from geopatcher._optional import load
from geopatcher.errors import SourceAccessError, SourceError
from geopatcher.formats.gdal_messages import ANSWER
from geopatcher.formats.http_requests import NO_HEAD, TIMEOUT_S, opener, request_for
from geopatcher.formats.traffic import TRAFFIC
from geopatcher.formats.web_pages import page_instead_of, web_address

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The option of GDAL by which it asks for a file itself, and hangs up when it knows how long it is.
WITHOUT_HEAD = {"CPL_VSIL_CURL_USE_HEAD": "NO"}
#: Files of which this is remembered.
MAX_KNOWN = 1024


class Heads:
    """The files of web servers that were found to be given, and not to be told of."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused: OrderedDict[str, None] = OrderedDict()

    def options(self, path: str) -> Mapping[str, str]:
        """Return the options of GDAL to open a file with.

        >>> Heads().options("https://host/a.tif")
        {}
        """
        with self._lock:
            return WITHOUT_HEAD if path in self._refused else {}

    def are_refused(self, path: str, failed: SourceError) -> bool:
        """Whether a file that failed is to be opened otherwise: its server is asked for a byte."""
        found = ANSWER.search(str(failed))
        if found is None or int(found[2]) not in NO_HEAD or self.options(path) or not _gives(path):
            return False
        with self._lock:
            self._refused[path] = None
            while len(self._refused) > MAX_KNOWN:
                self._refused.popitem(last=False)
        return True

    def start_anew(self) -> None:
        """In a forked child the lock may have been held."""
        self._lock = threading.Lock()


#: Of the whole process.
HEADS = Heads()
os.register_at_fork(after_in_child=HEADS.start_anew)


def or_page(failed: SourceError, doing: str, path: str) -> SourceError:
    """Return what is raised of a file that could not be opened: that a server sends a page in its place."""
    page = "" if isinstance(failed, SourceAccessError) else page_instead_of(path)
    return SourceAccessError(f"{doing}: {page}") if page else failed


def _gives(path: str) -> bool:
    address = web_address(path)
    if address is None:
        return False
    TRAFFIC.add(1)
    try:
        opener().open(request_for(address, "GET", {"Range": "bytes=0-0"}), timeout=TIMEOUT_S).close()
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except (OSError, load("http.client").HTTPException, ValueError):
        return False
    return True
