"""Regions on several processes of this machine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from geopatcher.core.cpu import usable_cores
from geopatcher.executors.workers.blas_threads import held_to, thread_share
from geopatcher.executors.workers.process_pool import Pool
from geopatcher.executors.workers.region_task import Assignment, pack_job
from geopatcher.executors.workers.scheduler import Scheduler
from geopatcher.executors.workers.shared_arrays import block_width, shared
from geopatcher.planning.tasks import cut_tasks
from geopatcher.runs.executor import Executor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import PixelSource
    from geopatcher.engine.job import Job
    from geopatcher.planning.footprint import Setting
    from geopatcher.planning.plan import Plan
    from geopatcher.planning.tasks import Tasks
    from geopatcher.runs.run import Run


@dataclass(frozen=True)
class ProcessExecutor(Executor):
    """Runs the regions of a job on processes of this machine, each of which reads and writes by itself.

    The processes are fresh interpreters, never forked, with handles of their own; they divide the
    memory limit and the cores. One that is killed is replaced, and what is left of its region done
    again; what it had finished is kept. The result has the same bytes as that of one process, as far as
    the operator's have: what BLAS or PyTorch compute in several threads may depend on how many there
    are, in the last bit. A run that goes on gives each process as many as it was begun with; to have the
    same bytes with any number of workers, give ``n_threads=1`` and set ``OMP_NUM_THREADS=1`` for runs in one
    process.

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

    limits_time: ClassVar[bool] = True

    n_workers: int = field(default_factory=usable_cores)
    n_threads: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("workers", self.n_workers), ("n_threads", self.n_threads)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be 1 or more, not {value}")

    @property
    def threads(self) -> int:
        """Those of each process."""
        return held_to(self.n_threads or thread_share(self.n_workers))

    def memory_for(self, plan: Plan) -> int:
        """Return a worker's share of the memory limit, in bytes.

        Parameters
        ----------
        plan
            Of the run.

        Returns
        -------
        int
            Bytes.

        """
        return plan.model.allowed(plan.memory_limit // self.n_workers, plan.region.height)

    def cut(self, job: Job) -> Tasks:
        """Cut a job's plan into tasks for the workers.

        Parameters
        ----------
        job
            What is run.

        Returns
        -------
        Tasks
            The regions.

        """
        return self._tasks(job.plan, job.source)

    def setting(self, plan: Plan, source: PixelSource) -> Setting:
        """Return where the regions of a plan would run: in as many workers as there are tasks for.

        Parameters
        ----------
        plan
            Of the run.
        source
            Where its pixels come from.

        Returns
        -------
        Setting
            Workers, regions at once, and what they hold.

        """
        tasks = self._tasks(plan, source)
        n_workers = min(self.n_workers, len(tasks))
        # From each worker one at a time, in its hands and in ours; one as the bytes it is sent as, and one
        # in which missing cells are counted.
        tiles = 2 * n_workers + 1 + (1 if plan.model.valid_bytes else 0)
        relayed = tiles * plan.model.tile_bytes(tasks.largest[1]) if plan.setting.in_memory else 0
        return replace(
            plan.setting,
            n_workers=n_workers,
            n_at_once=n_workers,
            relay_bytes=relayed,
            task=tasks.largest,
        )

    def _tasks(self, plan: Plan, source: PixelSource) -> Tasks:
        memory = self.memory_for(plan)
        return cut_tasks(plan, self.n_workers, memory, block_width=block_width(source))

    def compute(self, run: Run, regions: Sequence[Box]) -> None:
        """Have the regions computed.

        Parameters
        ----------
        run
            What is run, and where rows of blocks are recorded.
        regions
            Those left to do.

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
        n_threads = run.session.threads or self.threads
        with shared(run.job) as job, Pool[Assignment](n_workers, pack_job(job), n_threads) as pool:
            Scheduler(run, pool, self.memory_for(job.plan)).work(regions)
