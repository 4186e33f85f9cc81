"""Blocks of rasters that are kept while a run wants them again and again, all within one bound."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopatcher.core.box import Box
from geopatcher.core.buffers import empty
from geopatcher.core.protocols import InPlace, OverDataset, Unblocked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from geopatcher.core.protocols import PixelSource
    from geopatcher.fields.warping import Cells

#: Bytes of blocks that are read in one go, at most, unless a block has more.
AT_ONCE = 16 << 20
#: Rows that are read in one go, at most, unless a block has more: of many GDAL does not keep in mind what it
#: read of them beside a band, such as masks.
ROWS_AT_ONCE = 256
#: As many pixels as a square of this side has are kept as one, at least: of smaller blocks some side by side.
LEAST_SIDE = 128


class _Key(NamedTuple):
    """A block of a raster by its row and column of blocks."""

    of: KeptBlocks
    row: int
    col: int


@dataclass(eq=False)
class _Block:
    """A block that is here, or on its way to who waits; ``users`` have it in hand."""

    n_bytes: int
    users: int = 1
    coming: Future[Cells] = field(default_factory=Future)


class BlockRoom:
    """Room for decoded blocks of all rasters of this process; those not used for longest make way.

    There is none until a run grants it. What is in somebody's hands is counted, and stays; where there is no
    room for a block beside it, that is not kept.
    """

    def __init__(self) -> None:
        self.start_anew()

    def start_anew(self) -> None:
        """In a forked child nobody reads, and the lock may have been held."""
        self._lock = threading.Lock()
        self._blocks: OrderedDict[_Key, _Block] = OrderedDict()
        self._grants: dict[object, int] = {}
        self._taken = 0

    @property
    def is_open(self) -> bool:
        """Whether anything is kept at all."""
        return bool(self._grants)

    @property
    def n_bytes(self) -> int:
        """Bytes of blocks that are kept or on their way."""
        return self._taken

    @contextmanager
    def granted(self, n_bytes: int) -> Iterator[None]:
        """Keep so many bytes more, for as long as this lasts."""
        grant = object()
        with self._lock:
            if n_bytes > 0:
                self._grants[grant] = n_bytes
        try:
            yield
        finally:
            with self._lock:
                self._grants.pop(grant, None)
                self._make_way(0)

    def take(self, sizes: dict[_Key, int]) -> tuple[dict[_Key, _Block], list[_Key]] | None:
        """Take blocks in hand; ``None`` where there is no room for those that are not here.

        Those named last are to be read by who took them.
        """
        with self._lock:
            here = [key for key in sizes if key in self._blocks]
            for key in here:
                self._blocks[key].users += 1
                self._blocks.move_to_end(key)
            new = [key for key in sizes if key not in self._blocks]
            if not self._make_way(sum(sizes[key] for key in new)):
                for key in here:
                    self._blocks[key].users -= 1
                return None
            for key in new:
                self._blocks[key] = _Block(sizes[key])
                self._taken += sizes[key]
            return {key: self._blocks[key] for key in sizes}, new

    def put_back(self, blocks: dict[_Key, _Block], failed: Iterable[_Key] = ()) -> None:
        """Let go of blocks; those that ``failed`` to come are forgotten."""
        with self._lock:
            for block in blocks.values():
                block.users -= 1
            for key in failed:
                if self._blocks.get(key) is blocks[key]:
                    self._forget(key)
            self._make_way(0)

    def _make_way(self, n_bytes: int) -> bool:
        """Forget blocks that nobody has in hand until there is room, if that can be."""
        beyond = self._taken + n_bytes - sum(self._grants.values())
        if beyond <= 0:
            return True
        going = []
        for key, block in self._blocks.items():
            if not block.users:
                going.append(key)
                beyond -= block.n_bytes
                if beyond <= 0:
                    break
        if n_bytes and beyond > 0:
            return False
        for key in going:
            self._forget(key)
        return beyond <= 0

    def _forget(self, key: _Key) -> None:
        self._taken -= self._blocks.pop(key).n_bytes


#: That of this process.
ROOM = BlockRoom()
os.register_at_fork(after_in_child=ROOM.start_anew)


@dataclass(frozen=True, eq=False)
class KeptBlocks:
    """Reads rectangles of a raster from its blocks, each of which is read once while there is room for it.

    Parameters
    ----------
    read
        Reads a rectangle: pixels, and where they hold data.
    shape
        ``(bands, height, width)`` of the raster.
    dtype
        Of its pixels.
    block
        ``(height, width)`` that are kept as one.
    corner
        Where within a block the raster begins, ``(row, column)``.
    masked
        Whether it may say where pixels hold data.
    worthwhile
        Whether reading a block takes more than copying it.

    """

    read: Callable[[Box], Cells]
    shape: tuple[int, int, int]
    dtype: np.dtype
    block: tuple[int, int]
    corner: tuple[int, int] = (0, 0)
    masked: bool = False
    worthwhile: bool = True

    @classmethod
    def of(cls, source: PixelSource, read: Callable[[Box], Cells], *, masked: bool) -> KeptBlocks:
        """Return blocks of a source, all bands of which ``read`` reads; those of an array are not kept."""
        domain = source.domain
        window = source.window if isinstance(source, OverDataset) else None
        grid = domain.grid_shape
        unblocked = isinstance(source, Unblocked) and source.is_unblocked
        block = kept_shape((1, 1) if unblocked else source.block_shape, grid)
        corner = (0, 0) if window is None else (window.row0 % block[0], window.col0 % block[1])
        views = isinstance(source, InPlace) and source.gives_views
        shape = (domain.n_bands, *grid)
        return cls(read, shape, domain.dtype, block, corner, masked and source.has_nodata, not views)

    @property
    def cell_bytes(self) -> int:
        """Bytes of a pixel, all bands and what says where they hold data."""
        return self.shape[0] * (self.dtype.itemsize + self.masked)

    def window(self, box: Box) -> Cells:
        """Return the pixels of a rectangle, and where they hold data; ``None`` is everywhere."""
        with self.in_hand([box]) as blocks:
            if blocks is None:
                return self.read(box)
            pixels, held = empty((self.shape[0], *box.shape), self.dtype), None
            for key in self._keys([box]):
                cells, said = blocks[key].coming.result()
                own = self._box(key)
                part = own.intersect(box)
                pixels[:, *part.slices(box)] = cells[:, *part.slices(own)]
                if said is not None:
                    held = np.ones(pixels.shape, np.bool_) if held is None else held
                    held[:, *part.slices(box)] = said[:, *part.slices(own)]
        return pixels, None if held is None or held.all() else held

    @contextmanager
    def in_hand(self, boxes: Sequence[Box]) -> Iterator[dict[_Key, _Block] | None]:
        """Have all blocks of some rectangles read, those that are not here, and kept meanwhile.

        ``None`` where there is no room for them.
        """
        sizes = {}
        if self.worthwhile and ROOM.is_open:
            sizes = {key: self._bytes(self._box(key)) for key in self._keys(boxes)}
        taken = ROOM.take(sizes) if sizes else None
        if taken is None:
            yield None
            return
        blocks, new = taken
        failed: list[_Key] = []
        try:
            for box in self._rectangles(new):
                self._fetch(box, blocks)
            came = [block.coming.exception() is None for block in blocks.values()]  # others may bring some
            yield blocks if all(came) else None
        except BaseException as error:
            failed = [key for key in new if not blocks[key].coming.done()]
            for key in failed:
                blocks[key].coming.set_exception(error)
            raise
        finally:
            ROOM.put_back(blocks, failed)

    def _fetch(self, box: Box, blocks: dict[_Key, _Block]) -> None:
        """Read blocks side by side."""
        cells, held = self.read(box)
        for key in self._keys([box]):
            where = self._box(key).slices(box)
            said = None if held is None or held[:, *where].all() else held[:, *where].copy()
            blocks[key].coming.set_result((cells[:, *where].copy(), said))

    def _keys(self, boxes: Iterable[Box]) -> list[_Key]:
        """Return the blocks that rectangles touch, each once."""
        (height, width), (row, col) = self.block, self.corner
        return list(
            dict.fromkeys(
                _Key(self, i, j)
                for box in boxes
                if not box.empty
                for i in range((box.row0 + row) // height, -(-(box.row1 + row) // height))
                for j in range((box.col0 + col) // width, -(-(box.col1 + col) // width))
            )
        )

    def _box(self, key: _Key) -> Box:
        """Return the pixels of a block."""
        (height, width), (row, col) = self.block, self.corner
        top, left = key.row * height - row, key.col * width - col
        return Box(top, top + height, left, left + width).intersect(Box.of_shape(self.shape[1:]))

    def _bytes(self, box: Box) -> int:
        return box.n_pixels * self.cell_bytes

    def _rectangles(self, keys: Sequence[_Key]) -> list[Box]:
        """Return rectangles that are together all of some blocks, each as large as is read in one go."""
        runs: list[tuple[int, int, int, int]] = []  # first and last row, first and last column of blocks
        for row, col in sorted((key.row, key.col) for key in keys):
            if (
                runs
                and runs[-1][0] == row
                and runs[-1][3] == col - 1
                and self._fits(row, row, runs[-1][2], col)
            ):
                runs[-1] = (row, row, runs[-1][2], col)
            else:
                runs.append((row, row, col, col))
        whole: list[tuple[int, int, int, int]] = []
        for top, bottom, left, right in runs:
            for number, (first, last, *columns) in enumerate(whole):
                if last == top - 1 and columns == [left, right] and self._fits(first, bottom, left, right):
                    whole[number] = (first, bottom, left, right)
                    break
            else:
                whole.append((top, bottom, left, right))
        return [self._over(*run) for run in whole]

    def _fits(self, top: int, bottom: int, left: int, right: int) -> bool:
        box = self._over(top, bottom, left, right)
        return self._bytes(box) <= AT_ONCE and (top == bottom or box.height <= ROWS_AT_ONCE)

    def _over(self, top: int, bottom: int, left: int, right: int) -> Box:
        first, last = self._box(_Key(self, top, left)), self._box(_Key(self, bottom, right))
        return Box(first.row0, last.row1, first.col0, last.col1)


def kept_shape(block: tuple[int, int], grid: tuple[int, int]) -> tuple[int, int]:
    """Return ``(height, width)`` of whole blocks of a raster that are kept as one.

    >>> grid = (900, 900)
    >>> kept_shape((512, 512), grid), kept_shape((16, 16), grid), kept_shape((1, 900), grid)
    ((512, 512), (128, 128), (19, 900))
    """
    cols = min(-(-LEAST_SIDE // block[1]) * block[1], grid[1])
    rows = -(-(LEAST_SIDE**2) // cols)
    return min(-(-rows // block[0]) * block[0], grid[0]), cols
