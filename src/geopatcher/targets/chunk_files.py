"""The files chunks lie in: synced to disk when they are finished, removed when they are not."""

from __future__ import annotations

import itertools
import math
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import numpy as np

from geopatcher.core.box import Box
from geopatcher.errors import TargetError
from geopatcher.targets.folders import remove, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path


#: Files synced at once: the file system commits them together, five times as fast as one by one.
SYNC_THREADS = 8


class ChunkKeys(Protocol):
    """Names the chunks of an array."""

    def encode_chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        """Return the key of a chunk, below the array's own."""
        ...


class Pieces(Protocol):
    """An array cut into pieces."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)``, with any leading dimensions before."""
        ...

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of a chunk."""
        ...

    @property
    def shards(self) -> tuple[int, ...] | None:
        """Shape of a shard, if chunks lie together in files."""
        ...


class Chunked(Pieces, Protocol):
    """An array stored in chunks: a zarr array."""

    @property
    def metadata(self) -> ChunkKeys:
        """What names the chunks."""
        ...


class Sweepable(Protocol):
    """Files by their keys, of which some are removed."""

    def keys(self) -> Iterator[str]:
        """Yield the keys of all files there are."""
        ...

    def remove(self, key: str) -> None:
        """Remove a file, if it is there."""
        ...


def grid_of(array: Pieces, box: Box) -> tuple[range, range, range]:
    """Return bands, rows and columns of the files the cells of ``box`` lie in.

    Bands are all that lie along leading dimensions, the last of these running fastest.
    """
    *_, height, width = array.shards or array.chunks
    rows = range(box.row0 // height, -(-box.row1 // height))
    cols = range(box.col0 // width, -(-box.col1 // width))
    return range(math.prod(_pieces_along(array))), rows, cols


def _pieces_along(array: Pieces) -> tuple[int, ...]:
    """Return how many files lie along each leading dimension."""
    *lengths, _, _ = array.shards or array.chunks
    return tuple(-(-size // length) for size, length in zip(array.shape, lengths, strict=False))


def place_of(array: Pieces, band: int) -> tuple[int, ...]:
    """Return where along the leading dimensions a band lies, counted as by `grid_of`."""
    return tuple(map(int, np.unravel_index(band, _pieces_along(array)))) if len(array.shape) > 2 else ()


def keys_of(array: Chunked, box: Box, only: range | None = None) -> Iterator[str]:
    """Yield the names of these files, below the array's folder, in the order of `grid_of`.

    ``only`` are the bands to take; those along leading dimensions that are not there are passed over.
    """
    bands, rows, cols = grid_of(array, box)
    for band in bands if only is None else range(only.start, min(only.stop, len(bands))):
        leading = place_of(array, band)
        for row, col in itertools.product(rows, cols):
            yield array.metadata.encode_chunk_key((*leading, row, col))


def files_of(folder: Path, array: Chunked, box: Box) -> Iterator[Path]:
    """Yield the files the cells of ``box`` lie in; those of chunks that hold fill only do not exist."""
    return (folder / key for key in keys_of(array, box))


def sync_files(files: Iterable[Path], root: Path) -> None:
    """Wait until files, and the folders that name them up to ``root``, are on the disk.

    Files that do not exist are passed over. A folder among them, too, is waited for once, after the files.

    Raises
    ------
    OSError
        The disk could not take them after all.

    """
    with ThreadPoolExecutor(SYNC_THREADS, "geopatcher-sync") as pool:
        folders: set[Path] = set()
        for naming in pool.map(_sync_file, files):
            for folder in naming:
                if folder in folders or not folder.is_relative_to(root):
                    break  # nor is what is above it, or it is known
                folders.add(folder)
        list(pool.map(_sync_folder, folders))


def sync_tree(path: Path) -> None:
    """Wait until a file, or a folder with all there is in it, is on the disk.

    Raises
    ------
    TargetError
        The disk could not take it.

    """
    try:
        sync_files([path, *path.rglob("*")], path.parent)
    except OSError as error:
        raise TargetError(f"cannot write {path}: {error}") from error


def _sync_file(path: Path) -> Sequence[Path]:
    """Wait until a file is on the disk; return the folders to wait for, from below, with a folder itself."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ()
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            return (path, *path.parents)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return path.parents


def _sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk, if it is there."""
    with suppress(FileNotFoundError):
        sync_folder(path)


def remove_litter(store: Path) -> None:
    """Remove what a killed writer left among the arrays of a store, where zarr would wonder at it.

    Files on their way to their name, and overview levels, which are made anew in any case.

    Raises
    ------
    TargetError
        They cannot be removed.

    """
    try:
        for path in store.iterdir():
            if path.name.endswith(".partial") or path.name.isdecimal():
                remove(path)
    except OSError as error:
        raise TargetError(f"cannot tidy {store}: {error}") from error


def sweep_files(files: Sweepable, arrays: Mapping[str, Chunked], keep: Callable[[Box], bool]) -> int:
    """Remove the chunks of blocks that are not finished, and what a killed writer left; return how many.

    ``arrays`` are those of the result by name; other arrays keep their chunks. What is there decides
    the cost, not what is missing.

    Raises
    ------
    OSError
        A file cannot be removed.

    """
    removed = 0
    for key in files.keys():  # noqa: SIM118 - no mapping
        if key.endswith(".partial") or not _is_kept(key.split("/"), arrays, keep):
            files.remove(key)
            removed += 1
    return removed


def _is_kept(parts: list[str], arrays: Mapping[str, Chunked], keep: Callable[[Box], bool]) -> bool:
    array = arrays.get(parts[0])
    if array is None or len(parts) < 3:  # another array's, or metadata
        return True
    *_, height, width = array.shards or array.chunks
    if not all(part.isdecimal() for part in parts[-2:]):
        return False
    row, col = map(int, parts[-2:])
    whole = Box.of_shape((array.shape[-2], array.shape[-1]))
    box = Box(row * height, (row + 1) * height, col * width, (col + 1) * width).intersect(whole)
    return box.n_pixels > 0 and keep(box)
