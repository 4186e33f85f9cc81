"""Digests: of texts and numbers, and of all cells of an array, without a copy of it."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.cpu import usable_cores

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from geopatcher.core.arrays import Sliceable

#: Bytes of cells that are digested at once, by one thread.
STRIP_BYTES = 8 << 20
#: Hexadecimal digits of a digest: 64 bits tell what changed from what did not.
DIGITS = 16


def digest_of(*parts: str | bytes) -> str:
    """Return a digest of texts; where one ends and the next begins counts.

    >>> digest_of("ab", "c") == digest_of("a", "bc")
    False
    """
    whole = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "backslashreplace") if isinstance(part, str) else part
        whole.update(b"%d:" % len(raw))
        whole.update(raw)
    return whole.hexdigest()[:DIGITS]


def array_digest(array: NDArray[np.generic]) -> str:
    """Return a digest of all cells of an array, its dtype and shape; however it lies in memory.

    >>> array_digest(np.zeros(4)) == array_digest(np.zeros((2, 2)))
    False
    >>> cells = np.arange(6).reshape(2, 3)
    >>> array_digest(cells) == array_digest(np.asfortranarray(cells))
    True
    """
    plain = np.asarray(array)
    if plain.ndim < 2 or plain.nbytes <= STRIP_BYTES:
        return digest_of(_kind(plain), hashlib.sha256(_bytes(plain)).digest())
    with ThreadPoolExecutor(usable_cores(), "geopatcher-digest") as pool:
        return digest_of(_kind(plain), *pool.map(partial(_strip, plain), _strips(plain)))


def cells_digest(cells: Sliceable) -> str:
    """Return the digest `array_digest` has of an array, of one that is read strip by strip, by one thread.

    >>> cells_digest(np.ones((3, 4))) == array_digest(np.ones((3, 4)))
    True
    """
    if isinstance(cells, np.ndarray):
        return array_digest(cells)
    n_bytes = cells.dtype.itemsize * int(np.prod(cells.shape))
    if n_bytes <= STRIP_BYTES:
        return array_digest(np.asarray(cells[..., slice(0, cells.shape[-2]), slice(0, cells.shape[-1])]))
    return digest_of(_kind(cells), *(_strip(cells, rows) for rows in _strips(cells)))


def file_digest(path: Path) -> str:
    """Return a digest of a file's bytes.

    Raises
    ------
    OSError
        The file cannot be read.

    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]


def _kind(cells: Sliceable) -> str:
    return f"{np.dtype(cells.dtype).str} {tuple(cells.shape)}"


def _strips(cells: Sliceable) -> Iterable[slice]:
    """Yield rows that are digested at once: what they are follows from shape and dtype alone."""
    height = cells.shape[-2]
    row_bytes = cells.dtype.itemsize * int(np.prod(cells.shape)) // max(1, height)
    step = max(1, STRIP_BYTES // max(1, row_bytes))
    return (slice(row, min(row + step, height)) for row in range(0, height, step))


def _strip(cells: Sliceable, rows: slice) -> bytes:
    """Return the digest of some rows, of one plane after the other: those of most arrays need no copy."""
    part = np.asarray(cells[..., rows, slice(0, cells.shape[-1])])
    whole = hashlib.sha256()
    for plane in part.reshape(-1, *part.shape[-2:]) if part.flags.c_contiguous else _planes(part):
        whole.update(_bytes(plane))
    return whole.digest()


def _planes(part: NDArray[np.generic]) -> Iterable[NDArray[np.generic]]:
    return (part[index] for index in np.ndindex(part.shape[:-2]))


def _bytes(cells: NDArray[np.generic]) -> memoryview:
    """Return the bytes of cells in their order: a copy only where they lie in another."""
    flat: NDArray[np.uint8] = np.ascontiguousarray(cells).reshape(-1).view(np.uint8)
    return flat.data
