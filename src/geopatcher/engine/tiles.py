"""State of the output: tiles of blocks that open when touched and close when nothing can touch them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np

from geopatcher.accumulators.labels import Disagreement
from geopatcher.accumulators.mean_steps import History
from geopatcher.accumulators.pieces import Coverings, Piece, Taper, Tile
from geopatcher.core.box import Box
from geopatcher.planning.memory import TILE_COLUMNS, tile_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from geopatcher.accumulators.base import AnyCellAggregation, CellAggregation
    from geopatcher.accumulators.finished import Finished
    from geopatcher.core.protocols import Array
    from geopatcher.engine.contributions import Contribution
    from geopatcher.planning.blocks import BlockGrid

S = TypeVar("S")

#: Tapers kept ready; patches of one patcher share one.
MAX_TAPERS = 64
#: Columns of patches of which it is kept where they lie.
MAX_STRETCHES = 4096


@dataclass(slots=True)
class Part(Generic[S]):
    """One aggregation and its state in one tile: bound together, so that the type stays known."""

    aggregation: CellAggregation[S]
    state: S

    def update(self, piece: Piece) -> None:
        """Add one piece."""
        if self.aggregation.watches_overflow:
            self.state = self.aggregation.update(self.state, piece)
        else:
            with np.errstate(invalid="ignore", over="ignore"):  # infinities of both signs
                self.state = self.aggregation.update(self.state, piece)

    def finalise(self) -> tuple[Finished, Mapping[str, Finished]]:
        """Return the values, and those of arrays beside them; the state is used up."""
        return self.aggregation.finalise_all(self.state)


@dataclass(slots=True)
class OpenTile:
    """Blocks side by side some patch has touched: the states of the result and of each layer."""

    box: Box
    parts: dict[str, Part[Any]]


class Span(NamedTuple):
    """What patches with the same rows touch of a row of blocks.

    ``number`` is that of the row, ``parts`` are those of its open tiles by their number, ``where`` the
    rows in them, ``crop`` those in the patch.
    """

    number: int
    parts: dict[int, list[Part[Any]]]
    where: slice
    crop: slice


class Stretch(NamedTuple):
    """What patches with the same columns touch of a tile: its number, the columns in it, in the patch."""

    number: int
    where: slice
    crop: slice


@dataclass
class TileRows:
    """The rows of blocks of a region, from the top, each cut into tiles of some blocks.

    `add` puts a contribution into every tile it touches; `close_above` gives up the rows no later
    contribution can touch. Contributions must come with their first rows ascending.
    """

    grid: BlockGrid
    aggregations: Mapping[str, AnyCellAggregation]
    exact: np.dtype
    columns: int = TILE_COLUMNS
    disagreement: Disagreement = field(default_factory=Disagreement)
    _open: dict[int, dict[int, OpenTile]] = field(default_factory=dict)
    _next: int | None = None
    _coverings: Coverings = field(default_factory=Coverings)
    _history: History = field(init=False)
    _last: int = -sys.maxsize
    _rows: tuple[int, int] | None = None
    _spans: list[Span] = field(default_factory=list)
    _width: int = 0
    _stretches: dict[tuple[int, int], list[Stretch]] = field(default_factory=dict)
    _tapers: dict[tuple[int, tuple[int, int]], tuple[Array | None, Taper]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._history = History([aggregation.takes_shares for aggregation in self.aggregations.values()])

    def add(self, contribution: Contribution) -> None:
        """Accumulate what of a contribution lies in the region.

        Raises
        ------
        ValueError
            It begins above the one before, or in a row of blocks that is closed: contributions came in
            another order, and the result would be wrong without a word.

        """
        box = contribution.box
        stretches = self._stretches.get((box.col0, box.col1))
        if stretches is None:
            stretches = self._placed(box)
        if not stretches:
            return
        if self._rows != (box.row0, box.row1):
            self._begin(contribution)
        if not self._spans:
            return
        tapers = self._tapers_for(contribution)
        shares = self._history.enter(box, tapers)
        data, valid, present = contribution.data, contribution.valid, contribution.present
        anchor = (box.row0, box.col0)
        for index, open_parts, rows, crop_rows in self._spans:
            for number, cols, crop_cols in stretches:
                parts = open_parts.get(number)
                if parts is None:
                    parts = open_parts[number] = self._opened(index, number, contribution)
                where, crop = (rows, cols), (crop_rows, crop_cols)
                cut = data[:, crop_rows, crop_cols]
                known = None if valid is None else valid[:, crop_rows, crop_cols]
                there = present
                if present is not None:
                    there = known if present is valid else present[:, crop_rows, crop_cols]
                for part, taper, share in zip(parts, tapers, shares, strict=True):
                    part.update(Piece(where, crop, cut, taper, known, anchor, share, there))

    def _begin(self, contribution: Contribution) -> None:
        """Look which rows of blocks the patches of a row touch, before the first of them."""
        box, region, height = contribution.box, self.grid.region, self.grid.chunks[0]
        row0, row1 = max(box.row0, region.row0), min(box.row1, region.row1)
        self._rows, self._spans = (box.row0, box.row1), []
        if row0 >= row1:
            return
        if box.row0 < self._last or (self._next is not None and row0 < self._next * height):
            self._rows = None
            raise ValueError(
                f"the patch at {box} came after its rows were finished: patches that carry a plan "
                f"must come in its order; pass them without the plan, for example as a list"
            )
        self._last = box.row0
        for index in range(row0 // height, -(-row1 // height)):
            row = self._box(index)
            top, bottom = max(row0, row.row0), min(row1, row.row1)
            tiles = self._open.setdefault(index, {})
            parts = {number: list(tile.parts.values()) for number, tile in tiles.items()}
            where, crop = slice(top - row.row0, bottom - row.row0), slice(top - box.row0, bottom - box.row0)
            self._spans.append(Span(index, parts, where, crop))

    def _placed(self, box: Box) -> list[Stretch]:
        """Return which tiles patches with the columns of ``box`` touch, and keep it."""
        region = self.grid.region
        if not self._width:
            self._width = tile_columns(box.width, self.grid.chunks[1], self.columns)
        width = self._width
        col0, col1 = max(box.col0, region.col0) - region.col0, min(box.col1, region.col1) - region.col0
        if len(self._stretches) >= MAX_STRETCHES:
            self._stretches.clear()
        stretches = self._stretches[box.col0, box.col1] = []
        for number in range(col0 // width, -(-col1 // width) if col0 < col1 else 0):
            left, right = max(col0, number * width), min(col1, (number + 1) * width)
            ahead = region.col0 - box.col0
            where = slice(left - number * width, right - number * width)
            stretches.append(Stretch(number, where, slice(left + ahead, right + ahead)))
        return stretches

    def close_above(self, row: int) -> Iterator[tuple[Box, list[OpenTile]]]:
        """Yield each row of blocks that ends at or above ``row``, once, and the tiles something is in."""
        region, height = self.grid.region, self.grid.chunks[0]
        index = region.row0 // height if self._next is None else self._next
        while index * height < region.row1 and min((index + 1) * height, region.row1) <= row:
            self._next = index + 1
            self._rows = None
            tiles = sorted(self._open.pop(index, {}).items())
            yield self._box(index), [tile for _, tile in tiles]
            index += 1

    def _tapers_for(self, contribution: Contribution) -> list[Taper]:
        """Return the taper each aggregation gives a patch; mostly that of its window, for all."""
        data = contribution.data[0] if contribution.flat else contribution.data
        shape = contribution.data.shape[-2:]
        return [
            self._taper(aggregation.weights_for(data, contribution.weights), shape)
            for aggregation in self.aggregations.values()
        ]

    def _taper(self, weights: Array | None, shape: tuple[int, int]) -> Taper:
        """Return the taper of an array of weights, the same one for the same array."""
        key = (id(weights), shape)  # the array is kept beside it, so its id stays its own
        found = self._tapers.get(key)
        if found is None:
            if len(self._tapers) >= MAX_TAPERS:
                self._tapers.pop(next(iter(self._tapers)))
            found = self._tapers[key] = (weights, Taper.of(weights, shape, self.exact))
        return found[1]

    def _box(self, index: int) -> Box:
        height = self.grid.chunks[0]
        region = self.grid.region
        return Box(index * height, (index + 1) * height, region.col0, region.col1).intersect(region)

    def _opened(self, index: int, number: int, contribution: Contribution) -> list[Part[Any]]:
        """Open a tile; return its parts."""
        left = self.grid.region.col0 + number * self._width
        row = self._box(index)
        box = replace(row, col0=left, col1=min(left + self._width, row.col1))
        data = contribution.data
        tile = Tile((data.shape[0], *box.shape), data.dtype, self.exact, self._coverings, self.disagreement)
        parts = {name: Part(agg, agg.zero(tile)) for name, agg in self.aggregations.items()}
        self._open[index][number] = OpenTile(box, parts)
        return list(parts.values())
