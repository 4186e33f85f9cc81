"""Who computes: what executor=, workers= and timeout= come to."""

from __future__ import annotations

import pytest

from geopatcher.api.executor_choice import executor_for
from geopatcher.executors import LocalExecutor, ProcessExecutor


@pytest.mark.parametrize(
    ("workers", "timeout", "kind", "n_workers"),
    [
        (None, None, LocalExecutor, None),
        (1, None, LocalExecutor, None),
        (3, None, ProcessExecutor, 3),
        (None, 2.5, ProcessExecutor, 1),
        (1, 30, ProcessExecutor, 1),
        (2, 30, ProcessExecutor, 2),
    ],
)
def test_this_process_unless_more_or_a_time_limit_is_asked_for(workers, timeout, kind, n_workers):
    chosen = executor_for(None, workers, timeout)
    assert type(chosen) is kind
    if n_workers is not None:
        assert chosen.n_workers == n_workers


def test_an_executor_stays_itself():
    local, processes = LocalExecutor(), ProcessExecutor(2)
    assert executor_for(local, None) is local
    assert executor_for(processes, None, 30) is processes


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e7])
def test_what_is_no_time(timeout):
    with pytest.raises(ValueError, match=r"timeout=.* is not a number of seconds, more than 0"):
        executor_for(None, None, timeout)


def test_what_does_not_go_together():
    with pytest.raises(ValueError, match="workers=2 and an executor were both given"):
        executor_for(LocalExecutor(), 2)
    with pytest.raises(ValueError, match=r"timeout=5 is kept by worker processes .* LocalExecutor has not"):
        executor_for(LocalExecutor(), None, 5)
