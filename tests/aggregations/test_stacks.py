from __future__ import annotations

import re
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how

import cells
import geopatcher as gp
from geopatcher import Patch
from geopatcher.errors import OperatorError
from geopatcher.patching.samplers.explicit import SpatialExplicit

quiet = pytest.mark.filterwarnings("ignore:Spatial.* has streaming_safe = False:RuntimeWarning")


@quiet
@how(max_examples=20)
@given(
    scene=cells.scenes(
        dtypes=(*cells.FLOATS, "uint8", "int16", "uint32"), flavours=("plain", "ties", "edges")
    )
)
def test_median(scene, tmp_path_factory):
    got = cells.merged(gp.SpatialMedian, scene, tmp_path_factory)

    def median(ones):
        values = sorted(one.value for one in ones)
        low, high = values[(len(values) - 1) // 2], values[len(values) // 2]
        return low if low == high else (low + high if abs(low + high) == np.inf else low / 2 + high / 2)

    expected = cells.field(scene, median, dtype=float)
    if (
        scene.patches[0].data.dtype.kind == "f"
    ):  # the mean of the middle two is worked out in that of the result
        expected = expected.astype(got.dtype)
    np.testing.assert_array_equal(got, expected)


@quiet
@how(max_examples=15)
@given(scene=cells.scenes(dtypes=("uint64", "int64"), flavours=("plain", "ties", "edges")))
def test_median_of_64_bit_integers_is_rounded_half_to_even(scene, tmp_path_factory):
    dtype = scene.patches[0].data.dtype
    got = cells.merged(gp.SpatialMedian, scene, tmp_path_factory, dtype=dtype)

    def median(ones):
        values = sorted(one.value for one in ones)
        return round(Fraction(values[(len(values) - 1) // 2] + values[len(values) // 2], 2))

    expected = cells.field(scene, median, None)
    for one, want in zip(got.flat, expected.flat, strict=True):
        assert want is None or one.item() == want


@quiet
@pytest.mark.parametrize("depth", [1, 2, 3, 9, 10, 11, 40])
def test_median_of_any_depth(depth):
    rng = np.random.default_rng(depth)
    stack = rng.normal(size=(depth, 5, 7))
    stack[rng.random(stack.shape) < 0.3] = np.nan
    got = gp.SpatialMedian().merge([Patch(level, (0, 0), None) for level in stack], np.empty((5, 7)))
    for cell in np.ndindex(5, 7):
        known = [value for value in stack[:, *cell] if value == value]  # noqa: PLR0124 - not NaN
        np.testing.assert_equal(got[cell], statistics.median(known) if known else np.nan)


@quiet
@how(max_examples=12)
@given(scene=cells.scenes(dtypes=("float32", "float64", "int16")))
def test_a_model_sees_every_contribution_and_its_weight(scene, tmp_path_factory):
    seen = []

    def model(stack, weights):
        seen.append((stack.dtype, np.isnan(stack).all(axis=1) == (weights == 0)))
        known = ~np.isnan(stack)
        with np.errstate(invalid="ignore"):
            taken = (np.where(known, stack, 0) * weights[:, np.newaxis]).sum(axis=0)
            return taken / (known * weights[:, np.newaxis]).sum(axis=0)

    got = cells.merged(lambda **options: gp.SpatialLearned(model, **options), scene, tmp_path_factory)
    expected = cells.field(
        scene, lambda ones: sum(o.value * o.weight for o in ones) / sum(o.weight for o in ones), dtype=float
    )
    single = scene.patches[0].data.dtype != np.float64
    assert {dtype for dtype, _ in seen} <= {np.dtype("float32" if single else "float64")}
    assert all(matches.all() for _, matches in seen)
    scale = 2e-5 if single else 1e-12
    reach = cells.field(scene, lambda ones: scale * max(abs(one.value) for one in ones), 0, float)
    cells.assert_close(got, expected, reach + scale)


@quiet
def test_contributions_come_in_row_major_order_of_their_patches():
    patches = [
        Patch(np.full((2, 2), float(10 * row + col)), (row, col), None) for row in (0, 1) for col in (0, 1)
    ]

    def first_and_last(stack, weights):
        depth = (weights > 0).sum(axis=0) - 1
        last = np.take_along_axis(stack, depth[np.newaxis, np.newaxis], axis=0)[0]
        return stack[0] * 100 + last

    got = gp.SpatialLearned(first_and_last).merge(patches[::-1], np.empty((3, 3)))
    np.testing.assert_array_equal(got, [[0, 1, 101], [10, 11, 111], [1010, 1011, 1111]])


@quiet
def test_a_model_that_returns_another_shape():
    patch = Patch(np.zeros((2, 3, 4)), (0, 0), None)
    words = (
        "the model returned (1, 2, 3, 4) for a stack of (1, 2, 3, 4): "
        "it must return (bands, h, w), here (2, 3, 4)"
    )
    with pytest.raises(OperatorError, match=re.escape(words)):
        gp.SpatialLearned(lambda stack, _: stack).merge([patch], np.empty((3, 4)))


@quiet
def test_a_model_may_say_that_there_is_nothing():
    patch = Patch(np.array([[1.0, 2.0]]), (0, 0), None)
    got = gp.SpatialLearned(lambda stack, _: np.where(stack[0, 0] > 1, np.nan, 7)).merge(
        [patch], np.empty((1, 3))
    )
    np.testing.assert_array_equal(got, [[7, np.nan, np.nan]])


def test_memory_is_planned_for_an_unknown_depth():
    image = np.zeros((64, 64), "float32")
    known = gp.plan(image, size=16, step=8, aggregation="median")
    assert known.model.state_bytes == (4 + 2) * 4 + 10
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(16), SpatialExplicit([(0, 0), (3, 5)]), gp.SpatialBoxcar(), gp.SpatialMedian()
    )
    assert gp.plan(image, patcher=patcher).model.state_bytes == (16 + 2) * 8 + 10


def test_a_model_may_take_the_stack_alone():
    patches = [gp.Patch(np.full((3, 4), value), (0, 0), None) for value in (1.0, 2.0, 6.0)]
    got = gp.SpatialLearned(model=lambda stack: np.nanmax(stack, axis=0)).merge(patches, np.empty((3, 4)))
    np.testing.assert_array_equal(got, np.full((3, 4), 6.0))
