"""Pixels that are in memory already, or come from something that slices like an array."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.digests import cells_digest
from geopatcher.core.domain import RasterDomain
from geopatcher.core.leading import unnamed
from geopatcher.core.protocols import HeldArrays, Sliceable
from geopatcher.core.sources import reads_at_once
from geopatcher.fields.declared import working_bytes
from geopatcher.fields.flat_bands import flat_bands
from geopatcher.fields.masked import parted
from geopatcher.fields.some_bands import SomeBands
from geopatcher.fields.source_files import files_under
from geopatcher.formats.attributes import whole_numbers

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from pathlib import Path

    from geopatcher.core.box import Box
    from geopatcher.core.leading import Leading
    from geopatcher.core.protocols import Array
    from geopatcher.fields.origin import Origin


@dataclass(frozen=True, eq=False)
class ArraySource:
    """An array with the domain it lies on.

    ``domain.shape`` is the array's, which has its leading dimensions in one. NaN is missing; so is
    ``domain.nodata``, and what is masked in a `numpy.ma.MaskedArray` or in a Dask array of such, and where
    ``mask``, ``(h, w)`` or of the array's shape, is 0. ``block`` is what the array is stored in, ``origin``
    what identifies it, where that is not all its cells.
    """

    array: Sliceable
    domain: RasterDomain
    label: str = ""
    block: tuple[int, int] | None = None
    origin: Origin | None = None
    mask: Sliceable | None = None

    def __post_init__(self) -> None:
        cells, held = parted(self.array)
        if held is not None:  # from here on an array and a mask, as of any other kind
            object.__setattr__(self, "label", self.name)
            object.__setattr__(self, "array", cells)
            object.__setattr__(self, "mask", flat_bands(held))

    @classmethod
    def of(cls, array: Sliceable, **record: object) -> ArraySource:
        """Wrap an array; ``record`` are further fields of its `RasterDomain`."""
        dtype = np.dtype(array.dtype)
        if dtype.kind not in "biufc":
            raise TypeError(f"a raster holds numbers, not {dtype} values: convert the array with .astype")
        shape, leading = flattened(array.shape)
        record = {"leading": leading} | record
        domain = RasterDomain(shape=shape, dtype=dtype.newbyteorder("="), **record)  # type: ignore[arg-type]
        if not leading:
            return cls(array, domain)
        label = f"{type(array).__name__} {domain.dtype} {tuple(array.shape)}"
        cells, held = parted(array)
        return cls(flat_bands(cells), domain, label, mask=None if held is None else flat_bands(held))

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
        return self.mask is not None or exact_nodata(self.domain.nodata, self.domain.dtype) is not None

    @property
    def gives_views(self) -> bool:
        """Whether `read` gives parts of an array in memory as they are."""
        array, nodata = self.array, self.domain.nodata
        marked = nodata is not None and not np.isnan(nodata)
        changed = self.domain.dtype.kind == "f" and (marked or isinstance(array, np.ma.MaskedArray))
        return isinstance(array, np.ndarray) and array.dtype == self.domain.dtype and not changed

    @property
    def mapped_bytes(self) -> int:
        """Bytes of the file an array is mapped from, as by ``numpy.load(path, mmap_mode="r")``; else 0."""
        part: object = self.array
        while isinstance(part, np.ndarray):
            if isinstance(part, np.memmap):
                return int(part.nbytes)
            part = part.base
        return 0

    @property
    def working_bytes(self) -> int:
        """Of what the cells are read from."""
        return working_bytes(self.origin)

    @property
    def reads_at_once(self) -> int:
        """Of the array."""
        return reads_at_once(self.array)

    @property
    def is_unblocked(self) -> bool:
        """Whether the array is stored in no pieces."""
        return self.block is None

    def select_bands(self, bands: Sequence[int]) -> ArraySource:
        """Return a source of some bands of a three-dimensional array, counted from 0."""
        picked = tuple(bands)
        mask = self.mask
        if mask is not None and len(mask.shape) > 2:
            mask = SomeBands(mask, picked)
        return replace(
            self, array=SomeBands(self.array, picked), mask=mask, domain=self.domain.of_bands(picked)
        )

    def held(self) -> HeldArrays | None:
        """Return the array and the mask that are in memory; ``None`` where the array is not."""
        if not isinstance(self.array, np.ndarray):
            return None
        return HeldArrays(self.array, self.mask if isinstance(self.mask, np.ndarray) else None)

    def holding(self, arrays: HeldArrays) -> ArraySource:
        """Return the same source over other arrays with the same cells."""
        array, mask = arrays.array, self.mask if arrays.mask is None else arrays.mask
        if array is self.array and mask is self.mask:
            return self
        return replace(self, array=array, mask=mask, label=self.name)

    @property
    def name(self) -> str:
        """A description such as ``ndarray uint16 (3, 20, 30)``."""
        return self.label or f"{type(self.array).__name__} {self.domain.dtype} {self.domain.shape}"

    def read(self, box: Box) -> Array:
        """Return ``(bands, height, width)``: a view where the array gives views."""
        pixels = np.asarray(self.array[(..., *box.slices())], self.domain.dtype)
        pixels = pixels.reshape(self.domain.n_bands, *box.shape)
        nodata = self.domain.nodata
        if pixels.dtype.kind == "f" and nodata is not None and not np.isnan(nodata):
            missing = pixels == pixels.dtype.type(nodata)
            if missing.any():
                pixels = np.where(missing, pixels.dtype.type(np.nan), pixels)
        if pixels.dtype.kind == "f" and self.mask is not None:
            pixels = np.where(self._held(box), pixels, pixels.dtype.type(np.nan))
        return pixels

    def _held(self, box: Box) -> Array | np.bool_:
        """Return where the mask says that cells hold data, one band for all or each its own."""
        if self.mask is None:
            return np.True_
        held: Array = np.asarray(self.mask[(..., *box.slices())]) != 0
        return held

    def valid(self, box: Box, pixels: Array) -> Array | None:
        """Return where integer pixels hold data; ``None`` without a nodata value or a mask."""
        if pixels.dtype.kind == "f" or not self.has_nodata:
            return None
        known = differing(pixels, self.domain.nodata)
        known &= self._held(box)
        return known

    def files(self) -> tuple[Path, ...]:
        """Return the files the cells come from: that of a memory map, the folder of a store."""
        return files_under(self.array)

    def identity(self) -> Mapping[str, str | int | float]:
        """Return shape and dtype, and a digest of all cells, or what is known of where they come from."""
        known = {"shape": str(self.domain.shape), "dtype": str(self.domain.dtype)}
        if self.origin is not None:
            return {**known, **self.origin.identity()}
        held = {} if self.mask is None else {"mask": cells_digest(self.mask)}
        return {**known, "cells": cells_digest(self.array), **held}

    def version(self) -> str:
        """Return a text that changes when what the cells are read from does; ``""`` for those in memory."""
        return "" if self.origin is None else self.origin.version()


def flattened(shape: Sequence[int]) -> tuple[tuple[int, ...], Leading]:
    """Return the shape of an array with its leading dimensions in one, and these where it has several.

    >>> flattened((4, 20, 30)), flattened((12, 4, 20, 30))[0]
    (((4, 20, 30), ()), (48, 20, 30))
    """
    lengths = tuple(map(int, shape))
    if len(lengths) <= 3:
        return lengths, ()
    return (math.prod(lengths[:-2]), *lengths[-2:]), unnamed(lengths[:-2])


def is_mask(attributes: Mapping[Hashable, object]) -> bool:
    """Whether a variable with these CF attributes says which cells hold data: a flag whose 0 is "missing".

    >>> is_mask({"standard_name": "status_flag", "flag_values": [0, 1], "flag_meanings": "missing valid"})
    True
    >>> is_mask({"standard_name": "status_flag", "flag_values": [0, 1], "flag_meanings": "land sea"})
    False
    """
    values = whole_numbers(attributes.get("flag_values", ()))
    meanings = str(attributes.get("flag_meanings", "")).split()
    flag = attributes.get("standard_name") == "status_flag"
    return flag and len(values) > 0 and values[0] == 0 and meanings[:1] == ["missing"]


def differing(pixels: Array, nodata: float | int | None) -> Array:
    """Return where integer pixels are not a nodata value; everywhere where they cannot be.

    >>> differing(np.array([1, 255], "uint8"), 255.0), differing(np.array([1, 255], "uint8"), None)
    (array([ True, False]), array([ True,  True]))
    """
    exact = exact_nodata(nodata, pixels.dtype)
    found: Array = np.ones(pixels.shape, dtype=bool)
    return found if exact is None else np.not_equal(pixels, exact, out=found)


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
