"""What GDAL leaves out of local files without a word: what lies beside them, and what is cut off."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import rasterio
from rasterio.errors import RasterioError

from geopatcher.formats.rasterio_warnings import no_georeference_warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rasterio.io import DatasetReader

#: Files beside a raster that say which of its pixels are missing.
BESIDE = (".msk", ".aux.xml")
#: Set for rasters of this machine, whatever a user has set for those of others: masks and nodata values
#: that lie beside a file are found.
LOCAL_OPTIONS = {"GDAL_DISABLE_READDIR_ON_OPEN": "FALSE", "GDAL_PAM_ENABLED": "YES"}

_ELSEWHERE = re.compile(r"://|^/vsi|%3a%2f%2f", re.IGNORECASE)
#: Within the text of a VRT.
_REMOTE_TILE = re.compile(rb"://|/vsi(?:curl|s3|gs|az|adls|oss|swift|webhdfs)", re.IGNORECASE)
_THREADS = re.compile(
    rb"<OOI\s+key\s*=\s*[\"']NUM_THREADS[\"']\s*>\s*(?!1\s*<)|[?&]oo=NUM_THREADS=(?!1\b)", re.IGNORECASE
)
#: GDAL reads the coefficients of a filter where there are none, and takes the process with it.
_NO_FILTER = re.compile(
    rb"<KernelFilteredSource\b(?:(?!</KernelFilteredSource>|<Coefs>).)*</Kernel", re.DOTALL
)
_ANY_TILE = re.compile(rb"<SourceFilename[^>]*>([^<]+)<", re.IGNORECASE)
_TILE = re.compile(rb"<SourceFilename([^>]*)>([^<]+\.vrt)<", re.IGNORECASE)

#: Drivers whose pixels are never compressed, and which read what is cut off as zeros.
_PLAIN = ("ENVI", "PCRaster")
_CLASSIC_NETCDF = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_GZIP = b"\x1f\x8b"


#: How far what is read of a raster may lie: in files of this machine, in one file elsewhere, in any files.
HERE, THERE, MOSAIC = "here", "there", "mosaic"
#: Names of datasets that are made of others, of which some are texts.
_MADE_OF_OTHERS = re.compile(
    r"\s*[<{].*|(?:vrt://|GTI:|STACIT:).*|[^?]*\.(?:vrt|gti|gti\.gpkg|gti\.fgb)(?:\?.*)?",
    re.IGNORECASE | re.DOTALL,
)


def reach(path: str) -> str:
    """Return how far what is read of a raster may lie; a `MOSAIC` is made of others.

    >>> reach("a.tif"), reach("https://host/a.tif"), reach("https://host/a.vrt"), reach("<VRTDataset>")
    ('here', 'there', 'mosaic', 'mosaic')
    """
    is_mosaic = _MADE_OF_OTHERS.fullmatch(path) is not None
    if is_elsewhere(path):
        return MOSAIC if is_mosaic else THERE
    if not is_mosaic:
        return HERE
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return MOSAIC
    return HERE if _stays_here(path, status.st_size, status.st_mtime_ns) else MOSAIC


@lru_cache(maxsize=1024)
def _stays_here(path: str, size: int, mtime_ns: int) -> bool:
    """Whether no tile of a mosaic, or of one within it, lies elsewhere."""
    _ = size, mtime_ns
    return path.lower().endswith(".vrt") and not any(
        _REMOTE_TILE.search(_text(vrt)) for vrt in _vrts(Path(path))
    )


def is_elsewhere(path: str) -> bool:
    """Whether a path is an address, or one of GDAL's virtual paths.

    >>> [is_elsewhere(path) for path in ("a.tif", "https://host/a.tif", "/vsis3/bucket/a.tif")]
    [False, True, True]
    """
    return _ELSEWHERE.search(path) is not None


def is_here(path: str) -> bool:
    """Whether there is something of this name on this machine; a text too long for a name is none.

    >>> is_here("/"), is_here("a" * 5000)
    (True, False)
    """
    try:
        return not is_elsewhere(path) and Path(path).exists()
    except (OSError, ValueError):
        return False


def options_for(path: str, size: int, mtime_ns: int) -> Mapping[str, str]:
    """Return the options a raster is opened and read with; ``size`` and ``mtime_ns`` are its file's."""
    return LOCAL_OPTIONS if not is_elsewhere(path) and _is_local(path, size, mtime_ns) else {}


