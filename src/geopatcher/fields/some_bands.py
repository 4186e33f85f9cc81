"""Some bands of an array or a source, read when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.protocols import BandSelectable
from geopatcher.core.sources import reads_at_once
from geopatcher.fields.source_files import files_under

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import EllipsisType

    from geopatcher.core.arrays import Array, Sliceable
    from geopatcher.core.protocols import PixelSource


@dataclass(frozen=True)
class SomeBands:
    """Some bands, counted from 0, of an array ``(bands, height, width)``."""

    array: Sliceable
    bands: tuple[int, ...]

    def files(self) -> tuple[Path, ...]:
        """Return the files the array comes from."""
        return files_under(self.array)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(bands, height, width)``."""
        return (len(self.bands), *self.array.shape[-2:])

    @property
    def reads_at_once(self) -> int:
        """Of all bands."""
        return reads_at_once(self.array)

    @property
    def dtype(self) -> np.dtype:
        """Of the cells."""
        return self.array.dtype

    def __getitem__(self, index: tuple[EllipsisType | slice, ...]) -> Array:
        """Return a rectangle of these bands, or of some of them."""
        some = index[0] if len(index) == 3 and isinstance(index[0], slice) else slice(None)
        parts = [np.asarray(self.array[(slice(band, band + 1), *index[-2:])]) for band in self.bands[some]]
        return np.concatenate(parts)


def some_bands(source: PixelSource, bands: Sequence[int]) -> PixelSource:
    """Return some bands of a raster, counted from 0.

    Raises
    ------
    ValueError
        Bands of this kind of source cannot be chosen.

    """
    if len(source.domain.shape) == 2:
        return source
    if isinstance(source, BandSelectable):
        return source.select_bands(bands)
    raise ValueError(f"bands cannot be chosen from {source.name}: give its path")
