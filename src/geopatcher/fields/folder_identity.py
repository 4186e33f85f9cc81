"""Which version of a folder of files this is: by the names, sizes and times of all, without reading one."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from geopatcher.core.digests import DIGITS, digest_of
from geopatcher.fields.file_contents import sample_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Files of a folder of which bytes are looked at, and how many of each, at its beginning, middle and end.
SAMPLED, SAMPLE_BYTES = 512, 4096


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


def folder_sample(folders: Iterable[Path]) -> str:
    """Return a digest of some bytes of the files of folders, as of a file: copies may keep sizes and times.

    Of many files `SAMPLED` are looked at, from the first to the last.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     digests = []
    ...     for content in (b"123", b"124"):
    ...         _ = Path(name, "a").write_bytes(content)
    ...         os.utime(Path(name, "a"), (0, 0))
    ...         digests.append((folder_state([Path(name)]), folder_sample([Path(name)])))
    ...     digests[0][0] == digests[1][0], digests[0][1] == digests[1][1]
    (True, False)
    """
    files = [(folder, *found) for folder in folders for found in _files(folder, "")]
    n = min(len(files), SAMPLED)
    looked = [files[i * (len(files) - 1) // max(1, n - 1)] for i in range(n)]
    return digest_of(*(_sample(Path(folder, name), status.st_size) for folder, name, status in looked))


def _sample(file: Path, size: int) -> str:
    try:
        return sample_of(file, size, SAMPLE_BYTES)
    except OSError:  # gone meanwhile
        return "missing"


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
