from __future__ import annotations

import json

import numpy as np
import pytest
import zarr

import geopatcher as gp
from geopatcher import Patch


@pytest.mark.parametrize(("given", "wanted"), [(7, (7, 7)), ((3, 5), (3, 5)), (np.int64(4), (4, 4))])
def test_one_number_stands_for_two(given, wanted):
    assert gp.SpatialMean(chunks=given).merge_options().chunks == wanted


def test_a_size_is_one_pixel_at_least():
    with pytest.raises(ValueError, match=r"sizes must be positive|a whole number of pixels, at least 1"):
        gp.SpatialMean(chunks=0).merge_options()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"streaming": True}, "streaming=True needs target_path, the folder the result goes to"),
        ({"writer": "png"}, 'writer=\'png\' is neither "zarr" nor "cog"'),
        ({"memory_limit": "much"}, "much"),
    ],
)
def test_options_that_cannot_be_are_refused_when_it_is_made(options, words):
    with pytest.raises(ValueError, match=words):
        gp.SpatialMean(**options)


def test_options_become_where_the_result_goes(tmp_path):
    made = gp.SpatialMean(
        streaming=True,
        target_path=tmp_path / "x.zarr",
        chunks=(8, 16),
        shard_shape=32,
        dtype="int16",
        fill_value=-1,
        memory_limit="2KiB",
    )
    options = made.merge_options()
    assert (options.chunks, options.output.storage.blocks((8, 16)), options.memory_limit) == (
        (8, 16),
        (32, 32),
        2048,
    )
    assert (options.output.dtype, options.output.nodata) == (np.dtype("int16"), -1)
    assert (options.target.path, options.scratch) == (tmp_path / "x.zarr", tmp_path)
    in_memory = gp.SpatialMean(dtype="int16").merge_options()
    assert (in_memory.chunks, in_memory.output.dtype, in_memory.target.path) == ((512, 512), None, None)


def test_the_result_is_a_zarr_array_in_the_folder_or_a_geotiff(tmp_path):
    patches = [Patch(np.full((2, 3), 4.0), (0, 0), None), Patch(np.full((2, 3), 8.0), (0, 1), None)]
    wanted = [[4.0, 6.0, 6.0, 8.0]] * 2
    merged = gp.SpatialMean(streaming=True, target_path=tmp_path / "x.zarr", chunks=2).merge(
        patches, np.empty((2, 4))
    )
    np.testing.assert_array_equal(merged[...], wanted)
    stored = zarr.open_group(tmp_path / "x.zarr", mode="r")["data"]
    assert (stored.dtype, stored.chunks) == ("float32", (2, 2))
    np.testing.assert_array_equal(stored[...], wanted)


def test_a_configuration_is_json():
    config = gp.SpatialMean(
        writer="cog", cog=gp.CogStorage(), chunks=(8, 16), dtype=np.dtype("u1")
    ).get_config()
    assert json.loads(json.dumps(config)) == config
    assert (config["chunks"], config["dtype"]) == ([8, 16], "uint8")
    assert config["cog"]["class"] == "CogStorage"
    assert set(config["cog"]["config"]) == set(vars(gp.CogStorage()))
