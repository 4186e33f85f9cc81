"""N workers use N cores."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.executors.threads import THREAD_VARIABLES, thread_environment, thread_share, usable_cores


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
