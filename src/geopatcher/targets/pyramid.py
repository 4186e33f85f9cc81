"""What a zarr result gets when its last block is there: overview levels, and gathered metadata."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from geopatcher._optional import load
from geopatcher.core.gaps import VALID, Gaps
from geopatcher.errors import TargetError
from geopatcher.targets.chunk_files import sync_files
from geopatcher.targets.digests import put_bytes, record_of
from geopatcher.targets.documents import DOCUMENT, Documents
from geopatcher.targets.files import FolderFiles
from geopatcher.targets.folders import remove, sync_folder
from geopatcher.targets.levels import LevelRow, build_levels, create_levels, level_specs
from geopatcher.targets.validity import count_gaps, restore_mask
from geopatcher.targets.zarr_store import (
    ZarrSink,
    attributes_of,
    consolidate,
    create_array,
    tell_statistics,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import zarr

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.statistics import Statistics
    from geopatcher.targets.block_files import BlockFolder
    from geopatcher.targets.digests import FileRecord
    from geopatcher.targets.files import Files


def finish_store(store: Path, spec: ResultSpec, statistics: Sequence[Statistics | None] = ()) -> Finished:
    """Make a store whose blocks are all written complete: statistics, levels and consolidated metadata.

    What describes it, and coordinates, are on the disk then, whatever of the blocks is: those are made again.

    May be called again, after an interruption or after blocks were replaced.

    Raises
    ------
    TargetError
        The disk cannot take it.

    """
    folders = [store / str(number + 1) for number in range(len(level_specs(spec)))]
    try:
        for folder in folders:
            remove(folder)
        documents = Documents.of(store)
        group = load("zarr").open_group(documents.store, mode="r+", zarr_format=3, use_consolidated=False)
        found = _settle(store, group, spec)
        tell_statistics(group, found.spec, statistics)
        create_levels(documents, group, found.spec)
        consolidate(documents)
        levels = _levels(store, folders, documents, found.spec) if folders else []
        put_bytes(store / "data" / DOCUMENT, documents.content(f"data/{DOCUMENT}"))
        put_bytes(store / DOCUMENT, documents.content(DOCUMENT))
        blocks = {store / name / "c" for name in spec.arrays()}
        sync_files(_files_but(store, {*blocks, *folders}), store.parent)
        if spec.masked and not found.spec.masked:
            _remove_mask(store)
    except OSError as error:
        raise TargetError(f"cannot write {store}: {error}") from error
    return Finished(found, levels)


def _levels(store: Path, folders: Sequence[Path], documents: Documents, spec: ResultSpec) -> list[LevelRow]:
    """Add the groups ``1``, ``2``, ... to a store whose cells are all written."""
    try:
        for folder in folders:
            documents.make(store, f"{folder.name}/")
        return list(
            build_levels(ZarrSink(store), [ZarrSink(folder, counts=False) for folder in folders], spec)
        )
    except OSError as error:
        raise TargetError(f"cannot write the overview levels of {store}: {error}") from error


class Finished(NamedTuple):
    """What a result came to be, and what is known of the files of its overview levels."""

    found: Found
    levels: list[LevelRow]


class Found(NamedTuple):
    """What a result came to be, and what was found in its cells; all zeros where that was known before."""

    spec: ResultSpec
    gaps: Gaps = Gaps()


def _settle(store: Path, group: zarr.Group, spec: ResultSpec) -> Found:
    """Count the cells that are missing, and keep the mask in a group only where it is needed."""
    if not spec.masked:
        return Found(spec)
    if VALID not in group:
        return Found(settled_spec(group, spec))
    mask = load("zarr").open_array(store, path=VALID, mode="r", zarr_format=3)  # with its cells
    found = settle_group(group, FolderFiles(store / VALID), mask, spec)
    if not found.spec.masked:
        del group[VALID]
    return found


def _remove_mask(store: Path) -> None:
    """Remove the mask of a store, in one step, when what was decided without it is on the disk.

    Whoever makes such a store anew finds the mask, or that in the attributes.
    """
    if (store / VALID).exists():
        gone = store.with_name(f"{store.name}.{VALID}")
        remove(gone)
        (store / VALID).rename(gone)
        sync_folder(store)
        remove(gone)


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
    kept = list(rows)
    sink.link(source, kept)
    if not spec.masked or not kept or (source / VALID).exists():
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
        sync_files(_files_but(store, {store / name / "c" for name in spec.arrays()}), store)
    except OSError as error:
        raise TargetError(f"cannot write {store}: {error}") from error


def other_records(store: Path, spec: ResultSpec) -> dict[str, FileRecord]:
    """Return what is known of the files of a store that hold no blocks: coordinates and metadata.

    Raises
    ------
    TargetError
        They cannot be read.

    """
    groups = [store, *(store / str(n + 1) for n in range(len(level_specs(spec))))]
    blocks = {group / name / "c" for group in groups for name in spec.arrays()}
    try:
        return {str(file.relative_to(store)): record_of(file) for file in _files_but(store, blocks)}
    except OSError as error:
        raise TargetError(f"cannot read {store}: {error}") from error


def _files_but(store: Path, left_out: set[Path]) -> Iterator[Path]:
    """Yield the files of a store but those in some folders, such as chunks, which are synced as they come."""
    for folder, below, names in os.walk(store):
        # What is left out is not walked through: there may be millions.
        below[:] = [name for name in below if Path(folder, name) not in left_out]
        yield from (Path(folder, name) for name in names)
