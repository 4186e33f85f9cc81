"""Operators that hang are ended with their process, and the run goes on as its policy says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import far
import geopatcher as gp
from geopatcher.errors import OperatorError
from geopatcher.executors import DaskExecutor, LocalExecutor, ProcessExecutor
from geopatcher.executors.workers.deadline import Overdue
from geopatcher.executors.workers.pickling import pack
from geopatcher.executors.workers.process_main import Done
from geopatcher.executors.workers.process_pool import Lost, Pool

IMAGE = np.arange(2 * 48 * 48, dtype="float32").reshape(2, 48, 48)
SIZES = {"size": 16, "step": 16, "window": "boxcar", "chunks": 16}


class Hangs:
    """Doubles, but hangs over patches that hold one of some cells; notes each of its calls.

    ``how`` it hangs: asleep, in a way that holds the interpreter, so that no thread of Python's could end
    it, or inline, by saying so.
    """

    __name__ = "hangs"

    def __init__(self, folder, *cells, times=1000, how="inline"):
        self.calls = str(Path(folder, "calls"))
        self.cells, self.times, self.how = cells, times, how

    def fingerprint(self):
        return "hangs"

    def __call__(self, patch):
        late = any((patch == cell).any() for cell in self.cells)
        with Path(self.calls).open("a", encoding="ascii") as file:
            file.write(json.dumps([late, len(patch) if patch.ndim == 4 else 0]) + "\n")
        if late and self.n_late() <= self.times:
            if self.how == "inline":
                raise far.TooLate
            if self.how == "regex":
                re.match(r"(a+)+$", "a" * 60 + "b")
            time.sleep(300)
        return patch * 2

    def seen(self):
        return [json.loads(line) for line in Path(self.calls).read_text(encoding="ascii").splitlines()]

    def n_late(self):
        return sum(late for late, _ in self.seen())


class HangsInTwoWays(Hangs):
    """Asleep over the first cell, and holding the interpreter over the others."""

    def __call__(self, patch):
        self.how = "sleep" if (patch == self.cells[0]).any() else "regex"
        return super().__call__(patch)


def cell(row, col):
    return IMAGE[0, row, col]


def inline(operator, target=None, **keywords):
    executor = far.InlineExecutor((1, 1))
    return gp.reconstruct(IMAGE, operator, target, timeout=2, executor=executor, **{**SIZES, **keywords})


# -- in processes ---------------------------------------------------------------------------------


def test_a_call_that_takes_too_long_ends_the_run(tmp_path):
    with pytest.raises(OperatorError) as caught:
        gp.reconstruct(IMAGE, Hangs(tmp_path, cell(20, 40), how="sleep"), timeout=3, **SIZES)
    assert str(caught.value).startswith(
        "hangs took longer than 3 s on rows 16:32, columns 32:48 of ndarray float32 (2, 48, 48), and was in "
        "__call__ ("
    )
    assert "test_deadline.py, line" in str(caught.value)
    assert isinstance(caught.value.__cause__, TimeoutError)


def test_patches_that_take_too_long_are_left_out(tmp_path):
    operator = HangsInTwoWays(tmp_path, cell(20, 40), cell(0, 0))
    result = gp.reconstruct(
        IMAGE, operator, tmp_path / "x.zarr", timeout=3, on_error="skip", dtype="float32", workers=2, **SIZES
    )
    wanted = 2 * IMAGE
    wanted[:, :16, :16] = np.nan
    wanted[:, 16:32, 32:] = np.nan
    np.testing.assert_array_equal(result.array[...], wanted)
    errors = sorted(result.errors, key=lambda error: error.anchor)
    assert [(error.anchor, error.stage, error.retry_count) for error in errors] == [
        ((0, 0), "operator", 0),
        ((16, 32), "operator", 0),
    ]
    for error in errors:
        assert error.message.startswith("TimeoutError: it took longer than 3 s, and was in ")
        assert "Timeout (0:00:03" in error.traceback
    assert operator.n_late() == 2
    assert result.stats.failed == 2


# -- what becomes of them -------------------------------------------------------------------------


def test_a_masked_patch_stands_for_one_that_takes_too_long(tmp_path):
    result = inline(Hangs(tmp_path, cell(20, 40)), on_error="mask")
    wanted = 2 * IMAGE
    wanted[:, 16:32, 32:] = np.nan
    np.testing.assert_array_equal(result.array, wanted)
    assert [error.anchor for error in result.errors] == [(16, 32)]


def test_where_patches_overlap_the_others_still_count(tmp_path):
    operator = Hangs(tmp_path, cell(20, 20))
    late = inline(operator, on_error="skip", step=8)

    def raises(patch):
        if (patch == cell(20, 20)).any():
            raise TimeoutError
        return patch * 2

    failed = gp.reconstruct(IMAGE, raises, on_error="skip", **{**SIZES, "step": 8})
    np.testing.assert_array_equal(late.array, failed.array)
    assert [error.anchor for error in late.errors] == [error.anchor for error in failed.errors]
    assert operator.n_late() == len(late.errors) == 4


def test_of_a_batch_only_the_patch_that_takes_too_long_is_lost(tmp_path):
    operator = Hangs(tmp_path, cell(20, 20))
    result = inline(operator, batch_size=3, on_error="skip", dtype="float32")
    wanted = 2 * IMAGE
    wanted[:, 16:32, 16:32] = np.nan
    np.testing.assert_array_equal(result.array, wanted)
    assert [error.anchor for error in result.errors] == [(16, 16)]
    assert [n for late, n in operator.seen() if late] == [3, 1]


def test_a_batch_that_takes_too_long_is_named(tmp_path):
    with pytest.raises(
        OperatorError,
        match="took longer than 2 s on a batch of 3 patches, the first at rows 16:32, columns 0:16",
    ):
        inline(Hangs(tmp_path, cell(20, 20)), batch_size=3)


@pytest.mark.parametrize(
    ("policy", "times", "tries", "retries"),
    [
        ({"on_error": "retry", "max_retries": 2}, 2, 3, None),
        ({"on_error": "retry", "max_retries": 1}, 2, 2, "raises"),
        ({"on_error": "skip", "max_retries": 1}, 9, 2, 1),
        ({"on_error": "skip", "max_retries": 1, "retry_on": (OSError,)}, 9, 2, 1),
        ({"on_error": "skip", "max_retries": 1, "retry_on": (KeyError,)}, 9, 1, 0),
    ],
)
def test_it_is_tried_again_where_the_policy_says_so(tmp_path, policy, times, tries, retries):
    operator = Hangs(tmp_path, cell(20, 20), times=times)
    if retries == "raises":
        with pytest.raises(OperatorError, match="took longer than 2 s"):
            inline(operator, **policy)
    else:
        result = inline(operator, **policy)
        wanted = [] if retries is None else [retries]
        assert [error.retry_count for error in result.errors] == wanted
    assert operator.n_late() == tries


def test_a_run_that_took_too_long_goes_on_with_more_time(tmp_path):
    operator = Hangs(tmp_path, cell(40, 40), times=1)
    with pytest.raises(OperatorError, match="took longer") as caught:
        inline(operator, tmp_path / "x.zarr")
    assert "2 finished rows of blocks are kept" in caught.value.__notes__[0]
    before = len(operator.seen())
    result = gp.reconstruct(IMAGE, operator, tmp_path / "x.zarr", **SIZES)
    np.testing.assert_array_equal(result.array[...], 2 * IMAGE)
    assert len(operator.seen()) - before < result.plan.n_patches


def double(patch):
    return patch * 2


def test_in_time_nothing_is_different():
    result, usual = inline(double), gp.reconstruct(IMAGE, double, **SIZES)
    assert result.array.tobytes() == usual.array.tobytes()
    assert result.stats.notes == usual.stats.notes


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e9])
def test_what_is_no_time_is_refused(timeout):
    with pytest.raises(ValueError, match=r"timeout=.* is not a number of seconds, more than 0: such as 30"):
        gp.reconstruct(IMAGE, double, timeout=timeout, **SIZES)


def test_executors_that_cannot_keep_it_refuse_it():
    with pytest.raises(
        ValueError, match="processes that can be ended, which LocalExecutor has not: use workers="
    ):
        gp.reconstruct(IMAGE, double, timeout=3, executor=LocalExecutor(), **SIZES)
    assert ProcessExecutor.limits_time
    assert not DaskExecutor.limits_time


def test_on_the_command_line(tmp_path):
    (tmp_path / "slow.py").write_text("import time\n\ndef op(patch):\n    time.sleep(60)\n")
    gp.reconstruct(IMAGE, double, tmp_path / "a.tif", **SIZES)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "geopatcher",
            "run",
            "a.tif",
            "x.zarr",
            "--operator",
            "slow:op",
            "--size",
            "16",
            "--timeout",
            "2",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        "Error: op took longer than 2 s on rows 0:16, columns 0:16 of a.tif, and was in op ("
    )
    assert "give it more by timeout= (--timeout), or have such patches left out" in done.stderr


# -- the process itself ---------------------------------------------------------------------------


def serve(task, channel):
    with channel.limited([(3, 4), (5, 6)], 2):
        if task == "hang":
            time.sleep(60)
        if task == "die":
            os._exit(4)
    with channel.limited([(7, 8)], 30):
        return task


def test_what_a_process_ended_of_is_told_apart():
    heard = {}
    with Pool(1, pack(serve)) as pool:
        for task in ("fine", "hang", "die", "again"):
            pool.give([task])
            while pool.busy:
                heard.update(pool.wait(10))
    assert heard["fine"] == Done("fine")
    assert heard["again"] == Done("again")
    assert heard["die"] == Lost("exit code 4")
    overdue = heard["hang"]
    assert isinstance(overdue, Overdue)
    assert overdue.anchors == ((3, 4), (5, 6))
    assert overdue.place.startswith("serve (")
