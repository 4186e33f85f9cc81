"""Working folders: made, recognised as ours, replaced and removed."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

from geopatcher.errors import TargetError

if TYPE_CHECKING:
    from pathlib import Path

#: An empty file that says a working folder is ours to remove.
MARK = ".geopatcher"
#: How often removing a folder is tried, and how long to wait between.
REMOVALS, REMOVAL_PAUSE_S = 20, 0.1


def make_work(path: Path) -> None:
    """Make a working folder, removing the one an earlier run left.

    Raises
    ------
    TargetError
        Something else has that name, or the folder cannot be made.

    """
    remove_work(path)
    try:
        path.mkdir()
        (path / MARK).touch()
    except OSError as error:
        raise TargetError(f"cannot create {path}: {error}") from error


def remove_work(path: Path) -> None:
    """Remove a working folder if it is there.

    Raises
    ------
    TargetError
        It is not one of ours, or cannot be removed.

    """
    if not path.exists() and not path.is_symlink():
        return
    if not is_ours(path):
        raise TargetError(
            f"{path} is in the way and was not made by a run: move it, or choose another target"
        )
    for tries_left in reversed(range(REMOVALS)):
        try:
            _remove_children(path)
        except OSError as error:  # a write that failed may have others under way, which still make files
            if not tries_left:
                raise TargetError(f"cannot remove {path}: {error}") from error
            time.sleep(REMOVAL_PAUSE_S)
        else:
            return


def _remove_children(path: Path) -> None:
    """Remove the ledger first and the mark last: a folder removed half-way is known, and not gone on with."""
    for child in sorted(path.iterdir(), key=lambda child: child.suffix != ".jsonl"):
        if child.name != MARK:
            remove(child)
    remove(path / MARK)
    path.rmdir()


def is_marked(path: Path) -> bool:
    """Whether a folder was made by `make_work`."""
    return (path / MARK).is_file()


def is_ours(path: Path) -> bool:
    """Whether a folder is a working folder, or what is left of one: empty."""
    return path.is_dir() and not path.is_symlink() and (is_marked(path) or not any(path.iterdir()))


def remove(path: Path) -> None:
    """Remove a file or a folder if it is there; of a symbolic link, the link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def put_in_place(finished: Path, place: Path, aside: Path) -> None:
    """Rename a finished result to its place; what is there goes ``aside`` first and is then removed.

    Raises
    ------
    TargetError
        The result cannot be renamed; it is still where it was.

    """
    try:
        if place.exists() and (
            place.is_dir() or finished.is_dir()
        ):  # only a file replaces a file in one step
            remove(aside)
            place.replace(aside)
        finished.replace(place)
        remove(aside)
        sync_folder(place.parent)
    except OSError as error:
        raise TargetError(f"cannot move the finished result {finished} to {place}: {error}") from error


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_tree(source: Path, copy: Path) -> None:
    """Make a copy of a folder whose files are hard links: it costs no space.

    Chunks are replaced by renaming, never written into, so the original keeps its content when
    the copy is worked on. Where the file system has no hard links the files are copied.

    Raises
    ------
    TargetError
        The files can be neither linked nor copied.

    """
    try:
        shutil.copytree(source, copy, copy_function=_link_or_copy)
    except OSError as error:
        raise TargetError(f"cannot copy {source} to {copy}: {error}") from error


def _link_or_copy(source: str, copy: str) -> str:
    try:
        os.link(source, copy)
    except OSError:
        shutil.copy2(source, copy)
    return copy
