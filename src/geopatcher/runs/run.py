"""A run on its way, and what is given back at its end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from geopatcher.core.sources import counted_in
from geopatcher.engine.error_policy import all_failed
from geopatcher.engine.job import Job, run_region
from geopatcher.engine.resident import Taken
from geopatcher.targets.protocol import BlockStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from geopatcher.core.box import Box
    from geopatcher.core.domain import RasterDomain, ResultSpec
    from geopatcher.engine.contributions import Contribution, Operate
    from geopatcher.engine.error_policy import PatchErrorRecord
    from geopatcher.engine.stats import RunStats
    from geopatcher.engine.watch import Watch
    from geopatcher.planning.plan import Plan
    from geopatcher.runs.session import Session
    from geopatcher.targets.places import Spot
    from geopatcher.targets.product import ResultArray


@dataclass(frozen=True)
class Outcome:
    """What an executor gives back."""

    arrays: dict[str, ResultArray]
    domain: RasterDomain
    path: Spot | None
    stats: RunStats
    errors: list[PatchErrorRecord]
    job: Job


@dataclass
class Run:
    """A run on its way: what an executor computes regions with, and what it tells of them.

    ``taken`` is the most that was seen of the memory of a process that computes regions; ``recut`` says that
    these were cut again after the first result.
    """

    job: Job
    session: Session
    operate: Operate
    watch: Watch
    taken: Taken = field(default_factory=Taken)
    recut: bool = False

    def learn(self, first: Contribution) -> None:
        """Let the plan know the operator from its first result.

        Raises
        ------
        LargerThanPlannedError
            Regions of the size planned would not keep the memory limit.

        """
        self.heed(self.operate.meter.taken)
        job = self.job.resized(first, self.taken.call_bytes)
        if job.plan.n_regions > self.job.plan.n_regions and not self.recut:
            raise LargerThanPlannedError(job)
        self.adopt(job)

    def heed(self, taken: Taken) -> None:
        """Keep what was seen of a process."""
        self.taken = self.taken.or_more(taken)

    def heed_gaps(self, gaps: bool) -> None:
        """Keep whether cells of the result are missing."""
        plan = self.job.plan
        self.job = replace(self.job, plan=replace(plan, setting=replace(plan.setting, gaps=gaps)))

    def adopt(self, job: Job) -> None:
        """Go on with a plan that knows more, in the regions there are."""
        plan = replace(job.plan, n_cut=self.job.plan.n_regions)
        self.job = replace(job, plan=plan)
        self.operate.batching.bound(plan.model.batch_size, plan.room_bytes)

    def cut_again(self, job: Job) -> None:
        """Go on with a plan that knows more, in regions cut by it."""
        self.job, self.recut = job, True
        self.adopt(job)

    def start(self, first: Contribution | None) -> None:
        """Make the place for the result; ``first`` says what it is, ``None`` that nothing holds data."""
        operate = self.operate
        if first is None and operate.errors:
            raise all_failed(unique_errors(operate.errors), self.job.name, counted_in(self.job.source))
        if first is not None and operate.n_bands is None:
            operate.n_bands, operate.dtype = first.data.shape[0], first.data.dtype
        self.session.start(self._unseen() if first is None else self.job.spec_for(first, flat=first.flat))

    def _unseen(self) -> ResultSpec:
        """Return what the result of an operator that was not called is taken for, and say so."""
        why = f"no patch held data, so {self.job.name} was not called"
        try:
            spec = self.job.spec_for(None, flat=not self.operate.lengths)
        except ValueError as error:  # what was asked for is of another kind than the source
            if self.job.output.nodata == "inherit":  # it is the source that has none
                raise
            raise ValueError(f"{error}: {why}, and its dtype has to be said, by dtype= (--dtype)") from error
        self.operate.stats.notes.append(
            f"{why}: the result has bands and dtype of the source, where no others were asked for"
        )
        return spec

    def region(
        self,
        plan: Plan,
        contributions: Iterator[Contribution],
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        """Compute a region here, and write and record its rows of blocks.

        ``meanwhile`` is called while the last of them are still being written.
        """
        session = self.session
        if session.spec is not None and session.sink is not None:
            run_region(
                self.job,
                plan,
                session.spec,
                session.sink,
                contributions,
                session.record,
                self.operate.stats,
                meanwhile,
            )

    def nothing_in(self, region: Box) -> None:
        """Record a region that holds no data."""
        self.region(self.job.plan.restrict(region), iter(()))

    def tidy(self) -> None:
        """Remove what writers that were killed have left between the finished blocks."""
        if isinstance(self.session.sink, BlockStore):
            self.session.sink.sweep(_any)


class LargerThanPlannedError(Exception):
    """The first result takes more memory than was assumed: the regions must be cut anew."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.name)
        self.job = job


def unique_errors(errors: Iterable[PatchErrorRecord]) -> list[PatchErrorRecord]:
    """Return each failed patch once: one that straddles regions fails in both."""
    return list({(error.anchor, error.stage): error for error in errors}.values())


def _any(box: Box) -> bool:
    """Hold every block."""
    return box.n_pixels > 0
