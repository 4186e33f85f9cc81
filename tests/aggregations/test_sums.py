from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

import cells
import geopatcher as gp
from geopatcher import Patch

EPS = np.finfo(np.float64).eps


def exactly(value):
    return Fraction(value) if math.isfinite(value) else value


def bound(scene, weighted=True, divide=True):
    def of(ones):
        if not all(math.isfinite(one.value) for one in ones):
            return 0.0
        near = cells.distance(ones, weighted)
        scale = 1.0 if divide else sum(one.weight if weighted else 1.0 for one in ones)
        return 4 * EPS * (len(ones) + 1) * near * scale

    return cells.field(scene, of, 0.0, float)


FLOATS_AND_SMALL = (*cells.FLOATS, "uint8", "int16", "uint32", "int32")


@pytest.mark.parametrize(
    ("make", "weighted"), [(gp.SpatialOverlapAdd, True), (gp.SpatialMean, False)], ids=["overlap-add", "mean"]
)
@how(max_examples=15)
@given(scene=cells.scenes(dtypes=FLOATS_AND_SMALL))
def test_means(make, weighted, scene, tmp_path_factory):
    got = cells.merged(make, scene, tmp_path_factory)
    expected = cells.field(scene, lambda ones: cells.mean(ones, weighted), dtype=float)
    cells.assert_close(got, expected, bound(scene, weighted))


@pytest.mark.parametrize(
    ("make", "weighted"), [(gp.SpatialOverlapAdd, True), (gp.SpatialMean, False)], ids=["overlap-add", "mean"]
)
@how(max_examples=12)
@given(scene=cells.scenes(dtypes=("float16", "float32"), flavours=("edges",)))
def test_infinities_stay_and_the_largest_numbers_do_not_overflow(make, weighted, scene, tmp_path_factory):
    got = cells.merged(make, scene, tmp_path_factory)
    expected = cells.field(scene, lambda ones: cells.mean(ones, weighted), dtype=float)
    cells.assert_close(got, expected, bound(scene, weighted))


@how(max_examples=15)
@given(
    scene=cells.scenes(dtypes=("float16", "float32", "int16"), flavours=("plain", "edges"))
    | cells.scenes(dtypes=("float64",))
)
def test_single_precision_is_near_and_the_same_every_way(scene, tmp_path_factory):
    got = cells.merged(gp.SpatialOverlapAdd, scene, tmp_path_factory, dtype=np.dtype("float32"))
    expected = cells.field(scene, cells.mean, dtype=float)
    single = np.finfo(np.float32).eps / EPS * bound(scene)
    cells.assert_close(got, expected, single + np.finfo(np.float32).tiny)


@how(max_examples=15)
@given(scene=cells.scenes(dtypes=("uint64", "int64"), flavours=("plain", "ties", "edges")))
def test_means_of_64_bit_integers_are_rounded_once(scene, tmp_path_factory):
    dtype = scene.patches[0].data.dtype
    got = cells.merged(gp.SpatialMean, scene, tmp_path_factory, dtype=dtype)

    def off(ones):
        return Fraction(sum(one.value for one in ones), len(ones))

    expected = cells.field(scene, off, None)
    spread = cells.field(
        scene, lambda ones: max(one.value for one in ones) - min(one.value for one in ones), 0
    )
    for one, want, wide in zip(got.flat, expected.flat, spread.flat, strict=True):
        if want is not None:  # half a step, and the rounding of the distances between the values
            assert abs(int(one) - want) <= Fraction(1, 2) + Fraction(wide) / 2**49


@how(max_examples=9)
@given(scene=cells.scenes(dtypes=("uint64", "int64"), flavours=("plain",), gaps=False))
def test_identity_on_64_bit_integers_is_exact(scene):
    rng = np.random.default_rng(1)
    dtype = scene.patches[0].data.dtype
    image = cells.values_of(rng, "edges", (scene.bands, *scene.shape), dtype)
    for window in cells.WINDOWS:
        got = gp.reconstruct(
            image,
            lambda x: x,
            size=scene.plan.anchors.patch_shape,
            step=(scene.plan.anchors.rows.step, scene.plan.anchors.cols.step),
            window=window,
            chunks=scene.chunks,
        )
        assert got.array.dtype == dtype
        np.testing.assert_array_equal(got.array, image)


