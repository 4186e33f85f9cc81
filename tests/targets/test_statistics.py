"""Statistics put together from blocks, against those of NumPy over everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.core.statistics import Statistics
from geopatcher.targets.digests import with_moments
from geopatcher.targets.statistics import (
    NOTHING,
    Counting,
    Tally,
    moments_of,
    n_columns,
    of_fill,
    statistics_of,
    together,
)

RANDOM = np.random.default_rng(5)


def of(cells, known=None, nodata=None):
    (row,) = moments_of(cells[None], None if known is None else known[None], nodata)
    return statistics_of(row, cells.dtype, cells.size)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.booleans())
def test_parts_are_as_good_as_the_whole(seed, n_parts, missing):
    random = np.random.default_rng(seed)
    whole = random.normal(1e3, 1, (1, 12 * n_parts, 7))
    known = random.random(whole.shape) > 0.3 if missing else np.ones(whole.shape, bool)
    parts = [
        moments_of(whole[:, rows], known[:, rows] if missing else None)[0]
        for rows in (slice(12 * n, 12 * n + 12) for n in range(n_parts))
    ]
    count, least, most, mean, squares = together(np.array(parts))
    held = whole[known]
    assert (count, least, most) == (held.size, held.min(), held.max())
    np.testing.assert_allclose([mean, np.sqrt(squares / count)], [held.mean(), held.std()], rtol=1e-9)


@pytest.mark.parametrize(
    "dtype",
    ["bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "f2", "f4", "f8"],
)
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (300, 517)])
@pytest.mark.parametrize("far", [False, True])
def test_they_are_those_of_numpy(dtype, shape, far):
    """Also far from 0, where squares cancel."""
    kind = np.dtype(dtype)
    top = {"b": 1, "i": 100, "u": 100, "f": 1}[kind.kind]
    cells = (RANDOM.random(shape) * top + (27 if far and kind.kind != "b" else 0)).astype(kind)
    found, exact = of(cells), cells.astype("f8")
    assert (found.minimum, found.maximum, found.valid_count) == (cells.min(), cells.max(), cells.size)
    digits = {"f4": 1e-7}.get(dtype, 1e-11)
    np.testing.assert_allclose([found.mean, found.deviation], [exact.mean(), exact.std()], rtol=digits)


@pytest.mark.parametrize("shift", [1e4, -1e4, 0.0])
@pytest.mark.parametrize("outlier", [None, 1e7, -3e4])
def test_what_cancels_is_counted_another_way(shift, outlier):
    cells = (RANDOM.normal(0, 0.25, (256, 256)) + shift).astype("float32")
    if outlier is not None:
        cells[3, 4] = outlier
    found, exact = of(cells), cells.astype("f8")
    assert (found.minimum, found.maximum) == (cells.min(), cells.max())
    np.testing.assert_allclose(found.deviation, exact.std(), rtol=1e-6)
    np.testing.assert_allclose(found.mean, exact.mean(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_whole_numbers_of_64_bits_keep_all_their_digits(dtype):
    ends = np.iinfo(dtype)
    cells = RANDOM.integers(0, 9, (8, 8)).astype(dtype)
    cells[0, :4] = (ends.min, ends.min + 1, ends.max - 1, ends.max)
    parts = np.concatenate([moments_of(part[None], None) for part in np.split(cells, 4)])
    found = statistics_of(together(parts), cells.dtype, 64)
    assert (found.minimum, found.maximum) == (ends.min, ends.max)
    cells[cells == ends.max] = 0
    assert of(cells).maximum == ends.max - 1


@pytest.mark.parametrize("value", [3e19, 1e30, 3e38])
def test_squares_that_overflow_float32_do_not(value):
    cells = np.array([[value, -value]], "float32")
    assert of(cells).deviation == pytest.approx(float(cells[0, 0]))


def test_nan_nodata_and_what_a_mask_hides_do_not_count():
    assert of(np.array([[1.0, np.nan, 3.0]])) == Statistics(1, 3, 2, 1, 200 / 3, 2)
    assert of(np.array([[1, 9, 3]], "int16"), nodata=9) == Statistics(1, 3, 2, 1, 200 / 3, 2)
    said = np.array([[1, 0, 2]], "uint8")
    counted = Counting(np.dtype("int16"), 3).moments(np.array([[1, 9, 3]], "int16"), said)
    assert counted.tolist() == [2, 1, 3, 2, 2]
    assert not Counting(np.dtype("float32"), None).moments(np.full((3, 3), np.nan, "float32"), None).any()


@pytest.mark.parametrize("moments", [[0.0, 0, 0, 0, 0], [2, 0, np.inf, np.inf, np.nan]])
def test_of_nothing_and_of_infinity_nothing_is_said(moments):
    assert statistics_of(np.array(moments), np.dtype("float32"), 9) is None


def spec(**keywords):
    domain = RasterDomain((10, 20), dtype=np.dtype("uint8"), nodata=keywords.pop("nodata", None))
    return ResultSpec(domain, (8, 8), **{"fill": 7} | keywords)


def told(cells):
    return {"data": with_moments(np.ones((1, 1, 1, 3), np.int64), moments_of(cells, None)[:, None, None])}


def test_a_tally_does_not_depend_on_the_order_and_takes_what_was_written_last():
    cells = RANDOM.integers(0, 255, (1, 10, 20)).astype("uint8")
    boxes = list(Box(0, 10, 0, 20).tiles((8, 8)))
    found = set()
    for order in (boxes, boxes[::-1]):
        tally = Tally(spec())
        tally.add(boxes[0], told(cells[:, :8, :8] // 2))
        for box in order:
            tally.add(box, told(cells[(0, *box.slices())][None]))
        found.add(tally.statistics())
    ((one,),) = found
    assert (one.minimum, one.maximum, one.valid_count) == (cells.min(), cells.max(), 200)
    assert one.mean == pytest.approx(cells.mean())


@pytest.mark.parametrize(
    ("options", "count"),
    [({}, 200), ({"nodata": 7}, 64), ({"masked": True}, 64)],
    ids=["data", "nodata", "mask"],
)
def test_blocks_that_are_not_written_hold_fill(options, count):
    tally = Tally(spec(**options))
    tally.add(Box(0, 8, 0, 8), told(np.full((1, 8, 8), 9, "uint8")))
    nothing = with_moments(np.zeros((1, 1, 1, 3), np.int64), np.full((1, 1, 1, 5), NOTHING))
    tally.add(Box(8, 10, 0, 8), {"data": nothing})
    (found,) = tally.statistics()
    assert (found.valid_count, found.minimum, found.maximum) == (count, 7 if count == 200 else 9, 9)
    assert found.mean == pytest.approx((64 * 9 + (count - 64) * 7) / count)


def test_where_a_block_was_not_counted_nothing_is_known():
    tally = Tally(spec())
    assert tally.statistics() == ()
    tally.add(Box(0, 8, 0, 8), told(np.full((1, 8, 8), 9, "uint8")))
    tally.add(Box(0, 8, 8, 16), {"data": np.ones((1, 1, 1, 3), np.int64)})
    assert tally.statistics() == ()


def test_a_cell_of_fill_counts_unless_it_is_nodata():
    assert of_fill(np.uint64(2**64 - 1), None).tolist() == [1, 2.0**64, 2.0**64, 2.0**64, 0, -1, -1]
    assert not of_fill(np.float32("nan"), None).any()
    assert n_columns(np.dtype("float64")) == 5
