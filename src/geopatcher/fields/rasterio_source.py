"""Pixels of anything GDAL opens, strip by strip."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.windows import Window

from geopatcher.core.buffers import empty
from geopatcher.core.digests import digest_of
from geopatcher.errors import SourceChangedError, SourceError
from geopatcher.errors.redaction import shown
from geopatcher.fields.file_identity import SourceFiles
from geopatcher.fields.mask_beside import missing_mask, require_alike
from geopatcher.fields.noticed import NOTICED, AskedAhead, open_all_anew
from geopatcher.fields.raster_record import Header, Record, is_masked
from geopatcher.fields.source_files import files_behind
from geopatcher.formats.dataset_pool import POOL
from geopatcher.formats.side_by_side import IN_FLIGHT, READS_AT_ONCE, one_read, pieces, side_by_side
from geopatcher.formats.signing import SIGNED, renewing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from geopatcher.core.box import Box
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array
    from geopatcher.formats.signing import Sign


@dataclass(frozen=True, repr=False)
class RasterioSource:
    """A raster file or URL, or a window and a choice of bands of one.

    ``bands`` are 1-based; ``None`` takes all. ``window`` restricts to a rectangle of the file.
    ``sign`` makes of the path an address by which a server lets us in, each time it has to.
    Pixels come in the file's dtype; nodata and masked pixels of floating-point rasters come as NaN,
    those of integer rasters are told by `valid`. ``beside`` are the same bands and window of the mask that
    lies beside a result, whose gaps differ between bands.
    """

    path: str
    bands: tuple[int, ...] | None = None
    window: Box | None = None
    sign: Sign | None = None
    _record: Record = field(init=False, compare=False)
    _asked: AskedAhead | None = field(init=False, compare=False, default=None)
    beside: RasterioSource | None = field(init=False, compare=False, default=None)

    def __post_init__(self) -> None:
        self._note()
        asked = NOTICED.open_anew(self.path, AskedAhead.of(self.path))
        object.__setattr__(self, "_asked", asked)
        record = Record.of(self.path, self.bands, self.window)
        object.__setattr__(self, "_record", record)
        if record.beside is not None:
            object.__setattr__(self, "beside", self._mask_at(record.beside))

    def _mask_at(self, path: str) -> RasterioSource:
        """Open the mask beside the file."""
        try:
            mask = RasterioSource(path, self.bands, self.window, self.sign)
        except SourceError as error:
            raise missing_mask(self.name, path, error) from error
        require_alike(self.name, path, self.domain, mask.domain)
        return mask

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_asked": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._note()

    def _note(self) -> None:
        if self.sign is not None:
            SIGNED.note(self.path, self.sign)

    def __repr__(self) -> str:
        return f"RasterioSource({self.name!r}, bands={self.bands}, window={self.window})"

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
        return shown(self.path)

    @property
    def indexes(self) -> tuple[int, ...]:
        """1-based bands that are read."""
        return self._record.indexes

    @property
    def reads_concurrently(self) -> bool:
        """Yes: handles are lent to one thread each."""
        return True

    @property
    def reads_at_once(self) -> int:
        """Several where each waits for a server."""
        return READS_AT_ONCE if self._record.is_tiled_elsewhere else 1

    def select_bands(self, bands: Sequence[int]) -> RasterioSource:
        """Return a source of some of its bands, counted from 0."""
        return self._part(tuple(self.indexes[band] for band in bands), self.window)

    def cut(self, window: Box) -> RasterioSource:
        """Return a source of a rectangle of the file.

        Raises
        ------
        SourceError
            It is not inside.

        """
        return self._part(self.bands, window)

    def _part(self, bands: tuple[int, ...] | None, window: Box | None) -> RasterioSource:
        """Return another choice of the file as it was when it was opened."""
        part = copy(self)
        record = Record.of(self.path, bands, window)
        if not record.header.agrees(self._record.header):
            raise SourceChangedError(f"{self.name} has changed since it was opened: open it again")
        mask = None if self.beside is None else self.beside._part(bands, window)  # noqa: SLF001 - of this class
        vars(part).update(bands=bands, window=window, _record=record, beside=mask)
        return part

    def read(self, box: Box) -> Array:
        """Return ``(bands, height, width)`` in the file's dtype.

        Raises
        ------
        SourceError
            The pixels cannot be read, or GDAL says that they are damaged; names file and window.
        SourceAccessError
            A server says that they are not there, or not for us.

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
            valid &= self._mask(box) > 0
        return valid

    def files(self) -> tuple[Path, ...]:
        """Return the local files behind the path: of a VRT all it is made of."""
        return files_behind(self.path)

    def identity(self) -> Mapping[str, str | int | float]:
        """Return name, grid, what is read of it, and which version it is of every file behind it.

        Raises
        ------
        SourceError
            Its header is not the one it had when it was opened.

        """
        self._require_unchanged()
        known: dict[str, str | int | float] = {
            "path": self.name,
            "shape": "x".join(map(str, self.domain.shape)),
            "dtype": str(self.domain.dtype),
            "bands": ",".join(map(str, self.indexes)),
            "window": str(self.window or "all"),
            "gdal": rasterio.__gdal_version__,
        }
        if self.has_nodata and self.domain.nodata is None:  # a mask, or values of each band
            mask = "mask " if self._record.has_mask else ""
            known["missing"] = mask + ",".join(map(str, self._record.nodata))
        if self.path.lstrip().startswith(("<", "{", "vrt://")):  # the dataset itself, as text
            known["text"] = digest_of(self.path)
        return known | SourceFiles.of(self.path).identity()

    def version(self) -> str:
        """Return the sizes and times of the files behind it, or what their servers say of them, as a digest.

        The first time that may be what a server said while the raster was opened, a moment ago. Where that
        may be of a newer file than was opened, it is opened anew.

        Raises
        ------
        SourceError
            A server does not answer, or its header is not the one it had when it was opened.

        """
        asked, known = self._asked, {}
        if asked is not None:
            object.__setattr__(self, "_asked", None)
            known = asked.answers()
        version = self._behind.version(known)
        if asked is not None and not (known and asked.is_of_the_opened):
            open_all_anew(self.path, self._behind)
            self._require_unchanged()
        NOTICED.take(self.path, self._behind, version)
        return version

    def _require_unchanged(self) -> None:
        if repr(Record.of(self.path, self.bands, self.window)) != repr(self._record):
            raise SourceChangedError(f"{self.name} has changed since it was opened: open it again")

    @cached_property
    def _behind(self) -> SourceFiles:
        return SourceFiles.of(self.path)

    def _mask(self, box: Box) -> Array:
        """Return 0 where pixels are missing, by what says it of each band if anything does."""
        return self._fetch(box, masks=True) if self.beside is None else self.beside.read(box)

    def _fetch(self, box: Box, *, masks: bool) -> Array:
        """Read pixels or masks; again where tiles of a mosaic may be lacking, see `HandlePool.failures`."""
        failures = -1
        while failures != POOL.failures:
            failures = POOL.failures
            pixels = self._fetch_once(box, masks=masks)
        return pixels

    def _fetch_once(self, box: Box, *, masks: bool) -> Array:
        pixels = empty((len(self.indexes), *box.shape), np.dtype("uint8") if masks else self.domain.dtype)
        if not self._record.is_tiled_elsewhere:
            self._fetch_into(pixels, box, masks=masks)
            return pixels
        row, col = (self.window.row0, self.window.col0) if self.window else (0, 0)
        with one_read() as most:
            parts = [part.shift(-row, -col) for part in pieces(box.shift(row, col), self.block_shape, most)]
            handles = len(parts) * min(READS_AT_ONCE, -(-self.domain.height // box.height))
            if handles > 1:
                POOL.prepare(self.path, min(IN_FLIGHT, handles))
            side_by_side(
                [partial(self._fetch_into, pixels[:, *part.slices(box)], part, masks=masks) for part in parts]
            )
        return pixels

    def _fetch_into(self, pixels: Array, box: Box, *, masks: bool) -> None:
        """Read ``box`` into an array of its shape, which may be a part of another."""
        renewing(self.path, partial(self._fetch_signed, pixels, box, masks=masks))

    def _fetch_signed(self, pixels: Array, box: Box, *, masks: bool) -> None:
        row, col = (self.window.row0, self.window.col0) if self.window else (0, 0)
        window = Window(box.col0 + col, box.row0 + row, box.width, box.height)
        doing = f"cannot read {self.name}, {box}"
        with POOL.borrow(self.path, doing, window) as dataset:
            if not self._record.header.agrees(Header.of(dataset)):
                POOL.drop(self.path)
                raise SourceChangedError(f"{doing}: it has changed since it was opened: open it again")
            flags = [dataset.mask_flag_enums[band - 1] for band in self.indexes] if masks else []
            if masks and not (self._record.only_gdal or is_masked(flags)):
                POOL.drop(self.path)
                raise SourceError(f"{doing}: its mask was there when it was opened, and is there no more")
            read = dataset.read_masks if masks else dataset.read
            if masks or self._record.one_dtype:
                read(list(self.indexes), out=pixels, window=window)
            else:  # bands of a VRT or a netCDF file may differ, and are then read one by one
                for position, band in enumerate(self.indexes):
                    read(band, out=pixels[position], window=window)

    def _mark_missing(self, pixels: Array, box: Box) -> None:
        if self._record.has_mask:
            pixels[self._mask(box) == 0] = np.nan
        for band, value in enumerate(self._record.nodata):
            if value is not None and not np.isnan(value):
                pixels[band][pixels[band] == pixels.dtype.type(value)] = np.nan
