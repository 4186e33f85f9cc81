"""Pixels of anything GDAL opens, strip by strip."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from geopatcher.buffers import empty
from geopatcher.domain import RasterDomain
from geopatcher.errors import SourceError
from geopatcher.fields.array_source import exact_nodata
from geopatcher.fields.handles import CACHE_BYTES, POOL, redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.box import Box
    from geopatcher.protocols import Array


@dataclass(frozen=True)
class RasterioSource:
    """A raster file or URL, or a window and a choice of bands of one.

    ``bands`` are 1-based; ``None`` takes all. ``window`` restricts to a rectangle of the file.
    Pixels come in the file's dtype; nodata and masked pixels of floating-point rasters come as NaN,
    those of integer rasters are told by `valid`.
    """

    path: str
    bands: tuple[int, ...] | None = None
    window: Box | None = None
    _record: _Record = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        record = _Record.of(self.path, self.bands)
        if self.window is not None:
            record = record.cut(self.window)
        object.__setattr__(self, "_record", record)

    @property
    def domain(self) -> RasterDomain:
        """Grid, georeference, dtype, nodata and band names."""
        return self._record.domain

    @property
    def block_shape(self) -> tuple[int, int]:
        """Tile (or strip) of the file."""
        return self._record.block_shape

    @property
    def shape(self) -> tuple[int, ...]:
        """``(bands, height, width)``."""
        return self.domain.shape

    @property
    def has_nodata(self) -> bool:
        """Whether pixels may be missing: the file names a nodata value, a mask or an alpha band."""
        return self._record.has_mask or any(value is not None for value in self._record.nodata)

    @property
    def name(self) -> str:
        """The path, without what a URL may carry of secrets."""
        return redacted(self.path, self.path)

    @property
    def indexes(self) -> tuple[int, ...]:
        """1-based bands that are read."""
        return self._record.indexes

    def read(self, box: Box) -> Array:
        """Return ``(bands, height, width)`` in the file's dtype.

        Raises
        ------
        SourceError
            The pixels cannot be read; names file and window.

        """
        pixels = self._fetch(box, masks=False)
        if pixels.dtype.kind == "f":
            self._mark_missing(pixels, box)
        return pixels

    def valid(self, box: Box, pixels: Array) -> Array | None:
        """Return where integer pixels hold data, ``None`` when the file has no way to say otherwise."""
        if pixels.dtype.kind == "f" or not self.has_nodata:
            return None
        valid = empty(pixels.shape, np.dtype(bool))
        for band, value in enumerate(self._record.nodata):
            if value is None:
                valid[band] = True
            else:
                np.not_equal(pixels[band], value, out=valid[band])
        if self._record.has_mask:
            valid &= self._fetch(box, masks=True) > 0
        return valid

    def identity(self) -> Mapping[str, str | int | float]:
        """Return name, grid and, for a local file, size and modification time."""
        known: dict[str, str | int | float] = {
            "path": self.name,
            "shape": "x".join(map(str, self.domain.shape)),
            "dtype": str(self.domain.dtype),
            "bands": ",".join(map(str, self.indexes)),
            "window": str(self.window or "all"),
        }
        local = Path(self.path)
        if local.is_file():
            status = local.stat()
            known |= {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
        return known

    def _fetch(self, box: Box, *, masks: bool) -> Array:
        row, col = (self.window.row0, self.window.col0) if self.window else (0, 0)
        window = Window(box.col0 + col, box.row0 + row, box.width, box.height)
        try:
            with POOL.borrow(self.path) as dataset, rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
                read = dataset.read_masks if masks else dataset.read
                dtype = np.dtype("uint8") if masks else self.domain.dtype
                pixels = empty((len(self.indexes), *box.shape), dtype)
                if masks or self._record.one_dtype:
                    read(list(self.indexes), out=pixels, window=window)
                else:  # bands of a VRT or a netCDF file may differ, and are then read one by one
                    for position, band in enumerate(self.indexes):
                        read(band, out=pixels[position], window=window)
        except RasterioError as error:
            why = redacted(str(error.__cause__ or error), self.path)
            raise SourceError(f"cannot read {self.name}, {box}: {why}") from error
        return pixels

    def _mark_missing(self, pixels: Array, box: Box) -> None:
        if self._record.has_mask:
            pixels[self._fetch(box, masks=True) == 0] = np.nan
        for band, value in enumerate(self._record.nodata):
            if value is not None and not np.isnan(value):
                pixels[band][pixels[band] == pixels.dtype.type(value)] = np.nan


@dataclass(frozen=True)
class _Record:
    """What the file's header says."""

    domain: RasterDomain
    block_shape: tuple[int, int]
    indexes: tuple[int, ...]
    nodata: tuple[float | int | None, ...]
    has_mask: bool
    one_dtype: bool

    @classmethod
    def of(cls, path: str, bands: tuple[int, ...] | None) -> _Record:
        with POOL.borrow(path) as dataset:
            if dataset.count == 0:
                subdatasets = ", ".join(dataset.subdatasets[:4])
                raise SourceError(
                    f"{path} has no bands of its own; open one of its subdatasets: {subdatasets}"
                )
            indexes = tuple(bands) if bands is not None else tuple(dataset.indexes)
            missing = [band for band in indexes if band not in dataset.indexes]
            if missing or not indexes:
                raise SourceError(f"{path} has bands 1 to {dataset.count}; asked for {missing or 'none'}")
            position = [band - 1 for band in indexes]
            dtypes = [_dtype(path, dataset.dtypes[band]) for band in position]
            values = [dataset.nodatavals[band] for band in position]
            nodata = tuple(exact_nodata(value, dtype) for value, dtype in zip(values, dtypes, strict=True))
            flags = [dataset.mask_flag_enums[band] for band in position]
            names = tuple(dataset.descriptions[band] or f"b{band + 1}" for band in position)
            units = tuple(dataset.units[band] or "" for band in position)
            height, width = dataset.block_shapes[position[0]]
            known = [value for value in nodata if value is not None]
            try:
                domain = RasterDomain(
                    shape=(len(indexes), dataset.height, dataset.width),
                    transform=dataset.transform,
                    crs=dataset.crs.to_wkt() if dataset.crs else None,
                    nodata=known[0] if known else None,
                    dtype=np.result_type(*dtypes),
                    band_names=names,
                    units=units if any(units) else (),
                )
            except ValueError as error:
                raise SourceError(f"{path} cannot be used: {error}") from error
        has_mask = any(MaskFlags.per_dataset in flag or MaskFlags.alpha in flag for flag in flags)
        return cls(domain, (height, width), indexes, nodata, has_mask, len(set(dtypes)) == 1)

    def cut(self, window: Box) -> _Record:
        whole = (0, self.domain.height, 0, self.domain.width)
        inside = 0 <= window.row0 < window.row1 <= whole[1] and 0 <= window.col0 < window.col1 <= whole[3]
        if not inside:
            raise SourceError(f"window {window} is not inside the raster of {self.domain.grid_shape} pixels")
        return replace(self, domain=self.domain.cut(window))


def _dtype(path: str, name: str) -> np.dtype:
    """Return a band's dtype; GDAL has some that NumPy has not."""
    try:
        return np.dtype(name)
    except TypeError as error:
        raise SourceError(f"{path} cannot be used: NumPy has no dtype {name}") from error
