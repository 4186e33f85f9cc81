"""A zarr store as a source of pixels, with the georeference it carries."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from geopatcher._optional import load
from geopatcher.domain import RasterDomain
from geopatcher.errors import SourceError
from geopatcher.fields.array_source import ArraySource

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import EllipsisType

    import zarr

    from geopatcher.protocols import Array

#: What codecs raise for bytes they cannot make sense of.
_CORRUPT = (OSError, RuntimeError, ValueError, TypeError, EOFError, KeyError, zlib.error)


@dataclass(frozen=True, eq=False)
class StoredArray:
    """A zarr array whose errors name the store and the window."""

    array: zarr.Array
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)`` or ``(bands, height, width)``."""
        return tuple(map(int, self.array.shape))

    @property
    def dtype(self) -> np.dtype:
        """Of the cells."""
        dtype: np.dtype = np.dtype(self.array.dtype)
        return dtype

    def __getitem__(self, index: tuple[EllipsisType | slice, ...]) -> Array:
        """Return cells; those of a chunk that was never written are the fill value.

        Raises
        ------
        SourceError
            A chunk cannot be read or decoded.

        """
        try:
            return np.asarray(self.array[index])
        except _CORRUPT as error:
            rows, cols = (f"{part.start}:{part.stop}" for part in index[-2:] if isinstance(part, slice))
            raise SourceError(
                f"cannot read {self.name}, rows {rows}, columns {cols}: a chunk is damaged or unreadable "
                f"({type(error).__name__}: {error})"
            ) from error


def zarr_source(path: str | Path, array: str = "data") -> ArraySource:
    """Open an array of a zarr group, or a zarr array itself, as a source of pixels.

    ``array`` is taken where the group has it, else the group's only array of two or three
    dimensions. Georeference is read from the CF grid mapping, else from the GeoZarr ``spatial`` and
    ``proj`` attributes; nodata from ``_FillValue`` or ``nodata``; bands from ``band_names``.

    Raises
    ------
    SourceError
        There is no zarr store, or it has no such array.

    """
    place = Path(path)
    zarr = load("zarr")
    try:
        node = zarr.open(place, mode="r")
        if isinstance(node, zarr.Group):  # consolidated metadata may be older than the store
            node = zarr.open_group(place, mode="r", use_consolidated=False)
    except (*_CORRUPT, load("zarr.errors").BaseZarrError) as error:
        raise SourceError(f"cannot open {place} as a zarr store: {type(error).__name__}: {error}") from error
    if isinstance(node, zarr.Group):
        chosen = _choose(node, place, array)
        attributes = {**dict(node.attrs), **_mapping(node, chosen), **dict(chosen.attrs)}
    else:
        chosen, attributes = node, dict(node.attrs)
    if len(chosen.shape) not in (2, 3):
        raise SourceError(
            f"{place} holds an array of shape {tuple(chosen.shape)}: "
            f"a raster has the shape (height, width) or (bands, height, width)"
        )
    stored = StoredArray(chosen, str(place))
    try:
        domain = RasterDomain(
            shape=stored.shape,
            transform=_transform(attributes),
            crs=_crs(attributes),
            nodata=_nodata(attributes, stored.dtype),
            dtype=stored.dtype,
            band_names=_names(attributes, stored.shape),
            units=_units(attributes, stored.shape),
        )
    except ValueError as error:
        raise SourceError(f"{place} cannot be used: {error}") from error
    return ArraySource(
        stored,
        domain,
        label=str(place),
        block=tuple((chosen.shards or chosen.chunks)[-2:]),
        origin=_origin(place, stored),
    )


def is_zarr(path: str | Path) -> bool:
    """Whether a path is a folder that holds zarr metadata.

    >>> is_zarr("nowhere.zarr")
    False
    """
    place = Path(path)
    return place.is_dir() and any((place / name).is_file() for name in ("zarr.json", ".zgroup", ".zarray"))


def _choose(group: zarr.Group, place: Path, wanted: str) -> zarr.Array:
    arrays = dict(group.arrays())
    rasters = {name: array for name, array in arrays.items() if len(array.shape) in (2, 3)}
    if wanted in rasters:
        return rasters[wanted]
    if wanted == "data" and len(rasters) == 1:
        return next(iter(rasters.values()))
    known = ", ".join(sorted(rasters)) or "none of two or three dimensions"
    raise SourceError(f"{place} has no array {wanted!r} to read as a raster; its arrays: {known}")


def _mapping(group: zarr.Group, array: zarr.Array) -> dict[str, object]:
    """Return the attributes of the CF grid mapping variable."""
    name = array.attrs.get("grid_mapping", "spatial_ref")
    known = dict(group.arrays())
    return dict(known[name].attrs) if isinstance(name, str) and name in known else {}


def _transform(attributes: Mapping[str, object]) -> Affine:
    text, values = attributes.get("GeoTransform"), attributes.get("spatial:transform")
    if isinstance(text, str):
        c, a, b, f, d, e = map(float, text.split())
        return Affine(a, b, c, d, e, f)
    if isinstance(values, list):
        return Affine(*map(float, values[:6]))
    return Affine.identity()


def _crs(attributes: Mapping[str, object]) -> str | None:
    for key in ("crs_wkt", "spatial_ref", "proj:wkt2", "proj:code"):
        text = attributes.get(key)
        if isinstance(text, str) and text:
            return text
    return None


def _nodata(attributes: Mapping[str, object], dtype: np.dtype) -> float | int | None:
    value = attributes.get("nodata", attributes.get("_FillValue"))
    if isinstance(value, str) and dtype.kind == "f":
        # xarray writes floats as base64 of eight bytes, or by name.
        if value in ("NaN", "nan"):
            return float("nan")
        raw = _decoded(value)
        return None if len(raw) != 8 else float(np.frombuffer(raw, "<f8")[0])
    return value if isinstance(value, int | float) else None


def _decoded(text: str) -> bytes:
    try:
        return base64.standard_b64decode(text)
    except ValueError:
        return b""


def _names(attributes: Mapping[str, object], shape: tuple[int, ...]) -> tuple[str, ...]:
    names = attributes.get("band_names")
    bands = shape[0] if len(shape) == 3 else 1
    return tuple(map(str, names)) if isinstance(names, list) and len(names) == bands else ()


def _units(attributes: Mapping[str, object], shape: tuple[int, ...]) -> tuple[str, ...]:
    units, each = attributes.get("units"), attributes.get("band_units")
    if isinstance(each, list) and len(each) == (shape[0] if len(shape) == 3 else 1):
        return tuple(map(str, each))
    return (units,) * (shape[0] if len(shape) == 3 else 1) if isinstance(units, str) else ()


def _origin(place: Path, stored: StoredArray) -> dict[str, str | int | float]:
    """Return what tells this store from another or a rewritten one: metadata is rewritten with it."""
    files = [place / name for name in ("zarr.json", ".zgroup", ".zarray")]
    newest = max((file.stat().st_mtime_ns for file in files if file.is_file()), default=0)
    shape = "x".join(map(str, stored.shape))
    return {"path": str(place), "shape": shape, "dtype": str(stored.dtype), "mtime_ns": newest}
