"""Pixels that are in memory already, or come from something that slices like an array."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from geopatcher.domain import RasterDomain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import EllipsisType

    from geopatcher.box import Box
    from geopatcher.protocols import Array


class Sliceable(Protocol):
    """An ndarray, a zarr or a Dask array: a shape, a dtype, and basic slicing."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)`` or ``(bands, height, width)``."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Of the cells."""
        ...

    def __getitem__(self, index: tuple[EllipsisType | slice, ...]) -> Array:
        """Return a rectangle of cells."""
        ...


@dataclass(frozen=True, eq=False)
class ArraySource:
    """An array with the domain it lies on.

    ``domain.shape`` is the array's. NaN is missing; so is ``domain.nodata``, and what is masked in a
    `numpy.ma.MaskedArray`. ``block`` is what the
    array is stored in, ``origin`` what identifies it, where that is not a sample of its cells.
    """

    array: Sliceable
    domain: RasterDomain
    label: str = ""
    block: tuple[int, int] | None = None
    origin: Mapping[str, str | int | float] | None = None

    @classmethod
    def of(cls, array: Sliceable, **record: object) -> ArraySource:
        """Wrap an array; ``record`` are further fields of its `RasterDomain`."""
        shape, dtype = tuple(map(int, array.shape)), np.dtype(array.dtype)
        if dtype.kind not in "biufc":
            raise TypeError(f"a raster holds numbers, not {dtype} values: convert the array with .astype")
        domain = RasterDomain(shape=shape, dtype=dtype.newbyteorder("="), **record)  # type: ignore[arg-type]
        return cls(array, domain)

    @property
    def block_shape(self) -> tuple[int, int]:
        """Pieces the array is stored in; rows when that does not matter."""
        return self.block or (1, self.domain.width)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)`` or ``(bands, height, width)``."""
        return self.domain.shape

    @property
    def has_nodata(self) -> bool:
        """Whether pixels may be missing."""
        masked = isinstance(self.array, np.ma.MaskedArray)
        return masked or exact_nodata(self.domain.nodata, self.domain.dtype) is not None

    @property
    def name(self) -> str:
        """A description such as ``ndarray uint16 (3, 20, 30)``."""
        return self.label or f"{type(self.array).__name__} {self.domain.dtype} {self.domain.shape}"

    def read(self, box: Box) -> Array:
        """Return ``(bands, height, width)``: a view where the array gives views."""
        part = self.array[(..., *box.slices())]
        pixels = np.asarray(part, self.domain.dtype)
        if np.ma.is_masked(part) and pixels.dtype.kind == "f":
            pixels = np.where(np.ma.getmaskarray(part), pixels.dtype.type(np.nan), pixels)
        pixels = pixels.reshape(self.domain.n_bands, *box.shape)
        nodata = self.domain.nodata
        if pixels.dtype.kind == "f" and nodata is not None and not np.isnan(nodata):
            missing = pixels == pixels.dtype.type(nodata)
            if missing.any():
                pixels = np.where(missing, pixels.dtype.type(np.nan), pixels)
        return pixels

    def valid(self, box: Box, pixels: Array) -> Array | None:
        """Return where integer pixels hold data; ``None`` without a nodata value or a mask."""
        if pixels.dtype.kind == "f" or not self.has_nodata:
            return None
        known: Array = np.ones(pixels.shape, dtype=bool)
        nodata = exact_nodata(self.domain.nodata, pixels.dtype)
        if nodata is not None:
            np.not_equal(pixels, nodata, out=known)
        if isinstance(self.array, np.ma.MaskedArray):
            mask = np.ma.getmaskarray(self.array[(..., *box.slices())])
            known &= ~mask.reshape(pixels.shape)
        return known

    def identity(self) -> Mapping[str, str | int | float]:
        """Return shape and dtype, and a checksum of a sample of the cells: arrays have no file to name."""
        if self.origin is not None:
            return self.origin
        height, width = self.domain.grid_shape
        rows = slice(0, height, max(1, height // 16))
        cols = slice(0, width, max(1, width // 16))
        sample = np.ascontiguousarray(np.asarray(self.array[(..., rows, cols)]))
        return {"shape": str(self.domain.shape), "dtype": str(self.domain.dtype), "sample": _checksum(sample)}


def exact_nodata(nodata: float | int | None, dtype: np.dtype) -> float | int | None:
    """Return a nodata value as integers can hold it, ``None`` when no cell can have it.

    Integers are compared as integers: as floats, 2**60 would equal its neighbours.

    >>> exact_nodata(255.0, np.dtype("uint8")), exact_nodata(-9999.0, np.dtype("uint8"))
    (255, None)
    """
    if nodata is None or dtype.kind in "fc":
        return nodata
    if not np.isfinite(nodata) or int(nodata) != nodata:
        return None
    limits = np.iinfo(dtype) if dtype.kind in "iu" else np.iinfo("uint8")
    return int(nodata) if limits.min <= int(nodata) <= limits.max else None


def _checksum(sample: Array) -> int:
    """CRC-32 of the cells' bytes."""
    return zlib.crc32(sample.tobytes())
