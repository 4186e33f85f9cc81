"""Where the cells of an array come from, where they are not in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from geopatcher.fields.file_identity import SourceFiles
from geopatcher.fields.folder_identity import folder_sample, folder_state

if TYPE_CHECKING:
    from collections.abc import Mapping


class Origin(Protocol):
    """What identifies an array without its cells."""

    def identity(self) -> Mapping[str, str | int | float]:
        """Return what tells the array from another, and from an older version of itself, as it is now."""
        ...

    def version(self) -> str:
        """Return a text that changes when the array does, quickly."""
        ...


@dataclass(frozen=True)
class FileOrigin:
    """An array that is read from a file or folder; ``known`` says what of it.

    Without a file of that name the array may be anything, and says so.
    """

    path: str
    known: Mapping[str, str | int | float] = field(default_factory=dict)

    def identity(self) -> Mapping[str, str | int | float]:
        """Return the name of the file, its size and time, and what is known besides."""
        return {"path": self.path, **self.known, **self._state()}

    def version(self) -> str:
        """Return the sizes and times of all files."""
        place = Path(self.path)
        return folder_state((place,)).digest if place.is_dir() else SourceFiles((self.path,)).version()

    def _state(self) -> Mapping[str, str | int | float]:
        place = Path(self.path)
        return _of_folders((place,)) if place.is_dir() else SourceFiles((self.path,)).identity()


@dataclass(frozen=True)
class FoldersOrigin:
    """An array that is stored in folders of one store at ``path``, such as a zarr array and its mask."""

    path: str
    folders: tuple[Path, ...]
    known: Mapping[str, str | int | float] = field(default_factory=dict)

    def identity(self) -> Mapping[str, str | int | float]:
        """Return the name of the store, and digests of names, sizes and times of its files, and of bytes."""
        return {"path": self.path, **self.known, **_of_folders(self.folders)}

    def version(self) -> str:
        """Return names, sizes and times of all files."""
        return folder_state(self.folders).digest


@dataclass(frozen=True)
class NamedOrigin:
    """An array that is computed when it is asked for: what is ``known`` of how.

    ``trouble`` says why that does not tell what comes out, where it does not.
    """

    known: Mapping[str, str | int | float]
    trouble: str = ""

    def identity(self) -> Mapping[str, str | int | float]:
        """Return what is known."""
        return {**self.known, **({"unknown": self.trouble} if self.trouble else {})}

    def version(self) -> str:
        """Return ``""``: there is no way to ask."""
        return ""


def _of_folders(folders: tuple[Path, ...]) -> dict[str, str | int | float]:
    return {**folder_state(folders).identity(), "sample": folder_sample(folders)}
