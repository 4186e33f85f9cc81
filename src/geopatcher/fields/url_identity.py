"""What a server says of a file without sending it: which version of it there is."""

from __future__ import annotations

import http
import os
import re
import time
import urllib.error
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from geopatcher._optional import load
from geopatcher.core.digests import digest_of
from geopatcher.errors import MissingExtraError, SourceError
from geopatcher.formats.aws_profiles import with_profile
from geopatcher.formats.cloud_variables import lacking
from geopatcher.formats.http_requests import TIMEOUT_S, opener, request_for
from geopatcher.formats.traffic import TRAFFIC

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from geopatcher.formats.bucket_heads import Head

#: Bytes at the beginning and at the end of a file that are looked at where its server is not exact.
SAMPLE_BYTES = 64 << 10
#: How often it is asked again that does not answer.
TRIES = 3
#: By how much the clock of a bucket may differ from ours: those of another time refuse what is signed.
CLOCKS_DIFFER_S = 15 * 60
#: What is cut off of a time in whole seconds.
SECOND = 1
#: Parameters of a query that say who asks, not for what; they differ from one signing to the next.
SIGNATURES = re.compile(
    r"x-(amz|goog|oss|cos|obs|ms)-.*|(aws|google)accessid|awsaccesskeyid|ossaccesskeyid|accessid|"
    r"(access_?|auth_?|security_?|session_?|sas_?)?token|api_?key|subscription-key|key-pair-id|"
    r"policy|signature|signed.*|sig|expires?|expiry|hdnts|hdnea|"
    r"se|sp|spr|sv|sr|ss|srt|st|sip|si|sdd|skoid|sktid|skt|ske|sks|skv|saoid|suoid|scid|ses|rscc|rscd|rsce|rscl|rsct",
    re.IGNORECASE,
)
#: Endings of archives, within which a name goes on.
_ARCHIVES = re.compile(r"(\.(?:zip|tar|tgz|tar\.gz|7z|kmz))(?:/.*)?$", re.IGNORECASE)
_HTTP = re.compile(r"https?://.*", re.IGNORECASE | re.DOTALL)
_BUCKET = re.compile(r"((s3|gs|az)://[^/?#@]+)/(.+)", re.DOTALL)
#: GDAL's names of buckets.
_GDAL_BUCKET = re.compile(r"(s3|gs|az)(?:_streaming)?")
#: Answers that another try may change.
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Answer:
    """What a server says of a file; ``trouble`` says why it could not be asked.

    When it answered, the file had been as it is for at least ``unchanged_s`` seconds, where that is known.
    """

    etag: str = ""
    modified: str = ""
    size: str = ""
    sample: str = ""
    trouble: str = ""
    unchanged_s: float = field(default=0.0, compare=False)

    @property
    def known(self) -> dict[str, str | int | float]:
        """What tells one version of the file from another; with an entry ``"unknown"`` not for sure."""
        if self.trouble:
            return {"unknown": self.trouble}
        told: dict[str, str | int | float] = {}
        if self.etag:
            told["etag"] = self.etag[:256]
        if self.modified and not self.is_exact:
            told["last_modified"] = self.modified[:64]
        if not told:
            told["unknown"] = "its server gives neither ETag nor Last-Modified"
        told |= {"sample": self.sample} if self.sample else {}
        return told | ({"bytes": self.size[:20]} if self.size else {})

    @property
    def is_exact(self) -> bool:
        """Whether the server has a name for each version: times are in seconds, and weak names may be."""
        return bool(self.etag) and not self.etag.startswith("W/")


def url_of(name: str) -> str | None:
    """Return the URL that a path of rasterio or GDAL stands for; ``None`` for one of another kind.

    >>> url_of("/vsicurl/https://host/a.tif"), url_of("/vsizip//vsicurl/https://host/a.zip/b.tif")
    ('https://host/a.tif', 'https://host/a.zip')
    >>> url_of("/vsicurl?max_retry=2&url=https%3A%2F%2Fhost%2Fa.tif"), url_of("scene.tif")
    ('https://host/a.tif', None)
    >>> url_of("/vsis3/bucket/a.tif"), url_of("gs://bucket/a.tif")
    ('s3://bucket/a.tif', 'gs://bucket/a.tif')
    """
    rest, is_archive = name, False
    while True:
        rest = rest.removeprefix("{")
        head, _, tail = (
            rest.partition("/vsi")[2].partition("/") if rest.startswith("/vsi") else ("", "", rest)
        )
        if head.startswith(("curl?", "curl_streaming?")):
            options = dict(parse_qsl(rest.partition("?")[2]))
            rest = options.get("url", "")
        elif (bucket := _GDAL_BUCKET.fullmatch(head)) is not None:
            rest = f"{bucket[1]}://{tail}"
        elif head:
            is_archive |= head in ("zip", "tar", "gzip", "7z")
            rest = tail
        else:
            break
    scheme, plus, inner = rest.partition("+")
    if plus and scheme in ("zip", "tar", "gzip"):
        rest, is_archive = inner.partition("!")[0], True
    rest = rest.replace("}", "") if "{" in name else rest
    if not (_HTTP.fullmatch(rest) or _BUCKET.fullmatch(rest)):
        return None
    found = _ARCHIVES.search(urlsplit(rest).path) if is_archive else None
    return rest[: rest.index(found[0])] + found[1] if found and found[0] in rest else rest


