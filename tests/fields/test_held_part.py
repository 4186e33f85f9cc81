"""Parts in memory: what is read of them is what was read of the source."""

from __future__ import annotations

import numpy as np

from geopatcher.core.box import Box
from geopatcher.fields.aligned_field import field_over
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.held_part import held_part

BOX = Box(3, 13, 5, 25)


def test_a_part_of_one_raster():
    for image in (np.random.default_rng(0).random((20, 30)), np.random.default_rng(0).random((2, 20, 30))):
        source = ArraySource.of(image)
        part = held_part(source, source.read(BOX), BOX)
        assert part.domain.shape == (*image.shape[:-2], 10, 20)
        wanted = image[..., 3:13, 5:25].reshape(-1, 10, 20)
        np.testing.assert_array_equal(part.source.read(Box(0, 10, 0, 20)), wanted)


def test_a_part_of_several_is_of_records_that_say_where_all_hold_data():
    dem = np.random.default_rng(1).random((20, 30))
    dem[dem < 0.4] = np.nan
    rasters = {"s2": np.ones((2, 20, 30), "uint8"), "dem": dem}
    inner = Box(1, 9, 2, 20)
    known = ~np.isnan(dem[4:12, 7:25])
    for either in (False, True):
        source = field_over(rasters, either=either).source
        part = held_part(source, source.read(BOX), BOX).source
        pixels = part.read(inner)
        arrays = part.packing.unpacked(pixels)
        np.testing.assert_array_equal(arrays["dem"][0], dem[4:12, 7:25])
        valid = part.valid(inner, pixels)
        assert part.has_nodata
        if either:
            assert valid is None
        else:
            np.testing.assert_array_equal(valid[0], known)
