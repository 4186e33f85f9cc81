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


def test_it_equals_a_list_of_what_it_gives():
    patcher = patcher_of()
    mapped = parallel_map(patcher, IMAGE, far.bend, n_workers=2)
    listed_once = list(mapped)
    assert mapped == listed_once
    assert listed_once == mapped
    assert mapped == parallel_map(patcher, IMAGE, far.bend)
    assert mapped != listed_once[:-1]
    assert mapped != [*listed_once[:-1], listed_once[0]]
    assert mapped != [patch.with_data(patch.data + 1) for patch in listed_once]
    assert mapped != [patch.data for patch in listed_once]
    assert mapped != parallel_map(patcher, IMAGE, np.negative)


def test_of_patches_that_are_left_out_it_is_not_equal_to_more():
    patcher = patcher_of()

    def fail_at_the_corner(pixels):
        if pixels[0, 0, 0] == IMAGE[0, 0, 0]:
            raise KeyError(3)
        return pixels

    mapped = parallel_map(patcher, IMAGE, fail_at_the_corner, on_error="skip")
    assert mapped != list(parallel_map(patcher, IMAGE, np.copy))


def test_a_patch_asked_for_by_its_number_is_not_left_out():
    def fail(pixels):
        raise ArithmeticError("no")

    mapped = parallel_map(patcher_of(), IMAGE, fail, on_error="skip")
    with pytest.raises(OperatorError, match=r"fail failed on the patch at \(0, 8\): ArithmeticError: no"):
        mapped[1]
