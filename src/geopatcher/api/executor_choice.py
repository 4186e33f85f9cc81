"""Who computes the regions of a run: what the caller's ``executor``, ``workers`` and ``timeout`` come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geopatcher import executors

if TYPE_CHECKING:
    from geopatcher.runs.executor import Executor

#: A longer time is no limit, and more than the system's clocks take.
MAX_TIMEOUT_S = 1e6


def executor_for(executor: Executor | None, workers: int | None, timeout: float | None = None) -> Executor:
    """Return what runs the regions: this process, unless something else is asked for.

    Code that hangs cannot be ended within a process, so with a ``timeout`` it is one beside this at least.

    Raises
    ------
    ValueError
        Both are given, or ``workers`` is less than 1, or ``timeout`` is no time, or the executor cannot
        keep it.

    """
    if timeout is not None and not 0 < timeout < MAX_TIMEOUT_S:
        raise ValueError(f"timeout={timeout} is not a number of seconds, more than 0: such as 30")
    if executor is not None:
        if workers is not None:
            raise ValueError(f"workers={workers} and an executor were both given: it knows its own workers")
        if timeout is not None and not executor.limits_time:
            lacking = f"processes that can be ended, which {type(executor).__name__} has not"
            other = "use workers= or a ProcessExecutor, or limit the time inside the operator"
            raise ValueError(f"timeout={timeout} is kept by worker {lacking}: {other}")
        return executor
    if timeout is not None:
        return executors.ProcessExecutor(workers or 1)
    return executors.LocalExecutor() if workers in (None, 1) else executors.ProcessExecutor(workers)
