"""Data sets of PyTorch without PyTorch: what is told before it is needed."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.errors import MissingExtraError
from geopatcher.torch import IterablePatchDataset, PatchDataset, tensors_of
from geopatcher.training.datasets import _own

IMAGE = np.random.default_rng(0).normal(size=(2, 20, 30))


def view():
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(8), gp.SpatialRegularStride(4), gp.SpatialBoxcar(), gp.SpatialOverlapAdd()
    )
    return gp.IndexedPatchView(patcher, IMAGE, cache=True)


def test_a_data_set_has_the_length_of_its_view_without_pytorch():
    dataset = PatchDataset(view())
    assert len(dataset) == 28
    assert repr(dataset) == f"PatchDataset({dataset.view!r})"


def test_arrays_are_writeable_and_of_the_machine():
    kept = view()[0].data
    own = _own(kept)
    assert not np.shares_memory(own, kept)
    own[...] = 3
    assert (kept == IMAGE[:, :8, :8]).all()
    swapped = _own(np.arange(4, dtype=">i4"))
    assert (swapped.tolist(), swapped.dtype.isnative) == ([0, 1, 2, 3], True)
    masked = np.ma.array([1, 2], mask=[True, False])
    assert type(_own(masked)) is np.ndarray


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is here")
def test_the_extra_is_named_where_pytorch_is_missing():
    with pytest.raises(MissingExtraError, match=r"pip install 'geopatcher\[torch\]'"):
        _ = PatchDataset(view())[0]
    with pytest.raises(MissingExtraError, match=r"geopatcher\[torch\]"):
        IterablePatchDataset(view())
    with pytest.raises(MissingExtraError, match=r"geopatcher\[torch\]"):
        tensors_of(view()[0])


def test_what_makes_no_order_is_refused_before_pytorch_is_asked_for():
    for wrong in ({"rank": 2, "world_size": 2}, {"rank": -1}, {"world_size": 0}):
        with pytest.raises(ValueError, match="rank is one of 0 to"):
            IterablePatchDataset(view(), **wrong)
    with pytest.raises(ValueError, match="a seed is a whole number"):
        IterablePatchDataset(view(), seed=-1)