@how(max_examples=15)
@given(scene=cells.scenes(dtypes=cells.FLOATS))
def test_sums_of_floats(scene, tmp_path_factory):
    got = cells.merged(gp.SpatialSum, scene, tmp_path_factory)
    expected = cells.field(scene, lambda ones: math.fsum(one.value for one in ones), dtype=float)
    untouched = np.ones(scene.shape, bool)
    for patch in scene.patches:
        (row, col), (height, width) = patch.anchor, np.shape(patch.data)[-2:]
        untouched[max(row, 0) : max(row + height, 0), max(col, 0) : max(col + width, 0)] = False
    expected[:, untouched] = 0  # the sum of nothing
    cells.assert_close(got, expected, bound(scene, weighted=False, divide=False))


@how(max_examples=24)
@given(scene=cells.scenes(dtypes=cells.INTEGERS, flavours=("plain", "ties", "edges")))
def test_sums_of_integers_are_exact_and_saturate(scene, tmp_path_factory):
    dtype = scene.patches[0].data.dtype
    wide = np.dtype("int64" if dtype.kind == "i" else "uint64")
    got = cells.merged(gp.SpatialSum, scene, tmp_path_factory, dtype=wide)
    limits = np.iinfo(wide)

    def clipped(ones):
        return min(max(sum(one.value for one in ones), limits.min), limits.max)

    expected = cells.field(scene, clipped, None)
    for one, want in zip(got.flat, expected.flat, strict=True):
        assert want is None or int(one) == want
    assert gp.SpatialSum().out_dtype(dtype) == wide


@how(max_examples=12)
@given(scene=cells.scenes(dtypes=("float32", "float64", "uint8")))
def test_weighted_sums(scene, tmp_path_factory):
    expected = cells.field(scene, lambda ones: cells.total([(o.value, o.weight) for o in ones]), dtype=float)
    near = bound(scene, divide=False)
    cells.assert_close(cells.merged(gp.SpatialWeightedSum, scene, tmp_path_factory), expected, near)

    def unnormalised(**options):
        return gp.SpatialOverlapAdd(normalize_by_window=False, **options)

    cells.assert_close(cells.merged(unnormalised, scene, tmp_path_factory), expected, near)


def positive(data):
    return np.ma.filled(data if data.ndim == 2 else data[0], 0) > 0


@how(max_examples=12)
@given(scene=cells.scenes(dtypes=("float32",)))
def test_weights_from_the_data_of_whole_patches(scene, tmp_path_factory):
    def make(**options):
        return gp.SpatialWeightedSum(positive, **options)

    own = scene._replace(
        patches=[Patch(p.data, p.anchor, None, positive(p.data).astype(float)) for p in scene.patches]
    )
    expected = cells.field(
        own,
        lambda ones: (
            cells.total([(o.value, o.weight) for o in ones]) if any(o.weight for o in ones) else None
        ),
        dtype=float,
    )
    cells.assert_close(
        cells.merged(make, scene, tmp_path_factory), expected, bound(scene, weighted=False, divide=False)
    )


def test_weights_that_do_not_fit_say_so():
    patch = Patch(np.ones((2, 3)), (0, 0), None)
    for weights, words in [
        (np.ones((3, 2)), r"weights shaped \(3, 2\) do not fit a patch of \(2, 3\)"),
        (-np.ones((2, 3)), r"finite and not negative; the smallest is -1.0"),
        (np.full((2, 3), np.inf), "finite"),
    ]:
        with pytest.raises(ValueError, match=words):
            gp.SpatialWeightedSum(lambda _, weights=weights: weights).merge([patch], np.empty((2, 3)))


