"""What befalls runs into a bucket, whatever they make: kills, losses of the lease, patches that fail once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import bucket_run
import geopatcher as gp
from bucket_run import SIZES, Double, image, run


class Once(Double):
    """Fails at one patch."""

    def __init__(self, fails_at=None):
        super().__init__()
        self.fails_at = fails_at

    def __call__(self, patch):
        self.count += 1
        if self.count == self.fails_at:
            raise ValueError("not this time")
        return patch * 2


class Overtaken(Double):
    """Another run takes the lease of an address over, at one patch."""

    def __init__(self, bucket, key, at=None):
        super().__init__()
        self.bucket, self.key, self.at = bucket, f"{key}.lock", at

    def __call__(self, patch):
        if self.count == self.at:
            taken = {**json.loads(self.bucket.get(self.key)), "run": "another"}
            self.bucket.put(self.key, json.dumps(taken).encode())
        return super().__call__(patch)


def files(folder):
    """Return what is in the files of a folder, by their names."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }


def objects(bucket, key):
    """Return what is in the objects of a store, by their names."""
    return {entry.key.removeprefix(f"{key}/"): bucket.get(entry.key) for entry in bucket.entries(key)}


def keys(bucket, key):
    """Return the keys of all there is, but for the lines of a ledger."""
    return [entry.key for entry in bucket.entries("") if not entry.key.startswith(f"{key}.ledger/")]


def interrupted(target, at=150, **options):
    """Let a run fail at a patch; return its error."""
    with pytest.raises(RuntimeError, match="it ends here") as caught:
        run(target, Double(end_at=at), **options)
    return caught.value


def spawned(target, folder, **given):
    """Start a run in a process of its own, in a folder that is made for it."""
    away = folder / f"away {len(list(folder.iterdir()))}"
    away.mkdir()
    told = json.dumps({"target": target, "folder": str(away), **given})
    path = os.pathsep.join([str(Path(bucket_run.__file__).parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, bucket_run.__file__, told], env={**os.environ, "PYTHONPATH": path}
    )


def kill(process):
    """End a process at once."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def killed_again_and_again(target, folder, waits, killed=lambda: None, **given):
    """Kill runs after so many seconds each, until one ends; no finished row of blocks is computed again."""
    calls, kills, waits = folder / "calls", 0, iter(waits)
    while True:
        process = spawned(target, folder, calls=str(calls), delay_s=0.004, **given)
        try:
            assert process.wait(next(waits, None)) == 0
            break
        except subprocess.TimeoutExpired:
            kill(process)
            kills += 1
            killed()
    plan = gp.plan(image(), **SIZES)
    row = max(plan.restrict(each).n_patches for each in plan.blocks.rows())
    # One row is written down, one is stored, and one waits for that.
    assert calls.stat().st_size <= plan.n_patches + kills * 3 * row


def all_told(error):
    """Return all that an error and its causes say."""
    told = repr(error) + str(getattr(error, "__notes__", ""))
    cause = error.__cause__
    while cause is not None:
        told, cause = told + repr(cause) + str(vars(cause)), cause.__cause__
    return told
