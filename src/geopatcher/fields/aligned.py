"""Several rasters over one place as one source: each on the grid of the first, or on its own pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import rasterio

from geopatcher.core.blocks_below import blocks_below
from geopatcher.core.box import Box
from geopatcher.core.buffers import empty
from geopatcher.core.digests import digest_of
from geopatcher.core.packing import Packing
from geopatcher.core.protocols import Concurrent, FromFiles, Versioned
from geopatcher.core.source_identity import source_identity
from geopatcher.core.sources import reads_at_once
from geopatcher.fields.declared import working_bytes
from geopatcher.fields.layered import AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from geopatcher.core.blocks_below import BlocksBelow
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.packing import Member
    from geopatcher.core.protocols import Array, PixelSource

#: Pixels that are those of the first.
SAME = (1, 1)
#: Most rows of blocks that are read in one go so that no block of any raster is read twice.
MOST_ROWS = 1024


@dataclass(frozen=True, eq=False)
class Placed:
    """A raster over the first of several.

    Parameters
    ----------
    given
        The raster.
    source
        The same on the grid of the first, or on one as many times finer or coarser as ``member`` says.
    member
        Its name and what its pixels are.

    """

    given: PixelSource
    source: PixelSource
    member: Member

    def __str__(self) -> str:
        """Say on which pixels it lies."""
        finer, coarser = self.member.finer, self.member.coarser
        if finer != SAME:
            return f"pixels of its own, {finer[0]}x{finer[1]} in one"
        return "the same pixels" if coarser == SAME else f"pixels of its own, {coarser[0]}x{coarser[1]} of it"

    @property
    def block_shape(self) -> tuple[int, int]:
        """``(height, width)`` of its blocks in pixels of the first, at least 1."""
        rows, cols = (
            max(1, length * coarse // fine)
            for length, coarse, fine in zip(
                self.source.block_shape, self.member.coarser, self.member.finer, strict=True
            )
        )
        return rows, cols

    def read(self, box: Box) -> tuple[Array, NDArray[np.bool_] | None]:
        """Return its pixels over a rectangle of the first, and where they hold data.

        Those of a finer raster are its own, ``(bands, h * rows, w * columns)``; of a coarser one each is
        repeated, ``(bands, h, w)``.
        """
        (rows, cols), (high, wide) = self.member.finer, self.member.coarser
        if (high, wide) == SAME:
            return self._read(Box(box.row0 * rows, box.row1 * rows, box.col0 * cols, box.col1 * cols))
        around = Box(box.row0 // high, -(-box.row1 // high), box.col0 // wide, -(-box.col1 // wide))
        pixels, known = self._read(around)
        where = (
            slice(None),
            np.arange(box.row0, box.row1)[:, np.newaxis] // high - around.row0,
            np.arange(box.col0, box.col1) // wide - around.col0,
        )
        return pixels[where], None if known is None else known[where]

    def _read(self, box: Box) -> tuple[Array, NDArray[np.bool_] | None]:
        pixels = self.source.read(box)
        return pixels, self.source.valid(box, pixels)


@dataclass(frozen=True, eq=False, repr=False)
class Aligned:
    """Rasters that `placed_on` has put over the first, as records of one grid.

    Parameters
    ----------
    rasters
        The first and those over it.
    either
        Whether a pixel counts as data where any of them holds some; all of them have to otherwise.

    """

    rasters: tuple[Placed, ...]
    either: bool = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"

    @property
    def packing(self) -> Packing:
        """How they lie in records."""
        return Packing(tuple(raster.member for raster in self.rasters))

    @property
    def domain(self) -> RasterDomain:
        """The grid of the first, whose nodata value it has, of records."""
        grid = self.rasters[0].source.domain
        return replace(grid.with_bands((), n_bands=1, dtype=self.packing.dtype), nodata=grid.nodata)

    @property
    def block_shape(self) -> tuple[int, int]:
        """``(height, width)`` for which blocks of all are read once, as far as there is such a size."""
        shapes = [raster.block_shape for raster in self.rasters]
        rows = int(np.lcm.reduce([shape[0] for shape in shapes]))
        highest = max(shape[0] for shape in shapes)
        return (rows if rows <= MOST_ROWS else highest, max(shape[1] for shape in shapes))

    @property
    def has_nodata(self) -> bool:
        """Whether pixels may be missing in one of them; NaN is looked for here."""
        return self.packing.has_gaps

    @property
    def name(self) -> str:
        """Their names."""
        return ", ".join(f"{raster.member.name}={raster.given.name}" for raster in self.rasters)

    @property
    def members(self) -> list[PixelSource]:
        """The rasters, on their own grids."""
        return [raster.given for raster in self.rasters]

    @property
    def reads_at_once(self) -> int:
        """As many as the one that is farthest away wants, where all may be read by several threads."""
        return max(map(reads_at_once, self.members)) if self.reads_concurrently else 1

    @property
    def working_bytes(self) -> int:
        """Bytes that a read takes beside the records: what those of one raster take."""
        return max(working_bytes(raster.source) for raster in self.rasters)

    @property
    def blocks_below(self) -> tuple[BlocksBelow, ...]:
        """Of all rasters: each read takes some of each."""
        return tuple(each for raster in self.rasters for each in blocks_below(raster.source))

    @property
    def reads_concurrently(self) -> bool:
        """Whether all of them may be read by several threads."""
        return all(isinstance(member, Concurrent) and member.reads_concurrently for member in self.members)

    def read(self, box: Box) -> Array:
        """Return the records of a rectangle, ``(1, h, w)``.

        Parameters
        ----------
        box
            Inside the grid of the first.

        Returns
        -------
        numpy.ndarray
            Of the dtype of the packing.

        Raises
        ------
        SourceError
            One of them cannot be read; names it.

        """
        packing = self.packing
        records = empty((1, *box.shape), packing.dtype)
        for piece in box.tiles((max(box.row1, 1), self._columns(box.height))):
            part = records[:, *piece.slices(box)]
            for number, raster in enumerate(self.rasters):
                packing.put(part, number, *raster.read(piece))
        return records

    def valid(self, box: Box, pixels: Array) -> NDArray[np.bool_] | None:
        """Return where records hold data.

        Parameters
        ----------
        box
            Inside the grid of the first.
        pixels
            What `read` gave for it.

        Returns
        -------
        numpy.ndarray or None
            Booleans, ``(1, h, w)``; ``None`` where all hold data.

        """
        _ = box
        return self.packing.known(pixels, either=self.either)

    def files(self) -> tuple[Path, ...]:
        """Return the local files of all of them.

        Returns
        -------
        tuple of Path
            None for what is in memory or on the network.

        """
        return tuple(
            file for source in self.members if isinstance(source, FromFiles) for file in source.files()
        )

    def identity(self) -> Mapping[str, str | int | float]:
        """Return which version it is of each, by its name, and how they lie over each other.

        Returns
        -------
        dict
            Entries for each raster, and ``"unknown"`` where one cannot be known.

        Raises
        ------
        SourceError
            One of them is not what it was when this object was made.

        """
        known: dict[str, str | int | float] = {"rasters": ", ".join(one.member.name for one in self.rasters)}
        troubles = []
        for raster in self.rasters:
            own = source_identity(raster.source)
            if "unknown" in own:
                troubles.append(f"{raster.member.name}: {own.pop('unknown')}")
            known |= {f"{raster.member.name}.{key}": value for key, value in own.items()}
            known[f"{raster.member.name}.on"] = str(raster)
        if any(raster.source is not raster.given for raster in self.rasters):
            known["gdal"] = rasterio.__gdal_version__
        if troubles:
            known["unknown"] = "; ".join(troubles)
        return known

    def version(self) -> str:
        """Return a text that changes when a file of one of them does.

        Returns
        -------
        str
            A digest of what each of them says.

        Raises
        ------
        SourceError
            A server does not answer.

        """
        return digest_of(*(source.version() for source in self.members if isinstance(source, Versioned)))

    def _columns(self, height: int) -> int:
        """Return how many columns, whole blocks, are read of one raster before the next."""
        block = self.block_shape[1]
        widest = max(raster.member.pixel_bytes for raster in self.rasters)
        return max(1, AT_ONCE // (max(1, height) * widest * block)) * block