@pytest.mark.parametrize("window", [*cells.WINDOWS, gp.SpatialGaussian(0.1)], ids=repr)
@how(max_examples=12)
@given(
    dtype=st.sampled_from(("float32", "float64")),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    share=st.integers(1, 3),
    shape=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    seed=st.integers(0, 2**32),
)
def test_identity_returns_every_number_there_is(*, window, dtype, size, share, shape, seed):
    rng = np.random.default_rng(seed)
    info = np.finfo(dtype)
    low = info.minexp - info.nmant if dtype == "float32" else -900
    exponents = rng.integers(low, info.maxexp, shape)
    image = np.ldexp(rng.uniform(1, 2, shape), exponents) * rng.choice([-1, 1], shape)
    image = image.astype(dtype)
    image[rng.random(shape) < 0.1] = info.max
    image[rng.random(shape) < 0.1] = rng.choice([np.inf, -np.inf, 0.0])
    step = tuple(max(1, -(-edge // share)) for edge in size)
    got = gp.reconstruct(image, lambda x: x, size=size, step=step, window=window, chunks=7).array
    assert got.dtype == dtype
    assert cells.ulps(got, image) == 0


@pytest.mark.parametrize("dtype", [*cells.FLOATS, *cells.INTEGERS])
def test_equal_values_are_their_mean_in_memory_however_deep_they_lie(dtype):
    rng = np.random.default_rng(0)
    image = cells.values_of(rng, "plain", (12, 13), dtype)
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(8), gp.SpatialRegularStride(1), gp.SpatialGaussian(0.3), gp.SpatialOverlapAdd()
    )
    np.testing.assert_array_equal(patcher.merge(patcher.split(image), image), image.astype("float64"))


@pytest.mark.parametrize("as_list", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64"])
def test_a_sum_of_no_patches_is_0_and_one_of_no_data_is_not(dtype, as_list):
    data = np.ma.array(np.full((2, 3, 3), 5, dtype), mask=np.zeros((2, 3, 3), bool))
    data[:, 0, 0] = np.ma.masked
    patches = [Patch(data, (-1, 1), None), Patch(np.ones((2, 3, 3), dtype), (1, 2), None)]
    got = gp.SpatialSum().merge(patches if as_list else iter(patches), np.empty((6, 700)))
    wanted = np.zeros((2, 6, 700))
    wanted[:, :2, 1:4] += 5
    wanted[:, 1:4, 2:5] += 1
    np.testing.assert_array_equal(got, wanted)
    hole = gp.SpatialSum().merge([Patch(data, (0, 0), None)], np.empty((3, 4)))
    missing = -(2**53) if dtype == "int64" else np.nan
    np.testing.assert_array_equal(hole[:, 0, 0], [missing] * 2)
    np.testing.assert_array_equal(hole[:, :, 3], 0)
    np.testing.assert_array_equal(gp.SpatialSum().merge([], np.empty((3, 4))), np.zeros((3, 4)))


@pytest.mark.parametrize("number", [2, 0.5, np.float32(3), np.array(4)])
def test_a_weight_may_be_one_number_for_a_patch(number):
    data = np.arange(6.0).reshape(2, 3)
    patches = [Patch(data, (0, 0), None), Patch(data + 1, (0, 0), None)]
    one = gp.SpatialWeightedSum(lambda _: number).merge(patches, np.empty((2, 3)))
    np.testing.assert_array_equal(one, float(number) * (2 * data + 1))
    several = [patch.with_data(np.stack([patch.data, patch.data])) for patch in patches]
    both = gp.SpatialWeightedSum(lambda _: number).merge(several, np.empty((2, 3)))
    np.testing.assert_array_equal(both, np.stack([one, one]))
    with pytest.raises(ValueError, match="-1"):
        gp.SpatialWeightedSum(lambda _: -1.0).merge(patches, np.empty((2, 3)))
