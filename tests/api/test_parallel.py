"""What becomes of batches on workers, without a field or a pool where none is needed."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.api.parallel import MapRun, Work, committed, shown
from geopatcher.core.patch import Patch
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.errors import OperatorError

IMAGE = np.arange(24 * 16.0).reshape(1, 24, 16)


def stream():
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(8), gp.SpatialRegularStride(8), gp.SpatialBoxcar(), gp.SpatialOverlapAdd()
    )
    return patcher.split(IMAGE)


def fails_at_zero(pixels):
    if (pixels == 0).any():
        raise ArithmeticError("zero")
    return pixels


def run_of(operator, policy=None, **sizes):
    errors = []
    work = Work(operator, "op", policy or ErrorPolicy())
    return MapRun(stream(), work, sizes.get("n_workers", 2), sizes.get("batch_size", 4), errors), errors


def test_a_batch_is_worked_on_patch_by_patch():
    work = Work(np.negative, "negative", ErrorPolicy())
    made = work([((0, 0), np.ones(3), ()), ((0, 8), np.full(3, 2.0), ())])
    np.testing.assert_array_equal([one.data for one in made], [[-1] * 3, [-2] * 3])
    assert all(one.failure is None and one.seconds >= 0 for one in made)


def test_results_in_the_same_memory_are_kept_apart():
    memory = np.empty(3)

    def operator(pixels):
        memory[:] = pixels
        return memory

    made = Work(operator, "op", ErrorPolicy())([((0, 0), np.ones(3), ()), ((0, 8), np.full(3, 2.0), ())])
    np.testing.assert_array_equal([one.data for one in made], [[1] * 3, [2] * 3])


def test_a_position_is_handed_on():
    made = Work(lambda pixels, where: pixels + where, "op", ErrorPolicy())([((0, 0), np.ones(2), (5,))])
    np.testing.assert_array_equal(made[0].data, [6, 6])


def test_a_failure_names_operator_and_patch_or_is_written_down():
    batch = [((0, 8), np.zeros(2), ())]
    with pytest.raises(OperatorError, match=r"op failed on the patch at \(0, 8\): ArithmeticError: zero"):
        Work(fails_at_zero, "op", ErrorPolicy())(batch)
    (made,) = Work(fails_at_zero, "op", ErrorPolicy("skip"))(batch)
    assert made.data is None
    assert (made.failure.anchor, made.failure.stage) == ((0, 8), "operator")
    with pytest.raises(OperatorError, match=r"op returned None for the patch at \(0, 8\)"):
        Work(lambda pixels: None, "op", ErrorPolicy())(batch)


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_patches_come_in_order_whatever_the_batches(batch_size):
    run, _ = run_of(np.negative, batch_size=batch_size)
    done = [(patch.anchor, patch.data) for patch, _ in run.results("thread")]
    assert [anchor for anchor, _ in done] == [(row, col) for row in (0, 8, 16) for col in (0, 8)]
    for (row, col), data in done:
        np.testing.assert_array_equal(data, -IMAGE[:, row : row + 8, col : col + 8])


def test_a_mask_is_shaped_like_the_results_before_it():
    def operator(pixels):
        if pixels.max() == IMAGE.max():
            raise ArithmeticError("last")
        return np.concatenate([pixels, pixels])

    run, errors = run_of(operator, ErrorPolicy("mask"))
    *_, (last, _) = run.results("thread")
    assert last.data.shape == (2, 8, 8)
    assert np.ma.getmaskarray(last.data).all()
    assert [error.anchor for error in errors] == [(16, 8)]


def test_that_all_have_failed_is_told():
    def operator(pixels):
        raise ArithmeticError("never")

    run, errors = run_of(operator, ErrorPolicy("skip"))
    with pytest.warns(RuntimeWarning, match=r"6 .*patches"):
        assert [made.data for _, made in run.results("thread")] == 6 * [None]
    assert len(errors) == 6


def test_threads_end_with_the_loop():
    run, _ = run_of(np.negative)
    results = run.results("thread")
    next(results)
    assert [thread for thread in threading.enumerate() if thread.name.startswith("geopatcher-map")]
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("geopatcher-map")]


class Book:
    def __init__(self):
        self.lines = []

    def has(self, anchor):
        return False

    def commit(self, anchor, *, status, runtime_s, output_uri=None, error=None):
        self.lines.append((anchor, status, error))


def test_a_result_is_committed_when_the_next_is_asked_for():
    run, _ = run_of(fails_at_zero, ErrorPolicy("skip"))
    book = Book()
    patches = committed(run.results("thread"), book)
    assert next(patches) is None  # that at (0, 0) holds the zero
    assert book.lines == []
    assert next(patches).anchor == (0, 8)
    assert book.lines == [((0, 0), "failed", "ArithmeticError: zero")]
    next(patches)
    assert book.lines[1:] == [((0, 8), "done", None)]
    patches.close()
    assert len(book.lines) == 2


def test_the_bar_moves_for_what_is_left_out_too(monkeypatch):
    moved = []

    @contextmanager
    def reporting(progress, total):
        moved.append((progress, total))
        yield moved.append

    monkeypatch.setattr("geopatcher.api.parallel.reporting", reporting)
    patches = (one for one in (None, Patch(3, (0, 0), None), None))
    assert [patch.data for patch in shown(patches, 3, show_progress=True)] == [3]
    assert moved == [(True, 3), 1, 1, 1]
