"""Files of blocks, whatever is in them: written, told, linked, synced and swept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from geopatcher.core.cpu import usable_cores
from geopatcher.core.gaps import VALID
from geopatcher.errors import TargetError
from geopatcher.targets.chunk_files import grid_of, keys_of, sweep_files
from geopatcher.targets.chunk_writer import run_all
from geopatcher.targets.files import FolderFiles
from geopatcher.targets.folders import link_file, make_below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Executor
    from pathlib import Path

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array, FinishedTile
    from geopatcher.targets.chunk_files import Chunked
    from geopatcher.targets.digests import Digests
    from geopatcher.targets.files import Files
    from geopatcher.targets.places import Spot

T = TypeVar("T")


class BlockWriter(Protocol):
    """Writes the blocks of one array."""

    def take(self, box: Box) -> Array:
        """Return, once, what is known of the files of a box: ``(bands, rows, columns, 3)`` and moments."""
        ...


class BlockFiles(ABC):
    """Whole blocks of the arrays of a result, in ``files``; ``path`` is what messages call where they are.

    Which files an array has, its ``arrays`` say; what is in them, the writers do.
    """

    path: Spot

    def __init__(self, path: Spot, writers: Mapping[str, BlockWriter], files: Files) -> None:
        self.path, self.files = path, files
        self._takers = dict(writers)

    @property
    @abstractmethod
    def arrays(self) -> Mapping[str, Chunked]:
        """The arrays by name."""

    @property
    def n_threads(self) -> int:
        """How many threads may encode."""
        return usable_cores()

    @abstractmethod
    def tasks(self, box: Box, arrays: Mapping[str, Array]) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield what encodes and writes the arrays of a box, each with the name of its array."""

    def write(self, tiles: Iterable[FinishedTile]) -> int:
        """Encode and store tiles; return their bytes before compression, those of a mask apart.

        They are encoded in threads as they come.

        Raises
        ------
        TargetError
            The store cannot take them (a full disk, a lost mount, another run that has taken over); names
            the box.

        """
        n_bytes = 0

        def tasks() -> Iterator[Callable[[], None]]:
            nonlocal n_bytes
            for box, arrays in tiles:
                n_bytes += sum(values.nbytes for name, values in arrays.items() if name != VALID)
                yield from self._tasks(box, arrays)

        run_all(tasks(), self.n_threads)
        return n_bytes

    def take(self, box: Box) -> Digests:
        """Return, once, what is known of the files of blocks that were written."""
        return {name: writer.take(box) for name, writer in self._takers.items()}

    def read_records(self, box: Box, pool: Executor | None = None) -> Digests:
        """Return what is known of the files of blocks, which are read for it.

        Raises
        ------
        OSError
            One cannot be read.

        """
        found = {}
        for name, array in self.arrays.items():
            keys, record = keys_of(array, box), self.files.below(name).record
            records = list(map(record, keys) if pool is None else pool.map(record, keys))
            grid = map(len, grid_of(array, box))
            found[name] = np.array(records, np.int64).reshape(*grid, 3)
        return found

    def _tasks(self, box: Box, arrays: Mapping[str, Array]) -> Iterator[Callable[[], None]]:
        tasks = self.tasks(box, arrays)
        while (found := self._told(f"{box} of {self.path}", partial(next, tasks, None))) is not None:
            name, task = found
            yield partial(self._told, f"{box} of {self.path / name}", task)

    def _told(self, what: str, call: Callable[[], T]) -> T:
        """Return what a call returns; an error of the system says what could not be written."""
        try:
            return call()
        except FileNotFoundError as error:
            raise TargetError(
                f"cannot write {what}: its folder is gone, so another run has taken over its target, or it "
                f"was removed ({error})"
            ) from error
        except OSError as error:
            raise TargetError(f"cannot write {what}: {error}") from error

    def sync(self, box: Box) -> None:
        """Wait until the blocks of ``box`` are on the disk and not in the system's cache only.

        Raises
        ------
        TargetError
            The disk could not take them.

        """
        keys = [f"{name}/{key}" for name, array in self.arrays.items() for key in keys_of(array, box)]
        try:
            self.files.sync(keys)
        except OSError as error:
            raise TargetError(f"cannot write {box} of {self.path}: {error}") from error

    def sweep(self, keep: Callable[[Box], bool]) -> int:
        """Remove the blocks that ``keep`` does not hold, and what a killed writer left; return how many.

        Raises
        ------
        TargetError
            They cannot be removed.

        """
        try:
            return sweep_files(self.files, self.arrays, keep)
        except OSError as error:
            raise TargetError(f"cannot tidy {self.path}: {error}") from error


class BlockFolder(BlockFiles):
    """Whole blocks in files below a folder, which is never made again."""

    path: Path

    def __init__(self, path: Path, writers: Mapping[str, BlockWriter]) -> None:
        super().__init__(path, writers, FolderFiles(path))
        self.path = path

    def link(self, source: Path, boxes: Iterable[Box]) -> None:
        """Take over the blocks of a store of the same arrays, as links to its files.

        Raises
        ------
        TargetError
            They can be neither linked nor copied.

        """
        try:
            for box in boxes:
                for name, array in self.arrays.items():
                    for key in keys_of(array, box):
                        copy = self.path / name / key
                        make_below(copy.parent, self.path / name)
                        with suppress(FileNotFoundError):  # a block of fill only
                            link_file(source / name / key, copy)
        except OSError as error:
            raise TargetError(f"cannot copy blocks of {source} to {self.path}: {error}") from error
