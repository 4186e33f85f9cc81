"""Files and folders on their way to their place: renamed, removed, linked, and synced to the disk."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

from geopatcher.errors import TargetError

if TYPE_CHECKING:
    from pathlib import Path

#: How often removing a folder is tried, and how long to wait between.
REMOVALS, REMOVAL_PAUSE_S = 20, 0.1


def remove(path: Path) -> None:
    """Remove a file or a folder if it is there; of a symbolic link, the link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_folder(path: Path) -> None:
    """Remove a folder that others may still be writing into.

    Raises
    ------
    TargetError
        It cannot be removed.

    """
    for tries_left in reversed(range(REMOVALS)):
        try:
            remove(path)
        except OSError as error:  # a write that failed may have others under way, which still make files
            if not tries_left:
                raise TargetError(f"cannot remove {path}: {error}") from error
            time.sleep(REMOVAL_PAUSE_S)
        else:
            return


def put_in_place(finished: Path, place: Path, aside: Path) -> None:
    """Rename a finished result to its place; what is there goes ``aside`` first.

    It is removed when the new name is on the disk.

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
        sync_folder(place.parent)
        remove(aside)
    except OSError as error:
        raise TargetError(f"cannot move the finished result {finished} to {place}: {error}") from error


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_below(folder: Path, root: Path) -> None:
    """Make a folder and those above it, but never ``root``: where that is gone, another has taken over.

    Raises
    ------
    OSError
        A folder cannot be made.

    """
    place = root
    for part in folder.relative_to(root).parts:
        place /= part
        try:
            place.mkdir()
        except FileExistsError:
            continue


def link_file(source: Path, copy: Path) -> None:
    """Give a file a second name, which costs no space; where that cannot be it is copied.

    Chunks are replaced by renaming, never written into, so that the original keeps its content when
    the copy is worked on.

    Raises
    ------
    OSError
        It can be neither linked nor copied.

    """
    try:
        os.link(source, copy)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy2(source, copy)