@lru_cache(maxsize=64)
def _is_local(path: str, size: int, mtime_ns: int) -> bool:
    """Whether nothing of a raster lies elsewhere, as tiles of a VRT may: those are not searched for more."""
    _ = mtime_ns
    return size > 0 and not (path.lower().endswith(".vrt") and _REMOTE_TILE.search(_text(Path(path))))


def left_out(path: str, dataset: DatasetReader) -> str | None:
    """Return what GDAL left out of a raster that it opened, ``None`` when nothing is known to be."""
    if is_elsewhere(path):
        asks = _THREADS.search(path.encode(errors="replace"))
        return _threads(path) if asks else None
    place = Path(path)
    if not place.is_file():
        return None
    try:
        listed = {Path(name).name for name in dataset.files}
    except UnicodeDecodeError as error:
        name = error.object.decode(errors="backslashreplace")
        return f"the name of a file it is made of is no UTF-8: {name}; rename that file"
    for beside in (place.with_name(place.name + ending) for ending in BESIDE):
        if beside.suffix == ".msk" and beside.is_file() and beside.name not in listed and not _opens(beside):
            return f"GDAL cannot open the mask {beside} beside it: repair or remove that file"
        if beside.suffix == ".xml" and beside.is_file() and not _is_xml(beside):
            return f"{beside} beside it, which may name its nodata value, is damaged: repair or remove it"
    return _unsafe(place) if dataset.driver == "VRT" else _cut_off(place, dataset)


def _unsafe(place: Path) -> str | None:
    """Return what a VRT, or one it is made of, asks GDAL to do that GDAL cannot do."""
    for vrt in _vrts(place):
        text = _text(vrt)
        if _THREADS.search(text):
            return _threads(str(vrt))
        if (
            tile := next((each[1] for each in _ANY_TILE.finditer(text) if _is_no_utf8(each[1])), None)
        ) is not None:
            return f"the name of a file it is made of is no UTF-8: {tile!r} in {vrt}; rename that file"
        if _NO_FILTER.search(text):
            return f"{vrt} has a KernelFilteredSource without coefficients (Coefs): repair it"
    return None


def _is_no_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return True
    return False


def _threads(path: str) -> str:
    return (
        f"{path} has GDAL open its tiles with the option NUM_THREADS, and threads of GDAL lose the errors of "
        f"files that cannot be read: take the option out (geopatcher reads ahead by itself)"
    )


def _cut_off(place: Path, dataset: DatasetReader) -> str | None:
    """Return that a file of pixels that are not compressed is too short to hold them."""
    with place.open("rb") as file:
        start = file.read(4)
    classic = dataset.driver == "netCDF" and start in _CLASSIC_NETCDF
    if not classic and (dataset.driver not in _PLAIN or start[:2] == _GZIP):
        return None
    n_bytes = sum(_itemsize(name) for name in dataset.dtypes) * dataset.height * dataset.width
    size = place.stat().st_size
    if size >= n_bytes:
        return None
    return (
        f"the file is cut off: it has {size:,} bytes, and its pixels alone take {n_bytes:,}; fetch it again"
    )


def _itemsize(dtype: str) -> int:
    """Return the bytes of a cell of one of rasterio's dtypes, some of which NumPy does not know."""
    bits = re.search(r"\d+", dtype)
    return 1 if bits is None else max(1, int(bits[0]) // 8)


def _opens(path: Path) -> bool:
    try:
        with no_georeference_warning(), rasterio.open(path):
            return True
    except RasterioError:
        return False


def _is_xml(path: Path) -> bool:
    try:
        ET.parse(path)  # noqa: S314 - expat bounds what a document may grow to, and nothing of it is used
    except ET.ParseError:
        return False
    return True


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _vrts(place: Path) -> Iterator[Path]:
    """Yield a VRT and those it is made of, as far as they are files."""
    seen: set[Path] = set()
    waiting = [place]
    while waiting:
        vrt = waiting.pop().absolute()
        if vrt in seen:
            continue
        seen.add(vrt)
        yield vrt
        for found in _TILE.finditer(_text(vrt)):
            name = found[2].decode(errors="replace")
            if not is_elsewhere(name):
                waiting.append(vrt.parent / name if re.search(rb"[\"']1[\"']", found[1]) else Path(name))
