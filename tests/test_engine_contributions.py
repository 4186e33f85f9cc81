"""Patches are cut, operated on and checked; what counts is decided here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import geopatcher as gp
import oracle
from geopatcher.box import Box
from geopatcher.engine.contributions import Cut, Operate, as_array, cut_patches, is_empty, mirror
from geopatcher.engine.stats import RunStats
from geopatcher.engine.validity import validity
from geopatcher.errors import OperatorError
from geopatcher.policy import ErrorPolicy


class Whole:
    """Rectangles of an image in memory."""

    def __init__(self, image, mask=None):
        self.image, self.mask = image, mask

    def cut(self, box):
        where = (slice(None), *box.slices())
        return self.image[where].copy(), None if self.mask is None else self.mask[where].copy()


def plan_for(image, size, boundary, nodata=None, pad_value=None):
    field = gp.RasterField.from_array(image, nodata=nodata)
    plan = gp.plan(field, size=size, boundary="cover")
    return replace(plan, boundary=boundary, pad_value=pad_value)


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(-7, 9), st.integers(-7, 9)),
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    st.sampled_from(["pad", "reflect", "shrink", "cover"]),
    st.booleans(),
)
def test_what_overhangs_is_filled_as_the_boundary_says(shape, corner, size, boundary, masked):
    random = np.random.default_rng(1)
    image = random.random((2, *shape))
    mask = random.random(image.shape) < 0.7 if masked else None
    box = Box(corner[0], corner[0] + size[0], corner[1], corner[1] + size[1])
    inner = box.intersect(Box.of_shape(shape))
    if not inner.n_pixels:
        return
    (cut,) = cut_patches(plan_for(image, size, boundary), [box], Whole(image, mask))
    if boundary == "shrink":
        assert cut.box == inner
        np.testing.assert_array_equal(cut.pixels, image[:, *inner.slices()])
        weights = np.arange(size[0] * size[1]).reshape(size)
        np.testing.assert_array_equal(
            weights if cut.crop is None else weights[cut.crop], weights[inner.slices(box)]
        )
        return
    big = oracle.around(image, 8, "pad" if boundary == "pad" else "reflect")
    where = (slice(None), *box.shift(8, 8).slices())
    assert cut.box == box
    np.testing.assert_array_equal(cut.pixels, big[where])
    if cut.valid is not None:
        known = np.ones(image.shape) if mask is None else mask.astype(float)
        filled = oracle.around(known, 8, "pad" if boundary == "pad" else "reflect", 0.0)
        np.testing.assert_array_equal(cut.valid, filled[where] == 1)
    else:
        assert mask is None


@pytest.mark.parametrize(
    ("dtype", "nodata", "pad_value", "wanted"),
    [
        ("uint8", None, None, 0),
        ("uint8", 9, None, 9),
        ("uint8", 9, 3, 3),
        ("float32", None, None, np.nan),
        ("float32", 9, None, np.nan),
        ("float32", None, 3.5, 3.5),
    ],
)
def test_padding_is_nodata_unless_a_value_is_given(dtype, nodata, pad_value, wanted):
    image = np.ones((1, 4, 4), dtype)
    plan = plan_for(image, 4, "pad", nodata, pad_value)
    (cut,) = cut_patches(plan, [Box(2, 6, 0, 4)], Whole(image))
    np.testing.assert_array_equal(cut.pixels[0, 2:], np.full((2, 4), wanted, dtype))
    assert cut.pixels.dtype == dtype
    assert not cut.valid[0, 2:].any()
    assert cut.valid[0, :2].all()


@given(st.integers(1, 9), st.integers(0, 30))
def test_mirrored_positions_are_numpys(length, margin):
    wanted = np.pad(np.arange(length), margin, mode="reflect" if length > 1 else "edge")
    np.testing.assert_array_equal(mirror(np.arange(-margin, length + margin), length), wanted)


# What counts

results = hnp.arrays(np.float32, (2, 3, 3), elements=st.sampled_from([1.0, np.inf, -np.inf, np.nan]))
masks = hnp.arrays(bool, (2, 3, 3))


@given(results, st.none() | masks, st.none() | masks | hnp.arrays(bool, (5, 3, 3)))
def test_a_cell_counts_unless_someone_says_it_is_missing(data, mask, valid):
    result = data if mask is None else np.ma.array(data, mask=mask)
    got = validity(valid, result)
    wanted = ~np.isnan(data)
    if mask is not None:
        wanted &= ~mask
    if valid is not None:
        wanted &= valid if len(valid) == 2 else valid.all(axis=0)
    if wanted.all():
        assert got is None
    else:
        np.testing.assert_array_equal(got, wanted)


@given(results, st.none() | masks)
def test_empty_is_when_nothing_is_there(data, valid):
    known = ~np.isnan(data)
    wanted = not known.any() or (valid is not None and not valid.any())
    assert is_empty(Cut(Box(0, 3, 0, 3), data, valid)) == wanted


def test_plain_results_stay_plain_and_masked_ones_masked():
    assert type(as_array([[1, 2]])) is np.ndarray
    assert type(as_array(np.ones((2, 2)).view(np.recarray))) is np.ndarray
    assert isinstance(as_array(np.ma.array([1], mask=True)), np.ma.MaskedArray)


# Calling the operator


def cuts(n, shape=(1, 4, 4), dtype="float64"):
    random = np.random.default_rng(0)
    for index in range(n):
        pixels = (random.random(shape) * 100).astype(dtype)
        yield Cut(Box(0, shape[1], index * 4, index * 4 + shape[2]), pixels, None)


def operate(operator, **options):
    options = {"sleep": lambda _: None, **options}
    return Operate(operator=operator, name="op", source_name="image", stats=RunStats(), **options)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
def test_batches_give_what_single_patches_give(batch_size):
    one = list(operate(lambda x: x * 2)(cuts(7)))
    many = list(operate(lambda x: x * 2, batch_size=batch_size)(cuts(7)))
    assert [c.box for c in one] == [c.box for c in many]
    for single, batched in zip(one, many, strict=True):
        np.testing.assert_array_equal(single.data, batched.data)


def test_patches_of_other_sizes_are_batched_apart_and_stay_in_order():
    shapes = [(1, 4, 4), (1, 4, 4), (1, 4, 2), (1, 3, 4), (1, 3, 4), (1, 4, 4)]
    some = [Cut(Box(0, s[1], i * 4, i * 4 + s[2]), np.full(s, i), None) for i, s in enumerate(shapes)]
    batches = []
    stream = operate(lambda x: (batches.append(x.shape), x)[1], batch_size=4)
    got = [int(c.data.flat[0]) for c in stream(iter(some))]
    assert got == [0, 1, 2, 3, 4, 5]
    assert batches == [(2, 1, 4, 4), (1, 1, 4, 2), (2, 1, 3, 4), (1, 1, 4, 4)]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_retry_sees_the_patch_as_it_was(batch_size):
    tries = []

    def spoil(patch):
        tries.append(patch.sum())
        patch += 1
        if len(tries) < 3:
            raise OSError("busy")
        return patch

    policy = ErrorPolicy("retry", max_retries=2)
    wanted = [cut.pixels + 1 for cut in cuts(batch_size)]
    got = list(operate(spoil, policy=policy, batch_size=batch_size)(cuts(batch_size)))
    assert tries[0] == tries[1] == tries[2]
    for contribution, pixels in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(contribution.data, pixels)


@pytest.mark.parametrize("on_error", ["skip", "mask"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_patches_that_fail_are_left_out_or_masked_and_written_down(on_error, batch_size):
    bad = {1, 4}

    def fail(patches):
        numbers = {int(n) for n in np.atleast_1d(np.asarray(patches).reshape(-1, 16)[:, 0])}
        if numbers & bad:
            raise ValueError("bad patch")
        return patches[..., :1, :, :] / 2

    some = [Cut(Box(0, 4, i * 4, i * 4 + 4), np.full((3, 4, 4), i), None) for i in range(6)]
    stream = operate(fail, policy=ErrorPolicy(on_error), batch_size=batch_size)
    got = {c.box.col0 // 4: c for c in stream(iter(some))}
    assert [record.anchor[1] // 4 for record in stream.errors] == [1, 4]
    assert {record.kind for record in stream.errors} == {"operator"}
    assert stream.errors[0].message == "ValueError: bad patch"
    assert "Traceback" in stream.errors[0].traceback
    assert stream.stats.failed == 2
    for number in range(6):
        if number not in bad:
            assert got[number].data.tolist() == [[[number / 2] * 4] * 4]
            assert got[number].valid is None
        elif number in got:
            assert on_error == "mask"
            assert not got[number].valid.any()
            assert got[number].data.shape == (1, 4, 4)


def test_a_mask_before_the_first_result_does_not_decide_what_a_result_is():
    def fail_first(patch):
        if patch[0, 0, 0] == 0:
            raise ValueError("bad")
        return patch[0] > 1

    image = np.zeros((3, 8, 16), "uint16")
    image[:, :, 8:] = 2
    result = gp.reconstruct(image, fail_first, size=8, step=8, on_error="mask")
    assert (result.array.shape, result.array.dtype) == ((8, 16), np.uint8)
    assert result.domain.nodata == 255
    assert result.array[0].tolist() == [255] * 8 + [1] * 8
    assert len(result.errors) == 1


def test_errors_of_shape_are_not_tried_again():
    calls = []
    policy = ErrorPolicy("skip", max_retries=3, retry_on=(Exception,))
    stream = operate(lambda x: (calls.append(1), x[:2])[1], policy=policy, batch_size=3)
    with pytest.raises(OperatorError, match="first axis must be the batch"):
        list(stream(cuts(3)))
    assert len(calls) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_of_another_width_become_those_of_the_first(dtype):
    def alternate(patch):
        alternate.turn = not alternate.turn
        return patch.astype("float32" if alternate.turn else "float64")

    alternate.turn = dtype == "float64"
    got = list(operate(alternate)(cuts(4)))
    assert {c.data.dtype for c in got} == {np.dtype(dtype)}


def test_weights_of_patches_cut_off_at_any_side_are_cut_off_alike():
    weights = np.arange(16.0).reshape(4, 4)
    stream = operate(lambda x: x, weights=weights)
    image = np.ones((1, 6, 6))
    boxes = [Box(-2, 2, -1, 3), Box(0, 4, 0, 4), Box(4, 8, 3, 7)]
    some = cut_patches(plan_for(image, 4, "shrink"), boxes, Whole(image))
    tapers = [c.weights for c in stream(some)]
    np.testing.assert_array_equal(tapers[0], weights[2:, 1:])
    assert tapers[1] is weights
    np.testing.assert_array_equal(tapers[2], weights[:2, :3])


def test_the_same_cut_has_the_same_array_of_weights():
    weights = np.ones((4, 4))
    stream = operate(lambda x: x, weights=weights)
    image = np.ones((1, 6, 20))
    boxes = [Box(4, 8, col, col + 4) for col in (0, 4, 8)]
    tapers = [c.weights for c in stream(cut_patches(plan_for(image, 4, "shrink"), boxes, Whole(image)))]
    assert len({id(taper) for taper in tapers}) == 1
