"""What GDAL writes into the directory of a GeoTIFF of a raster: all but where its tiles are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from affine import Affine
from rasterio.io import MemoryFile

from geopatcher.formats.gdal_environment import opening
from geopatcher.formats.rasterio_warnings import no_georeference_warning
from geopatcher.targets.cog import ifd
from geopatcher.targets.cog.encoders import creation_options
from geopatcher.targets.cog.ifd import Tag
from geopatcher.targets.tiff_records import describe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geopatcher.core.domain import RasterDomain
    from geopatcher.targets.cog.ifd import Ifd
    from geopatcher.targets.cog.tile_arrays import TileArray
    from geopatcher.targets.tiff_records import Records

#: What a directory says of the cells of its tiles, which is the same at every level.
OF_CELLS = (
    *(ifd.BITS, ifd.COMPRESSION, ifd.PHOTOMETRIC, ifd.SAMPLES, ifd.PLANAR, ifd.PREDICTOR, ifd.COLORMAP),
    *(ifd.TILE_WIDTH, ifd.TILE_HEIGHT, ifd.EXTRA_SAMPLES, ifd.SAMPLE_FORMAT, ifd.JPEG_TABLES, ifd.NODATA),
    *(ifd.YCBCR_COEFFICIENTS, ifd.YCBCR_SUBSAMPLING, ifd.REFERENCE_BLACK_WHITE, ifd.LERC_PARAMETERS),
)
#: An image of lower resolution, and a mask.
REDUCED, MASK = 1, 4
ADOBE_DEFLATE, TRANSPARENCY_MASK, UNSIGNED, CONTIGUOUS = 8, 4, 1, 1


def directory_of(
    array: TileArray, domain: RasterDomain, records: Records, statistics: Sequence[Mapping[str, str]]
) -> Ifd:
    """Return the tags of a raster, as GDAL writes them into an empty file of one tile.

    Raises
    ------
    RasterioError
        GDAL cannot write them.

    """
    options = creation_options(
        array.codec, array.dtype, (array.n_bands, *array.tile), interleaved=array.interleaved
    )
    profile = {
        **options,
        "crs": domain.crs,
        # GDAL does not keep the identity, and rasterio warns of it.
        "transform": None if domain.transform == Affine.identity() else domain.transform,
        "nodata": domain.nodata,
        "SPARSE_OK": True,
    }
    with opening(), no_georeference_warning(), MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            describe(dataset, domain, records)
            for band, tags in enumerate(statistics, start=1):
                dataset.update_tags(band, **tags)
        found = ifd.read_directory(bytes(memory.getbuffer()))
    found.pop(ifd.OFFSETS, None)
    found.pop(ifd.BYTE_COUNTS, None)
    return found | _size(array.grid)


def level_of(finest: Ifd, grid: tuple[int, int]) -> Ifd:
    """Return the tags of a level of ``grid``, given those of the finest."""
    kept = {code: tag for code, tag in finest.items() if code in OF_CELLS}
    return kept | _size(grid) | {ifd.SUBFILE_TYPE: Tag.of(ifd.LONG, [REDUCED])}


def mask_of(image: Ifd) -> Ifd:
    """Return the tags of the mask of an image: a bit for each cell."""
    (kind,) = image[ifd.SUBFILE_TYPE].numbers if ifd.SUBFILE_TYPE in image else (0,)
    same = {code: image[code] for code in (ifd.WIDTH, ifd.HEIGHT, ifd.TILE_WIDTH, ifd.TILE_HEIGHT)}
    said = {
        ifd.BITS: 1,
        ifd.COMPRESSION: ADOBE_DEFLATE,
        ifd.PHOTOMETRIC: TRANSPARENCY_MASK,
        ifd.SAMPLES: 1,
        ifd.PLANAR: CONTIGUOUS,
        ifd.SAMPLE_FORMAT: UNSIGNED,
    }
    own = {code: Tag.of(ifd.SHORT, [value]) for code, value in said.items()}
    return same | own | {ifd.SUBFILE_TYPE: Tag.of(ifd.LONG, [kind | MASK])}


def _size(grid: tuple[int, int]) -> Ifd:
    height, width = grid
    return {ifd.WIDTH: Tag.of(ifd.LONG, [width]), ifd.HEIGHT: Tag.of(ifd.LONG, [height])}
