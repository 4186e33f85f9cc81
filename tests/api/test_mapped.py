"""What an operator makes of patches, as a lazy sequence."""

from __future__ import annotations

import numpy as np
import pytest

import far
import geopatcher as gp
from geopatcher.api.journal import PatchJournal
from geopatcher.api.runners import parallel_map
from geopatcher.errors import OperatorError

IMAGE = np.random.default_rng(8).random((2, 40, 30), dtype="float32")


def patcher_of():
    return gp.SpatialPatcher(
        gp.SpatialRectangular(16), gp.SpatialRegularStride(8), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )


def one_by_one(patcher, operator):
    return [(patch.anchor, operator(patch.data).tobytes()) for patch in patcher.split(IMAGE)]


def listed(patches):
    return [(patch.anchor, np.asarray(patch.data).tobytes()) for patch in patches]


def test_what_it_gives_is_a_lazy_sequence(tmp_path):
    patcher, calls = patcher_of(), []

    def counted(pixels):
        calls.append(1)
        return far.bend(pixels)

    mapped = parallel_map(patcher, IMAGE, counted, n_workers=2)
    anchors = list(patcher.anchors(IMAGE))
    assert len(mapped) == len(anchors)
    assert not calls
    assert mapped[3].anchor == anchors[3]
    assert mapped[-1].data.tobytes() == far.bend(list(patcher.split(IMAGE))[-1].data).tobytes()
    assert len(calls) == 2, "an index computes its patch alone"
    assert [patch.anchor for patch in mapped[2:5]] == anchors[2:5]
    with pytest.raises(IndexError):
        mapped[len(anchors)]
    assert listed(mapped) == listed(mapped) == one_by_one(patcher, far.bend), "it can be gone through again"
    assert repr(mapped).startswith("MappedPatches(")
    with PatchJournal(tmp_path / "journal") as journal:
        journal.commit(anchors[0], status="done", runtime_s=0)
        rest = parallel_map(patcher, IMAGE, far.bend, journal=journal)
        assert len(rest) == len(anchors) - 1
        assert rest[0].anchor == anchors[1]
        list(rest)
        assert rest == []


def test_a_patch_asked_for_by_its_number_is_not_left_out():
    def fail(pixels):
        raise ArithmeticError("no")

    mapped = parallel_map(patcher_of(), IMAGE, fail, on_error="skip")
    with pytest.raises(OperatorError, match=r"fail failed on the patch at \(0, 8\): ArithmeticError: no"):
        mapped[1]
