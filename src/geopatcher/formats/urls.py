"""What GDAL asks servers for beside a raster: of dozens of files that could be there, those that matter."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from rasterio.env import get_gdal_config

from geopatcher.formats.aws_profiles import with_profile
from geopatcher.formats.cloud_variables import lacking
from geopatcher.formats.traffic import TELLING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rasterio.io import DatasetReader

#: GeoTIFFs by themselves, not within another file and not a list of files; queries have nothing beside them.
_GEOTIFF = re.compile(
    r"(?:https?://|s3://|gs://|az://|/vsi(?:curl|s3|gs|az|adls|oss|swift)/)[^?{}]*(\.tiff?)", re.IGNORECASE
)
#: Addresses of files that are read in ranges; only those of the web have queries.
_FILE = re.compile(
    r"(https?://[^/?#@]+)/([^?#]+)(?:\?([^#]*))?|((?:s3|gs|az)://[^/?#@]+)/([^?#]+)",
    re.IGNORECASE | re.DOTALL,
)
_BUCKET = re.compile(r"(?:/vsi(s3|gs|az)/|(s3|gs|az)://)([^/]+/.+)")
#: The option of GDAL that names the endings of all files there may be.
ONLY_SUCH = "CPL_VSIL_CURL_ALLOWED_EXTENSIONS"
#: Nodata values, scales and classes, and the mask.
_BESIDE = (".aux.xml", ".msk")
#: The same as they may be called on a server that tells capitals from small letters.
BESIDE = (*_BESIDE, ".MSK")
#: GDAL tells of its requests, which are counted.
TOLD = {"CPL_DEBUG": TELLING}
#: The option of GDAL that names files of which nothing is kept.
NOT_KEPT = "CPL_VSIL_CURL_NON_CACHED"
#: The option of GDAL that says how much of a file comes in its first answer.
INGESTED = "GDAL_INGESTED_BYTES_AT_OPEN"
#: How a GeoTIFF is opened that has nothing beside it: what GDAL has of it is kept for further handles, until
#: `geopatcher.formats.dataset_pool` has it forgotten, and its header comes in one answer.
LONE = TOLD | {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    NOT_KEPT: "",
    INGESTED: str(32 << 10),
}
#: How a GeoTIFF is opened for whose files beside it we ask ourselves.
ASKED = dict(LONE)
#: The same with as much of a file at first as GDAL asks for by itself.
LESS_ASKED = {option: value for option, value in LONE.items() if option != INGESTED}


class FileAddress(NamedTuple):
    """Where a file is: in a bucket or on a server, by its key there, and the query it is asked for with."""

    root: str
    key: str
    query: str


def file_address(path: str) -> FileAddress | None:
    """Take the address of a file apart; ``None`` of what is none, or has a user in it.

    >>> file_address("s3://bucket/a/b.nc")
    FileAddress(root='s3://bucket', key='a/b.nc', query='')
    >>> file_address("https://host/a%20b.nc?sig=1")
    FileAddress(root='https://host', key='a b.nc', query='sig=1')
    >>> file_address("https://me:secret@host/a.nc"), file_address("a.nc")
    (None, None)
    """
    found = _FILE.fullmatch(path)
    if found is None:
        return None
    if found[4] is not None:
        return FileAddress(found[4], found[5], "")
    return FileAddress(found[1], unquote(found[2]), found[3] or "")


def chosen_by_user() -> bool:
    """Whether somebody has said what GDAL is to look for beside rasters.

    >>> chosen_by_user()
    False
    """
    return get_gdal_config("GDAL_DISABLE_READDIR_ON_OPEN", normalize=False) is not None


def beside_url(path: str) -> Mapping[str, str]:
    """Return the options under which GDAL asks for a mask and for metadata beside a remote GeoTIFF only.

    By itself it lists the folder, or asks for fifty names in turn. There are none for other sources, and
    none where the user has said what is to be asked for.

    >>> beside_url("https://host/a/B04.tif")["CPL_VSIL_CURL_ALLOWED_EXTENSIONS"]
    '.tif,.aux.xml,.msk'
    >>> beside_url("https://host/a.tif?sig=1"), beside_url("a.tif"), beside_url("https://host/a.vrt")
    ({}, {}, {})
    """
    match = _GEOTIFF.fullmatch(path)
    if match is None or chosen_by_user():
        return {}
    wanted = ",".join((match[1], *_BESIDE))
    return {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE", ONLY_SUCH: wanted, **TOLD}


def kept_with(path: str, endings: Sequence[str]) -> Mapping[str, str]:
    """Return how a GeoTIFF is opened again of which it is known what lies beside it; no more is asked for.

    What GDAL has of these files is kept for further handles, as with `LONE`, for those that have none.

    >>> kept_with("https://host/a.tif", [".msk"])["CPL_VSIL_CURL_ALLOWED_EXTENSIONS"]
    '.tif,.msk'
    >>> kept_with("https://host/a.tif", []) is LONE
    True
    """
    match = _GEOTIFF.fullmatch(path)
    if match is None or not endings:
        return LONE
    return LONE | {"GDAL_DISABLE_READDIR_ON_OPEN": "TRUE", ONLY_SUCH: ",".join((match[1], *endings))}


def with_less(options: Mapping[str, str]) -> Mapping[str, str]:
    """Return options under which as much of a file comes first as GDAL asks for by itself.

    A server that gives less of it than that says with the next answer what is wrong.
    """
    if options is ASKED:
        return LESS_ASKED
    return {option: value for option, value in options.items() if option != INGESTED}


def endings_of(options: Mapping[str, str]) -> tuple[str, ...]:
    """Return the endings that options of `kept_with` were made of.

    >>> endings_of(kept_with("https://host/a.tif", [".aux.xml", ".msk"])), endings_of(LONE)
    (('.aux.xml', '.msk'), ())
    """
    return tuple(options.get(ONLY_SUCH, "").split(",")[1:])


def endings_beside(files: Sequence[str]) -> tuple[str, ...] | None:
    """Return what is added to the name of a GeoTIFF by those of the files beside it; ``None`` of other ones.

    ``files`` are those of the dataset, its own first.

    >>> endings_beside(["/vsis3/b/a.tif", "/vsis3/b/a.tif.msk"]), endings_beside(["https://host/a.tif"])
    (('.msk',), ())
    >>> endings_beside(["https://host/a.tif", "https://host/a.tfw"]) is None
    True
    """
    own, *others = files
    endings = tuple(name.removeprefix(own) for name in others)
    return endings if all(ending in BESIDE for ending in endings) else None


def endings_found(dataset: DatasetReader, options: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the endings of what GDAL found beside a file, ``None`` where that is not known."""
    if NOT_KEPT in options and ONLY_SUCH not in options:
        return ()  # it looked for nothing, and asked what there is, it would ask a server for more
    return endings_beside(dataset.files) if ONLY_SUCH in options else None


def besides(path: str) -> Mapping[str, str]:
    """Return the addresses of what may lie beside a GeoTIFF that its server can be asked for, by endings.

    A bucket can be where obstore is installed and the environment has credentials, or says it needs none.

    >>> besides("https://host/a.tif")[".msk"], besides("/vsis3/bucket/a.tif?x"), besides("a.tif")
    ('https://host/a.tif.msk', {}, {})
    """
    if _GEOTIFF.fullmatch(path) is None:
        return {}
    if path.lower().startswith(("http://", "https://")):
        return {ending: path + ending for ending in BESIDE}
    bucket = _BUCKET.fullmatch(path)
    if (
        bucket is None
        or find_spec("obstore") is None
        or lacking(with_profile(os.environ), bucket[1] or bucket[2])
    ):
        return {}
    return {ending: f"{bucket[1] or bucket[2]}://{bucket[3]}{ending}" for ending in BESIDE}
