"""A field of a user's own class needs three names, and no more."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.windows import Window

import geopatcher as gp
from geopatcher.core.domain import RasterDomain
from geopatcher.core.protocols import Field, SourceField
from geopatcher.errors import SourceError
from geopatcher.fields.plain_field import PlainField, array_of, raster_domain


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
    assert gp.plan(other, size=16).source_name == "Wave (60, 80)"
    assert other.windows == []


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
    found = raster_domain(np.zeros((2, 3, 4, 5)))
    assert (found.shape, found.lengths) == ((6, 4, 5), (2, 3))
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


# What a domain says of itself


class Said:
    """A domain that says what is asked of it, and its field, which counts what is selected."""

    def __init__(self, pixels, **says):
        self.pixels, self.windows = pixels, []
        self.domain = type("Domain", (), {"shape": pixels.shape, **says})()

    def select(self, window):
        self.windows.append(window)
        return self.pixels[
            ...,
            int(window.row_off) : int(window.row_off + window.height),
            int(window.col_off) : int(window.col_off + window.width),
        ]

    def with_data(self, array):
        return gp.RasterField.from_array(array)


LABELS = np.random.default_rng(0).integers(0, 9, (2, 60, 80)).astype("uint16")
PATCHER = gp.SpatialPatcher(
    gp.SpatialRectangular(16), gp.SpatialRegularStride(16), gp.SpatialHann(), gp.SpatialOverlapAdd()
)


def planned(field):
    """Everything that makes a plan and reads nothing."""
    PATCHER.n_anchors(field)
    list(PATCHER.anchors(field))
    PATCHER.split(field)
    PATCHER.to_delayed(field, batch_size=3)
    gp.IndexedPatchView(PATCHER, field)
    PATCHER.plan(PlainField.of(field))
    return gp.plan(field, size=16, out_bands=3, memory_limit="64MB")


@pytest.mark.parametrize("dtype", ["uint16", np.uint16, np.dtype(">u2"), LABELS.dtype])
def test_dtype_and_nodata_of_a_domain_are_kept_and_nothing_is_read_to_plan(dtype):
    field = Said(LABELS, dtype=dtype, nodata=np.uint16(3), band_names=["red", "nir"], units=("1", "1"))
    plan = planned(field)
    assert field.windows == []
    assert plan.domain.dtype == np.uint16
    assert (plan.domain.nodata, type(plan.domain.nodata)) == (3, int)
    assert plan.domain.band_names == ("red", "nir")
    assert plan.domain.units == ("1", "1")
    result = gp.reconstruct(field, lambda x: x, size=16)
    assert all(window.width > 1 for window in field.windows)
    assert (result.array.dtype, result.domain.nodata) == (np.uint16, 3)
    assert result.domain.band_names == ("red", "nir")
    np.testing.assert_array_equal(result.array, LABELS)
    floats = gp.reconstruct(field, lambda x: x.astype("float32"), size=16)
    np.testing.assert_array_equal(floats.array, np.where(LABELS == 3, np.nan, LABELS))


def test_a_domain_without_a_dtype_is_planned_for_the_widest_and_a_run_learns_it():
    for says in ({}, {"dtype": None}, {"dtype": "torch.float32"}):
        field = Said(LABELS, nodata=3, **says)
        plan = planned(field)
        assert field.windows == []
        assert plan.model.in_bytes == 2 * 8
        result = gp.reconstruct(field, lambda x: x, size=16)
        assert [window.width for window in field.windows].count(1) == 1
        assert result.array.dtype == np.uint16
        np.testing.assert_array_equal(result.array, LABELS)
    field = Said(LABELS)
    assert {patch.data.dtype for patch in PATCHER.split(field)} == {np.dtype("uint16")}
    assert all(window.width > 1 for window in field.windows)
    view = gp.IndexedPatchView(PATCHER, field)
    assert view[0].data.dtype == np.uint16


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_learn_the_dtype_as_well(workers):
    field = Said(LABELS)
    result = gp.reconstruct(field, lambda x: x, size=16, chunks=16, workers=workers)
    np.testing.assert_array_equal(result.array, LABELS)
    assert result.array.dtype == np.uint16


def test_a_first_pixel_that_cannot_be_read_is_named():
    class Broken(Said):
        def select(self, window):
            raise RuntimeError("no such tile")

    assert gp.plan(Broken(LABELS), size=16).n_patches
    with pytest.raises(
        SourceError,
        match=r"first pixel of Broken \(2, 60, 80\), whose domain does not say the dtype: RuntimeError: no",
    ):
        gp.reconstruct(Broken(LABELS), lambda x: x, size=16)


def test_pixels_that_are_not_what_the_domain_says_are_refused():
    whole = gp.reconstruct(Said(LABELS, dtype="uint8"), lambda x: x, size=16)
    assert whole.array.dtype == np.uint8
    np.testing.assert_array_equal(whole.array, LABELS)
    for pixels, dtype, value in (
        (LABELS + 290, "uint8", 290 + int(LABELS[0, 0, 0])),
        (LABELS - 0.5, "int16", LABELS[0, 0, 0] - 0.5),
        (np.where(LABELS >= 0, np.nan, 1), "int16", np.nan),
    ):
        with pytest.raises(SourceError, match=rf"its domain says {dtype}, which cannot hold {value}: let"):
            gp.reconstruct(Said(pixels, dtype=dtype), lambda x: x, size=16)
    masked = np.ma.masked_where(LABELS > 4, np.where(LABELS > 4, 300, LABELS))
    got = Said(masked, dtype="uint8", nodata=255)
    assert PlainField.of(got).source.read(gp.Box(0, 60, 0, 80)).dtype == np.uint8


def test_a_nodata_that_is_no_number_or_another_for_a_band_is_refused():
    assert raster_domain(Said(LABELS, nodata=(3.0, 3)).domain).nodata == 3
    assert raster_domain(Said(LABELS, nodata=(None, None)).domain).nodata is None
    assert np.isnan(raster_domain(Said(LABELS, nodata=(np.nan, np.float32("nan"))).domain).nodata)
    with pytest.raises(ValueError, match=r"nodata of a Domain is \(3, None\), not the same in all bands"):
        gp.plan(Said(LABELS, nodata=(3, None)), size=16)
    with pytest.raises(TypeError, match="nodata of a Domain is 'none': give a number"):
        gp.plan(Said(LABELS, nodata="none"), size=16)


def test_texts_that_are_not_one_for_each_band_are_not_taken():
    domain = raster_domain(Said(LABELS, band_names=("red",), units="m").domain)
    assert (domain.band_names, domain.units) == ((), ())
