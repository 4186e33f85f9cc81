"""From finished blocks to a Cloud-Optimized GeoTIFF, in bounded memory."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio.shutil

from geopatcher.core.box import Box
from geopatcher.core.buffers import trim
from geopatcher.core.cpu import usable_cores
from geopatcher.errors import GeopatcherError, SourceError, TargetError
from geopatcher.formats.gdal_environment import GDAL_ERRORS, opened, opening
from geopatcher.targets.tiff_records import PALETTE_DTYPES, Records
from geopatcher.targets.tiled import require_tiles, write_pyramid

if TYPE_CHECKING:
    from geopatcher.core.domain import RasterDomain, ResultSpec
    from geopatcher.core.gaps import Gaps
    from geopatcher.targets.storage import CogStorage
    from geopatcher.targets.tiled import Rectangles

#: Largest whole number that is exact as a float64.
MAX_NODATA = 2**53


def creation_options(storage: CogStorage, domain: RasterDomain) -> dict[str, str | int]:
    """Return the creation options of GDAL's COG driver."""
    options: dict[str, str | int] = {
        "COMPRESS": storage.compress,
        "BLOCKSIZE": storage.tile(domain),
        "BIGTIFF": "IF_SAFER",
        "NUM_THREADS": usable_cores(),
        "OVERVIEWS": "FORCE_USE_EXISTING" if storage.overviews else "NONE",
        "STATISTICS": "YES",
    }
    if storage.compress.upper() in ("DEFLATE", "ZSTD", "LZW"):
        # Differences of neighbours: 2 for integers, 3 for floats.
        options["PREDICTOR"] = "FLOATING_POINT" if domain.dtype.kind == "f" else "STANDARD"
    if storage.level is not None:
        options["LEVEL"] = storage.level
    return options


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
    if storage.colormap is not None and (domain.n_bands > 1 or domain.dtype.name not in PALETTE_DTYPES):
        raise TargetError(
            f"a GeoTIFF has a color table for one band of {' or '.join(PALETTE_DTYPES)}, "
            f"and this one has {domain.n_bands} of {domain.dtype}: leave out colormap, or change the result"
        )
    if storage.colorinterp and len(storage.colorinterp) != domain.n_bands:
        raise TargetError(f"colorinterp {storage.colorinterp} does not name each of {domain.n_bands} band(s)")


def write_cog(
    array: Rectangles,
    spec: ResultSpec,
    target: Path,
    scratch: Path,
    storage: CogStorage,
    said: Rectangles | None = None,
) -> Gaps:
    """Copy an array into a Cloud-Optimized GeoTIFF at ``target``; return what was found in its cells.

    Tiled GeoTIFFs of all resolutions are built in ``scratch`` first, some tiles at a time: that takes
    four thirds of the uncompressed size there. ``target``, on the same disk, appears complete or not
    at all, and nothing is left in ``scratch``. With ``said``, which cells hold data, the file gets an
    internal mask, if nodata alone cannot say so.

    Raises
    ------
    TargetError
        The file cannot be written; says so when the disk is full.

    """
    try:
        with (
            tempfile.TemporaryDirectory(prefix="cog-", dir=scratch) as name,
            opening(CPL_TMPDIR=str(scratch)),
        ):
            folder = Path(name)
            try:
                finished, gaps = _assemble(array, spec, folder, storage, said)
                finished.replace(target)
            except SourceError:  # it is the source that cannot be read
                raise
            except (*GDAL_ERRORS, OSError) as error:
                # Asked while the files are still there.
                raise TargetError(f"cannot write {target}: {_reason(error, spec.domain, folder)}") from error
    except GeopatcherError:
        raise
    except OSError as error:
        raise TargetError(f"cannot write {target}: {error}") from error
    return gaps


def _assemble(
    array: Rectangles, spec: ResultSpec, folder: Path, storage: CogStorage, said: Rectangles | None
) -> tuple[Path, Gaps]:
    domain = spec.domain
    side = storage.tile(domain)
    overview = (storage.overview or spec.overview) if storage.overviews else None
    records = Records(storage.tags, storage.colormap, storage.colorinterp)
    trim()  # of what the run before kept
    levels, gaps = write_pyramid(array, spec, folder, side, overview, records, said)
    trim()
    finished = folder / "cog.tif"
    with opening():
        rasterio.shutil.copy(levels, finished, driver="COG", **creation_options(storage, domain))
    with opened(finished) as dataset:
        n_levels = len(dataset.overviews(1))
    grid = domain.grid_shape
    for level in (None, *range(n_levels)):
        if level is not None:
            grid = (-(-grid[0] // 2), -(-grid[1] // 2))
        boxes = Box.of_shape(grid).tiles((side, side))
        require_tiles(finished, ((1, box.row0 // side, box.col0 // side) for box in boxes), level)
    return finished, gaps


def _reason(error: Exception, domain: RasterDomain, folder: Path) -> str:
    """Return what GDAL said, and whether the disk may be full, which it does not always say."""
    free = shutil.disk_usage(folder).free
    most = domain.n_bands * domain.height * domain.width * domain.dtype.itemsize * 4 // 3
    said = f"{error.__cause__ or error}"
    if free > most:
        return said
    return (
        f"{said}; the disk of {folder.parent} has {free / 1e6:,.1f} MB left and the file may take "
        f"{most / 1e6:,.1f} MB: make room, or choose a target on another disk"
    )
