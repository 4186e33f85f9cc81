"""What a system that went down may have lost is computed again; what was synced is kept."""

from __future__ import annotations

import json

import numpy as np
import pytest

import geopatcher as gp
from doubling import begun_ledger
from geopatcher.runs import recorder as scribe
from geopatcher.runs.ledger import places

IMAGE = np.random.default_rng(1).random((300, 200)).astype("float32")
SIZES = {"size": 32, "step": 16, "chunks": 64}


class Counted:
    def __init__(self, stop_after=None):
        self.calls, self.stop_after = 0, stop_after

    def __call__(self, patch):
        self.calls += 1
        if self.stop_after is not None and self.calls > self.stop_after:
            raise RuntimeError("the machine is gone")
        return patch * 2

    def fingerprint(self):
        return "twice"


def interrupted(target):
    with pytest.raises(gp.OperatorError):
        gp.reconstruct(IMAGE, Counted(stop_after=150), target, **SIZES)


def calls_to_finish(target):
    operator = Counted()
    result = gp.reconstruct(IMAGE, operator, target, **SIZES)
    np.testing.assert_allclose(result.array[:], IMAGE * 2, rtol=1e-6)
    return operator.calls


def test_the_same_start_of_the_system_keeps_what_was_written(tmp_path):
    interrupted(tmp_path / "x.zarr")
    assert calls_to_finish(tmp_path / "x.zarr") < gp.plan(IMAGE, **SIZES).n_patches


def test_after_another_start_only_synced_rows_are_trusted(tmp_path, monkeypatch):
    interrupted(tmp_path / "x.zarr")
    monkeypatch.setattr(places, "boot_id", lambda: "another")
    assert calls_to_finish(tmp_path / "x.zarr") == gp.plan(IMAGE, **SIZES).n_patches


def test_rows_that_were_synced_survive_another_start(tmp_path, monkeypatch):
    monkeypatch.setattr(scribe, "SYNC_SECONDS", 0.0)
    interrupted(tmp_path / "x.zarr")
    lines = begun_ledger(tmp_path / "x.zarr").read_text().splitlines()
    assert sum("synced" in json.loads(line) for line in lines) >= 1
    monkeypatch.setattr(places, "boot_id", lambda: "another")
    assert calls_to_finish(tmp_path / "x.zarr") < gp.plan(IMAGE, **SIZES).n_patches


@pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
def test_a_finished_result_is_trusted_after_another_start_only_if_it_was_synced(tmp_path, monkeypatch, name):
    n_patches = gp.plan(IMAGE, **SIZES).n_patches
    assert calls_to_finish(tmp_path / name) == n_patches
    assert calls_to_finish(tmp_path / name) == 0
    monkeypatch.setattr(places, "boot_id", lambda: "another")
    assert calls_to_finish(tmp_path / name) == n_patches
    monkeypatch.setattr(scribe, "SYNC_SECONDS", 0.0)
    gp.reconstruct(IMAGE, Counted(), tmp_path / name, overwrite=True, resume=False, **SIZES)
    monkeypatch.setattr(places, "boot_id", lambda: "a third")
    assert calls_to_finish(tmp_path / name) == 0
