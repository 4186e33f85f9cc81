"""Which cells of a finished result hold data: counted, kept only where it is needed, and asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.box import Box
from geopatcher.core.cpu import usable_cores
from geopatcher.core.gaps import MISSING, Gaps, codes, gaps_of
from geopatcher.formats.chunk_guard import read_cells
from geopatcher.targets.chunk_files import keys_of, place_of

if TYPE_CHECKING:
    from types import EllipsisType

    import zarr

    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import Array
    from geopatcher.targets.files import Files
    from geopatcher.targets.product import ResultArray

#: Chunks of at most so many bytes are remembered with what is in them: most are all alike.
ALIKE_BYTES, MAX_ALIKE = 4096, 1024


@dataclass(frozen=True)
class Validity:
    """Where an array of a result holds data: booleans, read when they are asked for.

    ``mask`` is not 0 where it does; without one, a cell does not where it is NaN or ``nodata``.
    """

    array: ResultArray
    nodata: float | int | None = None
    mask: ResultArray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the result."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype:
        """Bool."""
        return np.dtype(bool)

    def __getitem__(self, index: EllipsisType | slice | tuple[EllipsisType | slice | int, ...]) -> Array:
        """Return booleans, true where the cells hold data."""
        if self.mask is not None:
            held: Array = np.asarray(self.mask[index]) != MISSING
            return held
        cells = np.asarray(self.array[index])
        known = np.ones(cells.shape, bool) if cells.dtype.kind in "iu" else ~np.isnan(cells)
        if self.nodata is not None and self.nodata == self.nodata:
            known &= cells != cells.dtype.type(self.nodata)
        return known

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> Array:
        """Read everything."""
        if copy is False:
            raise ValueError(
                "whether cells hold data is worked out: it cannot become an array without a copy"
            )
        return self[...] if dtype is None else self[...].astype(dtype)


def count_gaps(files: Files, array: zarr.Array) -> Gaps:
    """Count what a whole `VALID` array, stored in ``files``, says.

    Chunks are mostly alike, and are decoded once.
    """
    block = (array.shards or array.chunks)[-2:]
    known: dict[tuple[bytes, tuple[int, ...]], Gaps] = {}
    grid = Box.of_shape((array.shape[-2], array.shape[-1]))
    count = partial(_count_block, files, array, known)
    missing = met = 0
    with ThreadPoolExecutor(usable_cores(), "geopatcher-gaps") as pool:
        for row in grid.tiles((block[0], grid.width)):
            for found in pool.map(count, row.tiles((block[0], block[1]))):
                missing += found.missing
                met += found.met
    return Gaps(missing, met)


def _count_block(
    files: Files,
    array: zarr.Array,
    known: dict[tuple[bytes, tuple[int, ...]], Gaps],
    box: Box,
) -> Gaps:
    missing = met = 0
    for band, key in enumerate(keys_of(array, box)):
        where: list[int | slice] = [*place_of(array, band), *box.slices()]
        try:
            stored = files.read(key)
        except FileNotFoundError:  # fill only
            missing += box.n_pixels
            continue
        alike = (stored, box.shape)
        found = known.get(alike) or gaps_of(read_cells(array, where))
        if len(stored) <= ALIKE_BYTES and len(known) < MAX_ALIKE:
            known[alike] = found
        missing += found.missing
        met += found.met
    return Gaps(missing, met)


def restore_mask(data: zarr.Array, mask: zarr.Array, spec: ResultSpec, declared: float | int | None) -> None:
    """Fill the empty `VALID` array of a store whose mask was removed, for it said no more than a value.

    ``declared`` is the nodata value the finished store has, ``None`` if no cell of it was missing;
    that of ``spec`` is what the run began with.
    """
    block = spec.shards or spec.chunks
    height, width = data.shape[-2:]
    for box in Box(0, height, 0, width).tiles(block):
        cells = read_cells(data, (..., *box.slices()))
        known = None if declared is None else cells != cells.dtype.type(declared)
        mask[(..., *box.slices())] = codes(cells, known, spec.fill)
