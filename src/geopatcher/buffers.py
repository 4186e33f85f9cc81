"""Large arrays that go back to the system as soon as nobody holds them, or to the next who needs one.

An array of some megabytes, made in one thread and dropped in another, is what allocators keep for
later: over hours the process grows although nothing is leaked. These arrays are mapped one by one.
New memory has to be cleared page by page, by the system and on a virtual machine by its host, too: so
a run, which needs arrays of the same few sizes again and again, has them used again.
"""

from __future__ import annotations

import math
import mmap
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geopatcher.protocols import Array

#: Smaller arrays are left to the allocator, which serves them faster.
LARGE_BYTES = 4 << 20


class _Shelf:
    """Memory that was given back, while some run may need it again.

    It never holds more than was in use at one time: who asks for a size that is not there has the shelf
    cleared first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = 0
        self._memory: dict[int, list[mmap.mmap]] = {}

    def open(self) -> None:
        """Begin to keep what is given back."""
        with self._lock:
            self._runs += 1

    def close(self) -> None:
        """Let go of everything when the last run ends."""
        with self._lock:
            self._runs -= 1
            if not self._runs:
                self._memory.clear()

    def take(self, n_bytes: int) -> mmap.mmap | None:
        """Return memory of a size, with anything in it; ``None`` when there is none."""
        with self._lock:
            found = self._memory.get(n_bytes)
            if found:
                return found.pop()
            self._memory.clear()
            return None

    def put(self, memory: mmap.mmap) -> None:
        """Take memory back."""
        with self._lock:
            if self._runs:
                self._memory.setdefault(len(memory), []).append(memory)


_SHELF = _Shelf()


class _Lent:
    """Memory in use by an array, whose base this is: it goes back to the shelf with the array."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        self.__array_interface__ = np.frombuffer(memory, np.uint8).__array_interface__

    def __del__(self) -> None:
        _SHELF.put(self._memory)


@contextmanager
def recycling() -> Iterator[None]:
    """Have large arrays used again inside the context; memory goes back to the system at its end."""
    _SHELF.open()
    try:
        yield
    finally:
        _SHELF.close()


def zeros(shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Return zeros, ``shape`` and ``dtype`` as in `numpy.zeros`.

    >>> int(zeros((3, 1024, 1024), np.dtype("uint16")).sum())
    0
    """
    memory, fresh = _memory(math.prod(shape) * dtype.itemsize)
    if memory is None:
        return np.zeros(shape, dtype)
    array = _array(memory, shape, dtype)
    if not fresh:
        array.fill(0)
    return array


def empty(shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Return an array with anything in it, ``shape`` and ``dtype`` as in `numpy.empty`.

    >>> empty((3, 1024, 1024), np.dtype("uint16")).shape
    (3, 1024, 1024)
    """
    memory, _ = _memory(math.prod(shape) * dtype.itemsize)
    return np.empty(shape, dtype) if memory is None else _array(memory, shape, dtype)


def _memory(n_bytes: int) -> tuple[mmap.mmap | None, bool]:
    """Return memory and whether it is new, that is zero; ``None`` for little."""
    if n_bytes < LARGE_BYTES or sys.platform != "linux":
        return None, True
    used = _SHELF.take(n_bytes)
    if used is not None:
        return used, False
    memory = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)  # a five-hundredth of the page faults
    return memory, True


def _array(memory: mmap.mmap, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    array: Array = np.asarray(_Lent(memory)).view(dtype).reshape(shape)
    return array
