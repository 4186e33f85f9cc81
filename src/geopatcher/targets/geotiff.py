"""From finished blocks to a Cloud-Optimized GeoTIFF, in bounded memory."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.errors import GeopatcherError, TargetError
from geopatcher.formats.gdal_environment import GDAL_ERRORS
from geopatcher.targets.cog.assembly import write_cog
from geopatcher.targets.cog.encoders import FLOATING_POINT
from geopatcher.targets.tiff_records import PALETTE_DTYPES

if TYPE_CHECKING:
    from geopatcher.core.domain import RasterDomain
    from geopatcher.targets.cog.assembly import Assembled
    from geopatcher.targets.cog.levels import Levels
    from geopatcher.targets.storage import CogStorage
    from geopatcher.targets.tiff_records import Records

#: Largest whole number that is exact as a float64.
MAX_NODATA = 2**53


def require_storable(domain: RasterDomain, storage: CogStorage | None = None) -> None:
    """Refuse what a GeoTIFF cannot hold, before anything is computed.

    Raises
    ------
    TargetError
        The dtype, the nodata value or the color table cannot be stored.

    """
    if domain.dtype.kind not in "iuf" or domain.dtype.itemsize > 8 or domain.dtype == np.float16:
        raise TargetError(f"a GeoTIFF cannot hold {domain.dtype}: choose another dtype, or a .zarr target")
    nodata = domain.nodata
    # GDAL is told it as a float, and one that is rounded or written with an exponent is another value.
    if domain.dtype.kind in "iu" and nodata is not None and abs(int(nodata)) > MAX_NODATA:
        raise TargetError(
            f"a GeoTIFF cannot hold the nodata value {nodata} of {domain.dtype} exactly: "
            f"choose nodata between -2**53 and 2**53, or a .zarr target"
        )
    if storage is None:
        return
    if storage.predictor == FLOATING_POINT and domain.dtype.kind != "f":
        raise TargetError(f"predictor={FLOATING_POINT} is for floats, not for {domain.dtype}: use 2")
    if storage.colormap is not None and (domain.n_bands > 1 or domain.dtype.name not in PALETTE_DTYPES):
        raise TargetError(
            f"a GeoTIFF has a color table for one band of {' or '.join(PALETTE_DTYPES)}, "
            f"and this one has {domain.n_bands} of {domain.dtype}: leave out colormap, or change the result"
        )
    colors = storage.colorinterp or domain.metadata.colors
    if storage.compress.upper() == "WEBP" and domain.n_bands == 4 and (*colors, "")[3:4] != ("alpha",):
        raise TargetError(
            "a GeoTIFF of WEBP takes its fourth band for alpha, and loses the others where that is 0: choose "
            "another compression, or leave out a band; if it is alpha, say so by colorinterp"
        )
    if storage.colorinterp and len(storage.colorinterp) != domain.n_bands:
        raise TargetError(f"colorinterp {storage.colorinterp} does not name each of {domain.n_bands} band(s)")


def assemble(levels: Levels, name: str, target: Path, scratch: Path, records: Records) -> Assembled:
    """Put the tiles of an array together into a Cloud-Optimized GeoTIFF at ``target``.

    What that takes beside its levels is made in a folder in ``scratch``, of which nothing is left.
    ``target``, on the same disk, appears complete or not at all. If nodata alone cannot say which cells are
    missing, the file gets an internal mask.

    Raises
    ------
    TargetError
        The file cannot be written; says so when the disk is full.

    """
    try:
        with tempfile.TemporaryDirectory(prefix="cog-", dir=scratch) as folder:
            try:
                return write_cog(levels, name, target, Path(folder), records)
            except (*GDAL_ERRORS, OSError) as error:
                # Asked while the files are still there.
                raise TargetError(
                    f"cannot write {target}: {_reason(error, levels.spec.domain, scratch)}"
                ) from error
    except GeopatcherError:
        raise
    except OSError as error:
        raise TargetError(f"cannot write {target}: {error}") from error


def _reason(error: Exception, domain: RasterDomain, folder: Path) -> str:
    """Return what was said, and whether the disk may be full."""
    free = shutil.disk_usage(folder).free
    most = domain.n_bands * domain.height * domain.width * domain.dtype.itemsize * 4 // 3
    said = f"{error.__cause__ or error}"
    if free > most:
        return said
    return (
        f"{said}; the disk of {folder.parent} has {free / 1e6:,.1f} MB left and the file may take "
        f"{most / 1e6:,.1f} MB: make room, or choose a target on another disk"
    )
