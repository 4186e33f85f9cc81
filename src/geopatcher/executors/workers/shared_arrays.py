"""Sources for other processes: arrays in memory are shared by way of a file that all of them map."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.protocols import HeldArrays, Shareable, Unblocked
from geopatcher.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import EllipsisType

    from geopatcher.core.protocols import Array, PixelSource
    from geopatcher.engine.job import Job

#: Smaller arrays travel whole: a copy each costs less than a file.
SHARED_BYTES = 16 << 20


@dataclass(frozen=True)
class MappedArray:
    """An array in a file of NumPy's; each process maps it, and none holds a copy.

    It is mapped anew for each rectangle: pages that were looked at would count as the process's for as
    long as a map lasts.
    """

    path: Path

    @cached_property
    def _kind(self) -> tuple[tuple[int, ...], np.dtype]:
        cells = self._mapped()
        return cells.shape, cells.dtype

    def _mapped(self) -> Array:
        cells: Array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return cells

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)`` or ``(bands, height, width)``."""
        return self._kind[0]

    @property
    def dtype(self) -> np.dtype:
        """Of the cells."""
        return self._kind[1]

    def __getitem__(self, index: tuple[EllipsisType | slice, ...]) -> Array:
        """Return a rectangle of cells."""
        return self._mapped()[index]

    def __reduce__(self) -> tuple[type[MappedArray], tuple[Path]]:
        return (MappedArray, (self.path,))


def block_width(source: PixelSource) -> int:
    """Return the columns a source's storage decodes at once; 1 for one in memory, which decodes nothing."""
    unblocked = isinstance(source, Unblocked) and source.is_unblocked
    return 1 if unblocked else source.block_shape[1]


def plain(job: Job) -> Job:
    """Return a job whose source can be pickled: an array that knows where it lies forgets that on the way."""
    source = job.source
    held = source.held() if isinstance(source, Shareable) else None
    if held is None or not isinstance(source, Shareable):
        return job
    travelling = source.holding(held)
    return job if travelling is source else replace(job, source=travelling)


@contextmanager
def shared(job: Job) -> Iterator[Job]:
    """Give the job for other processes: one over a large array in memory reads it from a file they share.

    Raises
    ------
    TransportError
        The file cannot be written.

    """
    job = plain(job)
    source = job.source
    array = array_in_memory(source)
    if not isinstance(source, Shareable) or array is None or array.nbytes < SHARED_BYTES:
        yield job
        return
    name = source.name
    with tempfile.TemporaryDirectory(prefix="geopatcher-") as folder:
        path, beside = Path(folder, "source.npy"), Path(folder, "mask.npy")
        mask = mask_in_memory(source)
        try:
            np.save(path, array, allow_pickle=False)
            if mask is not None:
                np.save(beside, mask, allow_pickle=False)
        except OSError as error:
            raise TransportError(
                f"{name} cannot be shared with workers by a file in {folder}: {error}; set TMPDIR to a "
                f"folder with {array.nbytes / 1e9:.1f} GB free, or give the path of a raster"
            ) from error
        mapped = HeldArrays(MappedArray(path), None if mask is None else MappedArray(beside))
        yield replace(job, source=source.holding(mapped))


def _held(source: PixelSource) -> HeldArrays | None:
    return source.held() if isinstance(source, Shareable) else None


def mask_in_memory(source: PixelSource) -> Array | None:
    """Return the mask a source holds in this process's memory, if it does."""
    held = _held(source)
    return None if held is None or held.mask is None else np.asarray(held.mask)


def array_in_memory(source: PixelSource) -> Array | None:
    """Return the array a source holds in this process's memory, if it does."""
    held = _held(source)
    return None if held is None else np.asarray(held.array)
