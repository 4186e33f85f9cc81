"""Questions to web servers without GDAL, which waits for one answer after another, and stops all threads."""

from __future__ import annotations

import base64
import http
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from geopatcher._optional import load
from geopatcher.errors import SourceError
from geopatcher.formats.traffic import TRAFFIC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from urllib.request import OpenerDirector, Request

#: Seconds a server may take to answer.
TIMEOUT_S = 10.0
_ABSENT = (http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE)
#: How a server refuses the question, and may answer another one.
NO_HEAD = frozenset({400, 403, 405, 501})


def opener() -> OpenerDirector:
    """Return what opens addresses, by the proxies that are set now."""
    made: OpenerDirector = load("urllib.request").build_opener()
    return made


def request_for(url: str, method: str, headers: Mapping[str, str]) -> Request:
    """Return a question; a user and a password of the address are sent as the server wants them."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    bare = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    request: Request = load("urllib.request").Request(  # http only, see `ask`
        bare.replace(" ", "%20"), method=method, headers=dict(headers)
    )
    if at:  # not sent on to where an answer redirects
        name, _, password = user.partition(":")
        token = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


@contextmanager
def presence(urls: Sequence[str]) -> Iterator[Callable[[], list[bool | None]]]:
    """Ask servers and buckets, while this lasts, whether something is at each address; what it gives says so.

    All are asked at once. ``None`` stands for an address of which nothing is known.
    """
    with ThreadPoolExecutor(len(urls), "geopatcher-ask") as pool:
        answers = [pool.submit(_is_there, url) for url in urls]
        yield lambda: [answer.result() for answer in answers]


def _is_there(url: str) -> bool | None:
    if not url.lower().startswith("http"):
        return _is_object(url)
    for method, further in (("HEAD", {}), ("GET", {"Range": "bytes=0-0"})):  # some are not asked by HEAD
        TRAFFIC.add(1)
        try:
            opener().open(request_for(url, method, further), timeout=TIMEOUT_S).close()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in _ABSENT:
                return False
            if error.code not in NO_HEAD:
                return None
        except (OSError, load("http.client").HTTPException, ValueError):
            return None
        else:
            return True
    return None


def _is_object(url: str) -> bool | None:
    root, key = "/".join(url.split("/", 3)[:3]), url.split("/", 3)[3]
    try:
        load("geopatcher.formats.bucket_heads").head(root, key)
    except FileNotFoundError:
        return False
    except SourceError:
        return None
    return True
