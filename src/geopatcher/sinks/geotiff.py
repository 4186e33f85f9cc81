"""From finished blocks to a Cloud-Optimized GeoTIFF, in bounded memory."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.errors import RasterioError

from geopatcher.box import Box
from geopatcher.errors import TargetError
from geopatcher.quiet import no_georeference_warning

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import EllipsisType

    from geopatcher.domain import RasterDomain
    from geopatcher.protocols import Array

#: Bytes of blocks copied at once.
CACHE_BYTES = 64 << 20
#: Largest whole number that is exact as a float64.
MAX_NODATA = 2**53


@dataclass(frozen=True)
class CogOptions:
    """How a Cloud-Optimized GeoTIFF is written; see https://gdal.org/drivers/raster/cog.html."""

    compress: str = "DEFLATE"
    level: int | None = None
    blocksize: int = 512
    overviews: bool = True
    categorical: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    colormap: Mapping[int, tuple[int, int, int, int]] | None = None

    def creation(self, domain: RasterDomain) -> dict[str, str | int]:
        """Return the driver's creation options."""
        options: dict[str, str | int] = {
            "COMPRESS": self.compress,
            "BLOCKSIZE": self.blocksize,
            "BIGTIFF": "IF_SAFER",
            "NUM_THREADS": "ALL_CPUS",
            "OVERVIEWS": "IGNORE_EXISTING" if self.overviews else "NONE",
            "RESAMPLING": "MODE" if self.categorical else "AVERAGE",
            "STATISTICS": "YES",
        }
        if self.compress.upper() in ("DEFLATE", "ZSTD", "LZW"):
            # Differences of neighbours: 2 for integers, 3 for floats.
            options["PREDICTOR"] = "FLOATING_POINT" if domain.dtype.kind == "f" else "STANDARD"
        if self.level is not None:
            options["LEVEL"] = self.level
        return options


class Rectangles(Protocol):
    """An array that gives rectangles by slicing, such as a zarr array."""

    def __getitem__(self, index: tuple[EllipsisType | slice, ...]) -> Array:
        """Return ``(h, w)`` or ``(bands, h, w)``."""
        ...


def require_storable(domain: RasterDomain) -> None:
    """Refuse what a GeoTIFF cannot hold, before anything is computed.

    Raises
    ------
    TargetError
        The dtype or the nodata value cannot be stored.

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


def write_cog(
    array: Rectangles,
    domain: RasterDomain,
    target: Path,
    scratch: Path,
    options: CogOptions,
) -> int:
    """Copy an array into a Cloud-Optimized GeoTIFF at ``target``; return its size in bytes.

    A tiled GeoTIFF is built in ``scratch`` first, a row of tiles at a time. ``target`` appears
    complete or not at all.

    Raises
    ------
    TargetError
        The file cannot be written.

    """
    tiled, finished = scratch / "tiled.tif", scratch / "cog.tif"
    environment = rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES, CPL_TMPDIR=str(scratch))
    try:
        with environment:
            _write_tiled(array, domain, tiled, options)
            rasterio.shutil.copy(tiled, finished, driver="COG", **options.creation(domain))
        size = finished.stat().st_size
        os.replace(finished, target)
    except (RasterioError, OSError) as error:
        raise TargetError(f"cannot write {target}: {error}") from error
    finally:
        tiled.unlink(missing_ok=True)
        finished.unlink(missing_ok=True)
    return size


def _write_tiled(array: Rectangles, domain: RasterDomain, path: Path, options: CogOptions) -> None:
    profile = {
        "driver": "GTiff",
        "height": domain.height,
        "width": domain.width,
        "count": domain.n_bands,
        "dtype": domain.dtype.name,
        "crs": domain.crs,
        # GDAL does not keep the identity, and rasterio warns of it.
        "transform": None if domain.transform == Affine.identity() else domain.transform,
        "nodata": domain.nodata,
        "tiled": True,
        "blockxsize": options.blocksize,
        "blockysize": options.blocksize,
        "interleave": "band",
        "BIGTIFF": "IF_SAFER",
        "SPARSE_OK": True,
    }
    with no_georeference_warning():
        dataset = rasterio.open(path, "w", **profile)
    with dataset:
        for band, name in enumerate(domain.band_names, start=1):
            dataset.set_band_description(band, name)
        for band, unit in enumerate(domain.units, start=1):
            dataset.set_band_unit(band, unit)
        if options.tags:
            dataset.update_tags(**options.tags)
        if options.colormap:
            dataset.write_colormap(1, dict(options.colormap))
        for box in Box.of_shape(domain.grid_shape).tiles(_copied_at_once(domain, options.blocksize)):
            pixels = np.asarray(array[(..., *box.slices())]).reshape(domain.n_bands, *box.shape)
            if domain.nodata is None or not _is_empty(pixels, domain.nodata):
                dataset.write(pixels, window=((box.row0, box.row1), (box.col0, box.col1)))


def _copied_at_once(domain: RasterDomain, blocksize: int) -> tuple[int, int]:
    """Return ``(height, width)`` of what is copied at once: a row of tiles, or what of it is not too much."""
    column = domain.n_bands * domain.dtype.itemsize * blocksize * blocksize
    return blocksize, max(1, CACHE_BYTES // column) * blocksize


def _is_empty(pixels: Array, fill: float | int) -> bool:
    """Whether a row of blocks holds nothing but fill, and may stay a hole in the file."""
    if fill != fill:  # noqa: PLR0124 - NaN is the one value that differs from itself
        return bool((pixels != pixels).all())  # noqa: PLR0124
    return bool((pixels == fill).all())
