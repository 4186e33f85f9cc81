"""Calls of an operator whose results are no arrays: the sum of each patch, for example."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.engine.batching import Batching
from geopatcher.engine.cuts import Cut
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.engine.patch_calls import PatchCalls
from geopatcher.engine.stats import RunStats
from geopatcher.errors import OperatorError


class Sums(PatchCalls):
    """Yields the anchor of each patch, and what the operator said of it."""

    def results(self, batch, returned):
        return returned if self.batching.batched else [returned]

    def yielded(self, cut, present, result):
        return cut.anchor, result

    def kept(self, result):
        return result

    def n_bytes(self, result):
        return 8


def cuts(*values):
    return [
        Cut(Box(0, 2, 2 * n, 2 * n + 2), np.full((1, 2, 2), value, "float32"), None)
        for n, value in enumerate(values)
    ]


def calls(operator, **options):
    return Sums(operator, "op", "image", RunStats(), **options)


def test_results_of_any_kind_come_in_order():
    made = calls(lambda patch: f"{patch.sum():.0f}")
    assert list(made(iter(cuts(1, 2)))) == [((0, 0), "4"), ((0, 2), "8")]
    assert made.stats.patches == 2


def test_batches_are_filled_and_the_last_is_short():
    sizes = []

    def operator(patches):
        sizes.append(len(patches))
        return [float(patch.sum()) for patch in patches]

    made = list(calls(operator, batching=Batching.of(2))(iter(cuts(1, 2, 3))))
    assert [value for _, value in made] == [4, 8, 12]
    assert sizes == [2, 1]


def test_empty_patches_are_passed_over():
    made = calls(lambda patch: float(patch.sum()), skip_empty=True)
    assert list(made(iter(cuts(1, np.nan, 3)))) == [((0, 0), 4), ((0, 4), 12)]
    assert (made.stats.patches, made.stats.skipped) == (2, 1)


def test_patches_are_behind_the_first_that_waits_be_they_left_out_or_not():
    made = calls(
        lambda patches: [float(patch.sum()) for patch in patches], batching=Batching.of(2), skip_empty=True
    )
    behind = []

    def coming():
        for cut in cuts(np.nan, 1, np.nan, np.nan, 2, np.nan, 3):
            yield cut
            behind.append(made.n_behind)

    assert [value for _, value in made(coming())] == [4, 8, 12]
    assert behind == [0, 1, 2, 3, 0, 0, 1]
    assert made.n_behind == 0


def picky(patch):
    if patch[0, 0, 0] == 2:
        raise ArithmeticError("two")
    return float(patch.sum())


@pytest.mark.parametrize("on_error", ["skip", "mask"])
def test_a_patch_that_fails_is_left_out(on_error):
    carrying_on = calls(picky, policy=ErrorPolicy(on_error))
    assert [value for _, value in carrying_on(iter(cuts(1, 2, 3)))] == [4, 12]
    assert [error.anchor for error in carrying_on.errors] == [(0, 2)]
    with pytest.raises(OperatorError, match="op failed on .* of image: ArithmeticError: two"):
        list(calls(picky)(iter(cuts(2))))
