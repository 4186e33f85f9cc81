"""What operators do that they should not, on every way a patch can take to one and back."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from geopatcher import (
    SpatialHann,
    SpatialMeanStd,
    SpatialOverlapAdd,
    SpatialRectangular,
    SpatialRegularStride,
)
from geopatcher.api.runners import parallel_map
from geopatcher.core.containment import StrayError
from geopatcher.engine.contributions import Operate
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.engine.hooks import Hooks
from geopatcher.engine.stats import RunStats
from geopatcher.errors import GeopatcherError, OperatorError
from geotoolz import patch_ops

SIZES = {"size": 16, "step": 8}
IMAGE = np.random.default_rng(5).random((2, 40, 56), dtype="float32") + 1


class Panic(BaseException):
    """As libraries written in Rust raise it."""


def _raise(error):
    raise error


def _deeper():
    return _deeper()


ENDS = {
    "sys.exit(0)": (lambda: sys.exit(0), r"SystemExit\(0\), which would have ended the program"),
    "sys.exit()": (sys.exit, r"SystemExit\(\), which"),
    "exit of a subclass": (lambda: _raise(type("Left", (SystemExit,), {})("bye")), r"Left\(bye\), which"),
    "GeneratorExit": (lambda: _raise(GeneratorExit()), r"GeneratorExit\(\), which"),
    "CancelledError": (lambda: _raise(asyncio.CancelledError()), r"CancelledError\(\), which"),
    "Panic": (lambda: _raise(Panic("index")), r"Panic\(index\), which"),
    "StopIteration": (lambda: _raise(StopIteration()), r"StopIteration: "),
    "StopAsyncIteration": (lambda: _raise(StopAsyncIteration()), r"StopAsyncIteration: "),
    "RecursionError": (_deeper, r"RecursionError: maximum recursion depth"),
    "MemoryError": (lambda: np.empty(1 << 62, "uint8"), "MemoryError: Unable to|ValueError: Maximum"),
}


def patcher(**keywords):
    axes = SpatialRectangular(16), SpatialRegularStride(8), SpatialHann(), SpatialOverlapAdd()
    return gp.SpatialPatcher(*axes, **keywords)


class EndsLate:
    """Ends in some way at its fifth patch, or at the one that begins with a certain cell."""

    __name__ = "ends_late"

    def __init__(self, end, first=None):
        self.end, self.first, self.calls = end, first, 0

    def __call__(self, patch, *_):
        self.calls += 1
        if self.calls == 5 if self.first is None else (np.asarray(patch) == self.first).any():
            self.end()
        return patch * 2


def by_generator(operator):
    grid = patcher()
    patches = (patch.with_data(operator(patch.data)) for patch in grid.split(IMAGE))
    return grid.merge(patches, IMAGE)


def by_chips(operator):
    chips = patch_ops.ApplyToChips(operator)(patch_ops.GridSampler(patcher())(IMAGE))
    return patch_ops.Stitch(SpatialOverlapAdd(), IMAGE)(chips)


WAYS = {
    "memory": lambda operator: gp.reconstruct(IMAGE, operator, **SIZES).array,
    "batches": lambda operator: gp.reconstruct(IMAGE, operator, batch_size=3, **SIZES).array,
    "patcher": lambda operator: patcher().reconstruct(IMAGE, operator).array,
    "masked": lambda operator: gp.reconstruct(IMAGE, gp.masked(operator), **SIZES).array,
    "two passes": lambda operator: patcher().two_pass(IMAGE, reduce_with=SpatialMeanStd(), apply=operator),
    "threads": lambda operator: list(parallel_map(patcher(), IMAGE, operator, n_workers=2)),
    "delayed": lambda operator: [task.compute() for task in patcher().to_delayed(IMAGE, operator)],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("end", ENDS)
def test_however_it_ends_it_is_an_error_of_the_operator(way, end):
    act, said = ENDS[end]
    with pytest.raises(OperatorError, match=rf"ends_late failed on .*({said})"):
        WAYS[way](EndsLate(act))


@pytest.mark.parametrize("way", [by_generator, by_chips])
@pytest.mark.parametrize("end", ["sys.exit(0)", "GeneratorExit", "Panic"])
def test_merging_what_an_operator_makes_does_not_end_the_program(way, end):
    act, said = ENDS[end]
    with pytest.raises(OperatorError, match=f"what makes the patches to be merged ended with .*{said}"):
        way(EndsLate(act))


@pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
def test_what_was_finished_before_is_kept(tmp_path, name):
    with pytest.raises(OperatorError, match=r"SystemExit\(0\)") as caught:
        gp.reconstruct(
            IMAGE, EndsLate(lambda: sys.exit(0), IMAGE[0, 35, 40]), tmp_path / name, chunks=16, **SIZES
        )
    assert "1 finished rows of blocks are kept" in caught.value.__notes__[0]


@pytest.mark.parametrize("end", ["sys.exit(0)", "GeneratorExit", "Panic", "StopIteration"])
@pytest.mark.parametrize("on_error", ["skip", "mask"])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_it_counts_as_a_failure_like_others(end, on_error, batch_size):
    act, said = ENDS[end]
    cell = (0, 12, 20)
    results = [
        gp.reconstruct(IMAGE, EndsLate(how, IMAGE[cell]), on_error=on_error, batch_size=batch_size, **SIZES)
        for how in (act, lambda: _raise(ValueError("plain")))
    ]
    np.testing.assert_array_equal(results[0].array, results[1].array)
    assert [error.anchor for error in results[0].errors] == [error.anchor for error in results[1].errors]
    assert len(results[0].errors) == 4
    for error in results[0].errors:
        assert error.stage == "operator"
        assert said.replace("\\", "").removesuffix(", which") in error.message


def test_ctrl_c_in_an_operator_is_ctrl_c_under_every_policy():
    for on_error in ("raise", "skip", "mask"):
        with pytest.raises(KeyboardInterrupt):
            gp.reconstruct(IMAGE, EndsLate(lambda: _raise(KeyboardInterrupt())), on_error=on_error, **SIZES)


def test_a_handler_of_signals_that_exits_ends_the_program_also_in_the_middle_of_an_operator():
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(4))
    try:
        with pytest.raises(SystemExit) as caught:
            gp.reconstruct(
                IMAGE, EndsLate(lambda: os.kill(os.getpid(), signal.SIGTERM)), on_error="skip", **SIZES
            )
    finally:
        signal.signal(signal.SIGTERM, before)
    assert caught.value.code == 4


class Hook:
    def on_patch_done(self, anchor, seconds, nbytes):
        sys.exit(0)


def test_a_hook_that_exits_is_a_warning():
    with pytest.warns(RuntimeWarning, match=r"a hook raised in Hook.on_patch_done: SystemExit\(0\), which"):
        result = gp.reconstruct(IMAGE, lambda x: x, hooks=Hook(), **SIZES)
    np.testing.assert_allclose(result.array, IMAGE, rtol=1e-6)
    with pytest.warns(RuntimeWarning, match=r"SystemExit\(0\), which"):
        assert len(list(patcher().split(IMAGE, hooks=Hook()))) == 24


class Leaves:
    """A field whose pixels end the program."""

    domain = np.empty((40, 56), "float32")

    def select(self, window):
        if window.height > 1:
            sys.exit(0)
        return IMAGE[0, :1, :1]

    def with_data(self, array):
        return array


def test_a_field_that_exits_is_an_error_of_the_source():
    with pytest.raises(gp.SourceError, match=r"cannot read rows .* of Leaves .*: SystemExit\(0\), which"):
        gp.reconstruct(Leaves(), lambda x: x, **SIZES)
    with pytest.raises(StrayError, match=r"^SystemExit\(0\), which would have ended") as caught:
        list(patcher().split(Leaves()))
    assert caught.value.__notes__[0].startswith("while reading rows 0:16, columns 0:16 of Leaves")


def test_whatever_else_exits_in_a_run_is_an_error(tmp_path):
    model = gp.SpatialLearned(lambda values, weights: sys.exit(0))
    with pytest.raises(GeopatcherError, match=r"double over ndarray .* ended with SystemExit\(0\), which"):
        gp.reconstruct(IMAGE, double, tmp_path / "x.zarr", aggregation=model, **SIZES)


def double(patch):
    return patch * 2


# -- in processes ---------------------------------------------------------------------------------

PROGRAM = """
import sys
import numpy as np
import geopatcher as gp
from geopatcher.executors import ProcessExecutor
from geopatcher.api.runners import parallel_map

