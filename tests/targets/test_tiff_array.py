"""A GeoTIFF sliced like an array reads what the slice asks for."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.errors import SourceError
from geopatcher.targets import tiff_array
from geopatcher.targets.tiff_array import TiffArray

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
IMAGE = np.random.default_rng(0).integers(0, 9999, (3, 70, 90)).astype("int32")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    place = tmp_path_factory.mktemp("tiff") / "a.tif"
    profile = {"driver": "GTiff", "height": 70, "width": 90, "count": 3, "dtype": "int32"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(place, "w", tiled=True, blockxsize=16, blockysize=16, **profile) as dataset:
            dataset.write(IMAGE)
    return place


edges = st.none() | st.integers(-100, 100)
parts = st.integers(-3, 2) | st.builds(slice, edges, edges, st.none() | st.integers(-9, 9).filter(bool))


@given(st.lists(parts, max_size=3), st.none() | st.integers(0, 3), st.sampled_from([1, 1000, 1 << 25]))
def test_slices_are_numpys(path, index, ellipsis_at, piece_bytes):
    if ellipsis_at is not None:
        index.insert(min(ellipsis_at, len(index)), ...)
    array = TiffArray(path, (3, 70, 90), np.dtype("int32"))
    before = tiff_array.PIECE_BYTES
    tiff_array.PIECE_BYTES = piece_bytes
    try:
        got = array[tuple(index)]
    finally:
        tiff_array.PIECE_BYTES = before
    wanted = IMAGE[tuple(index)]
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("index", [..., 0, -1, slice(5, 9), (slice(None), 3), (4, 5), (..., 7)])
def test_two_dimensions(path, index, tmp_path):
    with rasterio.open(path) as dataset:
        one = dataset.read([1])
    place = tmp_path / "b.tif"
    with rasterio.open(place, "w", driver="GTiff", height=70, width=90, count=1, dtype="int32") as dataset:
        dataset.write(one)
    array = TiffArray(place, (70, 90), np.dtype("int32"))
    np.testing.assert_array_equal(array[index], IMAGE[0][index])
    assert (array.ndim, len(array), array.size, array.nbytes) == (2, 70, 6300, 25200)


def test_only_the_window_is_read(path, monkeypatch):
    windows = []
    read = rasterio.io.DatasetReader.read

    class Watched:
        def __init__(self, dataset):
            self.dataset = dataset

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.dataset.close()

        def read(self, indexes, window):
            windows.append((len(indexes), window.height, window.width))
            return read(self.dataset, indexes, window=window)

    real = rasterio.open
    monkeypatch.setattr(rasterio, "open", lambda path: Watched(real(path)))
    array = TiffArray(path, (3, 70, 90), np.dtype("int32"))
    assert array[1, 10:12, 20:25].shape == (2, 5)
    assert windows == [(1, 2, 5)]
    windows.clear()
    monkeypatch.setattr(tiff_array, "PIECE_BYTES", 90 * 4 * 20)
    np.testing.assert_array_equal(array[0, ::7], IMAGE[0, ::7])
    assert max(height for _, height, _ in windows) <= 20
    windows.clear()
    assert array[0, 5:5].shape == (0, 90)
    assert windows == []


@pytest.mark.parametrize("index", [3, -4, (0, 70), (0, 0, 90), (0, 0, 0, 0), (..., 0, ...)])
def test_what_is_outside_is_an_index_error(path, index):
    array = TiffArray(path, (3, 70, 90), np.dtype("int32"))
    with pytest.raises(IndexError):
        array[index]


@pytest.mark.parametrize("index", [None, [0, 1], "a", 1.5])
def test_other_indices_are_a_type_error(path, index):
    with pytest.raises(TypeError):
        TiffArray(path, (3, 70, 90), np.dtype("int32"))[index]


def test_it_becomes_an_array(path):
    array = TiffArray(path, (3, 70, 90), np.dtype("int32"))
    np.testing.assert_array_equal(np.asarray(array), IMAGE)
    assert np.asarray(array, dtype="float64").dtype == np.float64
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        with pytest.raises(ValueError, match="cannot become an array without a copy"):
            np.asarray(array, copy=False)


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"cannot read .*gone.tif, rows 0:5, columns 0:4"):
        TiffArray(tmp_path / "gone.tif", (10, 4), np.dtype("uint8"))[:5]
