"""Patches kept on disk, for fields that are slow to read and gone through more than once."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import secrets
import threading
import time
import warnings
import zlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopatcher.core.box import Box
from geopatcher.engine.reading import Reader
from geopatcher.engine.rows import read_units
from geopatcher.engine.stats import RunStats
from geopatcher.planning.memory import parse_bytes
from geopatcher.targets.places import local_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geopatcher.core.protocols import Array, PixelSource
    from geopatcher.planning.plan import Plan

#: When the limit is passed, entries are removed down to this share of it, so not at every write.
ROOM = 0.9
#: The folder is measured again after writing this share of the limit.
LOOK_AGAIN = 0.05
#: A temporary file of this age, in seconds, is what a writer that was killed left behind.
STALE_S = 3600.0
#: Rows digested at once.
DIGEST_ROWS = 256
_CRC_BYTES = 4
#: Bytes of an entry beside its cells, at most.
MARGIN = 4096


class Stored(NamedTuple):
    """A patch as it was read: pixels ``(bands, h, w)``, and where they are valid (``None``: all)."""

    pixels: Array
    valid: Array | None


class Wanted(NamedTuple):
    """What an entry must be: others in its place were not written for it."""

    shape: tuple[int, int, int]
    dtype: np.dtype

    @property
    def most_bytes(self) -> int:
        """Bytes of the largest entry: a mask takes no more than the pixels."""
        return 2 * math.prod(self.shape) * self.dtype.itemsize + MARGIN

    def is_met_by(self, stored: Stored) -> bool:
        """Whether an entry is of these pixels, and its mask one of them."""
        known = stored.pixels.shape == self.shape and stored.pixels.dtype == self.dtype
        valid = stored.valid
        return known and (valid is None or (valid.shape == self.shape and valid.dtype == bool))


class PatchCache:
    """Pixels of patches in a folder, for `SpatialPatcher.split`.

    Entries are found by what identifies the field (for a local file its path, size and time of
    change), the patch's rectangle and how it is filled at the edge. They are ``.npy`` files followed by
    a checksum, written aside and renamed: any number of threads and processes can share a folder. An
    entry that is damaged is removed and read anew. A folder that is full or cannot be written makes
    a warning, not an error.

    A field that has no file to name, such as an array, is told from others by a digest of all its
    pixels, which reads it once; pass ``field_id`` where that is too much.

    Parameters
    ----------
    root
        The folder; made where it is missing.
    max_bytes
        Most bytes to keep, as a number or like ``"2GB"``; beyond, those used least recently are
        removed. ``None`` keeps everything.
    field_id
        Stands for the field instead of what identifies it. Whoever passes it answers for passing
        another one when the pixels change.

    Raises
    ------
    OSError
        The folder cannot be made.
    ValueError
        ``max_bytes`` is not a size.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from geopatcher import (PatchCache, SpatialHann, SpatialOverlapAdd, SpatialPatcher,
    ...     SpatialRectangular, SpatialRegularStride)
    >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
    ...     SpatialOverlapAdd())
    >>> image = np.arange(600.0).reshape(20, 30)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = PatchCache(folder, max_bytes="1GB")
    ...     for _ in range(2):
    ...         patches = list(patcher.split(image, cache=cache))
    ...     cache.hits, cache.misses
    (28, 28)

    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        max_bytes: int | str | None = None,
        field_id: str | None = None,
    ) -> None:
        self.root = local_place(root).absolute()
        self.max_bytes = None if max_bytes is None else parse_bytes(max_bytes)
        self.field_id = field_id
        self.hits = 0
        self.misses = 0
        self._held: int | None = None  # when last looked
        self._added = 0  # since then
        self._writable = True
        self._lock = threading.Lock()
        self.root.mkdir(parents=True, exist_ok=True)

    @property
    def n_bytes(self) -> int:
        """Bytes in the folder now."""
        return sum(entry.size for entry in self._entries())

    def clear(self) -> None:
        """Remove every entry."""
        for entry in self._entries():
            entry.path.unlink(missing_ok=True)
        with self._lock:
            self._held = None

    def folder_of(self, source: PixelSource, plan: Plan) -> Path:
        """Return the folder of a field's patches, made the way a plan makes them.

        Parameters
        ----------
        source
            Where the pixels come from.
        plan
            How patches are cut.

        Returns
        -------
        pathlib.Path
            A folder in ``root``.

        """
        known: dict[str, str | int | float]
        if self.field_id is not None:
            known = {"field_id": self.field_id}
        else:
            known = dict(source.identity())
            if "unknown" in known:  # its pixels may be other ones all the same
                known["unknown"] = _digest(source)
        domain = plan.domain
        filling = plan.filling(domain.dtype) if plan.boundary == "pad" else plan.pad_value
        made = (plan.boundary, filling, domain.shape, str(domain.dtype), str(domain.nodata))
        text = json.dumps([known, str(made)], sort_keys=True)
        return self.root / hashlib.sha256(text.encode()).hexdigest()[:32]

    def has(self, path: Path) -> bool:
        """Whether there is an entry, damaged or not.

        Parameters
        ----------
        path
            Of the entry.

        Returns
        -------
        bool
            Nothing is read.

        """
        return path.is_file()

    def get(self, path: Path, wanted: Wanted | None = None) -> Stored | None:
        """Return an entry, ``None`` where there is none that is whole, or not of what is wanted.

        Parameters
        ----------
        path
            Of the entry.
        wanted
            Shape and dtype it must have.

        Returns
        -------
        Stored or None
            Pixels and mask.

        """
        try:
            with path.open("rb") as file:
                raw = file.read(-1 if wanted is None else wanted.most_bytes)
        except OSError:
            raw = b""
        stored = _unpacked(raw)
        if stored is not None and wanted is not None and not wanted.is_met_by(stored):
            stored = None
        with self._lock:
            self.hits += stored is not None
            self.misses += stored is None
        if stored is None:
            _remove(path)
            return None
        _touch(path)
        return stored

    def put(self, path: Path, stored: Stored) -> None:
        """Keep an entry, and remove what was used least recently where there is no room.

        Parameters
        ----------
        path
            Of the entry.
        stored
            Pixels and mask.

        """
        raw = _packed(stored)
        if not self._writable or (self.max_bytes is not None and len(raw) > self.max_bytes):
            return
        aside = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(raw)
            aside.replace(path)
        except OSError as error:
            self._writable = False
            _remove(aside)
            warnings.warn(
                f"nothing more is kept in the patch cache {self.root}: {error}", RuntimeWarning, stacklevel=2
            )
            return
        if self.max_bytes is not None:
            self._make_room(len(raw), self.max_bytes)

    def _make_room(self, n_bytes: int, most: int) -> None:
        with self._lock:
            self._added += n_bytes
            # Others write here, too: the folder is looked at again long before it can be far too full.
            if (
                self._held is not None
                and self._held + self._added <= most
                and self._added < most * LOOK_AGAIN
            ):
                return
            entries = sorted(self._entries())
            held = sum(entry.size for entry in entries)
            limit = most if held <= most else most * ROOM
            for entry in entries:
                if held <= limit:
                    break
                _remove(entry.path)
                held -= entry.size
            self._held, self._added = held, 0

    def _entries(self) -> Iterator[_Entry]:
        """Yield the entries, and remove what killed writers left."""
        for path in self.root.glob("*/*"):
            try:
                status = path.stat()
            except OSError:  # another process removed it
                continue
            if path.suffix == ".npy":
                yield _Entry(status.st_mtime_ns, status.st_size, path)
            elif path.suffix == ".tmp" and time.time() - status.st_mtime > STALE_S:
                _remove(path)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()


