"""A run learns from the first result what it takes, and keeps its limit all the same."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.errors import MemoryLimitError

IMAGE = np.random.default_rng(3).random((64, 40_000)).astype("float32")


def many_bands(patch):
    return np.stack([patch * k for k in range(24)])


def test_an_operator_of_many_bands_is_run_in_narrower_regions():
    limits = {"memory_limit": "96MiB", "size": 32, "step": 16, "chunks": 64}
    assumed = gp.plan(IMAGE, **limits)
    told = gp.plan(IMAGE, out_bands=24, **limits)
    assert told.n_regions > assumed.n_regions
    result = gp.reconstruct(IMAGE, many_bands, **limits)
    assert result.plan.n_regions == told.n_regions
    assert result.plan.working_bytes <= result.plan.memory_limit
    np.testing.assert_allclose(result.array, many_bands(IMAGE), rtol=1e-6)


def test_what_fits_in_no_region_is_refused_with_its_size(tmp_path):
    def far_too_many(patch):
        return np.zeros((3000, *patch.shape), "float32")

    with pytest.raises(MemoryLimitError, match="memory_limit is 96.0 MiB"):
        gp.reconstruct(IMAGE, far_too_many, tmp_path / "x.zarr", memory_limit="96MiB", size=32, chunks=64)
    assert list(tmp_path.iterdir()) == []


def test_a_wide_result_counts_by_its_own_bytes():
    plan = gp.plan(IMAGE, dtype="float64", memory_limit="96MiB", size=32, chunks=64)
    assert plan.working_bytes > gp.plan(IMAGE, memory_limit="96MiB", size=32, chunks=64).working_bytes / 2
    assert plan.n_regions >= gp.plan(IMAGE, memory_limit="96MiB", size=32, chunks=64).n_regions
