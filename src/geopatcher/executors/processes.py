"""Regions on several processes of this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geopatcher.cores import usable_cores
from geopatcher.executors.crew import Foreman
from geopatcher.executors.pool import Pool
from geopatcher.executors.regional import Assignment, pack_job
from geopatcher.executors.running import Executor
from geopatcher.executors.sharing import block_width, shared
from geopatcher.executors.threads import thread_share
from geopatcher.planning.tasks import cut_tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.box import Box
    from geopatcher.engine.job import Job
    from geopatcher.executors.running import Run
    from geopatcher.planning.plan import Plan
    from geopatcher.planning.tasks import Tasks


@dataclass(frozen=True)
class ProcessExecutor(Executor):
    """Runs the regions of a job on processes of this machine, each of which reads and writes by itself.

    The processes are fresh interpreters, never forked, with handles of their own; they divide the
    memory limit and the cores. One that is killed is replaced, and what is left of its region done
    again; what it had finished is kept. The result has the same bytes as that of one process.

    Parameters
    ----------
    n_workers
        Processes; one per usable core by default.
    n_threads
        Threads that numerical libraries may start in each; the cores divided by the workers by default.

    Raises
    ------
    ValueError
        A number is less than 1.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> from geopatcher.executors import ProcessExecutor
    >>> image = np.random.default_rng(0).random((300, 400), dtype="float32")
    >>> two = geopatcher.reconstruct(image, np.sqrt, size=64, chunks=128, executor=ProcessExecutor(2))
    >>> one = geopatcher.reconstruct(image, np.sqrt, size=64, chunks=128)
    >>> bool((two.array == one.array).all())
    True

    """

    n_workers: int = field(default_factory=usable_cores)
    n_threads: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("workers", self.n_workers), ("n_threads", self.n_threads)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be 1 or more, not {value}")

    def memory_for(self, plan: Plan) -> int:
        """Return a worker's share of the memory limit, in bytes."""
        return plan.memory_limit // self.n_workers

    def cut(self, job: Job) -> Tasks:
        """Cut a job's plan into tasks for the workers."""
        memory = self.memory_for(job.plan)
        return cut_tasks(job.plan, self.n_workers, memory, block_width=block_width(job.source))

    def compute(self, run: Run, regions: Sequence[Box]) -> None:
        """Have the regions computed.

        Raises
        ------
        TransportError
            Something in the job cannot travel to a process; names it.
        WorkerLostError
            Processes were killed over one region, again and again.

        """
        n_workers = min(self.n_workers, len(regions))
        if n_workers == 0:  # an earlier run computed all, and ended before it said so
            return
        n_threads = self.n_threads or thread_share(n_workers)
        with shared(run.job) as job, Pool[Assignment](n_workers, pack_job(job), n_threads) as pool:
            Foreman(run, pool, self.memory_for(job.plan)).work(regions)
