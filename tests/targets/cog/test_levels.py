"""Overview levels, against plain Python over the whole raster."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from cogs import halved, written
from geopatcher.core.box import Box
from geopatcher.core.gaps import codes
from geopatcher.targets.cog.encoders import TileCodec
from geopatcher.targets.cog.levels import TileFolder, build_levels
from geopatcher.targets.cog.packages import PackageReader
from geopatcher.targets.cog.tile_arrays import TileArray
from geopatcher.targets.cog.tile_store import create_tiles
from geopatcher.targets.multiscales import halve, known_cells
from geopatcher.targets.storage import CogStorage

TILES = CogStorage(blocksize=32)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("overview", ["average", "mode", "nearest"])
@pytest.mark.parametrize("nodata", [None, 3])
def test_overviews_are_the_levels_a_store_would_have(tmp_path, dtype, overview, nodata):
    image = np.random.default_rng(0).integers(0, 9, (2, 101, 215)).astype(dtype)
    image[:, :50, :90] = 3
    written(image, tmp_path, CogStorage(blocksize=32, overview=overview), nodata=nodata)
    fill = 0 if nodata is None else nodata
    wanted = image
    for level in range(3):
        bands = [halve(band, overview, known_cells(band, nodata), fill, nodata) for band in wanted]
        wanted = np.stack(bands)
        with rasterio.open(tmp_path / "x.tif", overview_level=level) as dataset:
            np.testing.assert_array_equal(dataset.read(), wanted)
    with rasterio.open(tmp_path / "x.tif") as dataset:
        assert dataset.overviews(1) == [2, 4, 8]


@pytest.mark.parametrize("met", [False, True], ids=["a value says", "a mask says"])
@pytest.mark.parametrize("n_bands", [1, 2])
def test_cells_without_data_do_not_count_in_any_level(tmp_path, met, n_bands):
    random = np.random.default_rng(1)
    image = random.integers(0, 4, (n_bands, 70, 90)).astype("uint8")
    known = np.broadcast_to(random.random((70, 90)) > 0.5, image.shape).copy()
    known[:, 32:64, 32:64] = False
    if not met:
        image[image == 0] = 1
    image[~known] = 0
    written(image, tmp_path, TILES, codes(image, known, 0), nodata=0)
    cells, held = image, known
    for level in range(2):
        cells, held = halved(cells, held, "average", 0, None if met else 0)
        with rasterio.open(tmp_path / "x.tif", overview_level=level) as dataset:
            assert (dataset.nodata is None) == met
            np.testing.assert_array_equal(dataset.read(), cells)
            np.testing.assert_array_equal(dataset.read_masks() > 0, held)


@pytest.mark.parametrize("interleaved", [True, False])
def test_a_cell_that_is_missing_in_one_band_does_not_count_there(tmp_path, interleaved):
    """The one mask of a GeoTIFF calls it data; the average is of the cells that hold some all the same."""
    image = np.full((2, 64, 64), 8, "uint8")
    known = np.ones(image.shape, bool)
    known[0, ::2] = False
    image[0, 1::2] = 4
    image[:, 63, 63] = 0  # data that looks like none
    array = TileArray(
        (64, 64),
        2,
        np.dtype("uint8"),
        0,
        (32, 32),
        interleaved,
        TileCodec("NONE", None, 1),
        "average",
        None,
        True,
    )
    store = create_tiles(tmp_path / "tiles", {"data": array})
    said = codes(np.where(known, image, 0), known, 0)
    store.write([(Box(0, 64, 0, 64), {"data": np.where(known, image, 0).astype("uint8"), "valid": said})])
    (_, level) = build_levels(TileFolder(array, store.path / "data"), "data", tmp_path)
    with PackageReader(level.file(0, 0, 0)) as reader:
        tile = np.frombuffer(reader.tile()[4:-4], "uint8")
    first = tile.reshape(32, 32, -1)[..., 0]
    assert (first[:-1] == 4).all()


def test_where_there_is_nothing_there_is_no_tile(tmp_path):
    image = np.zeros((1, 200, 200), "float32")
    image[0, 150, 150] = 5
    written(image, tmp_path, TILES, nodata=0)
    with rasterio.open(tmp_path / "x.tif") as dataset:
        there = [
            dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=1)
            for row in range(7)
            for col in range(7)
        ]
        assert len([offset for offset in there if offset]) == 1
        np.testing.assert_array_equal(dataset.read(), image)
