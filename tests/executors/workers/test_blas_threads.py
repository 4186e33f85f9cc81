"""N workers use N cores."""

from __future__ import annotations

import json
import os
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geopatcher as gp
from doubling import begun_ledger
from geopatcher.executors import LocalExecutor, ProcessExecutor
from geopatcher.executors.workers.blas_threads import (
    THREAD_VARIABLES,
    thread_environment,
    thread_share,
    usable_cores,
)


@given(st.integers(1, 300), st.integers(1, 300))
def test_workers_together_use_the_cores_and_no_more(n_workers, n_cores):
    share = thread_share(n_workers, n_cores)
    assert share >= 1
    assert share * n_workers <= max(n_cores, n_workers)
    assert (share + 1) * n_workers > n_cores


def test_the_cores_are_those_this_process_may_use():
    assert usable_cores() == len(os.sched_getaffinity(0))
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, [next(iter(before))])
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"])
@pytest.mark.parametrize(
    ("given_text", "wanted"), [("1", "1"), ("64", "3"), ("ALL_CPUS", "3"), ("0", "3"), ("", "3")]
)
def test_what_a_person_has_set_lower_stays(name, given_text, wanted):
    assert thread_environment(3, {name: given_text})[name] == wanted


def test_every_library_is_told():
    told = thread_environment(2, {})
    assert set(told) == set(THREAD_VARIABLES)
    assert set(told.values()) == {"2"}
    assert {"GDAL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "ZARR_THREADING__MAX_WORKERS"} <= set(told)


IMAGE = np.random.default_rng(8).random((1, 200, 130), dtype="float32")
SIZES = {"size": 32, "step": 32, "chunks": 64}


def header(path):
    return json.loads(path.read_text().splitlines()[0])


def told(patch):
    """Return how many threads a library would take."""
    return np.full_like(patch, int(os.environ["OMP_NUM_THREADS"]))


@pytest.mark.parametrize(
    ("executor", "threads"),
    [(LocalExecutor(), usable_cores()), (ProcessExecutor(2, 3), 3), (ProcessExecutor(2), thread_share(2))],
    ids=["here", "three each", "a share each"],
)
def test_the_ledger_says_how_many_threads_each_process_had(tmp_path, monkeypatch, executor, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    gp.reconstruct(IMAGE, np.copy, tmp_path / "x.zarr", executor=executor, **SIZES)
    assert header(tmp_path / "x.zarr.ledger.jsonl")["threads"] == threads


def test_what_this_process_was_told_counts(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert LocalExecutor().threads == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "100000")
    assert LocalExecutor().threads == usable_cores()


def begun_bytes(target):
    """Return what the ledger of a target says that is on its way."""
    ledger = begun_ledger(target)
    return ledger.read_bytes() if ledger.exists() else b""


class Stops:
    """Says how many threads there are, and ends the first run in its middle, when a row is recorded."""

    def __init__(self, mark):
        self.mark = mark

    def fingerprint(self):
        return "told"

    def __call__(self, patch):
        if patch.max() == IMAGE[:, 160:192, :32].max() and not self.mark.exists():
            self.mark.touch()
            patience = time.monotonic() + 300
            while b'"row"' not in begun_bytes(self.mark.with_name("x.zarr")) and time.monotonic() < patience:
                time.sleep(0.01)
            raise KeyError("stop")
        return told(patch)


@pytest.mark.parametrize(("before", "after"), [((2, 3), (2, 5)), ((2, 3), (3, None)), ((1, 4), (2, 1))])
def test_workers_that_go_on_have_the_threads_of_those_before(tmp_path, monkeypatch, before, after):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    operator = Stops(tmp_path / "mark")
    with pytest.raises(gp.OperatorError):
        gp.reconstruct(IMAGE, operator, tmp_path / "x.zarr", executor=ProcessExecutor(*before), **SIZES)
    result = gp.reconstruct(IMAGE, operator, tmp_path / "x.zarr", executor=ProcessExecutor(*after), **SIZES)
    assert (result.array[...] == before[1]).all()
    assert any(
        note.startswith(f"begun with {before[1]} thread(s) for numerical libraries in each process")
        for note in result.stats.notes
    )


def test_a_run_in_this_process_says_that_it_has_other_threads(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    operator = Stops(tmp_path / "mark")
    with pytest.raises(gp.OperatorError):
        gp.reconstruct(IMAGE, operator, tmp_path / "x.zarr", executor=ProcessExecutor(2, 7), **SIZES)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    result = gp.reconstruct(IMAGE, operator, tmp_path / "x.zarr", **SIZES)
    assert any("without workers the last bit" in note for note in result.stats.notes)
