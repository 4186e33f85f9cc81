"""Files by their keys: in a folder of this machine, or below a prefix of a bucket."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from geopatcher.targets.chunk_files import sync_files
from geopatcher.targets.digests import NO_FILE, look_at, put_bytes, record_of
from geopatcher.targets.folders import make_below

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from geopatcher.targets.digests import FileRecord, Finding, Reads


class Files(Protocol):
    """Where the files of a result are, each whole or not there, by keys such as ``data/c/0/1``.

    Several threads use one, each for other keys. What goes wrong is an `OSError`.
    """

    def below(self, name: str) -> Self:
        """Return the files whose keys begin with ``name/``, by what follows that."""
        ...

    def put(self, key: str, content: bytes | memoryview) -> FileRecord:
        """Write a file, and return what is known of it."""
        ...

    def read(self, key: str) -> bytes:
        """Return what is in a file; a `FileNotFoundError` where there is none."""
        ...

    def remove(self, key: str) -> None:
        """Remove a file, if it is there."""
        ...

    def size(self, key: str) -> int:
        """Return the bytes of a file, 0 where there is none."""
        ...

    def record(self, key: str) -> FileRecord:
        """Read a file, and return what is then known of it; `NO_FILE` where there is none."""
        ...

    def look_at(self, key: str, known: FileRecord, reads: Reads = "touched") -> Finding:
        """Compare a file with what is known of it, as `geopatcher.targets.digests.look_at` does."""
        ...

    def keys(self) -> Iterator[str]:
        """Yield the keys of all files there are."""
        ...

    def sync(self, keys: Iterable[str]) -> None:
        """Wait until files are where nothing short of a broken disk can lose them."""
        ...


@dataclass(frozen=True)
class FolderFiles(Files):
    """Files below a folder, which is never made: where it is gone, another run has taken over."""

    path: Path

    def below(self, name: str) -> FolderFiles:
        """Return those in a folder of it."""
        return FolderFiles(self.path / name)

    def put(self, key: str, content: bytes | memoryview) -> FileRecord:
        """Write a file, and the folders it is in but for the first."""
        file = self.path / key
        try:
            return put_bytes(file, content)
        except FileNotFoundError:
            make_below(file.parent, self.path)
            return put_bytes(file, content)

    def read(self, key: str) -> bytes:
        """Return what is in a file."""
        return (self.path / key).read_bytes()

    def remove(self, key: str) -> None:
        """Remove a file, if it is there."""
        (self.path / key).unlink(missing_ok=True)

    def size(self, key: str) -> int:
        """Return the bytes of a file."""
        file = self.path / key
        return file.stat().st_size if file.is_file() else 0

    def record(self, key: str) -> FileRecord:
        """Read a file for what is known of it."""
        try:
            return record_of(self.path / key)
        except FileNotFoundError:
            return NO_FILE

    def look_at(self, key: str, known: FileRecord, reads: Reads = "touched") -> Finding:
        """Compare a file with what is known of it."""
        return look_at(self.path / key, known, reads)

    def keys(self) -> Iterator[str]:
        """Yield the keys of all files; what is there decides the cost."""
        for folder, _, names in os.walk(self.path):
            for name in names:
                yield Path(folder, name).relative_to(self.path).as_posix()

    def sync(self, keys: Iterable[str]) -> None:
        """Wait until files are on the disk, with the folders that name them and the names in this one.

        Where no file is, because all of them would hold fill, that is what says that there are arrays.
        """
        sync_files([self.path, *(self.path / key for key in keys)], self.path)
