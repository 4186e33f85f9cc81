from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields.array_source import ArraySource
from geopatcher.training import strips
from geopatcher.training.strips import (
    one_band_on,
    path_in_config,
    pieces,
    read_piece,
    same_raster,
    told_raster,
)
from geotiffs import write_geotiff


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 30)),
    piece_pixels=st.integers(1, 300),
    read_bytes=st.integers(1, 900),
)
def test_pieces_are_the_raster_from_the_top(shape, piece_pixels, read_bytes):
    labels = np.arange(np.prod(shape), dtype="int16").reshape(shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "PIECE_PIXELS", piece_pixels)
        patch.setattr(strips, "READ_BYTES", read_bytes)
        found = list(pieces(ArraySource.of(labels)))
    np.testing.assert_array_equal(np.concatenate([piece.pixels for piece in found]), labels)
    assert [piece.box.row0 for piece in found[1:]] == [piece.box.row1 for piece in found[:-1]]
    assert all(piece.pixels.size <= max(piece_pixels, shape[1]) for piece in found)
    assert all(piece.known.all() for piece in found)


def test_what_is_missing_is_not_known(tmp_path):
    labels = np.array([[[1, 255, 3]]], "uint8")
    path = write_geotiff(tmp_path / "labels.tif", labels, nodata=255)
    assert read_piece(gp.RasterField(path).source, Box(0, 1, 0, 3)).known.tolist() == [[True, False, True]]
    density = ArraySource.of(np.array([[1.0, np.nan]]))
    assert read_piece(density, Box(0, 1, 0, 2)).known.tolist() == [[True, False]]


def test_a_file_on_another_grid_is_warped(tmp_path):
    coarse = np.array([[[1, 2], [3, 4]]], "uint8")
    place = rasterio.Affine(60, 0, 500_000, 0, -60, 4_000_000)  # four pixels in one
    path = write_geotiff(tmp_path / "labels.tif", coarse, transform=place)
    fine = gp.RasterDomain((3, 4, 4), rasterio.Affine(30, 0, 500_000, 0, -30, 4_000_000), "EPSG:32610")
    source = one_band_on(path, fine, "labels", "nearest")
    np.testing.assert_array_equal(
        read_piece(source, Box(0, 4, 0, 4)).pixels, np.kron(coarse[0], np.ones((2, 2), int))
    )
    same = one_band_on(path, gp.RasterDomain((2, 2), place, "EPSG:32610"), "labels")
    assert same.name == str(path)


def test_several_bands_and_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"labels \(.*\) has 3 bands"):
        one_band_on(np.zeros((3, 4, 4)), gp.RasterDomain((4, 4)), "labels")
    with pytest.raises(SourceError, match="has 4x4 pixels and the raster 5x4"):
        one_band_on(np.zeros((4, 4)), gp.RasterDomain((5, 4)), "labels")


def test_a_raster_in_a_configuration_is_a_path():
    assert path_in_config(Path("a.tif"), "labels") == "a.tif"
    with pytest.raises(TypeError, match="labels is of ndarray: write it to a file"):
        path_in_config(np.zeros(3), "labels")
    assert same_raster(Path("a.tif"), "a.tif")
    assert not same_raster("a.tif", "b.tif")
    assert not same_raster("a.tif", np.zeros(3))
    array = np.zeros((2, 2))
    assert same_raster(array, array)
    assert same_raster(array, array.copy())
    assert not same_raster(array, array + 1)
    assert not same_raster(array, array.astype("uint8"))
    assert (told_raster("a.tif"), told_raster(array)) == ("'a.tif'", "<ndarray>")


def test_a_source_that_gives_something_else_is_told():
    class Short:
        domain = gp.RasterDomain((1, 4, 4))
        has_nodata = False
        name = "short"

        def read(self, box):
            return np.zeros((1, 1, 4))

    with pytest.raises(SourceError, match=r"short gave an array of \(1, 1, 4\)"):
        read_piece(Short(), Box(0, 4, 0, 4))
