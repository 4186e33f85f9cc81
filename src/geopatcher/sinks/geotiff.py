"""From finished blocks to a Cloud-Optimized GeoTIFF, in bounded memory."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError  # what rasterio.shutil raises; it has no public name
from rasterio.errors import RasterioError

from geopatcher.box import Box
from geopatcher.buffers import trim
from geopatcher.errors import TargetError
from geopatcher.quiet import no_georeference_warning
from geopatcher.sinks.multiscales import check_method
from geopatcher.sinks.tiled import Records, require_tiles, write_pyramid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.domain import RasterDomain
    from geopatcher.sinks.tiled import Rectangles

#: GDAL's cache of blocks: every pixel is read once and written once, in order.
CACHE_BYTES = 16 << 20
#: Most bytes of a tile, all bands: GDAL holds several at a time.
TILE_BYTES = 4 << 20
#: Largest whole number that is exact as a float64.
MAX_NODATA = 2**53
#: A GeoTIFF stores sixteen bits of each color at most, for as many values as sixteen bits have.
PALETTE_DTYPES = ("uint8", "uint16")


@dataclass(frozen=True)
class CogOptions:
    """How a Cloud-Optimized GeoTIFF is written; see https://gdal.org/drivers/raster/cog.html.

    ``blocksize`` is the side of a tile in pixels, 512 by default and less for many bands.
    ``overview`` says how four pixels become one in the overviews: ``"average"``, ``"mode"`` or
    ``"nearest"``; by default what suits the result. ``colormap`` gives the colors
    ``(red, green, blue, alpha)``, 0 to 255 each, of the values of a single band of uint8 or uint16;
    ``colorinterp`` names what bands mean, such as ``("red", "green", "blue", "alpha")``.

    Raises
    ------
    ValueError
        ``blocksize`` is not a multiple of 16, or ``overview`` is unknown.

    """

    compress: str = "DEFLATE"
    level: int | None = None
    blocksize: int | None = None
    overviews: bool = True
    overview: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    colormap: Mapping[int, tuple[int, int, int, int]] | None = None
    colorinterp: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.blocksize is not None and (self.blocksize < 16 or self.blocksize % 16):
            raise ValueError(f"blocksize is a multiple of 16 pixels, such as 512, not {self.blocksize}")
        check_method(self.overview)

    def tile(self, domain: RasterDomain) -> int:
        """Return the side of a tile in pixels.

        >>> from geopatcher.domain import RasterDomain
        >>> CogOptions().tile(RasterDomain((3, 100, 100))), CogOptions().tile(RasterDomain((13, 100, 100)))
        (512, 256)
        """
        if self.blocksize is not None:
            return self.blocksize
        side = 512
        while side > 128 and side * side * domain.n_bands * domain.dtype.itemsize > TILE_BYTES:
            side //= 2
        return side

    def creation(self, domain: RasterDomain) -> dict[str, str | int]:
        """Return the driver's creation options."""
        options: dict[str, str | int] = {
            "COMPRESS": self.compress,
            "BLOCKSIZE": self.tile(domain),
            "BIGTIFF": "IF_SAFER",
            "NUM_THREADS": "ALL_CPUS",
            "OVERVIEWS": "FORCE_USE_EXISTING" if self.overviews else "NONE",
            "STATISTICS": "YES",
        }
        if self.compress.upper() in ("DEFLATE", "ZSTD", "LZW"):
            # Differences of neighbours: 2 for integers, 3 for floats.
            options["PREDICTOR"] = "FLOATING_POINT" if domain.dtype.kind == "f" else "STANDARD"
        if self.level is not None:
            options["LEVEL"] = self.level
        return options


def require_storable(domain: RasterDomain, options: CogOptions | None = None) -> None:
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
    if options is None:
        return
    if options.colormap is not None and (domain.n_bands > 1 or domain.dtype.name not in PALETTE_DTYPES):
        raise TargetError(
            f"a GeoTIFF has a color table for one band of {' or '.join(PALETTE_DTYPES)}, "
            f"and this one has {domain.n_bands} of {domain.dtype}: leave out colormap, or change the result"
        )
    if options.colorinterp and len(options.colorinterp) != domain.n_bands:
        raise TargetError(f"colorinterp {options.colorinterp} does not name each of {domain.n_bands} band(s)")


def write_cog(
    array: Rectangles,
    domain: RasterDomain,
    target: Path,
    scratch: Path,
    options: CogOptions,
) -> int:
    """Copy an array into a Cloud-Optimized GeoTIFF at ``target``; return its size in bytes.

    Tiled GeoTIFFs of all resolutions are built in ``scratch`` first, some tiles at a time: that takes
    four thirds of the uncompressed size there. ``target``, on the same disk, appears complete or not
    at all, and nothing is left in ``scratch``.

    Raises
    ------
    TargetError
        The file cannot be written; says so when the disk is full.

    """
    environment = rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES, CPL_TMPDIR=str(scratch))
    try:
        with tempfile.TemporaryDirectory(prefix="cog-", dir=scratch) as name, environment:
            folder = Path(name)
            try:
                finished = _assemble(array, domain, folder, options)
                size = finished.stat().st_size
                finished.replace(target)
            except (RasterioError, CPLE_BaseError, OSError) as error:
                # Asked while the files are still there.
                raise TargetError(f"cannot write {target}: {_reason(error, domain, folder)}") from error
    except TargetError:
        raise
    except OSError as error:
        raise TargetError(f"cannot write {target}: {error}") from error
    return size


def _assemble(array: Rectangles, domain: RasterDomain, folder: Path, options: CogOptions) -> Path:
    side = options.tile(domain)
    overview = (options.overview or "average") if options.overviews else None
    records = Records(options.tags, options.colormap, options.colorinterp)
    trim()  # of what the run before kept
    levels = write_pyramid(array, domain, folder, side, overview, records)
    trim()
    finished = folder / "cog.tif"
    rasterio.shutil.copy(levels, finished, driver="COG", **options.creation(domain))
    with no_georeference_warning(), rasterio.open(finished) as dataset:
        n_levels = len(dataset.overviews(1))
    grid = domain.grid_shape
    for level in (None, *range(n_levels)):
        if level is not None:
            grid = (-(-grid[0] // 2), -(-grid[1] // 2))
        boxes = Box.of_shape(grid).tiles((side, side))
        require_tiles(finished, ((1, box.row0 // side, box.col0 // side) for box in boxes), level)
    return finished


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
