"""A raster as the quantity it stands for: its scale and offset applied."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.blocks_below import blocks_below
from geopatcher.core.buffers import empty
from geopatcher.core.protocols import Concurrent, FromFiles, Shareable, Versioned
from geopatcher.core.sources import reads_at_once
from geopatcher.errors import SourceError
from geopatcher.fields.declared import working_bytes
from geopatcher.fields.some_bands import some_bands

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from geopatcher.core.arrays import Array
    from geopatcher.core.blocks_below import BlocksBelow
    from geopatcher.core.box import Box
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import HeldArrays, PixelSource


@dataclass(frozen=True)
class Scaled:
    """A raster whose pixels are ``scale * stored + offset``, band by band, and NaN where they are missing.

    They are float32 where what is stored has no more than 16 bits, or is float32, and float64 otherwise. They
    are worked out as float64, and rounded once.
    """

    stored: PixelSource

    def __post_init__(self) -> None:
        if self.stored.domain.dtype.kind not in "biuf":
            raise SourceError(
                f"{self.stored.name} holds {self.stored.domain.dtype}, to which no scale and offset is "
                f"applied: leave scale_offset out"
            )

    @cached_property
    def domain(self) -> RasterDomain:
        """The same grid, of floats that mean themselves."""
        stored = self.stored.domain
        narrow = stored.dtype.itemsize <= (4 if stored.dtype.kind == "f" else 2)
        bands = tuple(replace(band, scale=1.0, offset=0.0) for band in stored.metadata.bands)
        return replace(
            stored,
            dtype=np.dtype("float32" if narrow else "float64"),
            nodata=None if stored.nodata is None else math.nan,
            metadata=replace(stored.metadata, bands=bands),
        )

    @property
    def block_shape(self) -> tuple[int, int]:
        """Of what is stored."""
        return self.stored.block_shape

    @property
    def has_nodata(self) -> bool:
        """Whether pixels may be missing."""
        return self.stored.has_nodata

    @property
    def name(self) -> str:
        """Of what is stored."""
        return self.stored.name

    @property
    def reads_concurrently(self) -> bool:
        """Whether what is stored may be read by several threads."""
        return isinstance(self.stored, Concurrent) and self.stored.reads_concurrently

    @property
    def reads_at_once(self) -> int:
        """Of what is stored."""
        return reads_at_once(self.stored)

    @property
    def working_bytes(self) -> int:
        """As of what it is made of."""
        return working_bytes(self.stored)

    @property
    def blocks_below(self) -> tuple[BlocksBelow, ...]:
        """Of what is stored."""
        return blocks_below(self.stored)

    def read(self, box: Box) -> Array:
        """Return ``(bands, height, width)``: the quantity, NaN where it is missing."""
        pixels = self.stored.read(box)
        return self.applied(pixels, self.stored.valid(box, pixels))

    def valid(self, box: Box, pixels: Array) -> None:
        """Return ``None``: NaN says it."""
        _ = box, pixels

    def applied(self, pixels: Array, held: Array | None) -> Array:
        """Return what stored pixels, ``(bands, h, w)``, stand for; ``held`` says where they are data."""
        made = empty(pixels.shape, self.domain.dtype)
        bands = self.stored.domain.metadata.bands
        for number in range(len(pixels)):
            band = pixels[number].astype(np.float64)
            if bands:
                band *= bands[number].scale
                band += bands[number].offset
            if held is not None:
                band[~held[number]] = np.nan
            made[number] = band
        return made

    def select_bands(self, bands: Sequence[int]) -> Scaled:
        """Return a source of some bands, counted from 0."""
        return Scaled(some_bands(self.stored, bands))

    def held(self) -> HeldArrays | None:
        """Return the arrays in the memory of this process that hold what is stored."""
        return self.stored.held() if isinstance(self.stored, Shareable) else None

    def holding(self, arrays: HeldArrays) -> Scaled:
        """Return the same over other arrays with the same cells."""
        return Scaled(self.stored.holding(arrays)) if isinstance(self.stored, Shareable) else self

    def files(self) -> Sequence[Path]:
        """Return the files of what is stored."""
        return self.stored.files() if isinstance(self.stored, FromFiles) else ()

    def identity(self) -> Mapping[str, str | int | float]:
        """Return what identifies what is stored, and the scale and offset of each band."""
        bands = self.stored.domain.metadata.bands
        applied = ";".join(f"{band.scale!r},{band.offset!r}" for band in bands)
        return {**self.stored.identity(), "scale_offset": applied or "none"}

    def version(self) -> str:
        """Return what says that what is stored has changed."""
        return self.stored.version() if isinstance(self.stored, Versioned) else ""
