"""A field of a user's own class needs three names, and no more."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.windows import Window

import geopatcher as gp
from geopatcher.domain import RasterDomain
from geopatcher.errors import SourceError
from geopatcher.fields.plain_field import PlainField, array_of, raster_domain
from geopatcher.protocols import Field, SourceField


class Wave:
    """A field that is computed, not stored."""

    def __init__(self, domain):
        self.domain = domain
        self.windows = []

    def select(self, window):
        self.windows.append(window)
        row, col = int(window.row_off), int(window.col_off)
        rows = np.arange(row, row + int(window.height), dtype="float32")
        cols = np.arange(col, col + int(window.width), dtype="float32")
        return np.sin(rows[:, np.newaxis] / 7) + np.cos(cols / 5)

    def with_data(self, array):
        return gp.RasterField.from_array(array)


class Shape:
    shape = (60, 80)


TRUTH = Wave(Shape()).select(Window(0, 0, 80, 60))


@pytest.mark.parametrize("domain", [Shape(), RasterDomain((60, 80)), RasterDomain((1, 60, 80))])
def test_three_names_make_a_field(domain):
    field = Wave(domain)
    assert isinstance(field, Field)
    assert not isinstance(field, SourceField)
    result = gp.reconstruct(field, lambda x: x * 2, size=16)
    np.testing.assert_allclose(result.array.reshape(60, 80), TRUTH * 2, rtol=1e-6)
    assert result.array.shape == tuple(domain.shape)
    assert result.array.dtype == np.float32


def test_its_windows_stay_its_own():
    class Boxed(Wave):
        def select(self, window):
            return {"pixels": super().select(window)}

    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(16), gp.SpatialRegularStride(16), gp.SpatialBoxcar(), gp.SpatialOverlapAdd()
    )
    field = Boxed(RasterDomain((60, 80)))
    patches = list(patcher.split(field))
    assert [patch.data["pixels"].shape for patch in patches] == [(16, 16)] * 20
    merged = patcher.merge([patch.with_data(patch.data["pixels"]) for patch in patches], field.domain)
    np.testing.assert_allclose(merged, TRUTH, rtol=1e-6)


def test_it_is_planned_without_reading_where_the_dtype_is_known():
    field = Wave(RasterDomain((60, 80)))
    assert gp.plan(field, size=16).source_name == "Wave float32 (60, 80)"
    assert field.windows == []
    other = Wave(Shape())
    gp.plan(other, size=16)
    assert [(window.width, window.height) for window in other.windows] == [(1, 1)]


def test_windows_of_another_shape_are_refused():
    class Wrong(Wave):
        def select(self, window):
            return super().select(window)[1:]

    with pytest.raises(
        SourceError, match=r"Wrong float32 \(60, 80\) gave an array of shape \(59, 80\) for rows 0:60"
    ):
        gp.reconstruct(Wrong(RasterDomain((60, 80))), lambda x: x, size=16)


def test_nodata_of_its_domain_counts():
    class Steps(Wave):
        def select(self, window):
            return (super().select(window) > 0).astype("uint8")

    domain = RasterDomain((60, 80), nodata=0, dtype=np.dtype("uint8"))
    field = PlainField.of(Steps(domain))
    result = gp.reconstruct(field, lambda x: x.astype("float32"), size=16)
    np.testing.assert_allclose(result.array, np.where(TRUTH > 0, 1, np.nan), rtol=5e-7)
    assert set(field.source.identity()) == {"shape", "dtype", "sample"}
    assert field.with_data(np.ones((60, 80))).domain.shape == (60, 80)


def test_a_patch_that_overhangs_is_filled():
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(32, boundary="reflect"),
        gp.SpatialRegularStride(32),
        gp.SpatialBoxcar(),
        gp.SpatialOverlapAdd(),
    )
    last = list(patcher.split(Wave(RasterDomain((60, 80)))))[-1]
    assert last.data.shape == (32, 32)
    np.testing.assert_array_equal(last.data[:28, :16], TRUTH[32:, 64:])
    np.testing.assert_array_equal(last.data[28:, :16], TRUTH[55:59, 64:][::-1])


def test_what_stands_in_for_a_domain():
    assert raster_domain(np.zeros((2, 3, 4, 5))).shape == (3, 4, 5)
    domain = RasterDomain((3, 4))
    assert raster_domain(domain) is domain


def test_lazy_data_is_loaded_once():
    class Lazy:
        loads = 0

        def load(self):
            self.loads += 1
            return gp.RasterField.from_array(np.ones((2, 2))).reader.array.view(Valued)

        @property
        def values(self):
            raise AssertionError("reads again")

    class Valued(np.ndarray):
        @property
        def values(self):
            return np.asarray(self)

    lazy = Lazy()
    assert array_of(lazy).tolist() == [[1, 1], [1, 1]]
    assert lazy.loads == 1
    assert array_of([[1]]).shape == (1, 1)
    assert isinstance(array_of(np.ma.array([1], mask=True)), np.ma.MaskedArray)
