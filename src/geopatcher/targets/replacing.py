"""What a result may replace, and what it must be apart from."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from geopatcher.core.protocols import FromFiles
from geopatcher.errors import TargetError, TargetExistsError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from geopatcher.core.protocols import PixelSource

#: Files that say what a folder of a zarr store is.
METADATA = frozenset({"zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata"})
#: Those that say that it is an array, or may be.
OF_ARRAYS = frozenset({"zarr.json", ".zarray"})
#: Names of chunks and of folders of chunks, and what a writer that was killed leaves among them.
CHUNK = re.compile(r"c|(c[./])?[0-9]+(\.[0-9]+)*|.*\.[0-9a-f]{32}\.partial")


def require_replaceable(place: Path) -> None:
    """Refuse to replace a folder in which anything is that is not of a zarr store.

    Raises
    ------
    TargetExistsError
        Names what is in it.

    """
    if not place.is_dir():
        return
    foreign = next(_foreign(place), None)
    if foreign is not None:
        raise TargetExistsError(
            f"{place} exists, and {foreign.relative_to(place)} in it is not of a zarr store: a folder of "
            f"other things is never replaced; choose another target, or move it"
        )


def _foreign(folder: Path) -> Iterator[Path]:
    """Yield what is in a folder, or below, that is neither metadata nor a chunk."""
    with os.scandir(folder) as entries:
        children = sorted(entries, key=lambda entry: entry.name)
    names = {entry.name for entry in children}
    is_node, may_be_array = bool(names & METADATA), bool(names & OF_ARRAYS)
    for entry in children:
        path = Path(entry.path)
        if entry.is_symlink():
            yield path
        elif may_be_array and CHUNK.fullmatch(entry.name) and not _is_node(path):
            if entry.is_dir():
                yield from _other_than_chunks(path)
        elif entry.is_dir():
            yield from _foreign(path)
        elif not (is_node and (entry.name in METADATA or CHUNK.fullmatch(entry.name))):
            yield path


def _is_node(path: Path) -> bool:
    return any((path / name).is_file() for name in METADATA)


def _other_than_chunks(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):  # of chunks, or one whose metadata is lost
                below = _other_than_chunks if CHUNK.fullmatch(entry.name) else _foreign
                yield from below(Path(entry.path))
            elif entry.is_symlink() or not CHUNK.fullmatch(entry.name):
                yield Path(entry.path)


def require_apart(source: PixelSource, places: Collection[Path]) -> None:
    """Refuse to write where the pixels come from, whatever else is allowed.

    ``places`` are the files and folders that will be written, replaced or removed.

    Raises
    ------
    TargetError
        One of them is a file of the source, lies in one, or holds one; names both.

    """
    if not places:  # of a result in memory: to list files, they are opened
        return
    files = source.files() if isinstance(source, FromFiles) else ()
    for place in places:
        for file in files:
            how = _meeting(place, file)
            if how is not None:
                raise TargetError(
                    f"{place} would be written over, and it {how} {file}, from where the pixels of "
                    f"{source.name} are read: choose another target; overwrite does not allow this"
                )


def _meeting(place: Path, file: Path) -> str | None:
    """Return how two paths meet, following links; ``None`` where they are apart."""
    here, there = Path(os.path.realpath(place)), Path(os.path.realpath(file))
    if here == there:
        return "is" if place.absolute() == file.absolute() else "is the same as"
    if here in there.parents:
        return "is a folder that holds"
    if there in here.parents:
        return "lies in"
    try:
        same = here.samefile(there)
    except OSError:  # one of them is not there
        return None
    return "is the same file as" if same else None
