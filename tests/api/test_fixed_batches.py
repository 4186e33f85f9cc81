"""Batches of one shape: what is in them are the patches of `split`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

import geopatcher as gp
from counting import equal
from geopatcher.jax import BatchedPatch, batch_split, unbatch

IMAGE = np.random.default_rng(3).random((2, 20, 30))


def patcher(boundary="cover", step=5):
    return gp.SpatialPatcher(
        gp.SpatialRectangular(8, boundary),
        gp.SpatialRegularStride(step),
        gp.SpatialHann(),
        gp.SpatialOverlapAdd(),
    )


@how(max_examples=30, deadline=None)
@given(batch_size=st.integers(1, 40), pad_last=st.booleans(), flat=st.booleans())
def test_batches_hold_the_patches_and_give_them_back(batch_size, pad_last, flat):
    image = IMAGE[0] if flat else IMAGE
    wanted = list(patcher().split(image))
    batches = batch_split(patcher(), image, batch_size=batch_size, pad_last=pad_last)
    for _ in range(2):  # it can be gone through again
        made = list(batches)
        assert len(made) == len(batches)
        sizes = {len(batch.data) for batch in made}
        assert sizes == {batch_size} if pad_last else max(sizes) <= batch_size
        for batch in made:
            assert len({len(part) for part in batch}) == 1
            assert not batch.data[~batch.valid].any()
            assert not batch.weights[~batch.valid].any()
        got = [patch for batch in made for patch in unbatch(batch)]
        assert equal(got, wanted)


def test_results_of_a_function_of_batches_are_stitched():
    batches = batch_split(patcher(), IMAGE, batch_size=7)
    results = (patch for batch in batches for patch in unbatch(batch, batch.data.sum(axis=1)))
    np.testing.assert_allclose(patcher().merge(results, IMAGE), IMAGE.sum(axis=0))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="batch_size must be 1 or more, not 0"):
        batch_split(patcher(), IMAGE, batch_size=0)
    batch = next(iter(batch_split(patcher(), IMAGE, batch_size=4)))
    with pytest.raises(ValueError, match=r"data shaped \(3,\) is not one value for each of 4 patches"):
        unbatch(batch, np.zeros(3))
    with pytest.raises(ValueError, match="patches of different shapes cannot be stacked"):
        list(batch_split(patcher("shrink", step=8), IMAGE, batch_size=40))


def test_a_compiled_function_takes_a_batch_whole_and_is_compiled_once():
    jax = pytest.importorskip("jax")
    traced = []

    @jax.jit
    def doubled(batch):
        traced.append(1)
        return batch._replace(data=2 * batch.data)

    made = [doubled(batch) for batch in batch_split(patcher(), IMAGE.astype("float32"), batch_size=7)]
    assert len(traced) == 1
    assert all(isinstance(batch, BatchedPatch) for batch in made)
    stitched = patcher().merge((patch for batch in made for patch in unbatch(batch)), IMAGE)
    np.testing.assert_allclose(stitched, 2 * IMAGE, rtol=1e-5)
