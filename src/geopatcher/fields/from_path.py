"""From a path or URL to a field."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from geopatcher.errors import SourceAccessError, SourceError
from geopatcher.errors.redaction import shown
from geopatcher.fields.raster import RasterField
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.formats.local_files import is_elsewhere, is_here

if TYPE_CHECKING:
    from geopatcher.core.protocols import Array
    from geopatcher.formats.signing import Sign


def field_at(path: str | os.PathLike[str], sign: Sign | None = None) -> RasterField[Array]:
    """Return a field for a path or URL; GDAL's virtual paths and URLs are not looked for on disk.

    ``sign`` makes of an address one by which a server lets us in.

    Raises
    ------
    SourceError
        There is no such file, or it is not a raster.

    """
    name = os.fspath(path)
    here = is_here(name)
    # What is neither here nor an address may be one of GDAL's own: NETCDF:"a.nc":b, or a VRT as XML.
    if not here and not is_elsewhere(name) and ":" not in name:
        raise SourceAccessError(f"there is no file {shown(name)} (working directory: {Path.cwd()})")
    if here and not (Path(name).is_file() or Path(name).is_dir()):
        raise SourceError(f"{name} is not a file but a pipe or a device, and opening it may never end")
    return RasterField(name if sign is None else RasterioSource(name, sign=sign))
