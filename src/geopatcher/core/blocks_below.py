"""How many blocks of rasters lie below a part of a map that they are warped onto."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class BlocksBelow:
    """Blocks of a raster that is warped onto a map in tiles, each of all that lies in the box below it.

    Parameters
    ----------
    rows
        How many rows of the raster one row and one column of the map are, as ``(down, across)``.
    cols
        How many columns of the raster they are.
    reach
        Pixels of the raster around those below a tile that are read, too.
    tile
        ``(height, width)`` of a tile, pixels of the map.
    block
        ``(height, width)`` of a block, pixels of the raster.
    cell_bytes
        Bytes of a pixel of the raster, all bands and what says where they hold data.
    most_bytes
        Of all blocks of the raster.
    layers
        How many rasters lie over one place.

    """

    rows: tuple[float, float]
    cols: tuple[float, float]
    reach: float
    tile: tuple[int, int]
    block: tuple[int, int]
    cell_bytes: int
    most_bytes: int
    layers: int = 1

    def n_bytes(self, height: int, width: int) -> int:
        """Return the bytes of all blocks that are touched below so many rows and columns of the map.

        Of a convex figure thrown onto a grid of blocks those that it touches cover its own area, its width
        times their height, its height times their width, and one block, on average. Where it falls badly it
        is as if blocks were half as large again.

        Parameters
        ----------
        height, width
            Pixels of the map.

        Returns
        -------
        int
            Bytes.

        Examples
        --------
        >>> BlocksBelow((1, 0), (0, 1), 0, (64, 64), (64, 64), 1, 64**4).n_bytes(64, 640) / 64**2
        28.75

        """
        tile = min(height, self.tile[0]), min(width, self.tile[1])
        n_tiles = -(-height // max(1, tile[0])) * -(-width // max(1, tile[1]))
        below, whole = self._box(*tile), self._box(height, width)
        rows, cols = 1.5 * self.block[0], 1.5 * self.block[1]
        touched = n_tiles * below[0] * below[1] + whole[0] * cols + whole[1] * rows + rows * cols
        return min(int(touched * self.cell_bytes), self.most_bytes) * self.layers

    def _box(self, height: int, width: int) -> tuple[float, float]:
        """Return the sides of the rectangle of the raster below one of the map."""
        rows, cols = (height * down + width * across for down, across in (self.rows, self.cols))
        return rows + 2 * self.reach, cols + 2 * self.reach


@runtime_checkable
class Warping(Protocol):
    """A source whose pixels are warped from blocks of rasters, which several reads of it have in common."""

    @property
    def blocks_below(self) -> tuple[BlocksBelow, ...]:
        """Of each raster that a read takes blocks of."""
        ...


def blocks_below(source: object) -> tuple[BlocksBelow, ...]:
    """Return what blocks several reads of a source have in common; none of a source that is not warped.

    >>> blocks_below("what is no source")
    ()
    """
    return source.blocks_below if isinstance(source, Warping) else ()
