"""Large arrays that go back to the system as soon as nobody holds them, or to the next who needs one.

An array of some megabytes, made in one thread and dropped in another, is what allocators keep for
later: over hours the process grows although nothing is leaked. These arrays are mapped one by one.
New memory has to be cleared page by page, by the system and on a virtual machine by its host, too: so
a run, which needs arrays of the same few sizes again and again, has them used again.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import sys
import threading
from collections import OrderedDict
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geopatcher.core.arrays import Array

#: Smaller arrays are left to the allocator, which serves them faster.
LARGE_BYTES = 1 << 20


#: Sizes of memory that are kept: rows of input and of masks, sums and weights.
MAX_SIZES = 4


class _Shelf:
    """Memory that was given back, while some run may need it again.

    Of each size it holds no more than was in use at one time, and it knows the `MAX_SIZES` asked for
    last. Who asks for another has the shelf cleared first: another phase begins.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, as in a process forked off: a thread that is not in it may have held the lock."""
        self._lock = threading.RLock()  # an array can be dropped, by the collector, in the middle of this
        self._runs = 0
        self._memory: OrderedDict[int, list[mmap.mmap]] = OrderedDict()

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
            if n_bytes not in self._memory:
                for kept in self._memory.values():
                    kept.clear()
                self._memory[n_bytes] = []
                if len(self._memory) > MAX_SIZES:
                    self._memory.popitem(last=False)
            self._memory.move_to_end(n_bytes)
            found = self._memory[n_bytes]
            return found.pop() if found else None

    def put(self, memory: mmap.mmap) -> None:
        """Take memory back."""
        with self._lock:
            if self._runs and len(memory) in self._memory:
                self._memory[len(memory)].append(memory)


_SHELF = _Shelf()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_SHELF.forget)


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
    array = empty(shape, dtype)
    # New memory is zero, too; but pages that are read before they are written cost twice.
    array.fill(0)
    return array


def empty(shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Return an array with anything in it, ``shape`` and ``dtype`` as in `numpy.empty`.

    >>> empty((3, 1024, 1024), np.dtype("uint16")).shape
    (3, 1024, 1024)
    """
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes < LARGE_BYTES or sys.platform != "linux":
        return np.empty(shape, dtype)
    memory = _SHELF.take(n_bytes)
    if memory is None:
        memory = _mapped(n_bytes)
        with suppress(OSError):  # a system may not have them
            memory.madvise(mmap.MADV_HUGEPAGE)  # a five-hundredth of the page faults
    array: Array = np.asarray(_Lent(memory)).view(dtype).reshape(shape)
    return array


def sparse_zeros(shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Return zeros that are written once, bit by bit: memory is taken as they are.

    Pages are of the ordinary size. Large ones, which NumPy would ask for, serve what is written often; a
    virtual machine may have given them back to its host, which then takes a second for half a gigabyte.

    >>> int(sparse_zeros((3, 1024, 1024), np.dtype("uint16")).sum())
    0
    """
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes < LARGE_BYTES or sys.platform != "linux":
        return np.zeros(shape, dtype)
    return np.frombuffer(_mapped(n_bytes), dtype).reshape(shape)


def trim() -> None:
    """Have the C library give back what it keeps for later: another phase begins, which needs other sizes.

    glibc does so where it can be asked; elsewhere nothing happens.
    """
    if _TRIM is not None:
        _TRIM(0)


def _find_trim() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    try:
        return ctypes.CDLL(None).malloc_trim
    except AttributeError:  # another C library
        return None


_TRIM = _find_trim()


def _mapped(n_bytes: int) -> mmap.mmap:
    return mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
