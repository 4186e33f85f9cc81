"""Patches in files, as `geopatcher.PatchCache` keeps them: arrays and a checksum."""

from __future__ import annotations

import contextlib
import io
import math
import os
import zlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from geopatcher.core.protocols import Array

_CRC_BYTES = 4
#: Bytes of an entry beside its cells, at most.
MARGIN = 4096
#: Arrays of an entry, at most.
MOST_ARRAYS = 3
#: Stands for an array that an entry does not have.
NOTHING = np.empty(0, dtype=bool)


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


class CachedPatch(NamedTuple):
    """What a patch carried that was kept: its data, masked where it was, and its taper."""

    data: Array
    weights: Array | None

    @classmethod
    def of(cls, arrays: Sequence[Array]) -> CachedPatch | None:
        """Return what an entry of three arrays is; ``None`` for another one."""
        if len(arrays) != MOST_ARRAYS:
            return None
        data, mask, weights = arrays
        if mask.size and (mask.shape != data.shape or mask.dtype != bool):
            return None
        masked = np.ma.array(data, mask=mask) if mask.size else data
        return cls(masked, weights if weights.size else None)

    @property
    def arrays(self) -> tuple[Array, Array, Array]:
        """Data, mask and weights; `NOTHING` where there is none."""
        mask = np.ma.getmaskarray(self.data) if isinstance(self.data, np.ma.MaskedArray) else NOTHING
        return np.ma.getdata(self.data), mask, NOTHING if self.weights is None else self.weights


def packed(arrays: Sequence[Array]) -> bytes:
    """Return an entry's bytes: arrays as `numpy.save` writes them, and their CRC-32."""
    buffer = io.BytesIO()
    for array in arrays:
        np.save(buffer, array, allow_pickle=False)
    raw = buffer.getvalue()
    return raw + zlib.crc32(raw).to_bytes(_CRC_BYTES, "little")


def unpacked(raw: bytes) -> list[Array] | None:
    """Return an entry's arrays from its bytes, ``None`` unless they are the ones that were written."""
    whole, crc = raw[:-_CRC_BYTES], raw[-_CRC_BYTES:]
    if not whole or zlib.crc32(whole).to_bytes(_CRC_BYTES, "little") != crc:
        return None
    buffer = io.BytesIO(whole)
    arrays: list[Array] = []
    try:
        while buffer.tell() < len(whole) and len(arrays) < MOST_ARRAYS:
            arrays.append(_array(buffer, len(whole)))
    except (ValueError, EOFError, SyntaxError):  # not of this library
        return None
    return arrays


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


def touch(path: Path) -> None:
    """Note that an entry was used; harmless where another process has removed it."""
    with contextlib.suppress(OSError):
        os.utime(path)


def remove(path: Path) -> None:
    """Remove a file; harmless where it is gone, or may not be removed."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
