"""Regions one after another in this process."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geopatcher.engine.job import Job, peeked
from geopatcher.executors.running import Executor, LargerThanPlannedError, Outcome, Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from geopatcher.box import Box
    from geopatcher.engine.contributions import Contribution
    from geopatcher.planning.plan import Plan

__all__ = ["LocalExecutor", "Outcome"]


@dataclass(frozen=True)
class LocalExecutor(Executor):
    """Runs the regions of a job in this process: reading, operating and writing overlap in threads."""

    def memory_for(self, plan: Plan) -> int:
        """Return the plan's memory limit: regions run one after another."""
        return plan.memory_limit

    def cut(self, job: Job) -> Iterator[Box]:
        """Yield the column regions that keep the memory limit."""
        return (plan.region for plan in job.plan.regions())

    def compute(self, run: Run, regions: Sequence[Box]) -> None:
        """Compute the regions in their order."""
        empty = []
        for region in regions:
            plan = run.job.plan.restrict(region)
            with closing(run.job.stream(plan, run.operate, run.watch)) as stream:
                contributions: Iterator[Contribution] = stream
                if run.session.sink is None:
                    first, contributions = peeked(stream)
                    if first is None:  # says nothing about the result: left for when another region has
                        empty.append(region)
                        continue
                    job = run.job.resized(first)
                    if job.plan.n_regions > run.job.plan.n_regions:
                        raise LargerThanPlannedError(job)
                    if job.plan.n_regions == run.job.plan.n_regions:  # the plan now says what the run takes
                        run.job = job
                    run.start(first)
                run.region(plan, contributions)
        if run.session.sink is None:
            run.start(None)
        for region in empty:
            run.nothing_in(region)
