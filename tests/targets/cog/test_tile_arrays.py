"""How arrays lie in tiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.targets.cog.encoders import TileCodec
from geopatcher.targets.cog.tile_arrays import TileArray, arrays_from_json, arrays_to_json

ARRAY = TileArray(
    (100, 70), 3, np.dtype("int16"), -1, (32, 48), True, TileCodec("ZSTD", 3, 2), "average", -1, True
)


def test_a_file_has_a_block_of_all_bands_or_of_one():
    apart = replace(ARRAY, interleaved=False)
    assert (ARRAY.n_files, ARRAY.chunks, ARRAY.bands_of(0)) == (1, (3, 32, 48), slice(0, 3))
    assert (apart.n_files, apart.chunks, apart.bands_of(2)) == (3, (1, 32, 48), slice(2, 3))
    assert ARRAY.encode_chunk_key((0, 3, 1)) == "c/0/3/1"


def test_tiles_end_where_the_grid_does():
    assert ARRAY.places == (4, 2)
    assert ARRAY.box(3, 1) == Box(96, 100, 48, 70)


def test_levels_end_when_a_tile_holds_all():
    grids = []
    array = ARRAY
    while array.is_halved:
        array = array.coarser()
        grids.append(array.grid)
    assert grids == [(50, 35), (25, 18)]
    assert not replace(ARRAY, method=None).is_halved


@pytest.mark.parametrize("fill", [0, -7, 1.5, float("nan"), float("-inf")])
@pytest.mark.parametrize("nodata", [None, 3, float("nan")])
def test_a_record_comes_back(fill, nodata):
    array = replace(ARRAY, dtype=np.dtype("float64"), fill=fill, nodata=nodata, method=None)
    (found,) = arrays_from_json(arrays_to_json({"data": array})).values()
    assert repr(found) == repr(array)  # NaN equals nothing


@pytest.mark.parametrize(
    ("known", "harm"),
    [
        ('"grid": [', '"grid": ["x", '),
        ('"tile": [', '"tile": [0, '),
        ('"bands": 3', '"bands": -3'),
        ('"ZSTD"', "5"),
        ('"dtype": "<i2"', '"dtype": "what"'),
        ('"fill": -1', '"fill": []'),
        ('"nodata": -1', '"nodata": "none"'),
        ('"grid"', '"grids"'),
    ],
)
def test_a_damaged_record_is_an_error(known, harm):
    text = arrays_to_json({"data": ARRAY}).replace("\n", "").replace("[   ", "[").replace("[  ", "[")
    assert known in text
    with pytest.raises((ValueError, KeyError, TypeError)):
        arrays_from_json(text.replace(known, harm))
