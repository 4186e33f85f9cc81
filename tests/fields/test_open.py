"""From whatever a user has to a field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from geopatcher.core.domain import RasterDomain
from geopatcher.errors import SourceError
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.open import as_field
from geopatcher.fields.plain_field import PlainField
from geopatcher.fields.rasterio_source import RasterioSource

IMAGE = np.arange(600, dtype="uint16").reshape(2, 15, 20)


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "with spaces and ünïcode.tif"
    profile = {"driver": "GTiff", "height": 15, "width": 20, "count": 2, "dtype": "uint16"}
    with rasterio.open(place, "w", transform=rasterio.Affine(2, 0, 1, 0, -2, 3), **profile) as dataset:
        dataset.write(IMAGE)
    return place


def test_paths_of_every_kind_lead_to_the_file(path):
    for source in (path, str(path), f"file://{path}"):
        field = as_field(source)
        assert isinstance(field.source, RasterioSource)
        np.testing.assert_array_equal(gp.reconstruct(source, lambda x: x, size=8).array, IMAGE)


def test_gdals_own_paths_are_left_to_gdal(path):
    with rasterio.MemoryFile(Path(path).read_bytes()) as memory:
        assert memory.name.startswith("/vsimem/")
        np.testing.assert_array_equal(gp.reconstruct(memory.name, lambda x: x, size=8).array, IMAGE)
    text = f"GTIFF_DIR:1:{path}"
    assert as_field(text).domain.shape == IMAGE.shape


def test_arrays_and_fields(path):
    array = as_field(IMAGE)
    assert isinstance(array.source, ArraySource)
    assert as_field(array) is array

    class Mine:
        domain = RasterDomain((15, 20))

        def select(self, indexer):
            return IMAGE[0]

        def with_data(self, array):
            return array

    assert isinstance(as_field(Mine()), PlainField)


@pytest.mark.parametrize("name", ["nowhere.tif", "no/where.zarr"])
def test_paths_that_lead_nowhere_name_the_folder_they_were_looked_for_in(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError) as caught:
        as_field(name)
    assert str(caught.value) == f"there is no file {name} (working directory: {tmp_path})"
    with pytest.raises(SourceError, match="cannot open https"):
        as_field("https://127.0.0.1:9/none.tif")


@pytest.mark.parametrize("thing", [None, 5, [[1, 2]], object()])
def test_other_things_are_refused(thing):
    with pytest.raises(TypeError, match=rf"a source is a path, an ndarray, .*, not {type(thing).__name__}$"):
        as_field(thing)


class Blocks:
    """A source of other people's that says of its blocks what cannot be."""

    domain = gp.RasterDomain((6, 8), dtype=np.dtype("float32"))
    has_nodata, name = False, "a source of mine"

    def __init__(self, block_shape):
        self.block_shape = block_shape

    def read(self, box):
        return np.zeros((1, *box.shape), "float32")

    def valid(self, box, pixels):
        return None

    def identity(self):
        return {"unknown": "it is made up"}


@pytest.mark.parametrize("block_shape", [(0, 8), (1, 0), (-1, 8), (1.5, 8), (8,), None])
@pytest.mark.parametrize(
    "how",
    [lambda source: source, gp.RasterField, lambda source: gp.Mosaic([source]), lambda source: {"a": source}],
)
def test_blocks_of_no_size_are_refused_by_name(block_shape, how):
    with pytest.raises(SourceError, match=r"block_shape of a source of mine \(Blocks\) is .*give \(1, 8\)"):
        gp.reconstruct(how(Blocks(block_shape)), np.copy, size=4)


def test_blocks_of_other_integers_are_blocks():
    assert gp.reconstruct(Blocks((np.int64(1), 8)), np.copy, size=4).array.shape == (6, 8)


def test_of_a_result_it_is_said_what_of_it_is_a_source():
    result = gp.reconstruct(np.zeros((4, 5)), np.copy, size=4)
    with pytest.raises(TypeError, match=r"the path of a result, or result\.to_xarray\(\)"):
        gp.reconstruct(result, np.copy, size=4)
