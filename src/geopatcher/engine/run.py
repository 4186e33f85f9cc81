"""The loop: contributions in, finished rows of blocks out."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from geopatcher.accumulators.casting import scaled, to_cells
from geopatcher.accumulators.labels import Disagreement
from geopatcher.core.gaps import VALID, codes
from geopatcher.engine.cuts import cut_strips
from geopatcher.engine.hooks import Hooks
from geopatcher.engine.pipeline import BackgroundWriter, prefetch, side_by_side
from geopatcher.engine.previews import Preview, preview_of
from geopatcher.engine.reading import Reader
from geopatcher.engine.rows import Unit, read_units, unit_boxes
from geopatcher.engine.watch import StopRequested, Watch
from geopatcher.errors import OperatorError
from geopatcher.fields.kept_blocks import ROOM
from geopatcher.planning.memory import READ_AHEAD

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import FinishedTile, PixelSource, Sink
    from geopatcher.engine.contributions import Contribution
    from geopatcher.engine.cuts import Cut
    from geopatcher.engine.patch_calls import PatchCalls
    from geopatcher.engine.stats import RunStats
    from geopatcher.engine.tiles import OpenTile, TileRows
    from geopatcher.planning.anchors import Strip
    from geopatcher.planning.plan import Plan


R = TypeVar("R")
T = TypeVar("T")

#: Seconds of adding what a patch gave from which on it is worth being done while the operator is called for
#: the next: handing over to a thread takes a tenth of it.
HANDOVER_S = 0.0002
#: How many times as long as that the operator has to take. Where it is quick, cells that go from one core's
#: cache to another's cost more than what is done meanwhile; and both take longer beside each other.
SLOWER = 2
#: Patches over which the first seconds are told, so that a few that take long by chance start no thread.
FIRST_PATCHES = 32


def contributions(
    plan: Plan,
    source: PixelSource,
    operate: PatchCalls[R, T],
    *,
    pipelined: bool = True,
    watch: Watch | None = None,
) -> Generator[T, None, None]:
    """Yield what comes of each patch of the plan's region, first rows ascending.

    Strips are read once, ahead of use in a thread when ``pipelined``; between them the ``watch``
    may stop the run. A batch is filled from one strip after another; the last of the region may be short.
    """
    box, watch = plan.reach(plan.anchors.extent(plan.region)), watch or Watch()
    if not box.n_pixels:
        watch.read()
        return
    rows, first, ahead = plan.model.unit_rows, plan.source_extent.row0, plan.model.ahead
    reader = operate.meter.beside(Reader(source, operate.stats, operate.policy, operate.sleep))
    n_units = sum(1 for _ in unit_boxes(box, rows, first))
    read = _ToTheLast(reader, n_units, watch.read)
    if pipelined and ahead > READ_AHEAD:  # each waits for a network
        coming = side_by_side(read, unit_boxes(box, rows, first), ahead)
    else:
        waiting = box.width * rows * (plan.model.in_bytes + plan.model.mask_bytes)
        ahead_of_use = pipelined and n_units > 1  # else nothing is done meanwhile
        coming = prefetch(read_units(read, box, rows, first), _size_of, waiting if ahead_of_use else 0)
    with ROOM.granted(plan.blocks_bytes), coming as stream:
        cut = cut_strips(plan, stream, box, copy_empty=not operate.skip_empty)
        passage = _Passage(plan, operate, watch)
        yield from operate(passage.through(cut))
        passage.end()


@dataclass
class _Passage(Generic[R, T]):
    """The strips of a region on their way through an operator, whose batches reach from one to the next."""

    plan: Plan
    operate: PatchCalls[R, T]
    watch: Watch
    _cut: int = 0
    _ended: deque[tuple[int, Strip]] = field(default_factory=deque)
    _stop: StopRequested | None = None

    def through(self, strips: Iterator[Iterator[Cut]]) -> Iterator[Cut]:
        """Yield the patches of one strip after another, until the watch stops them."""
        for strip in self.plan.strips():
            try:
                self.watch.begin(strip)
            except StopRequested as stop:  # told when what waits for a full batch is through
                self._stop = stop
                return
            yield from next(strips)
            self._cut += len(strip.boxes)
            self._ended.append((self._cut, strip))
            self._tell(self._cut - self.operate.n_behind)

    def end(self) -> None:
        """Tell the strips that are left, when all is through.

        Raises
        ------
        StopRequested
            The run was asked to stop.

        """
        self._tell(self._cut)
        if self._stop is not None:
            raise self._stop

    def _tell(self, n_through: int) -> None:
        while self._ended and self._ended[0][0] <= n_through:
            self.watch.end(self.plan, self._ended.popleft()[1])


class _ToTheLast:
    """Reads rectangles, in any threads, and tells when it has read as many as there are."""

    def __init__(self, read: Callable[[Box], Unit], number: int, tell: Callable[[], None]) -> None:
        self._read, self._left, self._tell = read, number, tell
        self._lock = threading.Lock()

    def __call__(self, box: Box) -> Unit:
        unit = self._read(box)
        with self._lock:
            self._left -= 1
            is_last = self._left == 0
        if is_last:
            self._tell()
        return unit


def _size_of(unit: Unit) -> int:
    return unit.n_bytes


def stitch(
    stream: Iterable[Contribution],
    tiles: TileRows,
    emit: Callable[[Box, list[OpenTile]], None],
    stats: RunStats,
    *,
    pipelined: bool = False,
    fresh: Callable[[], bool] = bool,
) -> None:
    """Accumulate a stream of contributions and emit each row of blocks when nothing more can touch it.

    This is the one loop: in memory, to disk, planned and unplanned runs all come through here. When
    ``pipelined`` an operator need not wait for what it gave to be added, where both take their time: that is
    done in a thread while the next call is made. Unless results are ``fresh`` the operator may write the next
    into the same memory, and what is kept meanwhile is a copy where somebody else still holds it.
    """
    seam = _Seam(tiles, emit, stats)
    adder = BackgroundWriter(pipelined=pipelined)
    group: list[Contribution] = []
    try:
        for contribution in stream:
            late = pipelined and pays_behind(stats)
            group.append(contribution.kept() if late and not fresh() else contribution)
            if not late:
                adder.wait()
                seam.add(group)
            elif len(group) < stats.batch_size:
                continue
            else:
                adder.submit(partial(seam.add, group))
            group = []
    finally:  # of a run that is stopped, too, all rows that are whole are written
        try:
            if group:
                adder.submit(partial(seam.add, group))
        finally:
            adder.finish()
    seam.close_above(tiles.grid.region.row1)


def pays_behind(stats: RunStats) -> bool:
    """Whether adding takes so long, and calling the operator so much longer, that handing over pays."""
    operate, accumulate = stats.seconds["operate"], stats.seconds["accumulate"]
    return operate > SLOWER * accumulate and accumulate > HANDOVER_S * max(stats.patches, FIRST_PATCHES)


@dataclass
class _Seam:
    """Where contributions meet: they are added to tiles, and what nothing more can touch is emitted."""

    tiles: TileRows
    emit: Callable[[Box, list[OpenTile]], None]
    stats: RunStats
    _row: int | None = None

    def add(self, group: list[Contribution]) -> None:
        """Accumulate contributions in their order."""
        spent = 0.0
        for contribution in group:
            if contribution.box.row0 != self._row:
                self._row = contribution.box.row0
                self.close_above(self._row)
            started = time.perf_counter()
            self.tiles.add(contribution)
            spent += time.perf_counter() - started
        self.stats.spend("accumulate", spent)

    def close_above(self, row: int) -> None:
        """Emit the rows of blocks above a row of pixels."""
        for box, row_tiles in self.tiles.close_above(row):
            self.emit(box, row_tiles)


@dataclass
class Finisher:
    """Finalises rows of blocks and hands them to the sink, in order, behind the loop.

    ``done`` is called with each box after the sink has it, and ``hooks`` hear of the blocks in it. The
    ``disagreement`` that the tiles look for is noted in ``stats``.

    Raises
    ------
    OperatorError
        From `emit` or `finish`: a value was chosen that the result's dtype cannot hold.

    """

    spec: ResultSpec
    sink: Sink
    stats: RunStats
    done: Callable[[Box], None]
    pipelined: bool = True
    disagreement: Disagreement = field(default_factory=Disagreement)
    hooks: Hooks = field(default_factory=Hooks)
    _previews: list[Preview] = field(init=False, default_factory=list)
    _behind: BackgroundWriter = field(init=False)
    _kinds: Mapping[str, tuple[tuple[int, ...], np.dtype, float | int]] = field(init=False)

    def __post_init__(self) -> None:
        self._behind = BackgroundWriter(pipelined=self.pipelined)
        self._kinds = self.spec.arrays()

    def emit(self, box: Box, tiles: list[OpenTile]) -> None:
        """Hand over a closed row of blocks when the one before is done; ``tiles`` hold what is in it."""
        self._behind.submit(partial(self._finish, box, tiles))

    def finish(self) -> None:
        """Wait until everything is written."""
        self._behind.finish()

    def settle(self) -> None:
        """Wait for the row being written, after an error elsewhere: it is worth keeping."""
        self._behind.settle()

    def _finish(self, box: Box, tiles: list[OpenTile]) -> None:
        if tiles:
            with self.stats.stage("write"):
                self.stats.bytes_written += self.sink.write(self._finalised(tiles))
            for preview in self._previews:
                self.hooks.block_done(preview)
            self._previews.clear()
        self.stats.blocks += 1
        self.stats.averaged |= self.disagreement.found
        self.done(box)

    def _finalised(self, tiles: list[OpenTile]) -> Iterator[FinishedTile]:
        """Yield tiles as results; the sink may still be busy with those before."""
        grid = self.spec.domain.grid_shape
        while tiles:
            tile = tiles.pop(0)  # let go of when it is written
            started = time.perf_counter()
            arrays = {}
            for name, part in tile.parts.items():
                _, dtype, fill = self._kinds[name]
                with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
                    finished, beside = part.finalise()
                    if name == "data" and self.spec.scaling is not None:
                        finished, clipped = scaled(finished, self.spec.scaling)
                        self.stats.clipped += clipped
                    wrong = part.aggregation.misfit(finished, dtype)
                    if wrong is not None:
                        raise OperatorError(wrong.message(dtype, tile.box, part.aggregation))
                    arrays[name], known = to_cells(finished, dtype, fill)
                if name == "data" and self.hooks.block_dones:
                    self._previews.append(preview_of(tile.box, arrays[name], known, grid))
                if name == "data" and self.spec.masked:
                    arrays[VALID] = codes(arrays[name], known, self.spec.fill)
                for other, values in beside.items():
                    arrays[other], _ = to_cells(values, *self._kinds[other][1:])
            seconds = time.perf_counter() - started
            self.stats.spend("finalise", seconds)
            self.stats.spend("write", -seconds)
            yield tile.box, arrays
