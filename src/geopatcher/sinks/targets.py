"""Targets: where a result will be, how it is built, and when it appears under its name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from geopatcher.errors import TargetError
from geopatcher.sinks.disk import CogTarget, ZarrTarget
from geopatcher.sinks.geotiff import CogOptions
from geopatcher.sinks.memory import MemorySink
from geopatcher.sinks.room import bytes_of, check_memory, describe

if TYPE_CHECKING:
    from types import EllipsisType

    import numpy as np

    from geopatcher.domain import ResultSpec
    from geopatcher.protocols import Array, Sink

__all__ = ["CogTarget", "MemoryTarget", "ResultArray", "Target", "ZarrTarget", "target_for"]


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
        """Allocate the arrays.

        Raises
        ------
        MemoryLimitError
            The machine does not have that much.

        """
        check_memory(bytes_of(spec), describe(spec))
        self._sink = MemorySink(spec)
        return self._sink

    def complete(self) -> dict[str, ResultArray]:
        """Return the arrays."""
        if self._sink is None:
            raise TargetError("the result was completed before it was created")
        return dict(self._sink.complete())

    def discard(self) -> None:
        """Let go of the arrays."""
        self._sink = None


def check_storage(
    path: str | os.PathLike[str] | None, *, shards: bool, multiscales: bool, cog: CogOptions | None
) -> None:
    """Refuse options that a target has no use for. A ``.tif`` has overviews with or without ``multiscales``.

    Raises
    ------
    ValueError
        Names the option and the target it is for.

    """
    ending = "memory" if path is None else Path(os.fspath(path)).suffix.lower()
    for given, name, kinds in (
        (shards, "shards", (".zarr",)),
        (multiscales, "multiscales", (".zarr", ".tif", ".tiff")),
        (cog is not None, "cog", (".tif", ".tiff")),
    ):
        if given and ending not in kinds:
            raise ValueError(f"{name}= is for a {kinds[0]} target, not {path or 'memory'}: leave it out")


def target_for(
    path: str | os.PathLike[str] | None,
    *,
    overwrite: bool,
    resume: bool = True,
    cog: CogOptions | None = None,
) -> Target:
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
        return ZarrTarget(place, overwrite, resume)
    if place.suffix.lower() in (".tif", ".tiff"):
        return CogTarget(place, overwrite, resume, cog or CogOptions())
    raise ValueError(f"target {os.fspath(path)!r} must end in .zarr or .tif (or be None for memory)")
