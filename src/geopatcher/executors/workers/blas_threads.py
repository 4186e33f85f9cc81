"""Threads of numerical libraries, divided among workers: N workers use N cores, not N²."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from geopatcher.core.cpu import usable_cores

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What libraries read, when they are imported, to learn how many threads they may start.
#: PyTorch reads OMP_NUM_THREADS and MKL_NUM_THREADS; zarr decodes in ZARR_THREADING__MAX_WORKERS threads.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "GDAL_NUM_THREADS",
    "BLOSC_NTHREADS",
    "ZARR_THREADING__MAX_WORKERS",
)


def thread_share(n_workers: int, n_cores: int | None = None) -> int:
    """Return how many threads each of ``n_workers`` may use, at least one.

    >>> thread_share(4, n_cores=16), thread_share(3, n_cores=16), thread_share(8, n_cores=2)
    (4, 5, 1)
    """
    return max(1, (usable_cores() if n_cores is None else n_cores) // n_workers)


def held_to(n_threads: int) -> int:
    """Return how many threads numerical libraries may start, of which ``OMP_NUM_THREADS`` may leave fewer."""
    return _least(os.environ.get("OMP_NUM_THREADS", ""), n_threads)


def thread_environment(n_threads: int, given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that hold a process to ``n_threads``; one ``given`` a lower number keeps it.

    >>> mine = thread_environment(4, {"OMP_NUM_THREADS": "2", "GDAL_NUM_THREADS": "ALL_CPUS"})
    >>> mine["OMP_NUM_THREADS"], mine["GDAL_NUM_THREADS"], mine["MKL_NUM_THREADS"]
    ('2', '4', '4')
    """
    return {name: str(_least(given.get(name, ""), n_threads)) for name in THREAD_VARIABLES}


def _least(given: str, n_threads: int) -> int:
    """Return the lower of two numbers of threads; a text that is not one says nothing."""
    return min(int(given), n_threads) if given.isdecimal() and int(given) > 0 else n_threads
