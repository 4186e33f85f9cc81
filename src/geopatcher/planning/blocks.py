"""The output blocks of a region, and how much of it patches reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geopatcher.core.box import Box


@dataclass(frozen=True, slots=True)
class BlockGrid:
    """The output blocks of a region: counted, iterated and sliced without being listed."""

    region: Box
    chunks: tuple[int, int]

    def __len__(self) -> int:
        return self.count

    @property
    def count(self) -> int:
        """Number of blocks, which may be larger than a length can be."""
        cols = self.chunks[1]
        return self.n_rows * (-(-self.region.col1 // cols) - self.region.col0 // cols)

    @property
    def n_rows(self) -> int:
        """Number of rows of blocks."""
        rows = self.chunks[0]
        return -(-self.region.row1 // rows) - self.region.row0 // rows if self.region.n_pixels else 0

    def __iter__(self) -> Iterator[Box]:
        return self.region.tiles(self.chunks)

    def rows(self) -> Iterator[Box]:
        """Yield whole rows of blocks, as wide as the region."""
        return self.region.tiles((self.chunks[0], max(1, self.region.col1)))


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a region the patches reach."""

    n_pixels: int
    uncovered: int

    @property
    def fraction(self) -> float:
        """Share of the pixels under at least one patch, 0 to 1."""
        return 1.0 - self.uncovered / self.n_pixels if self.n_pixels else 1.0

    @property
    def complete(self) -> bool:
        """Whether no pixel is left out."""
        return self.uncovered == 0

    def __str__(self) -> str:
        if self.complete:
            return f"all {self.n_pixels:,} pixels"
        return f"{self.uncovered:,} of {self.n_pixels:,} pixels are left out"
