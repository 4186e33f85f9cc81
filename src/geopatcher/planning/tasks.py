"""A plan cut into tasks for several workers: rectangles of whole blocks, by arithmetic.

A patch that straddles two tasks is computed in both. The cut keeps that halo small, the memory of a
task within a worker's, and the tasks numerous enough for workers to end together.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from geopatcher.core.box import Box
from geopatcher.errors import MemoryLimitError
from geopatcher.planning.anchors import Lattice
from geopatcher.planning.memory import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geopatcher.core.axis import Axis
    from geopatcher.planning.plan import Plan

#: Share of patches computed more than once that a cut stays under, where the raster allows it.
MAX_OVERHEAD = 0.05
#: Tasks per worker that are aimed at: workers are never equally fast.
TASKS_PER_WORKER = 8
#: Pixels of a task (16384 x 16384), about: what is lost when a worker is. No fewer tasks are cut than the
#: region has of these.
MAX_TASK_PX = 1 << 28
#: Share of a task that a worker waits for the others at the end, for choosing among cuts.
WAIT = 0.1
#: Cuts of an axis that are looked at to judge a number of them.
SAMPLED_EDGES = 8


@dataclass(frozen=True)
class Tasks:
    """The region of a plan in ``n_rows`` by ``n_cols`` rectangles of whole blocks of nearly equal size.

    Nothing is listed: iterating makes the rectangles, from the top and from left to right.
    """

    plan: Plan
    n_rows: int
    n_cols: int

    def __len__(self) -> int:
        return self.n_rows * self.n_cols

    def __iter__(self) -> Iterator[Box]:
        for row0, row1 in itertools.pairwise(self.edges(0)):
            for col0, col1 in itertools.pairwise(self.edges(1)):
                yield Box(row0, row1, col0, col1)

    def edges(self, axis: int) -> Iterator[int]:
        """Yield the rows (``axis`` 0) or columns (1) where tasks begin, and where the last one ends."""
        return _edges(*_span(self.plan, axis), (self.n_rows, self.n_cols)[axis])

    @cached_property
    def n_patches(self) -> int:
        """Patches of all tasks together, those in several counted in each."""
        anchors = self.plan.anchors
        if not isinstance(anchors, Lattice):
            return sum(map(anchors.count_in, self))
        return _touching(anchors.rows, self.edges(0)) * _touching(anchors.cols, self.edges(1))

    @property
    def overhead(self) -> float:
        """Share of patches computed more than once because they straddle tasks."""
        return self.n_patches / self.plan.n_patches - 1.0 if self.plan.n_patches else 0.0

    @property
    def largest(self) -> tuple[int, int]:
        """``(height, width)`` of the largest task, in pixels."""
        region = self.plan.region
        return (
            min(region.height, _longest(*_span(self.plan, 0), self.n_rows)),
            min(region.width, _longest(*_span(self.plan, 1), self.n_cols)),
        )

    @property
    def memory_bytes(self) -> int:
        """Peak bytes of the largest task above the idle process."""
        height, width = self.largest
        return self.plan.model.bytes_for(width, height)

    def __str__(self) -> str:
        height, width = self.largest
        return (
            f"{len(self):,} tasks of up to {height:,} x {width:,} pixels, {format_bytes(self.memory_bytes)} "
            f"each; patches computed twice: {self.overhead:.2%}"
        )


def cut_tasks(
    plan: Plan,
    n_workers: int,
    memory_bytes: int,
    *,
    block_width: int = 1,
    max_overhead: float = MAX_OVERHEAD,
) -> Tasks:
    """Cut a plan for ``n_workers`` that have ``memory_bytes`` each.

    Among the cuts that keep memory and overhead, the one by which the workers would be done first
    is taken. Where none keeps the overhead, as over a raster of few patches, all are looked at:
    two workers that compute a tenth twice are done before one alone.

    Parameters
    ----------
    plan
        What to cut.
    n_workers
        Workers that run at once.
    memory_bytes
        Memory of one worker above the idle process.
    block_width
        Columns the source's storage decodes at once: tasks are no narrower, unless memory wants it.
    max_overhead
        Share of patches that may be computed more than once.

    Raises
    ------
    MemoryLimitError
        A worker's memory does not suffice for a task one block wide.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> plan = geopatcher.plan(np.zeros((4096, 4096), "uint8"), size=128)
    >>> tasks = cut_tasks(plan, 2, 256 << 20)
    >>> len(tasks), tasks.largest, f"{tasks.overhead:.2%}"
    (4, (2048, 2048), '3.20%')

    """
    plan = replace(plan, model=plan.model.fitted(memory_bytes, plan.region.height))
    region = plan.region
    block_width = max(1, math.floor(block_width * plan.reading.scale))
    limits = _count(*_span(plan, 0)), _count(*_span(plan, 1))
    fewest = _fewest_columns(plan, limits[1], memory_bytes, n_workers)
    columns = range(fewest, max(fewest, min(limits[1], region.width // block_width)) + 1)
    fewest_tasks = math.ceil(region.n_pixels / MAX_TASK_PX)
    least = max(n_workers, fewest_tasks)
    most = max(TASKS_PER_WORKER * n_workers, least)
    shapes = {shape for wanted in _series(least, most) for shape in _shapes(wanted, plan, limits[0], columns)}
    halo = _Halo(plan)
    every = [(halo.overhead(*shape), Tasks(plan, *shape)) for shape in sorted(shapes)]
    cuts = [cut for cut in every if len(cut[1]) >= fewest_tasks]
    kept = [cut for cut in cuts if cut[0] <= max_overhead and len(cut[1]) >= n_workers]
    return min(kept or cuts, key=functools.partial(_duration, n_workers=n_workers))[1]


def _duration(cut: tuple[float, Tasks], n_workers: int) -> float:
    """Return how long workers would take, in units of one worker without a halo.

    The halo counts twice: it takes time, and cores that others could use.
    """
    overhead, tasks = cut
    height, width = tasks.largest
    rounds = math.ceil(len(tasks) / n_workers) + WAIT
    return (1.0 + overhead) ** 2 * rounds * height * width / tasks.plan.region.n_pixels


def _fewest_columns(plan: Plan, n_blocks: int, memory_bytes: int, n_workers: int) -> int:
    """Return into how many columns of tasks memory forces the region."""
    height = plan.region.height
    needed = plan.model.bytes_for(min(plan.chunks[1], plan.region.width), height)
    if needed > memory_bytes:
        together = f"{n_workers} workers have {format_bytes(memory_bytes)} each, " if n_workers > 1 else ""
        raise MemoryLimitError(
            f"{together}a task of {plan.chunks[1]} columns needs {format_bytes(needed)}: raise memory_limit "
            f"to {format_bytes(needed * n_workers * 1.05)}, take fewer workers, or a smaller size, "
            f"batch_size or chunks"
        )
    low, high = 1, n_blocks  # blocks side by side that fit; bisected, as memory grows with width
    while low < high:
        middle = (low + high + 1) // 2
        if plan.model.bytes_for(middle * plan.chunks[1], height) <= memory_bytes:
            low = middle
        else:
            high = middle - 1
    return -(-n_blocks // low)


def _series(least: int, most: int) -> Iterator[int]:
    """Yield numbers of tasks between two, all of them when they are few, in steps of a fifth when not."""
    wanted = least
    while wanted < most:
        yield wanted
        wanted = max(wanted + 1, wanted * 6 // 5)
    yield most


def _shapes(wanted: int, plan: Plan, most_rows: int, columns: range) -> Iterator[tuple[int, int]]:
    """Yield cuts into about ``wanted`` tasks: the squarer, measured in patches, the smaller the halo."""
    height, width = plan.anchors.patch_shape
    square = math.sqrt(wanted * (plan.region.width / width) / (plan.region.height / height))
    for n_cols in {columns[0], math.floor(square), math.ceil(square)}:
        cols = min(max(n_cols, columns[0]), columns[-1])
        for n_rows in (wanted // cols, -(-wanted // cols)):
            yield min(max(n_rows, 1), most_rows), cols


class _Halo:
    """Estimates the halo of a cut from some of its edges: thousands are as good as alike."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._along = functools.cache(self._estimate)
        self._at = functools.cache(self._crossing)

    def overhead(self, n_rows: int, n_cols: int) -> float:
        """Return about which share of the patches would be computed more than once."""
        return (1.0 + self._along(0, n_rows)) * (1.0 + self._along(1, n_cols)) - 1.0

    def _estimate(self, axis: int, n_parts: int) -> float:
        some = range(1, n_parts, max(1, n_parts // SAMPLED_EDGES))
        span = _span(self._plan, axis)
        crossed = [self._at(axis, _edge(*span, n_parts, index)) for index in some]
        return sum(crossed) / len(crossed) * (n_parts - 1) if crossed else 0.0

    def _crossing(self, axis: int, edge: int) -> float:
        """Return which share of the patches lies on both sides of an edge."""
        anchors, region = self._plan.anchors, self._plan.region
        if axis == 0:
            parts = replace(region, row1=edge), replace(region, row0=edge)
        else:
            parts = replace(region, col1=edge), replace(region, col0=edge)
        total = anchors.count_in(region)
        return sum(map(anchors.count_in, parts)) / total - 1.0 if total else 0.0


def _span(plan: Plan, axis: int) -> tuple[int, int, int]:
    """Return where the region begins and ends along an axis, and the length of a block."""
    region = plan.region
    return (
        (region.row0, region.row1, plan.chunks[0])
        if axis == 0
        else (region.col0, region.col1, plan.chunks[1])
    )


def _count(lo: int, hi: int, unit: int) -> int:
    """Return how many blocks ``[lo, hi)`` touches."""
    return -(-hi // unit) - lo // unit


def _edge(lo: int, hi: int, unit: int, n_parts: int, index: int) -> int:
    """Return where part ``index`` of an axis begins."""
    if index == 0:
        return lo
    if index == n_parts:
        return hi
    return (lo // unit + _count(lo, hi, unit) * index // n_parts) * unit


def _edges(lo: int, hi: int, unit: int, n_parts: int) -> Iterator[int]:
    """Yield where the parts of an axis begin, and where the last one ends."""
    for index in range(n_parts + 1):
        yield _edge(lo, hi, unit, n_parts, index)


def _longest(lo: int, hi: int, unit: int, n_parts: int) -> int:
    return -(-_count(lo, hi, unit) // n_parts) * unit


def _touching(axis: Axis, edges: Iterator[int]) -> int:
    return sum(len(axis.touching(lo, hi)) for lo, hi in itertools.pairwise(edges))
