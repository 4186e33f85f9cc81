"""Patches are cut, operated on and checked; what counts is decided here."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.engine.batching import Batching
from geopatcher.engine.contributions import Operate
from geopatcher.engine.cuts import Cut
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.engine.stats import RunStats
from geopatcher.errors import OperatorError


def cuts(n, shape=(1, 4, 4), dtype="float64"):
    random = np.random.default_rng(0)
    for index in range(n):
        pixels = (random.random(shape) * 100).astype(dtype)
        yield Cut(Box(0, shape[1], index * 4, index * 4 + shape[2]), pixels, None)


def cut_off(box, whole):
    inner = box.intersect(whole)
    return Cut(inner, np.ones((1, *inner.shape)), None, None if inner == box else inner.slices(box))


def operate(operator, **options):
    options = {"sleep": lambda _: None, **options}
    return Operate(operator=operator, name="op", source_name="image", stats=RunStats(), **options)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
def test_batches_give_what_single_patches_give(batch_size):
    one = list(operate(lambda x: x * 2)(cuts(7)))
    many = list(operate(lambda x: x * 2, batching=Batching(batch_size))(cuts(7)))
    assert [c.box for c in one] == [c.box for c in many]
    for single, batched in zip(one, many, strict=True):
        np.testing.assert_array_equal(single.data, batched.data)


def test_patches_of_other_sizes_are_batched_apart_and_stay_in_order():
    shapes = [(1, 4, 4), (1, 4, 4), (1, 4, 2), (1, 3, 4), (1, 3, 4), (1, 4, 4)]
    some = [Cut(Box(0, s[1], i * 4, i * 4 + s[2]), np.full(s, i), None) for i, s in enumerate(shapes)]
    batches = []
    stream = operate(lambda x: (batches.append(x.shape), x)[1], batching=Batching(4))
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
    got = list(operate(spoil, policy=policy, batching=Batching(batch_size))(cuts(batch_size)))
    assert tries[0] == tries[1] == tries[2]
    for contribution, pixels in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(contribution.data, pixels)


@pytest.mark.parametrize("on_error", ["skip", "mask"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_patches_that_fail_are_left_out_and_written_down(on_error, batch_size):
    bad = {1, 4}

    def fail(patches):
        numbers = {int(n) for n in np.atleast_1d(np.asarray(patches).reshape(-1, 16)[:, 0])}
        if numbers & bad:
            raise ValueError("bad patch")
        return patches[..., :1, :, :] / 2

    some = [Cut(Box(0, 4, i * 4, i * 4 + 4), np.full((3, 4, 4), i), None) for i in range(6)]
    stream = operate(fail, policy=ErrorPolicy(on_error), batching=Batching(batch_size))
    got = {c.box.col0 // 4: c for c in stream(iter(some))}
    assert [record.anchor[1] // 4 for record in stream.errors] == [1, 4]
    assert {record.stage for record in stream.errors} == {"operator"}
    assert stream.errors[0].message == "ValueError: bad patch"
    assert "Traceback" in stream.errors[0].traceback
    assert stream.stats.failed == 2
    assert sorted(got) == [0, 2, 3, 5]
    for number, contribution in got.items():
        assert contribution.data.tolist() == [[[number / 2] * 4] * 4]
        assert contribution.valid is None


def test_a_mask_before_the_first_result_does_not_decide_what_a_result_is():
    def fail_first(patch):
        if patch[0, 0, 0] == 0:
            raise ValueError("bad")
        return patch[0] > 1

    image = np.zeros((3, 8, 16), "uint16")
    image[:, :, 8:] = 2
    result = gp.reconstruct(image, fail_first, size=8, step=8, on_error="mask")
    assert (result.array.shape, result.array.dtype) == ((8, 16), np.uint8)
    assert result.domain.nodata is None
    assert result.valid[0].tolist() == [False] * 8 + [True] * 8
    assert result.array[0].tolist() == [255] * 8 + [1] * 8
    assert len(result.errors) == 1


@pytest.mark.parametrize("workers", [None, 2])
@pytest.mark.parametrize("failing", [0, 1, 2])
@pytest.mark.parametrize("shape", [(8, 24), (1, 8, 24), (2, 3, 8, 24)])
def test_a_mask_has_the_leading_dimensions_of_the_results(shape, failing, workers):
    """A worker knows how many bands there are before its first patch, and not along which dimensions."""

    def fail_once(patch):
        if patch.flat[0] == failing:
            raise ValueError("bad")
        return patch * 2

    image = np.zeros(shape, "float32")
    image[..., 8:16] = 1
    image[..., 16:] = 2
    options = {"size": 8, "step": 8, "window": "boxcar", "on_error": "mask", "workers": workers}
    result = gp.reconstruct(image, fail_once, **options)
    np.testing.assert_array_equal(result.array, np.where(image == failing, np.nan, image * 2))
    assert [failed.anchor for failed in result.errors] == [(0, 8 * failing)]


def test_errors_of_shape_are_not_tried_again():
    calls = []
    policy = ErrorPolicy("skip", max_retries=3, retry_on=(Exception,))
    stream = operate(lambda x: (calls.append(1), x[:2])[1], policy=policy, batching=Batching(3))
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
    boxes = [Box(-2, 2, -1, 3), Box(0, 4, 0, 4), Box(4, 8, 3, 7)]
    some = (cut_off(box, Box(0, 6, 0, 6)) for box in boxes)
    tapers = [c.weights for c in stream(some)]
    np.testing.assert_array_equal(tapers[0], weights[2:, 1:])
    assert tapers[1] is weights
    np.testing.assert_array_equal(tapers[2], weights[:2, :3])


def test_the_same_cut_has_the_same_array_of_weights():
    weights = np.ones((4, 4))
    stream = operate(lambda x: x, weights=weights)
    some = (cut_off(Box(4, 8, col, col + 4), Box(0, 6, 0, 20)) for col in (0, 4, 8))
    tapers = [c.weights for c in stream(some)]
    assert len({id(taper) for taper in tapers}) == 1
