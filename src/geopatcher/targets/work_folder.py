"""The folder beside a target in which runs build it, each in a folder of its own."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geopatcher.errors import TargetError
from geopatcher.targets.folders import remove_folder, sync_folder

if TYPE_CHECKING:
    from pathlib import Path

#: An empty file that says a working folder is ours.
MARK = ".geopatcher"
#: What else is in one: folders of runs, and those on their way to being removed.
RUN, GONE = re.compile("run-[0-9a-f]{16}"), re.compile("gone-[0-9a-f]{16}")


def fresh_token() -> str:
    """Return what no other run is called."""
    return secrets.token_hex(8)


@dataclass
class WorkFolder:
    """The working folder ``path`` of a target, as one run sees it.

    All that a run makes lies in ``own``, a folder of a name no other run has. A run that goes on where
    another stopped renames that one's folder to its own name. So workers that outlive their run find
    nothing at the names they know, and since they never make the folder they write into, they write
    nothing.
    """

    path: Path
    token: str = field(default_factory=fresh_token)

    @property
    def own(self) -> Path:
        """The folder of this run."""
        return self.named(self.token)

    def named(self, token: str) -> Path:
        """Return the folder of a run."""
        return self.path / f"run-{token}"

    @property
    def is_ours(self) -> bool:
        """Whether the folder was made by a run, or is what is left of one: empty."""
        if not self.path.is_dir() or self.path.is_symlink():
            return False
        return (self.path / MARK).is_file() or all(
            RUN.fullmatch(name) or GONE.fullmatch(name) for name in self._names()
        )

    def earlier(self) -> list[Path]:
        """Return the folders of other runs."""
        if not self.is_ours:
            return []
        folders = [self.path / name for name in self._names() if RUN.fullmatch(name)]
        return [folder for folder in folders if folder != self.own and folder.is_dir()]

    def begin(self) -> None:
        """Make the folder of this run, and remove those of others.

        Raises
        ------
        TargetError
            Something else has the name of the working folder, or a folder cannot be made.

        """
        self._require_ours()
        self._remove_others()
        self._discard(self.own)
        try:
            self.path.mkdir(exist_ok=True)
            (self.path / MARK).touch()
            self.own.mkdir()
            sync_folder(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise TargetError(f"cannot create {self.own}: {error}") from error

    def adopt(self, folder: Path) -> None:
        """Make the folder of an earlier run this one's, in one step, and remove those of others.

        Raises
        ------
        TargetError
            It cannot be renamed.

        """
        if folder != self.own:
            try:
                folder.rename(self.own)
                sync_folder(self.path)
            except OSError as error:
                raise TargetError(f"cannot take over {folder}: {error}") from error
        self._remove_others()

    def remove(self) -> None:
        """Remove what runs have left, and the folder itself unless somebody put something else into it.

        Raises
        ------
        TargetError
            It is not one of ours, or cannot be removed.

        """
        self._require_ours()
        if not self.path.exists():
            return
        self._remove_others()
        self._discard(self.own)
        if set(self._names()) <= {MARK}:
            try:
                (self.path / MARK).unlink(missing_ok=True)
                self.path.rmdir()
            except OSError as error:
                raise TargetError(f"cannot remove {self.path}: {error}") from error

    def leave(self) -> None:
        """Remove the folder of this run only, if it is there; another run may have taken it over."""
        self._discard(self.own)
        if self.is_ours and not self.earlier():
            self.remove()

    def _require_ours(self) -> None:
        if (self.path.exists() or self.path.is_symlink()) and not self.is_ours:
            raise TargetError(
                f"{self.path} is in the way and was not made by a run: move it, or choose another target"
            )

    def _remove_others(self) -> None:
        for folder in self.earlier():
            self._discard(folder)
        for name in self._names():
            if GONE.fullmatch(name):
                remove_folder(self.path / name)

    def _discard(self, folder: Path) -> None:
        """Take a folder's name away before it is removed: who still writes into it finds it no more."""
        gone = self.path / f"gone-{fresh_token()}"
        try:
            folder.rename(gone)
        except FileNotFoundError:
            return
        except OSError as error:
            raise TargetError(f"cannot remove {folder}: {error}") from error
        remove_folder(gone)

    def _names(self) -> list[str]:
        try:
            return sorted(child.name for child in self.path.iterdir())
        except FileNotFoundError:
            return []
