"""Targets: where a result will be, how it is built, and when it appears under its name."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import rasterio

from geopatcher.errors import TargetError, TargetExistsError
from geopatcher.sinks.geotiff import CogOptions, write_cog
from geopatcher.sinks.memory import MemorySink
from geopatcher.sinks.zarr_store import ZarrSink, create_store

if TYPE_CHECKING:
    from types import EllipsisType

    from geopatcher.domain import ResultSpec
    from geopatcher.protocols import Array, Sink


class ResultArray(Protocol):
    """What a finished result gives: an ndarray, or a zarr array on disk."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)`` or ``(bands, height, width)``."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of the cells."""
        ...

    def __getitem__(self, index: EllipsisType | slice | tuple[EllipsisType | slice | int, ...]) -> Array:
        """Return cells as an ndarray."""
        ...


class Target(Protocol):
    """Where a result goes."""

    @property
    def path(self) -> Path | None:
        """Its place on disk, ``None`` in memory."""
        ...

    def check(self) -> None:
        """Refuse, before anything is read, what cannot be written."""
        ...

    def create(self, spec: ResultSpec) -> Sink:
        """Make the place for the result, empty, and return where its blocks go."""
        ...

    def complete(self) -> dict[str, ResultArray]:
        """Let the finished result appear under its name; return its arrays, ``"data"`` first."""
        ...

    def discard(self) -> None:
        """Remove what was made and not completed."""
        ...


@dataclass
class MemoryTarget:
    """The result is an ndarray."""

    path: Path | None = None
    _sink: MemorySink | None = None

    def check(self) -> None:
        """Memory can always be tried; the plan has been checked."""

    def create(self, spec: ResultSpec) -> Sink:
        """Allocate the arrays."""
        self._sink = MemorySink(spec)
        return self._sink

    def complete(self) -> dict[str, ResultArray]:
        """Return the arrays."""
        if self._sink is None:
            raise TargetError("the result was completed before it was created")
        return dict(self._sink.arrays)

    def discard(self) -> None:
        """Let go of the arrays."""
        self._sink = None


@dataclass
class ZarrTarget:
    """A zarr v3 store at ``path``, built in ``path.partial`` and renamed when complete."""

    path: Path
    overwrite: bool = False

    @property
    def work(self) -> Path:
        """The folder the result is built in."""
        return self.path.with_name(self.path.name + ".partial")

    @property
    def store(self) -> Path:
        """The store under construction."""
        return self.work / "store.zarr"

    def check(self) -> None:
        """Refuse a target that exists, or a folder that does not."""
        check_place(self.path, overwrite=self.overwrite)

    def create(self, spec: ResultSpec) -> Sink:
        """Create the store in the working folder."""
        discard(self.work)
        make_folder(self.work)
        create_store(self.store, spec)
        return ZarrSink(self.store)

    def complete(self) -> dict[str, ResultArray]:
        """Rename the store to its place."""
        publish(self.store, self.path)
        discard(self.work)
        return dict(ZarrSink(self.path).arrays)

    def discard(self) -> None:
        """Remove the working folder."""
        discard(self.work)


@dataclass
class CogTarget:
    """A Cloud-Optimized GeoTIFF at ``path``; blocks collect in a zarr store in ``path.partial``."""

    path: Path
    overwrite: bool = False
    options: CogOptions = field(default_factory=CogOptions)
    _spec: ResultSpec | None = None

    @property
    def work(self) -> Path:
        """The folder the result is built in."""
        return self.path.with_name(self.path.name + ".partial")

    @property
    def store(self) -> Path:
        """The blocks so far."""
        return self.work / "store.zarr"

    def check(self) -> None:
        """Refuse a target that exists, or a folder that does not."""
        check_place(self.path, overwrite=self.overwrite)

    def create(self, spec: ResultSpec) -> Sink:
        """Create the working store."""
        discard(self.work)
        make_folder(self.work)
        create_store(self.store, spec)
        self._spec = spec
        return ZarrSink(self.store)

    def complete(self) -> dict[str, ResultArray]:
        """Assemble the GeoTIFF, and return it as lazily read arrays."""
        if self._spec is None:
            raise TargetError(f"{self.path} was completed before it was created")
        arrays = ZarrSink(self.store).arrays
        write_cog(arrays["data"], self._spec.domain, self.path, self.work, self.options)
        discard(self.work)
        return {"data": TiffArray(self.path, self._spec.domain.shape, self._spec.domain.dtype)}

    def discard(self) -> None:
        """Remove the working folder."""
        discard(self.work)


@dataclass(frozen=True)
class TiffArray:
    """A finished GeoTIFF, sliced like an array and read when sliced."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return len(self.shape)

    def __getitem__(self, index: EllipsisType | slice | tuple[EllipsisType | slice | int, ...]) -> Array:
        """Read what basic slicing asks for."""
        with rasterio.open(self.path) as dataset:
            pixels = dataset.read()
        return np.asarray(pixels.reshape(self.shape)[index])

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> Array:
        """Read everything."""
        _ = copy
        return self[...] if dtype is None else self[...].astype(dtype)


def check_place(path: Path, *, overwrite: bool) -> None:
    """Refuse a place that is taken or whose folder is missing.

    Raises
    ------
    TargetExistsError
        Something is there and ``overwrite`` is not set.
    TargetError
        The folder above is missing.

    """
    empty_folder = path.is_dir() and not any(path.iterdir())
    if path.exists() and not empty_folder and not overwrite:
        raise TargetExistsError(f"{path} exists: choose another target, or pass overwrite=True (--overwrite)")
    if not path.parent.is_dir():
        raise TargetError(f"the folder {path.parent} does not exist: create it, or choose another target")


def make_folder(path: Path) -> None:
    """Create a working folder, or say why it cannot be."""
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise TargetError(f"cannot create {path}: {error}") from error


def publish(work: Path, path: Path) -> None:
    """Rename a finished result to its place, whatever was there before."""
    if path.exists() or path.is_symlink():
        old = work.with_name("replaced")
        discard(old)
        os.replace(path.resolve(), old)
        os.replace(work, path.resolve() if path.is_symlink() else path)
        discard(old)
    else:
        os.replace(work, path)


def discard(path: Path) -> None:
    """Remove a file or folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def target_for(path: str | os.PathLike[str] | None, *, overwrite: bool) -> Target:
    """Return the target a path's ending asks for; ``None`` is memory.

    Raises
    ------
    ValueError
        The ending is neither ``.zarr`` nor ``.tif``.

    """
    if path is None:
        return MemoryTarget()
    place = Path(os.fspath(path))
    if place.suffix == ".zarr":
        return ZarrTarget(place, overwrite)
    if place.suffix.lower() in (".tif", ".tiff"):
        return CogTarget(place, overwrite)
    raise ValueError(f"target {os.fspath(path)!r} must end in .zarr or .tif (or be None for memory)")
