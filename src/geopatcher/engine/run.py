"""The loop: contributions in, finished rows of blocks out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.aggregation.casting import to_dtype
from geopatcher.engine.contributions import Contribution, Operate, cut_strips
from geopatcher.engine.pipeline import Behind, ahead
from geopatcher.engine.reading import Reader
from geopatcher.engine.rows import Unit, read_units
from geopatcher.engine.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from geopatcher.box import Box
    from geopatcher.domain import ResultSpec
    from geopatcher.engine.stats import RunStats
    from geopatcher.engine.tiles import OpenTile, TileRows
    from geopatcher.planning.plan import Plan
    from geopatcher.protocols import FinishedTile, PixelSource, Sink


def contributions(
    plan: Plan,
    source: PixelSource,
    operate: Operate,
    *,
    pipelined: bool = True,
    watch: Watch | None = None,
) -> Generator[Contribution, None, None]:
    """Yield what each patch of the plan's region contributes, first rows ascending.

    Strips are read once, ahead of use in a thread when ``pipelined``; between them the ``watch``
    may stop the run.
    """
    watch = watch or Watch()
    box = plan.reach(plan.anchors.extent(plan.region))
    if not box.n_pixels:
        return
    read = Reader(source, operate.stats, operate.policy, operate.sleep)
    units = read_units(read, box, plan.model.unit_rows)
    waiting = box.width * plan.model.unit_rows * (plan.model.in_bytes + plan.model.mask_bytes)
    with ahead(units, _size_of, waiting if pipelined else 0) as stream:
        cut = cut_strips(plan, stream, box, copy_empty=not operate.skip_empty)
        for strip in plan.strips():
            watch.begin(strip)
            yield from operate(next(cut))
            watch.end(plan, strip)


def _size_of(unit: Unit) -> int:
    return unit.n_bytes


def stitch(
    stream: Iterable[Contribution],
    tiles: TileRows,
    emit: Callable[[Box, list[OpenTile]], None],
    stats: RunStats,
) -> None:
    """Accumulate a stream of contributions and emit each row of blocks when nothing more can touch it.

    This is the one loop: in memory, to disk, planned and unplanned runs all come through here.
    """
    spent, row = 0.0, None
    for contribution in stream:
        if contribution.box.row0 != row:
            row = contribution.box.row0
            stats.spend("accumulate", spent)
            spent = 0.0
            for box, row_tiles in tiles.close_above(row):
                emit(box, row_tiles)
        started = time.perf_counter()
        tiles.add(contribution)
        spent += time.perf_counter() - started
    stats.spend("accumulate", spent)
    for box, row_tiles in tiles.close_above(tiles.grid.region.row1):
        emit(box, row_tiles)


@dataclass
class Finisher:
    """Finalises rows of blocks and hands them to the sink, in order, behind the loop.

    ``done`` is called with each box after the sink has it.
    """

    spec: ResultSpec
    sink: Sink
    stats: RunStats
    done: Callable[[Box], None]
    pipelined: bool = True
    _behind: Behind = field(init=False)

    def __post_init__(self) -> None:
        self._behind = Behind(pipelined=self.pipelined)

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
        self.stats.blocks += 1
        self.done(box)

    def _finalised(self, tiles: list[OpenTile]) -> Iterator[FinishedTile]:
        """Yield tiles as results; the sink may still be busy with those before."""
        while tiles:
            tile = tiles.pop(0)  # let go of when it is written
            started = time.perf_counter()
            arrays = {}
            for name, (_, dtype, fill) in self.spec.arrays().items():
                part = tile.parts[name]
                with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
                    arrays[name] = to_dtype(part.finalise(), dtype, fill)
            seconds = time.perf_counter() - started
            self.stats.spend("finalise", seconds)
            self.stats.spend("write", -seconds)
            yield tile.box, arrays
