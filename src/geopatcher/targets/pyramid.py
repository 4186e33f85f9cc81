"""What a zarr result gets when its last block is there: overview levels, and gathered metadata."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopatcher._optional import load
from geopatcher.core.box import Box
from geopatcher.core.cpu import usable_cores
from geopatcher.core.gaps import MISSING, VALID, Gaps
from geopatcher.errors import TargetError
from geopatcher.targets.chunk_files import sync_files
from geopatcher.targets.digests import record_of
from geopatcher.targets.files import FolderFiles
from geopatcher.targets.folders import remove
from geopatcher.targets.georef import group_attributes
from geopatcher.targets.multiscales import halve, halve_known, known_cells, level_domains
from geopatcher.targets.validity import count_gaps, restore_mask
from geopatcher.targets.zarr_store import ZarrSink, attributes_of, consolidate, create_array, fill_group

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import zarr

    from geopatcher.core.domain import ResultSpec
    from geopatcher.targets.block_files import BlockFolder
    from geopatcher.targets.digests import Digests, FileRecord
    from geopatcher.targets.files import Files


def finish_store(store: Path, spec: ResultSpec) -> Found:
    """Make a store whose blocks are all written complete: levels and consolidated metadata.

    Returns what the result came to be, and what was found in its cells. May be called again, after an
    interruption or after blocks were replaced.

    Raises
    ------
    TargetError
        The disk cannot take it.

    """
    try:
        found = settle(store, spec)
    except OSError as error:
        raise TargetError(f"cannot write {store}: {error}") from error
    if spec.multiscales:
        build_levels(store, found.spec)
    consolidate(store)
    return found


class Found(NamedTuple):
    """What a result came to be, and what was found in its cells; all zeros where that was known before."""

    spec: ResultSpec
    gaps: Gaps = Gaps()


def settle(store: Path, spec: ResultSpec) -> Found:
    """Count the cells that are missing, and keep the mask of a store only where it is needed.

    The attributes come first, and the mask goes in one step: a run that is killed in between finds in
    them what was decided.

    Raises
    ------
    OSError
        The disk cannot take it.

    """
    if not spec.masked:
        return Found(spec)
    group = load("zarr").open_group(store, mode="r+", use_consolidated=False)
    if VALID not in group:
        return Found(settled_spec(group, spec))
    found = settle_group(group, FolderFiles(store / VALID), group[VALID], spec)
    if not found.spec.masked:
        gone = store.with_name(f"{store.name}.{VALID}")
        remove(gone)
        (store / VALID).rename(gone)
        remove(gone)
    return found


def settle_group(group: zarr.Group, files: Files, mask: zarr.Array, spec: ResultSpec) -> Found:
    """Count the cells that are missing by a mask, stored in ``files``, and say in a group what was found."""
    gaps = count_gaps(files, mask)
    settled = spec.settled(gaps)
    group["data"].attrs.put(attributes_of("data", settled))
    return Found(settled, gaps)


def settled_spec(group: zarr.Group, spec: ResultSpec) -> ResultSpec:
    """Return what a finished store's result came to be."""
    if not spec.masked:
        return spec
    masked, declared = VALID in group, "_FillValue" in group["data"].attrs
    nodata = spec.domain.nodata if declared else None
    return replace(spec, masked=masked, domain=replace(spec.domain, nodata=nodata))


def unsettle(store: Path, spec: ResultSpec) -> None:
    """Give a finished store that is to be worked on the mask it was begun with.

    Raises
    ------
    TargetError
        The disk cannot take it.

    """
    if not spec.masked:
        return
    try:
        group = load("zarr").open_group(store, mode="r+", use_consolidated=False)
        if VALID not in group:
            making = f"{VALID}.partial"  # under its name it is whole, and under this one litter
            remove(store / making)
            create_array(group, VALID, spec, at=making)
            restore_mask(group["data"], group[making], spec, settled_spec(group, spec).domain.nodata)
            (store / making).rename(store / VALID)
    except OSError as error:
        raise TargetError(f"cannot write {store}: {error}") from error


def take_over(source: Path, sink: BlockFolder, spec: ResultSpec, rows: Iterable[Box]) -> None:
    """Give a new store the ``rows`` of blocks of another one of the same result, as links to its files.

    Where the other one is finished, and its mask was removed, that is made anew.

    Raises
    ------
    TargetError
        They can be neither linked nor copied.

    """
    sink.link(source, rows)
    if not spec.masked or (source / VALID).exists():
        return
    try:
        zarr = load("zarr")
        declared = settled_spec(zarr.open_group(source, mode="r", use_consolidated=False), spec).domain.nodata
        group = zarr.open_group(sink.path, mode="r+", use_consolidated=False)
        restore_mask(group["data"], group[VALID], spec, declared)
    except OSError as error:
        raise TargetError(f"cannot write {sink.path}: {error}") from error


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


