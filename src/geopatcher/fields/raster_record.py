"""What the header of a raster says of the pixels that are read of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from rasterio.enums import MaskFlags

from geopatcher.core.domain import RasterDomain
from geopatcher.core.gaps import VALID
from geopatcher.errors import SourceError
from geopatcher.errors.redaction import shown
from geopatcher.fields.array_source import exact_nodata
from geopatcher.fields.file_metadata import metadata_of
from geopatcher.fields.mask_beside import mask_beside
from geopatcher.formats.attributes import MISSING_VALUES
from geopatcher.formats.dataset_pool import POOL
from geopatcher.formats.local_files import is_elsewhere

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rasterio.io import DatasetReader

    from geopatcher.core.box import Box


#: From here on a float may be another integer than it was made of.
EXACT = 2.0**53


class Header(NamedTuple):
    """What pixels mean, of the whole file: those that are read later must mean the same."""

    shape: tuple[int, int]
    transform: tuple[float, ...]
    crs: str
    dtypes: tuple[str, ...]
    nodata: tuple[float | None, ...]

    @classmethod
    def of(cls, dataset: DatasetReader) -> Header:
        """Ask an open dataset, which has all of that at hand."""
        crs = dataset.crs.wkt if dataset.crs else ""
        return cls(dataset.shape, tuple(dataset.transform), crs, dataset.dtypes, dataset.nodatavals)

    def agrees(self, other: Header) -> bool:
        """Whether another one says the same."""
        return self == other or repr(self) == repr(other)  # NaN is not equal to itself


@dataclass(frozen=True)
class Record:
    """What the file's header says of the bands and the window that are read.

    ``beside`` is where the mask of its bands is, if the file says that it has one beside it. ``only_gdal`` is
    whether a band has a nodata value that only GDAL knows exactly, which is asked as for a mask.
    """

    header: Header
    domain: RasterDomain
    block_shape: tuple[int, int]
    indexes: tuple[int, ...]
    nodata: tuple[float | int | None, ...]
    has_mask: bool
    one_dtype: bool
    is_tiled_elsewhere: bool
    beside: str | None = None
    only_gdal: bool = False

    @classmethod
    def of(cls, path: str, bands: tuple[int, ...] | None, window: Box | None) -> Record:
        """Look at the header of a file; ``bands`` are counted from 1, and ``None`` takes all.

        Raises
        ------
        SourceError
            It cannot be opened or used, or has no such bands or window.

        """
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
            _require_no_array_beside(name, dataset)
            _require_heeded(name, dataset)
            dtypes = [_dtype(name, dataset.dtypes[band]) for band in position]
            values = [dataset.nodatavals[band] for band in position]
            flags = [dataset.mask_flag_enums[band] for band in position]
            # A mask stands above a nodata value, as in GDAL: what it shows is data, whatever its value.
            marked = [MaskFlags.nodata in flag for flag in flags]
            rounded = [
                mark and _is_rounded(value, dtype)
                for mark, value, dtype in zip(marked, values, dtypes, strict=True)
            ]
            nodata = tuple(
                exact_nodata(value, dtype) if mark and not off else None
                for mark, off, value, dtype in zip(marked, rounded, values, dtypes, strict=True)
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
            header = Header.of(dataset)
            beside = mask_beside(path, dataset)
        only_gdal = any(rounded)
        has_mask = only_gdal or is_masked(flags)
        one_dtype, block = len(set(dtypes)) == 1, (height, width)
        record = cls(header, domain, block, indexes, nodata, has_mask, one_dtype, apart, beside, only_gdal)
        return record if window is None else record.cut(window)

    def cut(self, window: Box) -> Record:
        """Return what it says of a rectangle.

        Raises
        ------
        SourceError
            It is not inside.

        """
        whole = (0, self.domain.height, 0, self.domain.width)
        inside = 0 <= window.row0 < window.row1 <= whole[1] and 0 <= window.col0 < window.col1 <= whole[3]
        if not inside:
            raise SourceError(f"window {window} is not inside the raster of {self.domain.grid_shape} pixels")
        return replace(self, domain=self.domain.cut(window))


def is_masked(flags: Sequence[Sequence[MaskFlags]]) -> bool:
    """Whether a mask or a band of alpha says which pixels of bands are missing.

    >>> is_masked([[MaskFlags.per_dataset], [MaskFlags.nodata]]), is_masked([[MaskFlags.all_valid]])
    (True, False)
    """
    return any(MaskFlags.per_dataset in flag or MaskFlags.alpha in flag for flag in flags)


def _is_rounded(nodata: float | None, dtype: np.dtype) -> bool:
    """Whether a nodata value of integers may be another one than rasterio says, which gives it as a float.

    Of the highest one of 64 bits, which as a float is none of them any more, it gives ``None``.

    >>> _is_rounded(2.0**53, np.dtype("int64")), _is_rounded(-9999.0, np.dtype("int64"))
    (True, False)
    """
    return dtype.kind in "iu" and dtype.itemsize > 4 and (nodata is None or abs(nodata) >= EXACT)


def _require_no_array_beside(name: str, dataset: DatasetReader) -> None:
    """Refuse cells of which another array of the same file says which hold data: GDAL does not look at it.

    So it is in a result that xarray has written as netCDF.

    Raises
    ------
    SourceError
        It says so.

    """
    said = dataset.tags(1)
    if VALID in said.get("ancillary_variables", "").split():
        variable = said.get("NETCDF_VARNAME", "data")
        raise SourceError(
            f"{name} says that its array {VALID!r} says which cells of {variable!r} hold data, and GDAL does "
            f"not read that: pass variable={variable!r} (--variable {variable}), with the extra netcdf"
        )


def _require_heeded(name: str, dataset: DatasetReader) -> None:
    """Refuse a netCDF variable that names more values that mean "missing" than GDAL takes for it: one.

    Of a valid range it heeds both ends, and not one alone.

    Raises
    ------
    SourceError
        Some missing cells would be data.

    """
    if dataset.driver != "netCDF":
        return
    said = dataset.tags(1)
    values = [
        one.strip()
        for key in MISSING_VALUES
        for one in said.get(key, "").strip("{}").split(",")
        if one.strip()
    ]
    ends = [key for key in ("valid_min", "valid_max") if key in said]
    several, alone = len(set(map(_plain, values))) > 1, len(ends) == 1 and "valid_range" not in said
    if several or alone:
        variable = said.get("NETCDF_VARNAME", "data")
        what = f"the values {', '.join(values)} mean" if several else f"what lies beyond {ends[0]} means"
        raise SourceError(
            f"{name} says that {what} missing, and GDAL does not heed all of that: pass "
            f"variable={variable!r} (--variable {variable}), with the extra netcdf"
        )


def _plain(text: str) -> str:
    """Return one way to write a number, or the text.

    >>> _plain("4."), _plain("4"), _plain("nan"), _plain("a")
    ('4.0', '4.0', 'nan', 'a')
    """
    try:
        return str(float(text))
    except ValueError:
        return text


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
