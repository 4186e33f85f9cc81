"""Regions one after another in this process."""

from __future__ import annotations

from collections import deque
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from geopatcher.core.cpu import usable_cores
from geopatcher.engine.job import Job, peeked
from geopatcher.executors.workers.blas_threads import held_to
from geopatcher.runs.executor import Executor
from geopatcher.runs.run import Outcome, Run

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from geopatcher.core.box import Box
    from geopatcher.engine.contributions import Contribution
    from geopatcher.planning.plan import Plan

__all__ = ["LocalExecutor", "Outcome"]


@dataclass(frozen=True)
class LocalExecutor(Executor):
    """Runs the regions of a job in this process: reading, operating and writing overlap in threads."""

    @property
    def threads(self) -> int:
        """What numerical libraries take by themselves in this process."""
        return held_to(usable_cores())

    def memory_for(self, plan: Plan) -> int:
        """Return the plan's memory limit: regions run one after another.

        Parameters
        ----------
        plan
            Of the run.

        Returns
        -------
        int
            Bytes.

        """
        return plan.memory_limit

    def cut(self, job: Job) -> Iterator[Box]:
        """Yield the column regions that keep the memory limit.

        Parameters
        ----------
        job
            What is run.

        Yields
        ------
        Box
            A region.

        """
        return (plan.region for plan in job.plan.regions())

    def compute(self, run: Run, regions: Sequence[Box]) -> None:
        """Compute the regions in their order.

        Parameters
        ----------
        run
            What is run, and where rows of blocks are recorded.
        regions
            Those left to do.

        """
        empty = []
        with closing(_Turns(run, regions)) as turns:
            turns.advance()
            known = False
            while (turn := turns.turn) is not None:
                if turn.first is not None and not known:
                    run.learn(turn.first)
                    known = True
                if run.session.sink is None and turn.first is None:
                    # It says nothing about the result: left for when another region has.
                    empty.append(turn.plan.region)
                    turns.advance()
                    continue
                if run.session.sink is None and turn.first is not None:
                    run.start(turn.first)
                run.region(turn.plan, turn.contributions, turns.advance)
        if run.session.sink is None:
            run.start(None)
        for region in empty:
            run.nothing_in(region)


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
            watch = run.watch if self._left else replace(run.watch, read=run.session.all_read)
            self._stream = run.job.stream(plan, run.operate, watch)
            self.turn = _Turn(plan, *peeked(self._stream))

    def close(self) -> None:
        """Stop reading."""
        self.turn = None
        if self._stream is not None:
            self._stream.close()
