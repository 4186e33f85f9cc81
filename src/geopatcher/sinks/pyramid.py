"""What a zarr result gets when its last block is there: overview levels, and gathered metadata."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geopatcher._optional import load
from geopatcher.box import Box
from geopatcher.errors import TargetError
from geopatcher.sinks.chunk_files import sync_files
from geopatcher.sinks.folders import remove
from geopatcher.sinks.georef import group_attributes
from geopatcher.sinks.multiscales import halve, level_domains
from geopatcher.sinks.zarr_store import consolidate, fill_group

if TYPE_CHECKING:
    from collections.abc import Iterator

    import zarr

    from geopatcher.domain import ResultSpec


def finish_store(store: Path, spec: ResultSpec) -> None:
    """Make a store whose blocks are all written complete: levels and consolidated metadata.

    May be called again, after an interruption or after blocks were replaced.

    Raises
    ------
    TargetError
        The disk cannot take it.

    """
    if spec.multiscales:
        build_levels(store, spec)
    consolidate(store)


def sync_additions(store: Path, spec: ResultSpec) -> None:
    """Wait until all of a finished store but the blocks of its arrays is on the disk.

    Raises
    ------
    TargetError
        The disk cannot take it.

    """
    try:
        sync_files(_all_but_blocks(store, {store / name for name in spec.arrays()}), store)
    except OSError as error:
        raise TargetError(f"cannot write {store}: {error}") from error


def _all_but_blocks(store: Path, arrays: set[Path]) -> Iterator[Path]:
    """Yield the files of a store but the chunks of ``arrays``, which are synced as they come."""
    for folder, below, names in os.walk(store):
        if Path(folder) in arrays and "c" in below:
            below.remove("c")  # not walked through: there may be millions
        yield from (Path(folder, name) for name in names)


def build_levels(store: Path, spec: ResultSpec) -> None:
    """Add the groups ``1``, ``2``, ... to a store whose cells are all written; old ones are removed.

    Each level is made from the one before, block by block, so that memory holds a few blocks
    whatever the raster's size; every block depends on its four parents only, so that the bytes are
    the same however the cells came to be written. Costs about a third of reading and writing the
    result once more.

    Raises
    ------
    TargetError
        The disk cannot take them.

    """
    try:
        root = load("zarr").open_group(store, mode="r+", use_consolidated=False)
        finer = root
        for number, domain in enumerate(level_domains(spec.domain, spec.chunks), start=1):
            remove(store / str(number))
            level_spec = replace(spec, domain=domain)
            level = root.create_group(str(number), attributes=group_attributes(domain))
            fill_group(level, level_spec)
            for name, (_, _, fill) in spec.arrays().items():
                # Layers have no nodata: their 0 is a true one.
                nodata, method = (domain.nodata, spec.overview) if name == "data" else (None, "average")
                step = _Step(finer[name], level[name], method, nodata, fill)
                step.run(spec.shards or spec.chunks)
            finer = level
    except OSError as error:
        raise TargetError(f"cannot write the overview levels of {store}: {error}") from error


@dataclass(frozen=True)
class _Step:
    """One array of a level, and the array it is made of."""

    finer: zarr.Array
    coarser: zarr.Array
    method: str
    nodata: float | int | None
    fill: float | int

    def run(self, block: tuple[int, int]) -> None:
        """Make all blocks, a row of them at a time."""
        height, width = self.coarser.shape[-2:]
        threads = os.cpu_count() or 1
        with ThreadPoolExecutor(threads, "geopatcher-levels") as pool:
            for row in Box(0, height, 0, width).tiles((block[0], width)):
                list(pool.map(self._block, row.tiles(block)))

    def _block(self, box: Box) -> None:
        parents = (slice(2 * box.row0, 2 * box.row1), slice(2 * box.col0, 2 * box.col1))
        bands = range(self.coarser.shape[0]) if self.coarser.ndim == 3 else (...,)
        for band in bands:  # one at a time: chunks are of one band
            cells = np.asarray(self.finer[(band, *parents)])
            self.coarser[(band, *box.slices())] = halve(cells, self.method, self.nodata, self.fill)
