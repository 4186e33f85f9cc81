"""Overview levels of a store: made block by block from the level before, wherever the store is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopatcher.core.box import Box
from geopatcher.core.cpu import usable_cores
from geopatcher.core.gaps import MISSING, VALID
from geopatcher.targets.georef import group_attributes
from geopatcher.targets.multiscales import halve, halve_known, known_cells, level_domains
from geopatcher.targets.zarr_store import fill_group

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import zarr

    from geopatcher.core.domain import ResultSpec
    from geopatcher.targets.digests import Digests
    from geopatcher.targets.documents import Documents
    from geopatcher.targets.zarr_store import ZarrBlocks


#: What allocators keep, and codecs have for themselves.
FIXED_BYTES = 12 << 20


class LevelRow(NamedTuple):
    """A row of blocks of a level, the finest being 1, and what is known of its files."""

    box: Box
    level: int
    files: Digests


def level_specs(spec: ResultSpec) -> list[ResultSpec]:
    """Return what the overview levels of a result are as results of their own; none where it has none."""
    if not spec.multiscales:
        return []
    return [
        replace(spec, domain=domain, multiscales=False) for domain in level_domains(spec.domain, spec.chunks)
    ]


def levels_bytes(spec: ResultSpec) -> int:
    """Return about the most memory `build_levels` takes, for a block and its four parents in each thread.

    Of each band these are read, decoded and parted into quarters, and added up as float64; the block is
    encoded. Measured.
    """
    rows, cols = spec.shards or spec.chunks
    widest = max(dtype.itemsize for _, dtype, _ in spec.arrays().values())
    return FIXED_BYTES + usable_cores() * rows * cols * (15 * widest + 2 * 8)


def create_levels(documents: Documents, root: zarr.Group, spec: ResultSpec) -> None:
    """Create the groups ``1``, ``2``, ... of a store in its documents, with arrays that are empty."""
    for number, level in enumerate(level_specs(spec), start=1):
        group = root.create_group(str(number), attributes=group_attributes(level.domain))
        fill_group(documents, group, level)


def build_levels(blocks: ZarrBlocks, levels: Sequence[ZarrBlocks], spec: ResultSpec) -> Iterator[LevelRow]:
    """Write the blocks of ``levels``, each made of the one before, the first of the result's own.

    Memory holds a few blocks, whatever the raster's size; every block depends on its four parents only, so
    that the bytes are the same however the cells came to be written. Costs about a third of reading and
    writing the result once more. Yields each row of blocks when it is written, with its level and what is
    known of its files.

    Raises
    ------
    TargetError
        A block cannot be written.
    OSError, SourceError
        One cannot be read.

    """
    block = spec.shards or spec.chunks
    with ThreadPoolExecutor(usable_cores(), "geopatcher-levels") as pool:
        for number, level in enumerate(levels, start=1):
            step = _Step(blocks, level, spec)
            height, width = level.arrays["data"].shape[-2:]
            for row in Box(0, height, 0, width).tiles((block[0], width)):
                list(pool.map(step.run, row.tiles(block)))
                yield LevelRow(row, number, level.take(row))
            blocks = level


@dataclass(frozen=True)
class _Step:
    """A level, and the one it is made of."""

    finer: ZarrBlocks
    coarser: ZarrBlocks
    spec: ResultSpec

    def run(self, box: Box) -> None:
        """Make a block of each array; bands one at a time, as chunks are of one."""
        for name in self.spec.arrays():
            if name == VALID:  # made with the result
                continue
            for band, where in enumerate(np.ndindex(self.finer.arrays[name].shape[:-2])):
                self._band(name, band, (*where, *_parents(box)), box)

    def _band(self, name: str, band: int, parents: tuple[int | slice, ...], box: Box) -> None:
        # Layers have no nodata: their 0 is a true one.
        own = name == "data"
        nodata, method = (self.spec.domain.nodata, self.spec.overview) if own else (None, "average")
        cells = np.asarray(self.finer.arrays[name][parents])
        if own and self.spec.masked:
            known = np.asarray(self.finer.arrays[VALID][parents]) != MISSING
            self.coarser.write_band(VALID, band, box, halve_known(known, method).astype(np.uint8))
        else:
            known = known_cells(cells, nodata)
        fill = self.spec.arrays()[name][2]
        self.coarser.write_band(name, band, box, halve(cells, method, known, fill, nodata))


def _parents(box: Box) -> tuple[slice, slice]:
    return slice(2 * box.row0, 2 * box.row1), slice(2 * box.col0, 2 * box.col1)
