"""CRS, transform and missing values, as the attributes of arrays say them.

Understood are CF grid mappings (https://cfconventions.org, section 5.6) with or without the text of the
CRS, GDAL's and rioxarray's additions to them, and the GeoZarr conventions ``proj`` and ``spatial``
(https://github.com/zarr-conventions).
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Hashable, Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np
from affine import Affine

from geopatcher._optional import load
from geopatcher.formats.attributes import MISSING_VALUES

#: Attributes of an array, of a group, or of the variable with the grid mapping.
Attributes: TypeAlias = Mapping[Hashable, object]

#: Where the text of a CRS may be, the first one counts.
TEXTS = ("spatial_ref", "crs_wkt", "proj:wkt2")


def crs_of(mapping: Attributes, attributes: Attributes) -> str | None:
    """Return the CRS that a grid mapping, or else an array or its group, names; ``None`` for none.

    Raises
    ------
    ValueError
        There is one, and it is not understood.

    """
    for said in (mapping, attributes):
        for key in TEXTS:
            text = said.get(key)
            if isinstance(text, str) and text.strip():
                _understood(text, key)
                return text
        if isinstance(said.get("grid_mapping_name"), str):
            return _from_cf(said)
    for key in ("proj:projjson", "proj:code", "proj:epsg", "_CRS", "crs"):
        if not _is_blank(attributes.get(key)):
            return _from_any(attributes[key], key)
    return None


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _from_cf(mapping: Attributes) -> str:
    """Return the CRS that the parameters of a CF grid mapping make."""
    name = mapping["grid_mapping_name"]
    pyproj = load("pyproj")
    # What is left blank says nothing; PROJ would take it for the text of a CRS, or a name.
    plain = {str(key): _plain(value) for key, value in mapping.items() if not _is_blank(value)}
    try:
        return _text_of(pyproj.CRS.from_cf(plain))
    except (load("pyproj.exceptions").CRSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"the grid mapping {name!r} makes no CRS ({type(error).__name__}: {error}): write the text of "
            f"the CRS into its attribute crs_wkt"
        ) from error


def _from_any(value: object, key: str) -> str:
    """Return a CRS given as text, as the number of an EPSG code or as PROJJSON."""
    if key == "_CRS" and isinstance(value, Mapping):  # GDAL says it in several ways at once
        value = next((value[way] for way in ("wkt", "projjson", "url") if way in value), value)
    value = _plain(value)
    if isinstance(value, int | float) and int(value) == value:
        value = f"EPSG:{int(value)}"
    known = _understood(value, key)
    return value if isinstance(value, str) and not value.lstrip().startswith("{") else _text_of(known)


class _Crs(Protocol):
    """A `pyproj.CRS`."""

    def to_wkt(self) -> str: ...

    def to_authority(self, *, min_confidence: int) -> tuple[str, str] | None: ...


def _text_of(crs: _Crs) -> str:
    """Return a CRS as the code of an authority where it is exactly that, else as WKT."""
    code = crs.to_authority(min_confidence=100)
    return crs.to_wkt() if code is None else ":".join(code)


def _understood(value: object, key: str) -> _Crs:
    try:
        known: _Crs = load("pyproj").CRS.from_user_input(value)
    except (load("pyproj.exceptions").CRSError, TypeError, ValueError) as error:
        raise ValueError(
            f"the CRS in {key} is not understood: {error}; write the code of one into it, such as "
            f"EPSG:32633, or its WKT"
        ) from error
    return known


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def transform_of(
    mapping: Attributes, attributes: Attributes, grid: tuple[int, int], *, alone: bool
) -> Affine | None:
    """Return the stored transform of a grid of ``(height, width)``, ``None`` where there is none.

    With ``alone`` nothing else says where the array lies; else coordinates stand above it.

    Raises
    ------
    ValueError
        It is not six numbers, or that of a grid of another size.

    """
    for said in (mapping, attributes):
        given = said.get("GeoTransform")
        if given is not None:
            c, a, b, f, d, e = _numbers(given, "GeoTransform", 6)
            return Affine(a, b, c, d, e, f)
    if attributes.get("transform") is not None:
        return Affine(*_numbers(attributes["transform"], "transform", 6))
    if alone:
        _check_shape(attributes, grid)
    registered = str(attributes.get("spatial:registration", "pixel")).lower()
    for key in ("spatial:transform", "proj:transform"):
        if attributes.get(key) is not None and attributes.get("spatial:transform_type", "affine") == "affine":
            return _registered(Affine(*_numbers(attributes[key], key, 6)), registered)
    if attributes.get("spatial:bbox") is not None and alone:
        return _boxed(_numbers(attributes["spatial:bbox"], "spatial:bbox", 4), grid, registered)
    return None


def _check_shape(attributes: Attributes, grid: tuple[int, int]) -> None:
    """Refuse a place in space that is that of another array, such as the one this was cut from."""
    placed = [key for key in ("spatial:transform", "proj:transform", "spatial:bbox") if key in attributes]
    for key in ("spatial:shape", "proj:shape") if placed else ():
        shape = attributes.get(key)
        if isinstance(shape, list | tuple) and tuple(shape[-2:]) != grid:
            raise ValueError(
                f"{placed[0]} is said of {'x'.join(map(str, shape))} pixels ({key}), and the array has "
                f"{grid[0]}x{grid[1]}: give the array coordinates, or a transform of its own"
            )


def _registered(transform: Affine, registration: str) -> Affine:
    """Return a transform of corners: with ``"node"`` it was one of centres."""
    a, b, c, d, e, f = transform[:6]
    if registration != "node":
        return transform
    return Affine(a, b, c - (a + b) / 2, d, e, f - (d + e) / 2)


def _boxed(bounds: Sequence[float], grid: tuple[int, int], registration: str) -> Affine:
    """Return the transform of a grid, rows from the north, that fills ``(left, bottom, right, top)``."""
    left, bottom, right, top = bounds
    node = 1 if registration == "node" else 0  # the bounds are those of the outermost centres
    height, width = (max(1, length - node) for length in grid)
    transform = Affine((right - left) / width, 0.0, left, 0.0, (bottom - top) / height, top)
    return _registered(transform, registration)


def _numbers(value: object, key: str, count: int) -> list[float]:
    """Return the first numbers of a text or a list."""
    parts = value.replace(",", " ").split() if isinstance(value, str) else _plain(value)
    try:
        numbers = [float(part) for part in parts]  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{key} is {value!r:.80}: it must be {count} numbers") from error
    if len(numbers) < count:
        raise ValueError(f"{key} is {value!r:.80}: it must be {count} numbers")
    return numbers[:count]


def missing_of(attributes: Attributes, dtype: np.dtype) -> list[float | int]:
    """Return the values that stand for missing, that of ``_FillValue`` first.

    >>> missing_of({"_FillValue": 0, "missing_value": [255, 0]}, np.dtype("uint8"))
    [0, 255]
    >>> missing_of({"nodatavals": (0.0, 0.0)}, np.dtype("uint8"))
    [0]
    """
    found: list[float | int] = []
    for key in MISSING_VALUES:  # CF: cells with any of them are missing
        for value in _values(attributes.get(key), dtype):
            if str(value) not in map(str, found):  # NaN differs from itself
                found.append(value)
    for key in ("fill_value", "nodata", "nodatavals"):  # of which one is believed
        found = found or _values(attributes.get(key), dtype)[:1]
    return found


def _values(given: object, dtype: np.dtype) -> list[float | int]:
    value = _plain(given)
    several = value if isinstance(value, list | tuple) else [value]
    known = (_value(_plain(each), dtype) for each in several)
    return [each for each in known if each is not None]


def _value(value: object, dtype: np.dtype) -> float | int | None:
    if isinstance(value, str):
        return _from_text(value, dtype)
    if isinstance(value, float):
        return int(value) if dtype.kind in "iu" and value.is_integer() else value
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _from_text(text: str, dtype: np.dtype) -> float | int | None:
    """Return a number written as text, or as xarray writes floats in zarr v3: base64 of eight bytes."""
    try:
        number = float(text)
    except ValueError:
        return _from_base64(text) if dtype.kind == "f" else None
    return int(number) if dtype.kind in "iu" and number.is_integer() else number


def _from_base64(text: str) -> float | None:
    try:
        raw = base64.standard_b64decode(text)
    except ValueError:
        return None
    return float(struct.unpack("<d", raw)[0]) if len(raw) == 8 else None
