"""Objects of overlapping patches become one: read from provisional numbers block by block, kept in files.

The files are mapped: what is held in memory is what belongs to one row of blocks, whatever the raster's size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from geopatcher.accumulators.instances import CODE, NUMBER, Coding
from geopatcher.engine.watch import StopRequested
from geopatcher.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array, PixelSource

#: Bytes of provisional numbers read at once, at least a block.
READ_BYTES = 8 << 20
#: Entries of a file that are worked on at once.
AT_ONCE = 1 << 16
#: Of an object no cell of which counts.
UNSEEN = np.iinfo(CODE).max


class Pairs(NamedTuple):
    """How many cells two labels of two patches have in common; ``low`` is that of the earlier patch."""

    low: Array
    high: Array
    n_cells: Array

    @classmethod
    def together(cls, parts: list[Pairs]) -> Self:
        """Return the sums of several, ascending."""
        low, high, n_cells = (np.concatenate(each) for each in zip(*parts, strict=True))
        order = np.lexsort((high, low))
        low, high, n_cells = low[order], high[order], n_cells[order]
        first = _firsts(low, high)
        return cls(low[first], high[first], np.add.reduceat(n_cells, first) if len(first) else n_cells)

    def where(self, wanted: Array) -> Pairs:
        """Return some of them."""
        return Pairs(self.low[wanted], self.high[wanted], self.n_cells[wanted])


class Seen(NamedTuple):
    """Numbers of labels, ascending, and the first cell of each that counts, row after row."""

    numbers: Array
    cells: Array

    @classmethod
    def together(cls, parts: list[Seen]) -> Self:
        """Return each number once, with the first of its cells."""
        numbers, cells = (np.concatenate(each) for each in zip(*parts, strict=True))
        order = np.lexsort((cells, numbers))
        numbers, cells = numbers[order], cells[order]
        first = _firsts(numbers)
        return cls(numbers[first], cells[first])


def _firsts(*keys: Array) -> Array:
    """Return where sorted keys begin to differ from those before."""
    begins = np.ones(len(keys[0]), bool)
    begins[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return np.flatnonzero(begins)


def look_at(coding: Coding, numbers: Array, corner: tuple[int, int], width: int) -> tuple[Seen, Pairs]:
    """Return the labels and pairs of labels in some cells.

    Parameters
    ----------
    coding
        What the numbers mean.
    numbers
        ``(levels, h, w)``, as `geopatcher.accumulators.instances.Provisional` gives them.
    corner
        The row and column of the first cell.
    width
        Columns of the raster.

    """
    n_cols = numbers.shape[2]
    flat = numbers.reshape(len(numbers), -1)
    begins = np.ones(flat.shape[1], bool)  # cells of which anything differs from the cell before
    begins[1:] = (flat[:, 1:] != flat[:, :-1]).any(axis=0)
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=flat.shape[1])
    runs = flat[:, starts]
    cells = (corner[0] + starts // n_cols) * width + corner[1] + starts % n_cols
    seen = []
    for level, known in enumerate(runs):
        is_object = coding.label(known) > 0
        firsts = cells if level == 0 else np.full_like(cells, UNSEEN)
        seen.append(Seen.together([Seen(known[is_object], firsts[is_object])]))
    pairs = [Pairs(*(np.empty(0, CODE) for _ in range(3)))]
    for number, one in enumerate(runs):
        for other in runs[number + 1 :]:
            both = (one > 0) & (other > 0)
            both &= (coding.label(one) > 0) | (coding.label(other) > 0)
            a, b = one[both], other[both]
            pairs.append(Pairs(np.minimum(a, b), np.maximum(a, b), lengths[both]))
    return Seen.together(seen), Pairs.together(pairs)


def matched(coding: Coding, pairs: Pairs, iou: float) -> Array:
    """Return which pairs are of one object: their intersection over union, where both patches lie, is larger.

    All pairs of a patch have to be there, those with background included.
    """
    low_objects, high_objects = coding.label(pairs.low) > 0, coding.label(pairs.high) > 0
    lows = _sums(pairs.low, coding.patch(pairs.high), pairs.n_cells)
    highs = _sums(pairs.high, coding.patch(pairs.low), pairs.n_cells)
    union = lows + highs - pairs.n_cells
    same: Array = low_objects & high_objects & (pairs.n_cells > iou * union)
    return same


def _sums(first: Array, second: Array, n_cells: Array) -> Array:
    """Return for each entry the sum over all that have the same keys."""
    if not len(first):
        return n_cells
    order = np.lexsort((second, first))
    begins = _firsts(first[order], second[order])
    totals = np.add.reduceat(n_cells[order], begins)
    sums = np.empty_like(n_cells)
    sums[order] = np.repeat(totals, np.diff(begins, append=len(first)))
    return sums


@dataclass(frozen=True)
class Joining:
    """Joins the objects of a store of provisional numbers, and numbers them by where they begin.

    Parameters
    ----------
    coding
        What the provisional numbers mean.
    patch_rows
        Rows of the highest patch.
    iou
        Labels of two patches are one object where their intersection over union is larger.
    folder
        Where files go; it is there, and empty.
    stop
        Whether to stop, asked between rows of blocks.

    """

    coding: Coding
    patch_rows: int
    iou: float
    folder: Path
    stop: Callable[[], bool]

    def run(self, store: PixelSource, region: Box, chunks: tuple[int, int]) -> int:
        """Give numbers to the objects in a region of a store of provisional ones; return how many there are.

        Raises
        ------
        StopRequested
            It was asked to stop.
        TargetError
            There are more objects than `NUMBER` can tell apart, or no room for the files.

        """
        try:
            self._scan(store, region, chunks)
            labels = _mapped(self.folder / "labels", CODE)
            parents = self._united(labels)
            return self._number(labels, parents)
        except OSError as error:
            raise TargetError(f"cannot write the table of objects to {self.folder}: {error}") from error

    def _scan(self, store: PixelSource, region: Box, chunks: tuple[int, int]) -> None:
        """Write down all labels, ascending, the first cell of each, and the pairs that are one object."""
        width, n_levels = store.domain.width, store.domain.n_bands
        columns = max(1, READ_BYTES // (n_levels * CODE.itemsize * chunks[0] * chunks[1])) * chunks[1]
        seen = Seen(np.empty(0, CODE), np.empty(0, CODE))
        pairs = Pairs(*(np.empty(0, CODE) for _ in range(3)))
        with (
            (self.folder / "labels").open("wb") as labels,
            (self.folder / "cells").open("wb") as cells,
            (self.folder / "same").open("wb") as same,
        ):
            for row in region.tiles((chunks[0], max(1, region.col1))):  # whole rows
                if self.stop():
                    raise StopRequested(row.row0)
                looks = [
                    look_at(self.coding, store.read(box), (box.row0, box.col0), width)
                    for box in row.tiles((chunks[0], columns))
                ]
                seen = Seen.together([seen, *(new for new, _ in looks)])
                pairs = Pairs.together([pairs, *(found for _, found in looks)])
                end = UNSEEN if row.row1 == region.row1 else row.row1
                whole = self.coding.row(pairs.low) + self.patch_rows <= end
                complete = pairs.where(whole)
                one = matched(self.coding, complete, self.iou)
                np.stack([complete.low[one], complete.high[one]], axis=1).tofile(same)
                pairs = pairs.where(~whole)
                n_whole = int((self.coding.row(seen.numbers) + self.patch_rows <= end).sum())
                seen.numbers[:n_whole].tofile(labels)  # no label of an earlier patch comes any more
                seen.cells[:n_whole].tofile(cells)
                seen = Seen(seen.numbers[n_whole:], seen.cells[n_whole:])

    def _united(self, labels: Array) -> Array:
        """Return for each label the first one of its object, by its place among them."""
        parents = _made(self.folder / "parents", CODE, len(labels))
        for part in _parts(len(labels)):
            parents[part] = np.arange(part.start, part.stop)
        same = _mapped(self.folder / "same", CODE).reshape(-1, 2)
        for part in _parts(len(same)):
            low, high = (np.searchsorted(labels, same[part, side]) for side in (0, 1))
            _unite(parents, low, high)
        for part in _parts(len(labels)):  # a parent comes first, so its own is final
            parents[part] = _roots(parents, np.arange(part.start, part.stop))
        return parents

    def _number(self, labels: Array, parents: Array) -> int:
        """Write the number of the object of each label; return how many there are."""
        cells = _mapped(self.folder / "cells", CODE, mode="r+")
        for part in _parts(len(labels)):
            np.minimum.at(cells, parents[part], cells[part])
        numbers = _made(self.folder / "roots", NUMBER, len(labels))
        n_objects = 0
        for first, last in _spans(cells, parents):
            found = [
                part.start + np.flatnonzero(_begins(cells, parents, part, first, last))
                for part in _parts(len(labels))
            ]
            roots = np.concatenate([np.empty(0, np.intp), *found])
            if n_objects + len(roots) > np.iinfo(NUMBER).max:
                raise TargetError(
                    f"there are more than {np.iinfo(NUMBER).max:,} objects, and {NUMBER} numbers no more: "
                    f"compute parts of the raster by region="
                )
            order = np.argsort(cells[roots])
            numbers[roots[order]] = n_objects + 1 + np.arange(len(roots))
            n_objects += len(roots)
        with (self.folder / "numbers").open("wb") as final:
            for part in _parts(len(labels)):
                numbers[parents[part]].tofile(final)
        return n_objects


def _begins(cells: Array, parents: Array, part: slice, first: int, last: int) -> Array:
    """Return which labels of a part stand for an object whose first cell is in ``[first, last)``."""
    found: Array = parents[part] == np.arange(part.start, part.stop)
    found &= (cells[part] >= first) & (cells[part] < last)
    return found


def _spans(cells: Array, parents: Array) -> Iterator[tuple[int, int]]:
    """Yield spans of cells in which about `AT_ONCE` objects begin, no more than once in a while."""
    bounds: list[int] = []
    ends = (int(cells[part][cells[part] < UNSEEN].max(initial=0)) for part in _parts(len(cells)))
    largest = max(ends, default=0)
    edges = np.unique(np.linspace(0, largest + 1, 4097).astype(CODE))
    counts = np.zeros(len(edges) - 1, CODE)
    for part in _parts(len(cells)):
        begins = cells[part][_begins(cells, parents, part, 0, UNSEEN)]
        counts += np.histogram(begins, bins=edges)[0]
    waiting = 0
    for edge, count in zip(edges[1:].tolist(), counts.tolist(), strict=True):
        waiting += count
        if waiting >= AT_ONCE:
            bounds.append(edge)
            waiting = 0
    yield from zip([0, *bounds], [*bounds, largest + 1], strict=True)


def _unite(parents: Array, low: Array, high: Array) -> None:
    """Let pairs of labels be of one object: the smaller root of each becomes the parent of the larger one."""
    while True:
        low, high = _roots(parents, low), _roots(parents, high)
        apart = low != high
        if not apart.any():
            return
        low, high = low[apart], high[apart]
        np.minimum.at(parents, np.maximum(low, high), np.minimum(low, high))


def _roots(parents: Array, members: Array) -> Array:
    """Return the roots of labels, and let these be their parents."""
    found = parents[members]
    while True:
        above = parents[found]
        if np.array_equal(above, found):
            return found
        parents[members] = above
        found = above


@dataclass(frozen=True)
class Numbers:
    """The final numbers of objects, once `Joining` has made them; pickles as the folder they are in.

    Parameters
    ----------
    coding
        What the provisional numbers mean.
    folder
        Where `Joining` puts files.

    """

    coding: Coding
    folder: Path
    _open: dict[str, Array] = field(default_factory=dict, compare=False, repr=False)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open": {}}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)

    def of(self, provisional: Array) -> Array:
        """Return the final numbers of provisional ones, of any shape; 0 for background and no patch."""
        if not self._open:
            labels, numbers = _mapped(self.folder / "labels", CODE), _mapped(self.folder / "numbers", NUMBER)
            self._open.update(labels=labels, numbers=numbers)
        flat = provisional.reshape(-1)
        begins = np.ones(len(flat), bool)
        begins[1:] = flat[1:] != flat[:-1]
        starts = np.flatnonzero(begins)
        runs = flat[starts]
        numbers = np.zeros(len(runs), NUMBER)
        is_object = self.coding.label(runs) > 0
        numbers[is_object] = self._open["numbers"][np.searchsorted(self._open["labels"], runs[is_object])]
        return np.repeat(numbers, np.diff(starts, append=len(flat))).reshape(provisional.shape)


def _parts(length: int) -> Iterator[slice]:
    """Yield slices of what is worked on at once."""
    for start in range(0, length, AT_ONCE):
        yield slice(start, min(start + AT_ONCE, length))


def _mapped(file: Path, dtype: np.dtype, mode: str = "r") -> Array:
    """Return what is in a file; an empty one cannot be mapped."""
    if not file.stat().st_size:
        return np.empty(0, dtype)
    return np.memmap(file, dtype, "r+" if mode == "r+" else "r")


def _made(file: Path, dtype: np.dtype, length: int) -> Array:
    """Return a file of zeros, mapped.

    They are written: a hole in a mapped file that finds no room on the disk later ends the process.
    """
    with file.open("wb") as zeroed:
        for part in _parts(length):
            np.zeros(part.stop - part.start, dtype).tofile(zeroed)
    return _mapped(file, dtype, mode="r+")