class _Entry(NamedTuple):
    used_ns: int
    size: int
    path: Path


def _digest(source: PixelSource) -> str:
    """Return a digest of every pixel of a source."""
    domain, found = source.domain, hashlib.blake2b(digest_size=16)
    for unit in read_units(Reader(source, RunStats()), Box.of_shape(domain.grid_shape), DIGEST_ROWS):
        found.update(np.ascontiguousarray(unit.pixels).view(np.uint8).data)
        if unit.valid is not None:
            found.update(np.packbits(unit.valid).data)
    return found.hexdigest()


def _packed(stored: Stored) -> bytes:
    """Return an entry's bytes: one or two arrays as `numpy.save` writes them, and their CRC-32."""
    buffer = io.BytesIO()
    np.save(buffer, stored.pixels, allow_pickle=False)
    if stored.valid is not None:
        np.save(buffer, stored.valid, allow_pickle=False)
    raw = buffer.getvalue()
    return raw + zlib.crc32(raw).to_bytes(_CRC_BYTES, "little")


def _unpacked(raw: bytes) -> Stored | None:
    """Return an entry from its bytes, ``None`` unless they are the ones that were written."""
    whole, crc = raw[:-_CRC_BYTES], raw[-_CRC_BYTES:]
    if not whole or zlib.crc32(whole).to_bytes(_CRC_BYTES, "little") != crc:
        return None
    buffer = io.BytesIO(whole)
    try:
        pixels = _array(buffer, len(whole))
        valid = _array(buffer, len(whole)) if buffer.tell() < len(whole) else None
    except (ValueError, EOFError, SyntaxError):  # not of this library
        return None
    return Stored(pixels, valid)


def _array(buffer: io.BytesIO, stop: int) -> Array:
    """Read an array; one whose header asks for more than there is, is not allocated."""
    start = buffer.tell()
    np.lib.format.read_magic(buffer)
    shape, _, dtype = np.lib.format.read_array_header_1_0(buffer)
    if math.prod(shape) * dtype.itemsize > stop - buffer.tell():
        raise ValueError(f"an array of {shape} {dtype} is longer than its entry")
    buffer.seek(start)
    array: Array = np.load(buffer, allow_pickle=False)
    return array


def _touch(path: Path) -> None:
    """Note that an entry was used; harmless where another process has removed it."""
    with contextlib.suppress(OSError):
        os.utime(path)


def _remove(path: Path) -> None:
    """Remove a file; harmless where it is gone, or may not be removed."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
