"""Regions one after another in this process."""

from __future__ import annotations

from collections import deque
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from geopatcher.engine.job import Job, peeked
from geopatcher.executors.running import Executor, LargerThanPlannedError, Outcome, Run

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

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
        with closing(_Turns(run, regions)) as turns:
            turns.advance()
            while (turn := turns.turn) is not None:
                if run.session.sink is None and turn.first is None:
                    # It says nothing about the result: left for when another region has.
                    empty.append(turn.plan.region)
                    turns.advance()
                    continue
                if run.session.sink is None and turn.first is not None:
                    _begin(run, turn.first)
                run.region(turn.plan, turn.contributions, turns.advance)
        if run.session.sink is None:
            run.start(None)
        for region in empty:
            run.nothing_in(region)


def _begin(run: Run, first: Contribution) -> None:
    """Make the place for the result, if regions of the size planned can hold it."""
    job = run.job.resized(first)
    if job.plan.n_regions > run.job.plan.n_regions:
        raise LargerThanPlannedError(job)
    if job.plan.n_regions == run.job.plan.n_regions:  # the plan now says what the run takes
        run.job = job
    run.start(first)


class _Turn(NamedTuple):
    """A region, its first contribution (``None`` where nothing holds data), and all of them."""

    plan: Plan
    first: Contribution | None
    contributions: Iterator[Contribution]


class _Turns:
    """The regions in their order. The next is begun while the one before is being written."""

    def __init__(self, run: Run, regions: Sequence[Box]) -> None:
        self._run = run
        self._left = deque(regions)
        self._stream: Generator[Contribution, None, None] | None = None
        self.turn: _Turn | None = None

    def advance(self) -> None:
        """Begin the next region; ``turn`` is ``None`` after the last."""
        self.close()
        if self._left:
            run = self._run
            plan = run.job.plan.restrict(self._left.popleft())
            self._stream = run.job.stream(plan, run.operate, run.watch)
            self.turn = _Turn(plan, *peeked(self._stream))

    def close(self) -> None:
        """Stop reading."""
        self.turn = None
        if self._stream is not None:
            self._stream.close()
