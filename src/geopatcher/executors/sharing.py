"""Sources for other processes: arrays in memory are shared by way of a file that all of them map."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.errors import TransportError
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.raster import ReaderSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import EllipsisType

    from geopatcher.engine.job import Job
    from geopatcher.protocols import Array, PixelSource

#: Smaller arrays travel whole: a copy each costs less than a file.
SHARED_BYTES = 16 << 20


@dataclass(frozen=True)
class MappedArray:
    """An array in a file of NumPy's; each process maps it, and none holds a copy."""

    path: Path

    @cached_property
    def _cells(self) -> Array:
        cells: Array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return cells

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)`` or ``(bands, height, width)``."""
        return self._cells.shape

    @property
    def dtype(self) -> np.dtype:
        """Of the cells."""
        return self._cells.dtype

    def __getitem__(self, index: tuple[EllipsisType | slice, ...]) -> Array:
        """Return a rectangle of cells."""
        return self._cells[index]

    def __reduce__(self) -> tuple[type[MappedArray], tuple[Path]]:
        return (MappedArray, (self.path,))


def block_width(source: PixelSource) -> int:
    """Return the columns a source's storage decodes at once; 1 for one in memory, which decodes nothing."""
    in_memory = isinstance(source, ArraySource) and source.block is None
    return 1 if in_memory else source.block_shape[1]


def plain(job: Job) -> Job:
    """Return a job whose source can be pickled: an array that knows where it lies forgets that on the way."""
    source = job.source
    if isinstance(source, ReaderSource) and isinstance(source.reader, np.ndarray):
        array = ArraySource(np.asarray(source.reader), source.domain, source.name)
        return replace(job, source=array)
    return job


@contextmanager
def shared(job: Job) -> Iterator[Job]:
    """Give the job for other processes: one over a large array in memory reads it from a file they share.

    Raises
    ------
    TransportError
        The file cannot be written.

    """
    job = plain(job)
    array = array_in_memory(job.source)
    if array is None or array.nbytes < SHARED_BYTES:
        yield job
        return
    name = job.source.name
    with tempfile.TemporaryDirectory(prefix="geopatcher-") as folder:
        path = Path(folder, "source.npy")
        try:
            np.save(path, array, allow_pickle=False)
        except OSError as error:
            raise TransportError(
                f"{name} cannot be shared with workers by a file in {folder}: {error}; set TMPDIR to a "
                f"folder with {array.nbytes / 1e9:.1f} GB free, or give the path of a raster"
            ) from error
        yield replace(job, source=replace(job.source, array=MappedArray(path), label=name))  # type: ignore[type-var]


def array_in_memory(source: PixelSource) -> Array | None:
    """Return the array a source holds in this process's memory, if it does."""
    if isinstance(source, ArraySource) and isinstance(source.array, np.ndarray):
        return np.asarray(source.array)
    return None
