"""Regions as tasks of a Dask cluster: one each, and only small records pass the scheduler."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from geopatcher._optional import load
from geopatcher.errors import TransportError, WorkerLostError
from geopatcher.errors.redaction import shown
from geopatcher.executors.workers.dask_crew import RETRIES, DaskCrew
from geopatcher.executors.workers.region_task import pack_job
from geopatcher.executors.workers.scheduler import Scheduler
from geopatcher.executors.workers.shared_arrays import SHARED_BYTES, array_in_memory, block_width, plain
from geopatcher.planning.tasks import cut_tasks
from geopatcher.runs.executor import Executor
from geopatcher.targets.protocol import DurableTarget

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import PixelSource
    from geopatcher.engine.job import Job
    from geopatcher.executors.workers.dask_crew import ClusterClient, RegionTask, WorkerInfo
    from geopatcher.executors.workers.region_task import Assignment
    from geopatcher.planning.footprint import Setting
    from geopatcher.planning.plan import Plan
    from geopatcher.planning.tasks import Tasks
    from geopatcher.runs.run import Run
    from geopatcher.targets.protocol import Target

distributed = load("distributed")

#: Share of a Dask worker's memory a region may take: the rest is the process's own and Dask's.
MEMORY_SHARE = 0.6
#: Tasks at once that are counted on where a cluster has no workers yet.
UNKNOWN_SLOTS = 8


class DaskExecutor(Executor):
    """Runs the regions of a job on a Dask cluster, one task per region; needs the extra ``dask``.

    Workers read the source and write the result by themselves, so both must be where each of them
    finds them: files on a file system they share, or URLs. Through the scheduler go rectangles and
    small records. A worker that is lost costs its region, a lost scheduler or client the regions that
    are not finished: the same run again goes on from there.

    ``memory_limit`` is for each region that runs; it is lowered to what a worker has.

    Parameters
    ----------
    client
        A connected ``distributed.Client``, or the address of a scheduler such as ``"tcp://10.0.0.1:8786"``,
        to which it connects; `close` ends that connection.
    retries
        How often a task is tried again that something outside of it ended.

    Raises
    ------
    ValueError
        ``retries`` is negative.
    WorkerLostError
        There is no scheduler at the address.
    MissingExtraError
        ``distributed`` is not installed.

    Examples
    --------
    >>> import geopatcher
    >>> from geopatcher.executors import DaskExecutor
    >>> executor = DaskExecutor("tcp://10.0.0.1:8786")                        # doctest: +SKIP
    >>> geopatcher.reconstruct("mosaic.tif", predict, "/shared/result.zarr",  # doctest: +SKIP
    ...     executor=executor)

    """

    def __init__(self, client: ClusterClient | str, *, retries: int = RETRIES) -> None:
        if retries < 0:
            raise ValueError(f"retries must be 0 or more, not {retries}")
        self._ours = isinstance(client, str)
        self.client: ClusterClient = _connected(client) if isinstance(client, str) else client
        self.retries = retries

    def close(self) -> None:
        """Close the connection, if it was made from an address."""
        if self._ours:
            self.client.close()

    def memory_for(self, plan: Plan) -> int:
        """Return the bytes a region may take: the plan's limit, or what the smallest worker has.

        Parameters
        ----------
        plan
            Of the run.

        Returns
        -------
        int
            Bytes.

        """
        shares = [
            int(MEMORY_SHARE * worker["memory_limit"] / worker["nthreads"])
            for worker in self._workers().values()
            if worker["memory_limit"]
        ]
        return plan.model.allowed(min([plan.memory_limit, *shares]), plan.region.height)

    def cut(self, job: Job) -> Tasks:
        """Cut a job's plan into tasks for the workers there are.

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
        """Return where the regions of a plan would run: on the workers there are.

        Parameters
        ----------
        plan
            Of the run.
        source
            Where its pixels come from.

        Returns
        -------
        Setting
            Workers, and regions at once.

        """
        tasks, n_slots = self._tasks(plan, source), self._n_slots()
        n_workers = min(len(self._workers()) or n_slots, len(tasks))
        return replace(
            plan.setting, n_workers=n_workers, n_at_once=min(n_slots, len(tasks)), task=tasks.largest
        )

    def _tasks(self, plan: Plan, source: PixelSource) -> Tasks:
        return cut_tasks(plan, self._n_slots(), self.memory_for(plan), block_width=block_width(source))

    def check(self, job: Job, target: Target) -> None:
        """Refuse what is out of reach of the workers.

        Parameters
        ----------
        job
            What is to be run.
        target
            Where its result is to go.

        Raises
        ------
        TransportError
            Something in the job cannot be where the workers are; says what to do.

        """
        if not isinstance(target, DurableTarget):
            raise TransportError(
                "workers on a Dask cluster cannot write into the memory of this process: give a target they "
                "all reach, x.zarr or x.tif, or use workers= for processes of this machine"
            )
        self.require_reach(job)

    def require_reach(self, job: Job) -> None:
        """Refuse a source that is in the memory of this process and too large to be sent.

        Parameters
        ----------
        job
            What is to be run.

        Raises
        ------
        TransportError
            It is; says what to do.

        """
        array = array_in_memory(plain(job).source)
        if array is not None and array.nbytes > SHARED_BYTES:
            raise TransportError(
                f"{job.source.name} takes {array.nbytes / 1e6:,.0f} MB in the memory of this process, out of "
                f"reach of Dask workers: write it to a file they all reach and give its path"
            )

    @property
    def n_slots(self) -> int:
        """How many tasks run at once."""
        return self._n_slots()

    def crew(self, payload: bytes) -> DaskCrew[RegionTask]:
        """Return the workers, to be given tasks of one kind.

        Parameters
        ----------
        payload
            What does the tasks, packed; each worker is sent it once.

        Returns
        -------
        DaskCrew
            A context manager.

        """
        return DaskCrew(self.client, payload, self._n_slots(), self.retries)

    def compute(self, run: Run, regions: Sequence[Box]) -> None:
        """Have the regions computed.

        Parameters
        ----------
        run
            What is run, and where rows of blocks are recorded.
        regions
            Those left to do.

        """
        if not regions:  # an earlier run computed all, and ended before it said so
            return
        before = set(self._workers())
        crew_of: DaskCrew[Assignment] = DaskCrew(
            self.client, pack_job(plain(run.job)), self._n_slots(), self.retries
        )
        with crew_of as crew:
            Scheduler(run, crew, self.memory_for(run.job.plan)).work(regions)
        if set(self._workers()) != before:
            run.tidy()

    def _workers(self) -> Mapping[str, WorkerInfo]:
        return self.client.scheduler_info()["workers"]

    def _n_slots(self) -> int:
        """Return how many tasks run at once; a cluster that starts workers on demand may have none yet."""
        return sum(worker["nthreads"] for worker in self._workers().values()) or UNKNOWN_SLOTS


def _connected(address: str) -> ClusterClient:
    try:
        client: ClusterClient = distributed.Client(address)
    except (OSError, ValueError) as error:
        place = shown(address)
        raise WorkerLostError(
            f"there is no Dask scheduler at {place}: {error}; start one (dask scheduler), or correct it"
        ) from error
    return client
