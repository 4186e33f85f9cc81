"""The local files pixels come from: what must not be written over."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from geopatcher.core.protocols import FromFiles
from geopatcher.errors import SourceError
from geopatcher.fields.mask_beside import files_of
from geopatcher.formats.dataset_pool import POOL

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What says that a folder is a node of a zarr store.
NODES = ("zarr.json", ".zgroup", ".zarray")
#: GDAL's virtual file systems around files that may be those of this machine.
AROUND = frozenset({"zip", "tar", "gzip", "7z", "rar", "cached", "subfile", "sparse", "crypt"})
#: Endings of files that are looked into no further, and how far others are.
TIFFS, HEAD_BYTES = frozenset({".tif", ".tiff"}), 1024


def files_behind(path: str) -> tuple[Path, ...]:
    """Return the local files behind a raster GDAL opens: sidecars, and all that a VRT is made of, included.

    Of an archive it is the archive. What is on the network has none, and a file that is not there, or
    cannot be opened, is named all the same where it is named at all.

    Examples
    --------
    >>> files_behind("/vsicurl/https://host/a.tif")
    ()

    """
    found: dict[Path, None] = {}
    waiting, seen = [path], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        local = local_file(name)
        if local is not None:
            found[local] = None
        if name == path or (local is not None and _is_list(local)):
            waiting.extend(_listed(name))
    return tuple(found)


def local_file(name: str) -> Path | None:
    """Return the local file a name of GDAL's leads into; ``None`` for a URL, memory, or no file at all.

    >>> str(local_file(f"/vsizip/{__file__}/inner.tif")) == __file__, local_file("missing.tif")
    (True, PosixPath('missing.tif'))
    >>> [local_file(name) for name in ("/vsimem/a.tif", "/vsis3/bucket/a.tif", "https://host/a.tif")]
    [None, None, None]
    """
    text = re.sub("^(?:[a-z+]*)?file://", "", name)
    if text.startswith("vrt://"):
        text = text.removeprefix("vrt://").partition("?")[0]
    while (match := re.match(r"/vsi([a-z0-9_]+)/", text)) is not None:
        if match[1] not in AROUND:
            return None
        text = text[match.end() :]
        if match[1] == "subfile":  # offset and length come first
            text = text.partition(",")[2]
    if not text or "://" in text or "<" in text:
        return None
    braced = re.match(r"\{(.*)\}", text)
    if braced:
        return local_file(braced[1])
    for candidate in (Path(text), *Path(text).parents):  # of an archive, the part that is a file here
        if candidate.is_file():
            return candidate
    return Path(text)


def store_of(place: Path) -> Path:
    """Return the outermost folder of the zarr store a node is in.

    >>> store_of(Path("nowhere.zarr/data"))
    PosixPath('nowhere.zarr/data')
    """
    root = place.absolute()
    while any((root.parent / name).is_file() for name in NODES):
        root = root.parent
    return root if root != place.absolute() else place


@runtime_checkable
class _Rooted(Protocol):
    """A zarr store in a folder."""

    @property
    def root(self) -> Path: ...


@runtime_checkable
class _Stored(Protocol):
    """A zarr array."""

    @property
    def store(self) -> object: ...


def files_under(array: object) -> tuple[Path, ...]:
    """Return the files an array maps or reads: of a `numpy.memmap`, a zarr array, or one that says so.

    >>> files_under(np.zeros(3))
    ()
    """
    if isinstance(array, np.ndarray):
        return tuple(_mapped(array))
    if isinstance(array, FromFiles):
        return tuple(array.files())
    if isinstance(array, _Stored) and isinstance(array.store, _Rooted):
        return (store_of(Path(array.store.root)),)
    return ()


def _mapped(array: object) -> Iterator[Path]:
    """Yield the file an array is a view of, however many views lie between."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and array.filename is not None:
            yield Path(array.filename)
            return
        array = array.base


def _is_list(file: Path) -> bool:
    """Whether a file is a VRT, which names others: a VRT around it lists it only."""
    if file.suffix.lower() in TIFFS:
        return False
    try:
        with file.open("rb") as opened:
            return b"<VRTDataset" in opened.read(HEAD_BYTES)
    except OSError:
        return False


def _listed(name: str) -> list[str]:
    try:
        with POOL.look_at(name) as dataset:
            return files_of(name, dataset)
    except SourceError:  # it is named, and that is all that is known of it
        return []
