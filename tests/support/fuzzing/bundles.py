"""Inputs as values: files by name, written into a folder and read back."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Bundle:
    """An input: the content of its ``files`` by relative name, and the one that is opened.

    A content of ``None`` is an empty folder.
    """

    entry: str
    files: dict[str, bytes | None]

    @classmethod
    def read(cls, folder, entry):
        """Take all files of a folder."""
        files = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(Path(folder).rglob("*"))
            if path.is_file()
        }
        return cls(entry, files)

    def write(self, folder):
        """Write all files into a new folder; return the path that is opened.

        A file in the way of another one's folder wins: mutations may rename one to the other.
        """
        folder = Path(folder)
        folder.mkdir(parents=True)
        for name, content in self.files.items():
            path = folder / name
            if any(parent.is_file() for parent in path.parents) or path.is_dir():
                continue
            if content is None:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder / self.entry

    def having(self, name, content):
        """Return a bundle with another content of one file."""
        return Bundle(self.entry, {**self.files, name: content})

    def without(self, name):
        """Return a bundle that lacks one file."""
        return Bundle(self.entry, {key: value for key, value in self.files.items() if key != name})


def remove(folder):
    """Remove a folder that was written, and whatever a run has made in it."""
    shutil.rmtree(folder, ignore_errors=True)
