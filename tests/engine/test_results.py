"""What operators return is made an array, or called by its name."""

from __future__ import annotations

import collections
import sys
import types
from dataclasses import dataclass

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.engine.results import NoArrayError, as_array, described
from geopatcher.errors import OperatorError

IMAGE = np.arange(2 * 20 * 20, dtype="float32").reshape(2, 20, 20)


class Tensor:
    """Like one of torch that has a gradient."""

    __module__ = "torch"

    def __init__(self, patch):
        self.patch = patch

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy()")


class Lazy:
    """An array that is made when it is asked for."""

    def __init__(self, patch):
        self.patch = patch

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.patch, dtype)


class Exits(Lazy):
    def __array__(self, dtype=None, copy=None):
        sys.exit(0)


@dataclass
class Boxes:
    patch: object


Output = collections.namedtuple("Output", ["logits", "features"])  # noqa: PYI024 - as old code has them


async def waits(patch):
    return patch


WRONG = {
    "none": (lambda x: None, "returned None for {}: did it forget to return?"),
    "dict": (
        lambda x: {"mask": x, "boxes": 3},
        "returned a dict with the keys 'mask', 'boxes' for {}: return one array, such as its 'mask'",
    ),
    "ordered": (
        lambda x: collections.OrderedDict(logits=x),
        "returned a collections.OrderedDict with the keys 'logits' for {}",
    ),
    "empty": (lambda x: {}, "returned an empty dict for {}: return one array"),
    "many keys": (
        lambda x: dict.fromkeys(range(9)),
        "returned a dict with the keys 0, 1, 2, 3, 4, 5, ... for {}",
    ),
    "generator": (
        lambda x: (band for band in x),
        "returned a generator for {}: return one array; np.stack(list(...)) makes one of several",
    ),
    "map": (lambda x: map(np.sqrt, x), "returned a map for {}: return one array"),
    "text": (lambda x: "done", "returned a str, 'done', for {}: return an array"),
    "long text": (lambda x: "d" * 9999, f"returned a str, '{'d' * 59}, for {{}}"),
    "async": (waits, "returned a coroutine for {}: an operator is a plain function, not an async one"),
    "object": (Boxes, "returned a tests.Boxes for {}: return one array of numbers"),
    "set": (lambda x: {1, 2}, "returned a set for {}: return one array of numbers"),
    "module": (lambda x: types, "returned a module for {}"),
    "tensor": (
        Tensor,
        (
            "returned a torch.Tensor, of which NumPy can make no array (RuntimeError: Can't call numpy() on "
            "Tensor that requires grad. Use tensor.detach().numpy()), for {}: return a NumPy array; "
            "a tensor of torch becomes one by tensor.detach().cpu().numpy()"
        ),
    ),
    "exit": (
        Exits,
        (
            "returned a tests.Exits, of which NumPy can make no array "
            "(SystemExit(0), which would have ended the program), for {}"
        ),
    ),
    "objects": (
        lambda x: x.astype(object),
        (
            "returned an array of Python objects (dtype object, shape {shape}) for {}: "
            "return one array of numbers"
        ),
    ),
}
ALONE = {
    "number": (lambda x: x.mean(), "returned a single number for the patch of 8x8 pixels at rows 0:8"),
    "python number": (lambda x: 3, "returned a single number for the patch of 8x8 pixels at rows 0:8"),
    "ragged": (
        lambda x: [x, x[:1]],
        (
            "returned a list of 2 (float32 (2, 8, 8), float32 (1, 8, 8)) for the patch at rows 0:8, "
            "columns 0:8 of ndarray float32 (2, 20, 20): return one array"
        ),
    ),
    "pair": (
        lambda x: (x, x),
        (
            "returned a tuple of 2 (float32 (2, 8, 8), float32 (2, 8, 8)), which makes an array of shape "
            "(2, 2, 8, 8), for the patch of 8x8 pixels at rows 0:8, columns 0:8"
        ),
    ),
    "named": (
        lambda x: Output(x, None),
        "returned a tests.Output of 2 (float32 (2, 8, 8), None)",
    ),
    "cut": (lambda x: x[:, 1:], "returned an array of shape (2, 7, 8) for the patch of 8x8 pixels at rows"),
    "transposed": (lambda x: x.T[:, :4], "returned an array of shape (8, 4, 2) for the patch of 8x8 pixels"),
    "batch axis": (
        lambda x: x[None],
        "patches have 2 leading dimensions of 1x2; of the source's (band: 2) that",
    ),
    "complex": (lambda x: x * 1j, "returned complex64 values for the patch at rows 0:8"),
    "dates": (lambda x: x.astype("M8[s]"), "returned datetime64[s] values for the patch at rows 0:8"),
    "records": (lambda x: np.zeros(x.shape, "f4,f4"), "must return real numbers or booleans"),
}
BATCHES = {
    "number": (
        lambda x: x.mean(),
        "returned a single number for a batch of 3 patches at rows 0:8, columns 0:8",
    ),
    "one": (lambda x: x[0], "returned an array of shape (2, 8, 8) for a batch of 3 patches at rows 0:8"),
    "pair": (
        lambda x: (x, x),
        (
            "returned a tuple of 2 (float32 (3, 2, 8, 8), float32 (3, 2, 8, 8)), which makes an array of "
            "shape (2, 3, 2, 8, 8), for a batch of 3 patches"
        ),
    ),
    "last": (
        lambda x: np.moveaxis(x, 0, -1),
        "returned an array of shape (2, 8, 8, 3) for a batch of 3 patches",
    ),
    "flat": (
        lambda x: x.reshape(len(x), -1),
        "returned an array of shape (128,) for the patch of 8x8 pixels",
    ),
    "numbers": (lambda x: x.mean((1, 2, 3)), "returned a single number for the patch of 8x8 pixels"),
}
WHERE = "at rows 0:8, columns 0:8 of ndarray float32 (2, 20, 20)"


