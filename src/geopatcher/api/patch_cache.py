"""Patches kept on disk, for fields that are slow to read and gone through more than once."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
import time
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopatcher.api.cache_entries import CachedPatch, Stored, Wanted, packed, remove, touch, unpacked
from geopatcher.api.pixel_digest import digest_of_pixels
from geopatcher.core.patch import Patch
from geopatcher.core.places import cell_at
from geopatcher.fields.open import as_field
from geopatcher.fields.plain_field import array_of
from geopatcher.planning.memory import parse_bytes
from geopatcher.targets.places import local_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rasterio.windows import Window as RasterWindow

    from geopatcher.core.protocols import Array, PixelSource, RectGeometry, Window
    from geopatcher.fields.open import Source
    from geopatcher.planning.plan import Plan

#: When the limit is passed, entries are removed down to this share of it, so not at every write.
ROOM = 0.9
#: The folder is measured again after writing this share of the limit.
LOOK_AGAIN = 0.05
#: A temporary file of this age, in seconds, is what a writer that was killed left behind.
STALE_S = 3600.0


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
        known = self._known(source) if self.field_id is None else {"field_id": self.field_id}
        domain = plan.domain
        filling = plan.filling(domain.dtype) if plan.boundary == "pad" else plan.pad_value
        made = (plan.boundary, filling, domain.shape, str(domain.dtype), str(domain.nodata))
        return self.root / _digest_of([known, str(made)])

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

    def read(self, path: Path, wanted: Wanted) -> Stored | None:
        """Return an entry's pixels, ``None`` where there is none that is whole, or not of what is wanted.

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
        arrays = self._arrays(path, wanted.most_bytes)
        stored = Stored(arrays[0], arrays[1] if len(arrays) > 1 else None) if arrays else None
        met = stored if stored is not None and wanted.is_met_by(stored) else None
        self._count(path, hit=met is not None)
        return met

    def write(self, path: Path, stored: Stored) -> None:
        """Keep pixels, and remove what was used least recently where there is no room.

        Parameters
        ----------
        path
            Of the entry.
        stored
            Pixels and mask.

        """
        self._keep(path, [array for array in stored if array is not None])

    def field_id_for(self, field: Source) -> str:
        """Return what stands for a field's pixels: other fields and other versions have another one.

        Parameters
        ----------
        field
            Anything a patcher splits.

        Returns
        -------
        str
            The ``field_id`` this cache was made with, or a digest of what identifies the field.

        """
        if self.field_id is not None:
            return self.field_id
        return _digest_of(self._known(as_field(field).source))

    def config_id_for(self, geometry: RectGeometry, window: Window) -> str:
        """Return what stands for a size of patches, what is done at the edge, and a taper.

        Parameters
        ----------
        geometry
            The size of patches.
        window
            The taper: all its weights count, so two functions of one name are told apart.

        Returns
        -------
        str
            A digest.

        """
        weights = np.ascontiguousarray(window.weights(geometry))
        taper = hashlib.blake2b(weights.view(np.uint8).data, digest_size=16).hexdigest()
        return _digest_of([geometry.size, geometry.boundary, geometry.pad_value, taper])

    def get(self, field_id: str, config_id: str, anchor: tuple[int, int]) -> CachedPatch | None:
        """Return what was kept of a patch by `put`; `build_patch` makes a patch of it.

        Parameters
        ----------
        field_id, config_id
            Of `field_id_for` and `config_id_for`, or words of your own.
        anchor
            ``(row, col)`` of the patch.

        Returns
        -------
        CachedPatch or None
            ``data`` and ``weights``; ``None`` where there is nothing, or it is damaged.

        """
        path = self._path_of(field_id, config_id, anchor)
        found = CachedPatch.of(self._arrays(path) or ())
        self._count(path, hit=found is not None)
        return found

    def put(self, field_id: str, config_id: str, anchor: tuple[int, int], patch: Patch[object]) -> None:
        """Keep what a patch carries, and remove what was used least recently where there is no room.

        Parameters
        ----------
        field_id, config_id
            Of `field_id_for` and `config_id_for`, or words of your own.
        anchor
            ``(row, col)`` of the patch.
        patch
            Carries an array, or a lazy reader, which is read.

        """
        kept = CachedPatch(array_of(patch.data), patch.weights)
        self._keep(self._path_of(field_id, config_id, anchor), kept.arrays)

    @staticmethod
    def build_patch(
        payload: CachedPatch, anchor: tuple[int, int], indices: RasterWindow | None
    ) -> Patch[Array]:
        """Return what was kept as a patch.

        Parameters
        ----------
        payload
            What `get` gave.
        anchor, indices
            Where the patch lies.

        Returns
        -------
        Patch
            With the kept data and weights.

        """
        return Patch(payload.data, anchor, indices, payload.weights)

    def stats(self) -> dict[str, int]:
        """Return how often there was an entry since this object was made, and what is in the folder now.

        Returns
        -------
        dict
            ``{"hits", "misses", "entries", "bytes"}``.

        """
        entries = list(self._entries())
        return {
            "hits": self.hits,
            "misses": self.misses,
            "entries": len(entries),
            "bytes": sum(entry.size for entry in entries),
        }

    def _path_of(self, field_id: str, config_id: str, anchor: tuple[int, int]) -> Path:
        row, col = cell_at(anchor)
        return self.root / _digest_of([field_id, config_id]) / f"{row}_{col}.npy"

    def _arrays(self, path: Path, most_bytes: int = -1) -> list[Array] | None:
        try:
            with path.open("rb") as file:
                return unpacked(file.read(most_bytes))
        except OSError:
            return None

    def _count(self, path: Path, *, hit: bool) -> None:
        with self._lock:
            self.hits += hit
            self.misses += not hit
        if hit:
            touch(path)
        else:
            remove(path)

    def _keep(self, path: Path, arrays: Sequence[Array]) -> None:
        raw = packed(arrays)
        if not self._writable or (self.max_bytes is not None and len(raw) > self.max_bytes):
            return
        aside = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(raw)
            aside.replace(path)
        except OSError as error:
            self._writable = False
            remove(aside)
            warnings.warn(
                f"nothing more is kept in the patch cache {self.root}: {error}", RuntimeWarning, stacklevel=3
            )
            return
        if self.max_bytes is not None:
            self._make_room(len(raw), self.max_bytes)

    def _known(self, source: PixelSource) -> dict[str, str | int | float]:
        known = dict(source.identity())
        if "unknown" in known:  # its pixels may be other ones all the same
            known["unknown"] = digest_of_pixels(source)
        return known

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
                remove(entry.path)
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
                remove(path)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()


class _Entry(NamedTuple):
    used_ns: int
    size: int
    path: Path


def _digest_of(known: object) -> str:
    """Return a digest of JSON values."""
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:32]
