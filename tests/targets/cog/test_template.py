"""What GDAL says of a raster, taken over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from affine import Affine

from geopatcher.core.domain import RasterDomain
from geopatcher.targets.cog import ifd
from geopatcher.targets.cog.encoders import TileCodec
from geopatcher.targets.cog.template import directory_of, level_of, mask_of
from geopatcher.targets.cog.tile_arrays import TileArray
from geopatcher.targets.tiff_records import Records

DOMAIN = RasterDomain(
    (3, 100_000, 90_000), Affine(10, 0, 5e5, 0, -10, 4.6e6), "EPSG:32633", 7, np.dtype("uint8")
)
ARRAY = TileArray(
    DOMAIN.grid_shape, 3, DOMAIN.dtype, 7, (64, 32), True, TileCodec("ZSTD", 1, 2), "average", 7, False
)


def test_a_directory_says_everything_but_where_tiles_are():
    found = directory_of(ARRAY, DOMAIN, Records({"made": "here"}), [{"STATISTICS_MEAN": "5"}] * 3)
    assert [found[code].numbers for code in (ifd.HEIGHT, ifd.WIDTH)] == [[100_000], [90_000]]
    assert [found[code].numbers for code in (ifd.TILE_HEIGHT, ifd.TILE_WIDTH)] == [[64], [32]]
    assert (found[ifd.COMPRESSION].numbers, found[ifd.PREDICTOR].numbers) == ([50_000], [2])
    assert found[ifd.NODATA].content == b"7\0"
    told = found[42112].content.decode()
    assert 'name="made">here' in told
    assert told.count('name="STATISTICS_MEAN"') == 3
    assert not {ifd.OFFSETS, ifd.BYTE_COUNTS} & set(found)
    assert sum(len(tag.content) for tag in found.values()) < 4000  # whatever the raster's size


def test_planes_are_said():
    apart = directory_of(replace(ARRAY, interleaved=False), DOMAIN, Records({}), [{}] * 3)
    assert apart[ifd.PLANAR].numbers == [2]


def test_levels_and_masks_say_what_they_are():
    finest = directory_of(ARRAY, DOMAIN, Records({}), [{}] * 3)
    level = level_of(finest, (50, 45))
    assert (level[ifd.SUBFILE_TYPE].numbers, level[ifd.HEIGHT].numbers) == ([1], [50])
    assert level[ifd.NODATA] == finest[ifd.NODATA]
    assert 34735 in finest  # keys of the CRS
    assert 34735 not in level
    assert mask_of(finest)[ifd.SUBFILE_TYPE].numbers == [4]
    assert mask_of(level)[ifd.SUBFILE_TYPE].numbers == [5]
    assert mask_of(level)[ifd.BITS].numbers == [1]
