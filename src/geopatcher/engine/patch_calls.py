"""From patches to what comes of them: an operator is called on them in batches, under an error policy."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from geopatcher.core.containment import told
from geopatcher.engine.batching import Batching, is_out_of_memory
from geopatcher.engine.calling import Calls
from geopatcher.engine.cuts import is_empty
from geopatcher.engine.error_policy import ErrorPolicy, Failure, PatchErrorRecord, attempt
from geopatcher.engine.hooks import Hooks
from geopatcher.engine.lateness import Late
from geopatcher.engine.progress import Advance, no_progress
from geopatcher.engine.resident import Meter
from geopatcher.engine.rows import NOTHING
from geopatcher.engine.validity import both_count, where_not_nan
from geopatcher.errors import OperatorError
from geopatcher.planning.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from geopatcher.core.area import Area
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.packing import Packing
    from geopatcher.core.protocols import Array
    from geopatcher.engine.cuts import Cut
    from geopatcher.engine.lateness import Limit
    from geopatcher.engine.rows import Loss
    from geopatcher.engine.stats import RunStats

#: What the call made of a patch, and what is yielded of it.
R = TypeVar("R")
T = TypeVar("T")


@dataclass
class PatchCalls(ABC, Generic[R, T]):
    """Calls an operator on patches, in batches, under an error policy; what it returns is read by subclasses.

    ``lengths`` are those of the leading dimensions of patches, see `Calls`. ``masked`` says that the operator
    is given masked arrays. With a ``grid`` it is told
    where on it each patch lies. ``reading`` says what it is shown around each, and how fine its results are.
    A ``packing`` says that it is given arrays of several rasters.
    Of a run over a part of the grid the ``corner`` is where the part begins. With an ``area`` patches that do
    not touch it are left out.
    A ``limit`` is kept by whoever can end this process; what was ``late`` then is tried alone, or not again.
    ``batching`` says how many patches a call is given, across rows of them; ``meter`` learns what the first
    calls add to the process.
    """

    operator: Callable[..., object]
    name: str
    source_name: str
    stats: RunStats
    policy: ErrorPolicy = field(default_factory=ErrorPolicy)
    batching: Batching = field(default_factory=Batching)
    lengths: tuple[int, ...] | None = None
    masked: bool = False
    grid: RasterDomain | None = None
    corner: tuple[int, int] = (0, 0)
    reading: Reading = field(default=Reading())
    packing: Packing | None = None
    area: Area | None = None
    skip_empty: bool = False
    errors: list[PatchErrorRecord] = field(default_factory=list)
    sleep: Callable[[float], None] = time.sleep
    advance: Advance = no_progress
    hooks: Hooks = field(default_factory=Hooks)
    limit: Limit | None = None
    late: Late = field(default_factory=Late)
    meter: Meter = field(default_factory=Meter)
    _waiting: list[Cut] = field(default_factory=list, init=False, repr=False)
    _n_behind: int = field(default=0, init=False, repr=False)
    _calls: Calls = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._calls = Calls(
            self.operator,
            self.name,
            self.source_name,
            batched=self.batching.batched,
            lengths=self.lengths,
            masked=self.masked,
            grid=self.grid,
            corner=self.corner,
            reading=self.reading,
            packing=self.packing,
            again=bool(self.policy.max_retries),
            limit=self.limit,
        )

    @abstractmethod
    def results(self, batch: Sequence[Cut], returned: object) -> Sequence[R]:
        """Return the result of each patch of a batch, of what the operator returned for all.

        Raises
        ------
        OperatorError
            It is no such thing.

        """

    @abstractmethod
    def yielded(self, cut: Cut, present: Array | None, result: R) -> T:
        """Return what a patch's result comes to; ``present`` is where it held data before the call."""

    @abstractmethod
    def kept(self, result: R) -> R:
        """Return a result in memory that the next one does not take."""

    @abstractmethod
    def n_bytes(self, result: R) -> int:
        """Return the bytes of a result."""

    @property
    def n_behind(self) -> int:
        """How many patches came since the first that waits for a batch to be full, and with it; or 0.

        Those that came after it and are left out count, too: what came before is all through.
        """
        return self._n_behind

    def __call__(self, cuts: Iterator[Cut]) -> Iterator[T]:
        """Yield what comes of patches, in their order; the last batch may be a short one."""
        self._waiting, self._n_behind = [], 0
        for cut in cuts:
            self._n_behind += bool(self._waiting)
            if not self._wants(cut):
                self.stats.skipped += 1
                self.advance(1)
                continue
            alone = cut.loss is not None or (self.late and self.late.knows(cut.anchor))
            if alone or (self._waiting and not _stackable(cut, self._waiting[0])):
                yield from self._run_waiting()
            if cut.loss is not None:
                self._lost(cut, cut.loss)
            elif alone:
                yield from self._run_late(cut)
            else:
                self._waiting.append(cut)
                self._n_behind = max(self._n_behind, 1)
                if len(self._waiting) >= self.batching.size:
                    yield from self._run_waiting()
        yield from self._run_waiting()

    def _wants(self, cut: Cut) -> bool:
        """Whether a patch touches the area, and holds data where empty ones are left out."""
        if self.area is not None and not self.area.touches(cut.box):
            return False
        return cut.loss is not None or not (self.skip_empty and is_empty(cut))

    def _run_waiting(self) -> list[T]:
        batch, self._waiting, self._n_behind = self._waiting, [], 0
        return self._run(batch)

    def _run(self, batch: list[Cut]) -> list[T]:
        if not batch:
            return []
        # Looked at before the call: an operator may write into what it is given.
        known = [_known(cut) for cut in batch]
        present = [self._of_result(cut, there) for cut, there in zip(batch, known, strict=True)]
        if self.masked:
            batch = [cut._replace(valid=there) for cut, there in zip(batch, known, strict=True)]
        if self.hooks.any:
            for cut in batch:
                self.hooks.patch_start(cut.anchor)
        started = time.perf_counter()
        results = self._measured(batch)
        seconds = time.perf_counter() - started
        self.batching.took(len(batch), seconds)
        self.stats.spend("operate", seconds)
        self.stats.batch_size = self.batching.size
        self.stats.patches += len(batch)
        self.advance(len(batch))
        made = []
        for cut, there, data in zip(batch, present, results, strict=True):
            if data is not None:
                if self.hooks.any:
                    self.hooks.patch_done(cut.anchor, seconds / len(batch), self.n_bytes(data))
                made.append(self.yielded(cut, there, data))
        return made

    def _measured(self, batch: list[Cut]) -> Sequence[R | None]:
        """Call the operator; the first call, and each of more patches than before, is measured."""
        n = len(batch)
        if not self.meter.wants(n):
            return self._attempt(batch)
        results = self.meter.measure(partial(self._attempt, batch), n if batch[0].crop is None else 0)
        self.batching.saw(n, self.meter.grown)
        return results

    def _lost(self, cut: Cut, loss: Loss) -> None:
        """Note a patch that could not be read."""
        self.hooks.patch_start(cut.anchor)
        self._failed(cut, Failure(loss.error, loss.attempts), "read")
        self.advance(1)

    def _run_late(self, cut: Cut) -> Iterator[T]:
        """Run a patch by itself, or not at all, when an operator took too long over it."""
        failure = self.late.given_up.get(cut.anchor)
        if failure is None:
            yield from self._run([cut])
            return
        self.hooks.patch_start(cut.anchor)
        self._failed(cut, failure, "operator")
        self.stats.patches += 1
        self.advance(1)

    def _attempt(self, batch: list[Cut]) -> Sequence[R | None]:
        """Call the operator until the policy is content; ``None`` leaves a patch out."""
        returned = self._called(batch)
        if not isinstance(returned, Failure):
            if self._calls.discovers_border(batch, returned):
                return self._attempt(batch)
            return self.results(batch, returned)
        if len(batch) == 1:
            self._failed(batch[0], returned, "operator")
            return [None]
        if self.batching.auto and is_out_of_memory(returned.error):
            half = self.batching.halve(len(batch))
            del returned  # which holds what the call had made so far
            return [
                self._keep(one)
                for start in range(0, len(batch), half)
                for one in self._attempt(batch[start : start + half])
            ]
        # one by one, so that only the bad patch is lost
        return [self._singly(cut) for cut in batch]

    def _called(self, batch: list[Cut]) -> object:
        """Call the operator; return what it returned, or the failure that the policy carries on after."""
        try:
            return attempt(partial(self._calls.call, batch), self.policy, self.sleep)
        except Exception as error:
            if len(batch) > 1 and self.batching.auto and is_out_of_memory(error):
                return Failure(error.with_traceback(None), 1)
            why = told(error)
            self.hooks.error(batch[0].anchor, error)
            which = f"a batch of {len(batch)} patches, the first at " if len(batch) > 1 else ""
            if which and is_out_of_memory(error):
                why += '; take a smaller batch_size, or "auto" (--batch-size auto), which finds one'
            raise OperatorError(
                f"{self.name} failed on {which}{batch[0].box} of {self.source_name}: {why}"
            ) from error

    def _singly(self, cut: Cut) -> R | None:
        """Return the result of one patch of a batch."""
        (result,) = self._attempt([cut])
        return self._keep(result)

    def _failed(self, cut: Cut, failure: Failure, stage: str) -> None:
        """Note a patch that failed. It is left out: of cells that no other patch covers nothing is known.

        That is what a mask comes to, too, and nobody is given made-up cells of a patch that has none.
        """
        self.stats.failed += 1
        self.errors.append(self.policy.record(failure.error, cut.anchor, stage, failure.attempts))
        self.hooks.error(cut.anchor, failure.error)

    def _keep(self, result: R | None) -> R | None:
        return None if result is None else self.kept(result)

    def _of_result(self, cut: Cut, known: Array | None) -> Array | None:
        """Return which cells of a patch's result lie over pixels that are ``known``; ``None`` for all."""
        part = known
        if cut.inner is not None and known is not None:
            part = cut.within(known)
            part = part if part is NOTHING else self.reading.on_result(part)
        wanted = self._wanted(cut)
        return part if wanted is None else wanted if part is None else part & wanted

    def _wanted(self, cut: Cut) -> Array | None:
        """Return which cells of a patch lie in the area, ``(1, h, w)``; ``None`` for all."""
        if self.area is None:
            return None
        cells = self.area.cells(cut.box)
        if isinstance(cells, bool):
            return None if cells else NOTHING
        return cells[np.newaxis]


def _known(cut: Cut) -> Array | None:
    """Return which pixels an operator is shown hold data: neither missing nor NaN. ``None`` is all."""
    return both_count(cut.valid, where_not_nan(cut.pixels), cut.pixels.shape)


def _stackable(cut: Cut, other: Cut) -> bool:
    """Whether two patches can be in one batch: not one that was cut off at the edge, and one that was not."""
    return cut.pixels.shape == other.pixels.shape and cut.box.shape == other.box.shape