image = np.ones((1, 64, 64), "float32")

class Panic(BaseException):
    pass

def op(patch):
    {end}

{way}
"""
ELSEWHERE = {
    "two workers": "gp.reconstruct(image, op, size=16, workers=2)",
    "to disk": "gp.reconstruct(image, op, sys.argv[1], size=16, workers=2)",
    "mapped": (
        "grid = gp.SpatialPatcher(gp.SpatialRectangular(16), gp.SpatialRegularStride(8), gp.SpatialHann(), "
        "gp.SpatialOverlapAdd())\n"
        "list(parallel_map(grid, image, op, n_workers=2, backend='process'))"
    ),
}


@pytest.mark.parametrize(
    ("way", "end"),
    [("two workers", "sys.exit(0)"), ("to disk", "raise GeneratorExit"), ("mapped", "sys.exit(0)")],
)
def test_in_workers_it_is_the_same_error_and_no_success(tmp_path, way, end):
    program = PROGRAM.format(end=end, way=ELSEWHERE[way])
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "x.zarr")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    kind = end.removeprefix("raise ").replace("sys.exit(0)", "SystemExit(0")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("geopatcher.errors.OperatorError: op failed on ")
    assert f"{kind}" in last
    assert "which would have ended the program" in last


def test_a_module_that_exits_when_it_is_imported_is_told(tmp_path):
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=32, height=32, count=1, dtype="uint8"
    ) as out:
        out.write(np.ones((1, 32, 32), "uint8"))
    command = [sys.executable, "-m", "geopatcher", "run", "a.tif", "x.zarr", "--operator", "leaves:op"]
    for workers in ("1", "2"):
        done = subprocess.run(
            [*command, "--workers", workers],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (
            1,
            "Error: module leaves cannot be imported: SystemExit(0), which would have ended the program\n",
        )
    program = """
        from geopatcher.executors import NamedOperator
        try:
            NamedOperator("leaves:op")
        except Exception as error:
            print(type(error).__name__, error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("OperatorError operator 'leaves:op' cannot be imported: SystemExit(0)")


def test_an_operator_may_be_built_without_a_job():
    operate = Operate(double, "double", "a", RunStats(), policy=ErrorPolicy("skip"), hooks=Hooks())
    assert list(operate(iter(()))) == []
