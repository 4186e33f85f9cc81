"""The file beside a GeoTIFF that says of each band which cells hold data, where one mask for all cannot."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from geopatcher.core.gaps import TAG, TAG_NAMESPACE, VALID
from geopatcher.errors import SourceAccessError, SourceError
from geopatcher.errors.redaction import shown
from geopatcher.formats.local_files import is_elsewhere

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

    from geopatcher.core.domain import RasterDomain

#: The ending of a file's name, and behind it what an address is asked with.
_ENDING = re.compile(r"(\.[^./\\]*)?$")


def mask_beside(path: str, dataset: DatasetReader) -> str | None:
    """Return where the mask beside an open file is; ``None`` of one that does not say that it has one.

    The file itself says it, in a tag that is written with it: nothing is looked for that is not there.
    """
    is_own = dataset.driver == "GTiff" and TAG in dataset.tags(ns=TAG_NAMESPACE)
    return path_beside(path) if is_own else None


def files_of(path: str, dataset: DatasetReader) -> list[str]:
    """Return the names of the files of an open dataset, its own first, with the mask beside it."""
    beside = mask_beside(path, dataset)
    return [*map(str, dataset.files), *([] if beside is None else [beside])]


def path_beside(path: str) -> str:
    """Return the path or address of the mask that lies beside a GeoTIFF.

    >>> path_beside("maps/a.tif"), path_beside("https://host/a.b.tif?sig=1.2/3")
    ('maps/a.valid.tif', 'https://host/a.b.valid.tif?sig=1.2/3')
    """
    name, mark, query = path.partition("?") if is_elsewhere(path) else (path, "", "")
    return _ENDING.sub(rf".{VALID}\1", name, count=1) + mark + query


def missing_mask(name: str, path: str, error: SourceError) -> SourceError:
    """Return the error for a file whose mask beside it cannot be opened: its gaps would be data."""
    kind = SourceAccessError if isinstance(error, SourceAccessError) else SourceError
    return kind(
        f"{name} says that {shown(path)} beside it says which of its cells hold data, and that cannot be "
        f"read: {error}. Both files belong together: put it there, under that name"
    )


def require_alike(name: str, path: str, own: RasterDomain, mask: RasterDomain) -> None:
    """Refuse a file that is not the mask of the raster it lies beside.

    Raises
    ------
    SourceError
        It has other bands or pixels, or lies elsewhere.

    """
    found, wanted = (mask.shape, mask.transform, mask.crs), (own.shape, own.transform, own.crs)
    if found != wanted or mask.dtype != "uint8":
        raise SourceError(
            f"{shown(path)} is not the mask of {name}, which says that it is: it has {mask.dtype} of "
            f"{mask.shape} at {tuple(mask.transform)[:6]}, and the raster {own.shape} at "
            f"{tuple(own.transform)[:6]}. Put there the one that was written with it"
        )