def refused(operator, **keywords):
    with pytest.raises(OperatorError) as caught:
        gp.reconstruct(IMAGE, operator, size=8, **keywords)
    return str(caught.value)


@pytest.mark.parametrize("on_error", ["raise", "skip", "mask"])
@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_array_is_named(kind, on_error):
    operator, said = WRONG[kind]
    told = said.format(f"the patch {WHERE}", shape=(2, 8, 8))
    assert told in refused(operator, on_error=on_error)
    told = said.format(f"a batch of 3 patches {WHERE}", shape=(3, 2, 8, 8))
    assert told in refused(operator, on_error=on_error, batch_size=3)


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_array_is_named_of_masked_patches_too(kind):
    operator, said = WRONG[kind]
    masked = gp.masked(lambda patch: operator(patch.filled(0)))
    assert said.format(f"the patch {WHERE}", shape=(2, 8, 8)) in refused(masked)
    assert said.format(f"a batch of 3 patches {WHERE}", shape=(3, 2, 8, 8)) in refused(masked, batch_size=3)


@pytest.mark.parametrize("kind", ALONE)
def test_arrays_of_a_wrong_shape_or_dtype_are_described(kind):
    operator, said = ALONE[kind]
    assert said in refused(operator)


@pytest.mark.parametrize("kind", BATCHES)
def test_batches_of_a_wrong_shape_are_described(kind):
    operator, said = BATCHES[kind]
    assert said in refused(operator, batch_size=3)


@pytest.mark.parametrize(
    "operator",
    [
        list,
        lambda x: x.tolist(),
        Lazy,
        lambda x: memoryview(np.ascontiguousarray(x)),
        lambda x: x > 3,
    ],
)
def test_what_is_as_good_as_an_array_is_one(operator):
    wanted = IMAGE if operator(IMAGE) is not None and np.asarray(operator(IMAGE)).dtype != bool else IMAGE > 3
    result = gp.reconstruct(IMAGE, operator, size=8, window="boxcar", step=8, dtype="float64")
    np.testing.assert_allclose(result.array, wanted, rtol=1e-6)


def test_a_result_that_changes_its_kind_midway_is_told():
    calls = []

    def operator(patch):
        calls.append(1)
        return patch if len(calls) < 5 else patch.astype(object)

    assert "returned an array of Python objects" in refused(operator)


def test_arrays_stay_what_they_are():
    array = np.ones((2, 3))
    assert as_array(array) is array
    masked = np.ma.array([1, 2], mask=[True, False])
    assert as_array(masked) is masked
    with pytest.raises(NoArrayError, match="an array of Python objects"):
        as_array(np.ma.array([None, 2], mask=[True, False]))
    assert described(array, array) == "an array of shape (2, 3)"
