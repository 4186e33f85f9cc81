"""Pixels of anything GDAL opens, strip by strip."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import rasterio
from rasterio.enums import MaskFlags
from rasterio.windows import Window

from geopatcher.core.buffers import empty
from geopatcher.core.digests import digest_of
from geopatcher.core.domain import RasterDomain
from geopatcher.errors import SourceChangedError, SourceError
from geopatcher.errors.redaction import shown
from geopatcher.fields.array_source import exact_nodata
from geopatcher.fields.file_identity import SourceFiles
from geopatcher.fields.file_metadata import metadata_of
from geopatcher.fields.noticed import NOTICED, AskedAhead
from geopatcher.fields.source_files import files_behind
from geopatcher.formats.dataset_pool import POOL
from geopatcher.formats.local_files import is_elsewhere
from geopatcher.formats.side_by_side import IN_FLIGHT, READS_AT_ONCE, one_read, pieces, side_by_side
from geopatcher.formats.signing import SIGNED, renewing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rasterio.io import DatasetReader

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array
    from geopatcher.formats.signing import Sign


@dataclass(frozen=True, repr=False)
class RasterioSource:
    """A raster file or URL, or a window and a choice of bands of one.

    ``bands`` are 1-based; ``None`` takes all. ``window`` restricts to a rectangle of the file.
    ``sign`` makes of the path an address by which a server lets us in, each time it has to.
    Pixels come in the file's dtype; nodata and masked pixels of floating-point rasters come as NaN,
    those of integer rasters are told by `valid`.
    """

    path: str
    bands: tuple[int, ...] | None = None
    window: Box | None = None
    sign: Sign | None = None
    _record: _Record = field(init=False, compare=False)
    _asked: AskedAhead | None = field(init=False, compare=False, default=None)

    def __post_init__(self) -> None:
        self._note()
        asked = NOTICED.open_anew(self.path, AskedAhead.of(self.path))
        object.__setattr__(self, "_asked", asked)
        object.__setattr__(self, "_record", _Record.of(self.path, self.bands, self.window))

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
        record = _Record.of(self.path, bands, window)
        if not record.header.agrees(self._record.header):
            raise SourceChangedError(f"{self.name} has changed since it was opened: open it again")
        vars(part).update(bands=bands, window=window, _record=record)
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
            valid &= self._fetch(box, masks=True) > 0
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
            POOL.drop(self.path)
            self._require_unchanged()
        NOTICED.take(self.path, self._behind, version)
        return version

    def _require_unchanged(self) -> None:
        if repr(_Record.of(self.path, self.bands, self.window)) != repr(self._record):
            raise SourceChangedError(f"{self.name} has changed since it was opened: open it again")

    @cached_property
    def _behind(self) -> SourceFiles:
        return SourceFiles.of(self.path)

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
            if not self._record.header.agrees(_Header.of(dataset)):
                POOL.drop(self.path)
                raise SourceChangedError(f"{doing}: it has changed since it was opened: open it again")
            if masks and not _is_masked([dataset.mask_flag_enums[band - 1] for band in self.indexes]):
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
            pixels[self._fetch(box, masks=True) == 0] = np.nan
        for band, value in enumerate(self._record.nodata):
            if value is not None and not np.isnan(value):
                pixels[band][pixels[band] == pixels.dtype.type(value)] = np.nan


class _Header(NamedTuple):
    """What pixels mean, of the whole file: those that are read later must mean the same."""

    shape: tuple[int, int]
    transform: tuple[float, ...]
    crs: str
    dtypes: tuple[str, ...]
    nodata: tuple[float | None, ...]

    @classmethod
    def of(cls, dataset: DatasetReader) -> _Header:
        """Ask an open dataset, which has all of that at hand."""
        crs = dataset.crs.wkt if dataset.crs else ""
        return cls(dataset.shape, tuple(dataset.transform), crs, dataset.dtypes, dataset.nodatavals)

    def agrees(self, other: _Header) -> bool:
        """Whether another one says the same."""
        return self == other or repr(self) == repr(other)  # NaN is not equal to itself


@dataclass(frozen=True)
class _Record:
    """What the file's header says of the bands and the window that are read."""

    header: _Header
    domain: RasterDomain
    block_shape: tuple[int, int]
    indexes: tuple[int, ...]
    nodata: tuple[float | int | None, ...]
    has_mask: bool
    one_dtype: bool
    is_tiled_elsewhere: bool

    @classmethod
    def of(cls, path: str, bands: tuple[int, ...] | None, window: Box | None) -> _Record:
        name = shown(path)
        with POOL.look_at(path) as dataset:
            if dataset.count == 0:
                subdatasets = ", ".join(map(shown, dataset.subdatasets[:4]))
                raise SourceError(
                    f"{name} has no bands of its own; open one of its subdatasets: {subdatasets}"
                )
            indexes = tuple(bands) if bands is not None else tuple(dataset.indexes)
            missing = [band for band in indexes if band not in dataset.indexes]
            if missing or not indexes:
                raise SourceError(f"{name} has bands 1 to {dataset.count}; asked for {missing or 'none'}")
            position = [band - 1 for band in indexes]
            dtypes = [_dtype(name, dataset.dtypes[band]) for band in position]
            values = [dataset.nodatavals[band] for band in position]
            flags = [dataset.mask_flag_enums[band] for band in position]
            # A mask stands above a nodata value, as in GDAL: what it shows is data, whatever its value.
            nodata = tuple(
                exact_nodata(value, dtype) if MaskFlags.nodata in flag else None
                for value, dtype, flag in zip(values, dtypes, flags, strict=True)
            )
            names = tuple(dataset.descriptions[band] or f"b{band + 1}" for band in position)
            units = tuple(dataset.units[band] or "" for band in position)
            height, width = dataset.block_shapes[position[0]]
            # Of a mosaic blocks are no pieces of files: a tile would be fetched by several.
            apart = dataset.driver == "GTiff" and is_elsewhere(path)
            try:
                domain = RasterDomain(
                    shape=(len(indexes), dataset.height, dataset.width),
                    transform=dataset.transform,
                    crs=dataset.crs.to_wkt() if dataset.crs else None,
                    nodata=_shared(nodata),
                    dtype=np.result_type(*dtypes),
                    band_names=names,
                    units=units if any(units) else (),
                    metadata=metadata_of(dataset, indexes),
                )
            except ValueError as error:
                raise SourceError(f"{name} cannot be used: {error}") from error
            header = _Header.of(dataset)
        has_mask = _is_masked(flags)
        one_dtype, block = len(set(dtypes)) == 1, (height, width)
        record = cls(header, domain, block, indexes, nodata, has_mask, one_dtype, apart)
        return record if window is None else record.cut(window)

    def cut(self, window: Box) -> _Record:
        whole = (0, self.domain.height, 0, self.domain.width)
        inside = 0 <= window.row0 < window.row1 <= whole[1] and 0 <= window.col0 < window.col1 <= whole[3]
        if not inside:
            raise SourceError(f"window {window} is not inside the raster of {self.domain.grid_shape} pixels")
        return replace(self, domain=self.domain.cut(window))


def _is_masked(flags: Sequence[Sequence[MaskFlags]]) -> bool:
    """Whether a mask or a band of alpha says which pixels of bands are missing.

    >>> _is_masked([[MaskFlags.per_dataset], [MaskFlags.nodata]]), _is_masked([[MaskFlags.all_valid]])
    (True, False)
    """
    return any(MaskFlags.per_dataset in flag or MaskFlags.alpha in flag for flag in flags)


def _shared(nodata: tuple[float | int | None, ...]) -> float | int | None:
    """Return the nodata value all bands have; ``None`` where they differ, and each is looked at by itself.

    >>> _shared((0, 0)), _shared((0, 255)), _shared((float("nan"), float("nan")))
    (0, None, nan)
    """
    return nodata[0] if len(set(map(str, nodata))) == 1 else None


def _dtype(path: str, name: str) -> np.dtype:
    """Return a band's dtype; GDAL has some that NumPy has not."""
    try:
        return np.dtype(name)
    except TypeError as error:
        raise SourceError(f"{path} cannot be used: NumPy has no dtype {name}") from error
