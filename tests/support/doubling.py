"""A job that can be stopped where a test wants it, and what tests look at afterwards."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher
from geopatcher.errors import OperatorError

IMAGE = np.random.default_rng(3).random((2, 300, 200), dtype="float32") + 1
TARGETS = pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
BASE = {"size": 32, "step": 16, "chunks": 64}


class Double:
    """An operator that counts its calls, and stops the run when told to."""

    __name__ = "double"

    def __init__(self, fail_at=None, act=None):
        self.calls, self.fail_at, self.act = 0, fail_at, act
        self.shapes = []

    def fingerprint(self):
        return "double"

    def __call__(self, patch):
        self.calls += 1
        if self.calls == self.fail_at:
            if self.act is None:
                raise ArithmeticError("stopped here")
            self.act()
        return patch * 2 + np.roll(patch, 1, axis=-1)


def run(target, operator=None, image=IMAGE, **keywords):
    return geopatcher.reconstruct(image, operator or Double(), target, **{**BASE, **keywords})


def begun(target, fail_at=150, **keywords):
    """Leave an unfinished run at a target."""
    with pytest.raises(OperatorError) as caught:
        run(target, Double(fail_at), **keywords)
    return caught.value


def values(result):
    return np.asarray(result.array[...])


def run_folder(target):
    """Return the folder of the one run that has begun a target."""
    (folder,) = target.with_name(f"{target.name}.partial").glob("run-*")
    return folder


def begun_ledger(target):
    """Return the ledger of the one run that has begun a target; a path without a file before there is one."""
    found = list(target.with_name(f"{target.name}.partial").glob("run-*/ledger.jsonl"))
    assert len(found) <= 1
    return found[0] if found else target.with_name(f"{target.name}.partial") / "no ledger yet"


def rows_in(target):
    """Return how many rows of blocks an unfinished run has written down."""
    ledger = begun_ledger(target)
    return ledger.read_text().count('"row"') if ledger.exists() else 0


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class Picky(Double):
    """Fails on patches at some anchors, told by their first pixel."""

    def __init__(self, *anchors):
        super().__init__()
        self.bad = {float(IMAGE[0, row, col]) for row, col in anchors}

    def __call__(self, patch):
        if float(patch[0, 0, 0]) in self.bad:
            raise ArithmeticError("too bright")
        return super().__call__(patch)
