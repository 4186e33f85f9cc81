"""A run on one target: what is left to do, and the record of what is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from geopatcher.errors import TargetError
from geopatcher.runs.remarks import tell_gaps
from geopatcher.runs.source_watch import SourceWatch
from geopatcher.targets.preflight import check_memory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geopatcher.core.box import Box
    from geopatcher.core.domain import RasterDomain, ResultSpec
    from geopatcher.core.protocols import Sink
    from geopatcher.engine.job import Job
    from geopatcher.engine.stats import RunStats
    from geopatcher.targets.digests import Digests
    from geopatcher.targets.places import Spot
    from geopatcher.targets.product import ResultArray
    from geopatcher.targets.protocol import Target


class Session(Protocol):
    """What a run stands in, from `open` to `publish` or `fail`.

    Called by one thread, that of the executor, but for `record`: the thread that writes calls that.
    """

    @property
    def durable(self) -> bool:
        """Whether what is recorded outlives the process."""
        ...

    @property
    def spec(self) -> ResultSpec | None:
        """What is being made, once that is known."""
        ...

    @property
    def sink(self) -> Sink | None:
        """Where blocks go, once it is made."""
        ...

    @property
    def threads(self) -> int | None:
        """How many threads numerical libraries may start in each process; ``None`` is not known."""
        ...

    @property
    def path(self) -> Spot | None:
        """Where the result will be."""
        ...

    @property
    def domain(self) -> RasterDomain:
        """That of the result, once it is known."""
        ...

    def open(self) -> dict[str, ResultArray] | None:
        """Look at the target; return the arrays of a result that is there and complete."""
        ...

    def left(self, region: Box) -> Iterable[Box]:
        """Return what of a region is left to do."""
        ...

    def start(self, spec: ResultSpec) -> Sink:
        """Make the place for the result, now that the first patch has said what it is."""
        ...

    def all_read(self) -> None:
        """Take that no pixel is left to be read, while the last are still being computed."""
        ...

    def record(self, box: Box, files: Digests | None = None) -> None:
        """Take a row of blocks that the sink has; what its files hold, if another process wrote them."""
        ...

    def assemble(self) -> None:
        """Wait until everything is recorded, and make the result from its blocks."""
        ...

    def publish(self) -> dict[str, ResultArray]:
        """Let the result appear, and return its arrays."""
        ...

    def fail(self) -> str:
        """End without a result; return what is kept and how to go on, if anything is."""
        ...


@dataclass
class Standing:
    """What every session has: a job, a target, and what is known of the result."""

    job: Job
    target: Target
    stats: RunStats
    threads: int | None = None
    spec: ResultSpec | None = field(default=None, init=False)
    sink: Sink | None = field(default=None, init=False)

    @property
    def path(self) -> Spot | None:
        """Where the result will be."""
        return self.target.path

    @property
    def domain(self) -> RasterDomain:
        """That of the result.

        Raises
        ------
        TargetError
            It is not known yet.

        """
        return known_spec(self.spec).domain


@dataclass
class MemorySession(Standing):
    """A run of which nothing outlives the process but the finished result, in memory for example."""

    durable: bool = field(default=False, init=False)
    _watch: SourceWatch[Box] = field(init=False)

    def __post_init__(self) -> None:
        self._watch = SourceWatch(self.job)

    def open(self) -> None:
        """Check the target."""
        self._watch.begin()
        self.target.check()
        if self.target.path is None:
            check_memory(*at_least(self.job))

    def left(self, region: Box) -> Iterable[Box]:
        """Return the region."""
        return [region]

    def start(self, spec: ResultSpec) -> Sink:
        """Allocate the result."""
        self.spec, self.sink = spec, self.target.create(spec)
        return self.sink

    def all_read(self) -> None:
        """Have the source asked whether it is what it was."""
        self._watch.all_read()

    def record(self, box: Box, files: Digests | None = None) -> None:
        """Do nothing."""

    def assemble(self) -> None:
        """Do nothing."""

    def publish(self) -> dict[str, ResultArray]:
        """Return the arrays.

        Raises
        ------
        SourceError
            The source changed while it was read.

        """
        self._watch.require_same()
        begun = known_spec(self.spec)
        self.spec, arrays, gaps = self.target.complete()
        tell_gaps(self.job, self.stats, begun, self.spec, gaps)
        return arrays

    def fail(self) -> str:
        """Let go of the result."""
        self.target.discard()
        return ""


def at_least(job: Job) -> tuple[int, str]:
    """Return the least bytes a result can take, asked before a first patch is looked for."""
    height, width = job.plan.region.shape
    return height * width, f"a result of {height:,} x {width:,} pixels, as large as {job.source.name},"


def known_spec(spec: ResultSpec | None) -> ResultSpec:
    """Return what is being made.

    Raises
    ------
    TargetError
        That is not known yet.

    """
    if spec is None:
        raise TargetError("the result was asked for before the first patch said what it is")
    return spec
