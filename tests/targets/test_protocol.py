"""What each target can do is asked for by what it does, not by its class."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.targets.digests import NO_FILE, files_in
from geopatcher.targets.disk import CogTarget, ZarrTarget
from geopatcher.targets.open import MemoryTarget
from geopatcher.targets.protocol import (
    BlockStore,
    Claimable,
    DurableTarget,
    KnowsAlpha,
    Placed,
    Replacing,
    Target,
)

SPEC = ResultSpec(RasterDomain((32, 16), dtype=np.dtype("uint8")), (16, 16), 0)


class Bare:
    """All a target must be."""

    path = None

    def check(self):
        """Find nothing wrong."""

    def create(self, spec):
        return self

    def complete(self):
        raise NotImplementedError

    def discard(self):
        """Have nothing to remove."""


@pytest.mark.parametrize(
    ("kind", "can"),
    [
        (lambda folder: Bare(), {Target}),
        (lambda folder: MemoryTarget(), {Target}),
        (lambda folder: ZarrTarget(folder / "x.zarr"), {Target, DurableTarget, Placed, Claimable, Replacing}),
        (
            lambda folder: CogTarget(folder / "x.tif"),
            {Target, DurableTarget, Placed, Claimable, Replacing, KnowsAlpha},
        ),
        (lambda folder: folder, set()),
    ],
    ids=["own", "memory", "zarr", "tif", "a path"],
)
def test_what_targets_can_do(tmp_path, kind, can):
    asked = {Target, DurableTarget, Placed, Claimable, Replacing, KnowsAlpha}
    assert {one for one in asked if isinstance(kind(tmp_path), one)} == can


@pytest.mark.parametrize("kind", [ZarrTarget, CogTarget])
def test_blocks_are_written_by_a_copy_in_another_process_and_told_once(tmp_path, kind):
    target = kind(tmp_path / ("x.zarr" if kind is ZarrTarget else "x.tif"))
    store = target.begin(SPEC, replace=False)
    assert isinstance(store, BlockStore)
    assert not isinstance(MemoryTarget().create(SPEC), BlockStore)
    top, below = Box(0, 16, 0, 16), Box(16, 32, 0, 16)
    copied = pickle.loads(pickle.dumps(store))  # noqa: S301 - our own, as workers get it
    copied.write([(top, {"data": np.full((1, 16, 16), 5, "uint8")})])
    told = [one.take(top)["data"] for one in (store, copied, copied)]
    assert [set(files_in(digests)) != {NO_FILE} for digests in told] == [
        False,
        True,
        False,
    ]  # who wrote it, once
    store.write([(below, {"data": np.full((1, 16, 16), 6, "uint8")})])
    store.sync(Box(0, 32, 0, 16))
    assert store.sweep(lambda box: box == top) == 1
    array = np.asarray(target.complete().arrays["data"])
    np.testing.assert_array_equal(array[:, 0], [5] * 16 + [0] * 16)
