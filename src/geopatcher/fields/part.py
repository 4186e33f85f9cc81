"""A part of a source: a window that knows what lies around it, and an area that is no rectangle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.blocks_below import blocks_below
from geopatcher.core.digests import digest_of
from geopatcher.core.protocols import (
    BandSelectable,
    Concurrent,
    FromFiles,
    HeldArrays,
    InPlace,
    Shareable,
    Unblocked,
    Versioned,
)
from geopatcher.core.sources import packing_of, reads_at_once
from geopatcher.fields.declared import outline_of, working_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from geopatcher.core.area import Area
    from geopatcher.core.blocks_below import BlocksBelow
    from geopatcher.core.box import Box
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.packing import Packing
    from geopatcher.core.protocols import Array, PixelSource

#: Fewest columns that are left out of a read: less is not worth a read of its own.
LEAST_COLUMNS = 256


@dataclass(frozen=True)
class Part:
    """A window of a source, of which patches at its edges see what lies beyond.

    Parameters
    ----------
    whole
        The source.
    window
        Its pixels that are the domain.
    area
        What of the grid of the result is wanted, counted from the window's corner; ``None`` is all.
    seen
        ``(rows, columns)`` of the source that a patch which touches the area may reach beyond it.
    pixels
        The area on the source's own grid: of what is not near it nothing is read, and zeros are given.

    """

    whole: PixelSource
    window: Box
    area: Area | None = None
    seen: tuple[int, int] = (0, 0)
    pixels: Area | None = None

    @property
    def domain(self) -> RasterDomain:
        """Of the window."""
        return self.whole.domain.cut(self.window)

    @property
    def outline(self) -> RasterDomain:
        """Of the window, as far as it is known without reading."""
        return outline_of(self.whole).cut(self.window)

    @property
    def around(self) -> tuple[int, int, int, int]:
        """Pixels above, below, left and right of the window."""
        height, width = outline_of(self.whole).grid_shape
        return (self.window.row0, height - self.window.row1, self.window.col0, width - self.window.col1)

    @property
    def block_shape(self) -> tuple[int, int]:
        """As the whole is stored."""
        return self.whole.block_shape

    @property
    def has_nodata(self) -> bool:
        """Whether pixels may be missing; what is outside the area is missing in the result."""
        return self.whole.has_nodata or self.area is not None

    @property
    def name(self) -> str:
        """That of the whole."""
        return self.whole.name

    @property
    def gives_views(self) -> bool:
        """Whether what it reads takes no memory of its own."""
        return self.pixels is None and isinstance(self.whole, InPlace) and self.whole.gives_views

    @property
    def mapped_bytes(self) -> int:
        """Bytes of a file that is mapped."""
        return self.whole.mapped_bytes if isinstance(self.whole, InPlace) else 0

    @property
    def packing(self) -> Packing | None:
        """How several rasters lie in its pixels."""
        return packing_of(self.whole)

    @property
    def reads_concurrently(self) -> bool:
        """Whether the whole may be read by several threads."""
        return isinstance(self.whole, Concurrent) and self.whole.reads_concurrently

    @property
    def reads_at_once(self) -> int:
        """Of the whole."""
        return reads_at_once(self.whole)

    @property
    def working_bytes(self) -> int:
        """As of what it is made of."""
        return working_bytes(self.whole)

    @property
    def blocks_below(self) -> tuple[BlocksBelow, ...]:
        """Of the whole."""
        return blocks_below(self.whole)

    @property
    def is_unblocked(self) -> bool:
        """Whether nothing is decoded in blocks."""
        return isinstance(self.whole, Unblocked) and self.whole.is_unblocked

    def read(self, box: Box) -> Array:
        """Return the pixels of ``box``, which may reach beyond the domain."""
        if self.pixels is None:
            return self.whole.read(self._there(box))
        parts = [(piece, self.whole.read(self._there(piece))) for piece in self._near(box)]
        if [piece for piece, _ in parts] == [box]:
            return parts[0][1]
        dtype = parts[0][1].dtype if parts else self.whole.domain.dtype
        pixels: Array = np.zeros((outline_of(self.whole).n_bands, *box.shape), dtype)
        for piece, part in parts:
            pixels[:, *piece.slices(box)] = part
        return pixels

    def valid(self, box: Box, pixels: Array) -> NDArray[np.bool_] | None:
        """Return where pixels hold data, ``None`` for everywhere; what was not read counts as data."""
        if self.pixels is None:
            return self.whole.valid(self._there(box), pixels)
        known: NDArray[np.bool_] | None = None
        for piece in self._near(box):
            where = (slice(None), *piece.slices(box))
            part = self.whole.valid(self._there(piece), pixels[where])
            if part is not None:
                known = np.ones(pixels.shape, dtype=bool) if known is None else known
                known[where] = part
        return known

    def identity(self) -> Mapping[str, str | int | float]:
        """Return that of the whole, with the window and the area."""
        own = {"window": str(self.window)}
        if self.area is not None:
            own["area"] = digest_of(self.area.fingerprint())
        return {**self.whole.identity(), **own}

    def version(self) -> str:
        """Return that of the whole."""
        return self.whole.version() if isinstance(self.whole, Versioned) else ""

    def files(self) -> Sequence[Path]:
        """Return those of the whole."""
        return self.whole.files() if isinstance(self.whole, FromFiles) else ()

    def select_bands(self, bands: Sequence[int]) -> PixelSource:
        """Return the part of some bands.

        Raises
        ------
        ValueError
            Bands of the whole cannot be picked.

        """
        if not isinstance(self.whole, BandSelectable):
            what = f"bands cannot be chosen from {self.name}: give its path, or an array"
            raise ValueError(what)  # noqa: TRY004 - its kind is right for all else
        return replace(self, whole=self.whole.select_bands(bands))

    def held(self) -> HeldArrays | None:
        """Return the arrays of the whole, where they are in memory."""
        return self.whole.held() if isinstance(self.whole, Shareable) else None

    def holding(self, arrays: HeldArrays) -> PixelSource:
        """Return the same part over other arrays with the same cells."""
        return replace(self, whole=self.whole.holding(arrays)) if isinstance(self.whole, Shareable) else self

    def _there(self, box: Box) -> Box:
        """Return a box as the whole counts."""
        return box.shift(self.window.row0, self.window.col0)

    def _near(self, box: Box) -> Iterator[Box]:
        """Yield what of a box is near the area."""
        if self.pixels is not None:
            rows, cols = self.block_shape
            width = LEAST_COLUMNS if self.is_unblocked or rows == 1 else max(LEAST_COLUMNS, cols)
            yield from self.pixels.columns(box, self.seen, min(width, max(1, box.width)), -self.window.col0)
