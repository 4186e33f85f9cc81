"""Workers that outlive their run: nothing of theirs gets into the next one, and no folder comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

import geopatcher as gp
import orphans
from doubling import names
from places import CHILD_PATH
from stored import tree

pytestmark = pytest.mark.once

IMAGE = np.random.default_rng(5).random((2, 400, 300), dtype="float32")
SIZES = {"size": 32, "step": 16, "chunks": 64}
RUN = """
import sys, numpy as np, geopatcher, orphans
image = np.random.default_rng(5).random((2, 400, 300), dtype="float32")
keywords = {"storage": geopatcher.ZarrStorage(shards=128)} if sys.argv[3] == "shards" else {}
geopatcher.reconstruct(
    image, orphans.Waits(sys.argv[2]), sys.argv[1], size=32, step=16, chunks=64, workers=2, **keywords)
"""
STORED = pytest.mark.parametrize(
    ("name", "stored"), [("x.zarr", "chunks"), ("x.zarr", "shards"), ("x.tif", "chunks")]
)


class Plain:
    """What the next run does; ``act`` is called in its middle."""

    def __init__(self, act=None):
        self.calls, self.act = 0, act

    def fingerprint(self):
        return "plain"

    def __call__(self, patch):
        self.calls += 1
        if self.calls == 100 and self.act is not None:
            self.act()
        return patch + 1


@pytest.fixture(scope="module")
def reference():
    return gp.reconstruct(IMAGE, Plain(), **SIZES).array


@contextmanager
def orphaned(target, folder, stored):
    """Leave two workers of a run whose parent was killed, in the middle of a row of blocks."""
    folder.mkdir()
    path = CHILD_PATH
    said = folder / "said"
    with said.open("w") as stderr:
        parent = subprocess.Popen(
            [sys.executable, "-c", RUN, str(target), str(folder), stored],
            env=os.environ | {"PYTHONPATH": path},
            stderr=stderr,
        )
    orphans.wait_for(lambda: len(orphans.waiting(folder)) == 2)
    parent.send_signal(signal.SIGKILL)
    assert parent.wait() == -signal.SIGKILL
    pids = orphans.waiting(folder)

    def let_go():
        assert all(map(orphans.is_alive, pids)), "they outlive their parent"
        (folder / "gate").touch()
        orphans.wait_for(lambda: not any(map(orphans.is_alive, pids)))
        text = said.read_text()
        assert text.count("is gone, so another run has taken over its target") >= 2, text

    try:
        yield let_go
    finally:
        for pid in filter(orphans.is_alive, pids):
            os.kill(pid, signal.SIGKILL)


@STORED
@pytest.mark.parametrize("when", ["during", "after"])
def test_workers_whose_parent_was_killed_write_nothing_into_the_next_run(
    tmp_path, reference, name, stored, when
):
    target = tmp_path / name
    keywords = SIZES | ({"storage": gp.ZarrStorage(shards=128)} if stored == "shards" else {})
    with orphaned(target, tmp_path / "notes", stored) as let_go:
        operator = Plain(let_go if when == "during" else None)
        result = gp.reconstruct(IMAGE, operator, target, overwrite=True, **keywords)
        before = tree(tmp_path)
        if when == "after":
            let_go()
            after = tree(tmp_path)
            assert {key: after[key] for key in before if "notes" not in key} == {
                key: held for key, held in before.items() if "notes" not in key
            }
        assert result.array[...].tobytes() == reference.tobytes()
        assert names(tmp_path) == ["notes", name, f"{name}.ledger.jsonl"]
        assert gp.verify(target).is_intact
        assert not list(target.rglob("*.partial"))


def test_workers_whose_run_was_taken_over_write_nothing_into_it(tmp_path):
    target, notes = tmp_path / "x.zarr", tmp_path / "notes"
    wanted = gp.reconstruct(IMAGE, lambda x: x * 7, **SIZES).array
    with orphaned(target, notes, "chunks") as let_go:

        class Waits(orphans.Waits):
            def __call__(self, patch):
                self.calls += 1
                if self.calls == 100:
                    let_go()
                return patch * 7

        result = gp.reconstruct(IMAGE, Waits(notes), target, **SIZES)
        assert result.stats.notes[0].startswith("goes on where an earlier run stopped")
        assert result.array[...].tobytes() == wanted.tobytes()
        assert names(tmp_path) == ["notes", "x.zarr", "x.zarr.ledger.jsonl"]
        assert gp.verify(target).is_intact
        assert not list(target.rglob("*.partial"))
