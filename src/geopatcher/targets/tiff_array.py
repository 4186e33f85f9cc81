"""A finished GeoTIFF as an array that is read when it is sliced."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index as whole
from typing import TYPE_CHECKING, SupportsIndex, TypeAlias

import numpy as np
from rasterio.windows import Window

from geopatcher.formats.gdal_environment import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import EllipsisType

    from geopatcher.core.protocols import Array
    from geopatcher.targets.places import Spot

#: What basic slicing takes along one axis.
Part: TypeAlias = "slice | SupportsIndex"
#: Most bytes read at once beside the answer itself; one row at least.
PIECE_BYTES = 32 << 20


@dataclass(frozen=True)
class TiffArray:
    """A GeoTIFF of shape ``(height, width)`` or ``(bands, height, width)``.

    Basic slicing (integers, slices with any step, ``...``) reads the window it needs, piece by
    piece: nothing is held but the answer and a few rows. With ``masks`` the cells are those of the
    bands' masks: 0 where there is no data, 255 where there is.
    """

    path: Spot
    shape: tuple[int, ...]
    dtype: np.dtype
    masks: bool = False

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Cells."""
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        """Bytes of all cells in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: EllipsisType | Part | tuple[EllipsisType | Part, ...]) -> Array:
        """Read what basic slicing asks for.

        Raises
        ------
        IndexError
            There are too many indices, or one lies outside.
        TypeError
            An index is neither a whole number, a slice nor ``...``.
        SourceError
            The file cannot be read; names file and rows.

        """
        parts = self._parts(index if isinstance(index, tuple) else (index,))
        ranges = [_picked(part, n) for part, n in zip(parts, self.shape, strict=True)]
        bands, rows, cols = ranges if self.ndim == 3 else [range(1), *ranges]
        cells = np.empty((len(bands), len(rows), len(cols)), self.dtype)
        if cells.size:
            self._fill(cells, bands, rows, cols)
        kept = [slice(None) if isinstance(part, slice) else 0 for part in parts]
        answer: Array = cells[tuple(kept) if self.ndim == 3 else (0, *kept)]
        return answer

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> Array:
        """Read everything."""
        if copy is False:
            raise ValueError(f"{self.path} is on disk: it cannot become an array without a copy")
        return self[...] if dtype is None else self[...].astype(dtype)

    def _parts(self, index: tuple[EllipsisType | Part, ...]) -> list[Part]:
        """Return one index for each axis."""
        given = [part for part in index if part is not ...]
        if len(given) > self.ndim or len(index) - len(given) > 1:
            raise IndexError(f"{self.path} has {self.ndim} axes; there are {len(index)} indices: {index}")
        rest: list[Part] = [slice(None)] * (self.ndim - len(given))
        at = index.index(...) if len(given) < len(index) else len(index)
        return [*given[:at], *rest, *given[at:]]

    def _fill(self, cells: Array, bands: range, rows: range, cols: range) -> None:
        left, right = min(cols), max(cols) + 1
        indexes = [band + 1 for band in bands]
        row_bytes = len(bands) * (right - left) * self.dtype.itemsize
        doing = f"cannot read {self.path}, rows {min(rows)}:{max(rows) + 1}, columns {left}:{right}"
        with opened(self.path, doing) as dataset:
            read = dataset.read_masks if self.masks else dataset.read
            for at, some in _pieces(rows, max(1, PIECE_BYTES // row_bytes)):
                top, bottom = min(some), max(some) + 1
                pixels = read(indexes, window=Window(left, top, right - left, bottom - top))
                where = np.ix_([row - top for row in some], [col - left for col in cols])
                cells[:, at : at + len(some)] = pixels[:, *where]


def _picked(part: Part, length: int) -> range:
    """Return the positions an index picks along an axis."""
    if isinstance(part, slice):
        return range(length)[part]
    position = whole(part)
    if not -length <= position < length:
        raise IndexError(f"index {position} is outside an axis of {length}")
    return range(position % length, position % length + 1)


def _pieces(rows: range, most: int) -> Iterator[tuple[int, range]]:
    """Cut rows into pieces that span at most ``most`` rows of the file; yields where each one starts."""
    count = max(1, most // abs(rows.step))
    for at in range(0, len(rows), count):
        yield at, rows[at : at + count]
