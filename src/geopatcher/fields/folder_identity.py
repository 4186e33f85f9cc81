"""Which version of a folder of files this is: by the names, sizes and times of all, without reading one."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, NamedTuple

from geopatcher.core.digests import DIGITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class FolderState(NamedTuple):
    """The files of folders: how many, their bytes, and a digest of names, sizes and times."""

    n_files: int
    n_bytes: int
    digest: str

    def identity(self) -> dict[str, str | int | float]:
        """Return entries of an identity."""
        return {"size": self.n_bytes, "files": f"{self.n_files} {self.digest}"}


def folder_state(folders: Iterable[Path]) -> FolderState:
    """Look at all files of folders.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a").write_bytes(b"123")
    ...     before = folder_state([Path(folder)])
    ...     Path(folder, "b").touch()
    ...     before[:2], before == folder_state([Path(folder)])
    ((1, 3), False)
    """
    whole, n_files, n_bytes = hashlib.sha256(), 0, 0
    for folder in folders:
        whole.update(b"\0")
        for name, status in _files(folder, ""):
            n_files += 1
            n_bytes += status.st_size
            whole.update(f"{name}\0{status.st_size} {status.st_mtime_ns}\n".encode(errors="backslashreplace"))
    return FolderState(n_files, n_bytes, whole.hexdigest()[:DIGITS])


def _files(folder: Path | str, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files below a folder in the order of their names, but those that are gone meanwhile."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=_name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        try:
            if entry.is_dir():
                yield from _files(entry.path, f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name, entry.stat()
        except FileNotFoundError:
            continue


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name
