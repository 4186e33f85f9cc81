"""What lies beside a GeoTIFF whose address is signed: GDAL cannot ask for it.

Each file is signed by itself. GDAL would read the raster without its mask and its nodata value, and say
nothing.
"""

from __future__ import annotations

import http
import re
import urllib.error
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from geopatcher._optional import load
from geopatcher.core.digests import digest_of
from geopatcher.errors.redaction import shown
from geopatcher.formats.http_requests import TIMEOUT_S, opener, request_for
from geopatcher.formats.signing import SIGNED
from geopatcher.formats.traffic import TRAFFIC
from geopatcher.formats.urls import BESIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How often a server is asked that does not answer.
TRIES = 3
#: Bytes of a file of metadata that are looked at.
METADATA_BYTES = 4 << 20
_WEB = re.compile(r"(?:/vsicurl/)?(https?://[^?{}]*\.tiff?)(\?.*)?", re.IGNORECASE | re.DOTALL)
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ABSENT = (http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE)
#: How a server says that a signature is not for this file.
_REFUSED = (http.HTTPStatus.BAD_REQUEST, http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN)
#: What a file of metadata may say without a pixel being another by it.
_HARMLESS = frozenset({"Metadata", "Histograms", "PAMRasterBand"})


@dataclass(frozen=True)
class _Found:
    """What a server says of one file: its beginning where it is there, or why that is not known."""

    name: str
    start: bytes | None = None
    trouble: str = ""
    refused: bool = False


def is_signed_tiff(path: str) -> bool:
    """Whether a path is a GeoTIFF on a web server by an address that is for this one file.

    >>> [is_signed_tiff(f"https://example.org/{name}") for name in ("a.tif?sig=1", "a.tif", "a.vrt?sig=1")]
    [True, False, False]
    """
    address = SIGNED.of(path)
    found = _WEB.fullmatch(address)
    return found is not None and (found[2] is not None or address != path)


def lost_beside(path: str) -> str | None:
    """Return what GDAL leaves out of a GeoTIFF for which `is_signed_tiff` holds, ``None`` for nothing.

    Files beside it are asked for by addresses of their own: signed by who signs that of the raster, or with
    the query that the raster is given with. Where a server says that this is not a signature for them, a
    warning says that nothing is known.
    """
    found = _WEB.fullmatch(path)  # one of a bucket may be signed as one of the web
    raster, query = (path, "") if found is None else (found[1], found[2] or "")
    names = [raster + ending for ending in BESIDE]
    with ThreadPoolExecutor(len(names), "geopatcher-ask") as pool:
        answers = list(pool.map(partial(_ask, path, query=query), names))
    refused = [answer.name for answer in answers if answer.refused]
    if refused:
        warnings.warn(
            f"whether {shown(raster)} has a mask or a nodata value beside it is not known, since its "
            f"signature is not one for {', '.join(map(shown, refused))}: give the address without a "
            f"signature, and sign=, a function that signs any address",
            UserWarning,
            stacklevel=2,
        )
    return next((lost for answer in answers if (lost := _lost(answer)) is not None), None)


def not_found(path: str, there: Sequence[str], found: Sequence[str] | None) -> str | None:
    """Return what GDAL does not find of what is beside a file, ``None`` for nothing: it failed meanwhile.

    ``there`` and ``found`` are endings. A server that has a page for each address is asked for the file.
    """
    if found is None:
        return None
    for ending in {ending.lower(): ending for ending in there}.values():
        if ending.lower() in map(str.lower, found):
            continue
        answer = (
            _ask(path, path + ending, query="") if _WEB.fullmatch(path) else _Found(path + ending, _TIFF[0])
        )
        if answer.trouble:
            return _lost(answer)
        if _said(answer):
            return f"{shown(answer.name)} beside it is there, and could not be read: open it again"
    return None


def _said(answer: _Found) -> str:
    """Return what a file says that counts."""
    if answer.start is None:
        return ""
    if answer.name.lower().endswith(".msk"):
        return "which pixels are missing" if answer.start.startswith(_TIFF) else ""
    return ", ".join(said_in(answer.start))


def _lost(answer: _Found) -> str | None:
    name = shown(answer.name)
    if answer.trouble:
        return f"whether there is a file beside it could not be asked, {name}: {answer.trouble}"
    said = _said(answer)
    if not said:
        return None
    return (
        f"{name} beside it says {said}, and is not read by a signed address: read the raster by an address "
        f"that needs none (s3://, gs:// and az:// take credentials of the environment), or write that into "
        f"the file itself, as by gdal_translate -of COG"
    )


def said_in(text: bytes) -> Sequence[str]:
    """Return what a file of metadata says that counts.

    >>> said_in(b"<PAMDataset><PAMRasterBand><NoDataValue>0</NoDataValue></PAMRasterBand></PAMDataset>")
    ['NoDataValue']
    >>> said_in(b"<PAMDataset><Metadata/></PAMDataset>"), said_in(b"<html>")
    ([], ['what cannot be read'])
    """
    told = _telling(text)
    if told is None:
        return ["what cannot be read"]
    return [*dict.fromkeys(element.tag for _, element in told)]


def metadata_digest(text: bytes) -> str:
    """Return a digest of what a file of metadata says that counts; ``""`` where that is nothing.

    >>> metadata_digest(b"<PAMDataset><Metadata/></PAMDataset>")
    ''
    """
    told = _telling(text)
    if told is None:
        return digest_of(text)
    return digest_of(*(f"{band} {ET.tostring(one, 'unicode').strip()}" for band, one in told)) if told else ""


def _telling(text: bytes) -> list[tuple[str, ET.Element]] | None:
    """Return what counts, each with the number of its band; ``None`` where the text cannot be read."""
    try:
        root = ET.fromstring(text)  # noqa: S314 - expat bounds what a document may grow to, and nothing of it is used
    except ET.ParseError:
        return None
    told = [("", one) for one in root]
    told += [(band.get("band", ""), one) for band in root.iter("PAMRasterBand") for one in band]
    return [(band, one) for band, one in told if one.tag not in _HARMLESS]


def _ask(path: str, name: str, *, query: str) -> _Found:
    address = SIGNED.beside(path, name + query)
    if not urlsplit(address).path.endswith(name.rpartition(".")[2]):  # it signs the raster alone
        return _Found(name, refused=True)
    wanted = METADATA_BYTES if name.lower().endswith(".xml") else len(_TIFF[0])
    found = _Found(name, trouble="it was not asked")
    for _ in range(TRIES):
        found = _asked(name, address, wanted)
        if not found.trouble:
            break
    return found


def _asked(name: str, address: str, wanted: int) -> _Found:
    TRAFFIC.add(1)
    try:
        # A signature may be for GET only.
        request = request_for(address, "GET", {"Range": f"bytes=0-{wanted - 1}"})
        with opener().open(request, timeout=TIMEOUT_S) as reply:
            start = reply.read(wanted)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _ABSENT:
            return _Found(name)
        refused = error.code in _REFUSED
        return _Found(name, trouble="" if refused else f"HTTP {error.code}", refused=refused)
    except (OSError, load("http.client").HTTPException, ValueError) as error:
        return _Found(name, trouble=f"the connection failed ({type(error).__name__})")
    TRAFFIC.add(0, len(start))
    return _Found(name, start)