def level_records(store: Path, spec: ResultSpec) -> Iterator[tuple[Box, int, Digests]]:
    """Yield what is known of the files of each row of blocks of each overview level.

    Raises
    ------
    TargetError
        They cannot be read.

    """
    if not spec.multiscales:
        return
    height = (spec.shards or spec.chunks)[0]
    try:
        with ThreadPoolExecutor(os.cpu_count() or 1, "geopatcher-digests") as pool:
            for number, domain in enumerate(level_domains(spec.domain, spec.chunks), start=1):
                sink = ZarrSink(store / str(number))
                for row in Box.of_shape(domain.grid_shape).tiles((height, domain.width)):
                    yield row, number, sink.read_records(row, pool)
    except OSError as error:
        raise TargetError(f"cannot read the overview levels of {store}: {error}") from error


def other_records(store: Path, spec: ResultSpec) -> dict[str, FileRecord]:
    """Return what is known of the files of a store that hold no blocks: coordinates and metadata.

    Raises
    ------
    TargetError
        They cannot be read.

    """
    groups = [store]
    if spec.multiscales:
        groups += [store / str(n + 1) for n in range(len(level_domains(spec.domain, spec.chunks)))]
    blocks = {group / name for group in groups for name in spec.arrays()}
    try:
        return {str(file.relative_to(store)): record_of(file) for file in _all_but_blocks(store, blocks)}
    except OSError as error:
        raise TargetError(f"cannot read {store}: {error}") from error


def _all_but_blocks(store: Path, arrays: set[Path]) -> Iterator[Path]:
    """Yield the files of a store but the chunks of ``arrays``, which are synced as they come."""
    for folder, below, names in os.walk(store):
        if Path(folder) in arrays and "c" in below:
            below.remove("c")  # not walked through: there may be millions
        yield from (Path(folder, name) for name in names)


def levels_bytes(spec: ResultSpec) -> int:
    """Return about the most memory `build_levels` takes: in each thread a block and its four parents.

    These are decoded, and added up as float64.
    """
    rows, cols = spec.shards or spec.chunks
    widest = max(dtype.itemsize for _, dtype, _ in spec.arrays().values())
    return usable_cores() * rows * cols * (8 * widest + 2 * widest + 3 * 8)


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
                if name == VALID:  # made with the result
                    continue
                # Layers have no nodata: their 0 is a true one.
                nodata, method = (domain.nodata, spec.overview) if name == "data" else (None, "average")
                masks = (finer[VALID], level[VALID]) if name == "data" and spec.masked else None
                step = _Step(finer[name], level[name], method, nodata, fill, masks)
                step.run(spec.shards or spec.chunks)
            finer = level
    except OSError as error:
        raise TargetError(f"cannot write the overview levels of {store}: {error}") from error


@dataclass(frozen=True)
class _Step:
    """One array of a level, and the array it is made of; for the result, with their masks."""

    finer: zarr.Array
    coarser: zarr.Array
    method: str
    nodata: float | int | None
    fill: float | int
    masks: tuple[zarr.Array, zarr.Array] | None = None

    def run(self, block: tuple[int, int]) -> None:
        """Make all blocks, a row of them at a time."""
        height, width = self.coarser.shape[-2:]
        with ThreadPoolExecutor(usable_cores(), "geopatcher-levels") as pool:
            for row in Box(0, height, 0, width).tiles((block[0], width)):
                list(pool.map(self._block, row.tiles(block)))

    def _block(self, box: Box) -> None:
        parents = (slice(2 * box.row0, 2 * box.row1), slice(2 * box.col0, 2 * box.col1))
        for band in np.ndindex(self.coarser.shape[:-2]):  # one at a time: chunks are of one band
            cells, known = np.asarray(self.finer[(*band, *parents)]), None
            if self.masks is None:
                known = known_cells(cells, self.nodata)
            else:
                known = np.asarray(self.masks[0][(*band, *parents)]) != MISSING
                self.masks[1][(*band, *box.slices())] = halve_known(known, self.method)
            halved = halve(cells, self.method, known, self.fill, self.nodata)
            self.coarser[(*band, *box.slices())] = halved