def query_digest(url: str) -> str:
    """Return a digest of what the query of a URL asks for, ``""`` where it asks for nothing.

    >>> query_digest("https://host/a.tif?sig=abc&se=2026") == query_digest("https://host/a.tif?sig=d") == ""
    True
    >>> query_digest("https://host/a?scene=1&sig=abc") == query_digest("https://host/a?sig=d&scene=1")
    True
    >>> query_digest("https://host/a?scene=1") == query_digest("https://host/a?scene=2")
    False
    """
    asked = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    kept = sorted((name, value) for name, value in asked if not SIGNATURES.fullmatch(name))
    return digest_of(*(text for pair in kept for text in pair)) if kept else ""


def why_not_asked(url: str) -> str:
    """Return why the server of a URL is not to be asked, ``""`` where it is.

    A bucket is where obstore is installed, and the environment lets it in.
    """
    bucket = _BUCKET.fullmatch(url)
    if bucket is None:
        return ""
    try:
        load("obstore")
    except MissingExtraError as error:
        return str(error)
    wanted = lacking(with_profile(os.environ), bucket[2])
    return f"it takes credentials of the environment, such as {wanted}" if wanted else ""


def ask(url: str) -> Answer:
    """Ask a server which version of a file it has; a question that fails is an answer with a ``trouble``.

    Nothing of it names an address of the web, which may hold secrets.
    """
    bucket = _BUCKET.fullmatch(url)
    if bucket is not None:
        return _of_object(bucket[1], bucket[3])
    answer = Answer(trouble="it was not asked")
    for _ in range(TRIES):
        answer, again = _asked(url)
        if not again:
            break
    return answer


def _of_object(root: str, key: str) -> Answer:
    try:
        found: Head = load("geopatcher.formats.bucket_heads").head(root, key)
    except FileNotFoundError:
        return Answer(trouble="its server answered 404")
    except SourceError as error:
        return Answer(trouble=str(error))
    since = _seconds(found.modified.partition(" ")[0], datetime.fromisoformat)
    age = 0.0 if since is None else max(0.0, time.time() - since - CLOCKS_DIFFER_S)
    return Answer(found.etag, found.modified, str(found.n_bytes), unchanged_s=age)


def _asked(url: str) -> tuple[Answer, bool]:
    """Return an answer, and whether another try may give another one."""
    for method, further in (("HEAD", {}), ("GET", {"Range": "bytes=0-0"})):  # a signature may be for GET only
        TRAFFIC.add(1)
        try:
            with opener().open(request_for(url, method, further), timeout=TIMEOUT_S) as reply:
                answer = _read(reply.headers, partial=reply.status == http.HTTPStatus.PARTIAL_CONTENT)
            return (answer if answer.is_exact else replace(answer, sample=_sample(url, answer.size))), False
        except urllib.error.HTTPError as error:
            trouble, again = f"its server answered {error.code}", error.code in _BUSY
            error.close()
        except (OSError, load("http.client").HTTPException, ValueError) as error:
            return Answer(trouble=f"its server could not be asked ({type(error).__name__})"), True
    return Answer(trouble=trouble), again


def _read(headers: Mapping[str, str], *, partial: bool) -> Answer:
    whole = (
        headers.get("Content-Range", "").rpartition("/")[2] if partial else headers.get("Content-Length", "")
    )
    modified, now = headers.get("Last-Modified", ""), headers.get("Date", "")
    since, until = (_seconds(text, parsedate_to_datetime) for text in (modified, now))
    age = 0.0 if since is None or until is None else max(0.0, until - since - SECOND)
    return Answer(headers.get("ETag", ""), modified, whole if whole.isdecimal() else "", unchanged_s=age)


def _seconds(text: str, read: Callable[[str], datetime]) -> float | None:
    """Return a time as seconds, in whole; ``None`` where it is none. One without a zone is in UTC."""
    try:
        found = read(text)
    except (ValueError, TypeError, IndexError):  # what a server calls a time may be anything
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _sample(url: str, size: str) -> str:
    """Return a digest of the beginning and the end of a file."""
    last = max(0, int(size or 0) - SAMPLE_BYTES)
    pieces = []
    for start in (0, last) if last else (0,):
        request = request_for(url, "GET", {"Range": f"bytes={start}-{start + SAMPLE_BYTES - 1}"})
        with opener().open(request, timeout=TIMEOUT_S) as reply:
            pieces.append(reply.read(SAMPLE_BYTES))
        TRAFFIC.add(1, len(pieces[-1]))
    return digest_of(*pieces)
