"""Labels that the dtype of a result cannot hold: refused, and never another label."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cells
import geopatcher as gp
from geopatcher.accumulators.finished import Finished
from geopatcher.accumulators.labels import inexact, outside
from geopatcher.aggregations.names import aggregation_from_name
from geopatcher.errors import OperatorError

SMOOTH = np.random.default_rng(0).random((1, 131, 97), "f4")

FLAT = gp.SpatialPatcher(
    gp.SpatialRectangular(8), gp.SpatialRegularStride(4), gp.SpatialBoxcar(), gp.SpatialOverlapAdd()
)


@pytest.mark.parametrize("target", [None, "x.zarr", "x.tif"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_label_the_dtype_cannot_hold_is_refused(tmp_path, target, workers):
    place = None if target is None else tmp_path / target

    def operator(pixels):
        return np.full(pixels.shape, 290, "int16")

    with pytest.raises(OperatorError) as error:
        gp.reconstruct(SMOOTH, operator, place, size=32, aggregation="mode", dtype="uint8", workers=workers)
    text = str(error.value)
    assert text.startswith("SpatialMode chose 290 at row 0, column 0 (block rows 0:131, columns 0:97)")
    assert "uint8 (0 to 255)" in text
    assert "dtype='int16'" in text


@pytest.mark.parametrize("aggregation", ["mode", "median", "max", "min"])
@pytest.mark.parametrize(
    ("value", "of", "dtype", "roomy"),
    [
        (290, "int16", "uint8", "int16"),
        (-1, "int8", "uint8", "int16"),
        (-1, "int32", "uint16", "int32"),
        (40_000, "uint16", "int16", "int32"),
        (2**31, "int64", "int32", "int64"),
        (2**63, "uint64", "int64", "float64"),
        (-1, "int64", "uint64", "float64"),
        (255.6, "float32", "uint8", None),
        (-0.6, "float64", "uint8", None),
        (np.inf, "float32", "uint16", "float32"),
        (-np.inf, "float64", "int64", "float64"),
        (2.0**63, "float64", "int64", None),
        (2.0**64, "float32", "uint64", None),
        (65_504, "float16", "uint8", None),
    ],
)
def test_whatever_is_chosen_is_refused_beyond_the_range(aggregation, value, of, dtype, roomy):
    def operator(pixels):
        return np.full(pixels.shape, value, of)

    with pytest.raises(
        OperatorError, match=rf"chose {re.escape(str(np.dtype(of).type(value).item()))}"
    ) as error:
        gp.reconstruct(SMOOTH, operator, size=32, aggregation=aggregation, dtype=dtype)
    if roomy and aggregation != "median":
        assert f"dtype='{roomy}'" in str(error.value)


@pytest.mark.parametrize("aggregation", ["mode", "median", "max", "min"])
@pytest.mark.parametrize(
    ("value", "of", "dtype", "wanted"),
    [
        (255, "int16", "uint8", 255),
        (0, "int16", "uint8", 0),
        (-128, "int64", "int8", -128),
        (255.4, "float32", "uint8", 255),
        (-0.4, "float32", "uint8", 0),
        (np.nan, "float32", "int16", None),
        (2**63 - 1, "uint64", "int64", 2**63 - 1),
        (np.inf, "float64", "float32", np.inf),
    ],
)
def test_what_fits_is_kept(aggregation, value, of, dtype, wanted):
    result = gp.reconstruct(
        SMOOTH, lambda x: np.full(x.shape, value, of), size=32, aggregation=aggregation, dtype=dtype, nodata=9
    )
    assert (result.array == (9 if wanted is None else wanted)).all()


@pytest.mark.parametrize("aggregation", ["overlap-add", "mean"])
def test_averages_stay_at_the_limits(aggregation):
    def operator(pixels):
        return np.where(pixels < 0.5, 290, -7).astype("int16")

    result = gp.reconstruct(SMOOTH, operator, size=32, aggregation=aggregation, dtype="uint8")
    np.testing.assert_array_equal(result.array, np.where(SMOOTH < 0.5, 255, 0))


def test_cells_without_data_are_no_values():
    field = gp.RasterField.from_array(np.array([[-9999, 3], [4, -9999]], "int16"), nodata=-9999)
    for aggregation in ("mode", "max", "min", "median"):
        result = gp.reconstruct(
            field, lambda x: x, size=2, aggregation=aggregation, dtype="uint8", nodata=255
        )
        np.testing.assert_array_equal(result.array, [[255, 3], [4, 255]])


def test_a_value_that_is_not_chosen_may_be_any():
    patches = [gp.Patch(np.full((2, 2), value, "int16"), (0, 0), None) for value in (7, 290, 7)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = gp.SpatialMode().merge(patches, np.empty((2, 2)))
    np.testing.assert_array_equal(got, 7)


def test_labels_are_not_rounded_into_others_by_floats():
    def operator(pixels):
        return np.full(pixels.shape, 2**24 + 1, "int32")

    with pytest.raises(OperatorError, match="chose 16777217 .* float32 cannot hold it.*dtype='float64'"):
        gp.reconstruct(SMOOTH, operator, size=32, aggregation="mode", dtype="float32")
    assert (
        gp.reconstruct(SMOOTH, operator, size=32, aggregation="mode", dtype="float64").array[0, 0, 0]
        == 2**24 + 1
    )
    for values, of, dtype, wrong in (
        ([2**63 - 1], "int64", "float64", True),
        ([2**64 - 1], "uint64", "float32", True),
        ([-(2**63)], "int64", "float64", False),
        ([65_535], "uint16", "float16", True),
        ([2048, 0], "uint16", "float16", False),
    ):
        found = inexact(Finished(np.array([[values]], of), None), np.dtype(dtype))
        assert (found is not None) == wrong


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 70_000), min_size=1, max_size=5),
    st.sampled_from(cells.INTEGERS),
    st.data(),
)
def test_what_is_outside(values, dtype, data):
    limits = np.iinfo(dtype)
    covered = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    finished = Finished(np.array([[values]], "int64"), np.array([covered]))
    wrong = [
        value
        for value, here in zip(values, covered, strict=True)
        if here and not limits.min <= value <= limits.max
    ]
    found = outside(finished, np.dtype(dtype))
    assert (found and found.value) == (wrong[0] if wrong else None)
    floats = np.array([[values]], "float64")
    wrong = [
        value
        for value, here in zip(floats.ravel().tolist(), covered, strict=True)
        if here and not limits.min <= int(value) <= limits.max
    ]
    found = outside(Finished(floats, np.array([covered])), np.dtype(dtype))
    assert (found and found.value) == (wrong[0] if wrong else None)


@pytest.mark.parametrize("vote", [gp.SpatialHardVote, gp.SpatialSoftVote])
def test_more_classes_than_the_dtype_has_room_for_are_refused_before_the_run(vote, tmp_path):
    called = []

    def operator(pixels):
        called.append(1)
        return pixels

    message = "uint8 has no room for 300 classes: use dtype='uint16'"
    for nodata in (None, 0):
        with pytest.raises(ValueError, match=message):
            gp.reconstruct(SMOOTH, operator, size=32, aggregation=vote(300), dtype="uint8", nodata=nodata)
        with pytest.raises(ValueError, match=message):
            gp.plan(SMOOTH, size=32, aggregation=vote(300), dtype="uint8")
    with pytest.raises(ValueError, match=message):
        vote(300, dtype="uint8", streaming=True, target_path=tmp_path / "x.zarr").merge(
            (called.append(1) for _ in range(1)), SMOOTH[0]
        )
    with pytest.raises(ValueError, match=r"float16 has no room for 5000 classes: use dtype='uint16'"):
        gp.plan(SMOOTH, size=32, aggregation=vote(5000), dtype="float16")
    assert not called
    assert not list(tmp_path.iterdir())
    gp.plan(SMOOTH, size=32, aggregation=vote(256), dtype="uint8")


@pytest.mark.parametrize("make", [gp.SpatialMode, gp.SpatialMax, gp.SpatialMin, gp.SpatialMedian])
@pytest.mark.parametrize("writer", ["zarr", "cog"])
def test_merging_refuses_it_too(make, writer, tmp_path):
    target = tmp_path / ("x.zarr" if writer == "zarr" else "x.tif")
    patches = [
        gp.Patch(np.full((4, 4), value, "int16"), (0, 4 * col), None) for col, value in enumerate((7, 290))
    ]
    merging = make(streaming=True, target_path=target, dtype="uint8", writer=writer)
    with pytest.raises(OperatorError, match=r"chose 290(\.0)? at row 0, column 4"):
        merging.merge(patches, np.empty((4, 8)))
    assert not target.exists()


def test_patches_of_a_wider_dtype_do_not_become_that_of_the_first():
    patches = [
        gp.Patch(np.full((4, 4), value, of), (0, 0), None) for value, of in ((7, "uint8"), (290, "int16"))
    ]
    for make in (gp.SpatialMin, gp.SpatialMax, gp.SpatialSum, gp.SpatialMean):
        with pytest.raises(
            OperatorError,
            match=r"patch at \(0, 0\) holds int16 values and those before uint8.*astype\('int16'\)",
        ):
            make().merge(patches, np.empty((4, 4)))
    np.testing.assert_array_equal(gp.SpatialMax().merge(patches[::-1], np.empty((4, 4))), 290)


BOOLEANS = {
    "overlap-add": ("uint8", 1),
    "mean": ("uint8", 1),
    "sum": ("uint64", 4),
    "weighted-sum": ("float32", 4),
    "max": ("uint8", 1),
    "min": ("uint8", 1),
    "median": ("uint8", 1),
    "mode": ("uint8", 1),
    "variance": ("float32", 0),
    "hard-vote:2": ("uint8", 1),
}


@pytest.mark.parametrize("name", BOOLEANS)
def test_booleans_become_zero_and_one(name):
    dtype, one = BOOLEANS[name]
    patcher = gp.SpatialPatcher(FLAT.geometry, FLAT.sampler, FLAT.window, aggregation_from_name(name))
    truth = np.random.default_rng(0).random((1, 20, 24)) < 0.5
    got = gp.reconstruct(truth, lambda x: x, patcher=patcher)
    assert got.array.dtype == dtype
    np.testing.assert_array_equal(got.array[0, 4:16, 4:20], truth[0, 4:16, 4:20] * one)
