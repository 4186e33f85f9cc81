"""Georeference of a zarr result, said so that xarray, rioxarray and GDAL all understand it.

It is said three times over: by a CF grid mapping variable and coordinates of the pixel centres
(https://cfconventions.org, sections 4, 5.6), which rioxarray and GDAL read, and by the GeoZarr
conventions ``proj`` and ``spatial`` (https://github.com/zarr-conventions), which web maps read.
"""

from __future__ import annotations

import base64
import re
import struct
from typing import TYPE_CHECKING

import numpy as np

from geopatcher._optional import load
from geopatcher.core.gaps import HELD, MEANINGS, MET, MISSING
from geopatcher.core.leading import BAND, PLANE
from geopatcher.errors import TargetError
from geopatcher.formats.attributes import ground_attributes, plain_tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array

#: The scalar variable that carries the CRS and the transform.
GRID_MAPPING = "spatial_ref"

#: GeoZarr conventions. The UUID identifies one; GDAL goes by it, rioxarray by the name with its colon.
PROJ = {
    "uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f",
    "schema_url": "https://raw.githubusercontent.com/zarr-conventions/geo-proj/refs/tags/v1/schema.json",
    "spec_url": "https://github.com/zarr-conventions/geo-proj/blob/v1/README.md",
    "name": "proj:",
    "description": "Coordinate reference system information for geospatial data",
}
SPATIAL = {
    "uuid": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
    "schema_url": "https://raw.githubusercontent.com/zarr-conventions/spatial/refs/tags/v1/schema.json",
    "spec_url": "https://github.com/zarr-conventions/spatial/blob/v1/README.md",
    "name": "spatial:",
    "description": "Spatial coordinate information",
}


def grid_mapping(domain: RasterDomain) -> dict[str, object]:
    """Return the CF attributes of the ``spatial_ref`` variable, with the transform in GDAL's order."""
    attributes: dict[str, object] = {}
    if domain.crs is not None:
        crs = load("pyproj").CRS.from_user_input(domain.crs)
        attributes |= crs.to_cf()
        attributes["spatial_ref"] = attributes.get("crs_wkt", crs.to_wkt())
    attributes |= ground_attributes(domain.metadata.ground)
    a, b, c, d, e, f = domain.transform[:6]
    attributes["GeoTransform"] = " ".join(repr(float(value)) for value in (c, a, b, f, d, e))
    return attributes


def group_attributes(domain: RasterDomain) -> dict[str, object]:
    """Return the GeoZarr ``proj`` and ``spatial`` attributes of a group whose arrays share a grid."""
    return {
        **shared_attributes(domain),
        **grid_attributes(domain),
        "spatial:registration": "pixel",
        "zarr_conventions": conventions(domain),
    }


def shared_attributes(domain: RasterDomain) -> dict[str, object]:
    """Return what all resolutions of a raster have in common: dimensions, extent and CRS."""
    left, bottom, right, top = domain.bounds
    return {
        "spatial:dimensions": ["y", "x"],
        # By value: rows that go north would have their bottom above their top.
        "spatial:bbox": [min(left, right), min(bottom, top), max(left, right), max(bottom, top)],
        **_proj(domain),
    }


def grid_attributes(domain: RasterDomain) -> dict[str, object]:
    """Return shape and transform of one grid."""
    return {
        "spatial:shape": list(domain.grid_shape),
        "spatial:transform": [float(value) for value in domain.transform[:6]],
    }


def conventions(domain: RasterDomain) -> list[dict[str, str]]:
    """Return the conventions a group's attributes follow."""
    return [SPATIAL] if domain.crs is None else [SPATIAL, PROJ]


def _proj(domain: RasterDomain) -> dict[str, object]:
    if domain.crs is None:
        return {}
    crs = load("pyproj").CRS.from_user_input(domain.crs)
    # A code found with less confidence would name a system that is not quite this one.
    code = ":".join(crs.to_authority(min_confidence=100) or ())
    # The schema allows numbers only; OGC:CRS84 is written out.
    return {"proj:code": code} if re.fullmatch("[A-Z]+:[0-9]+", code) else {"proj:wkt2": crs.to_wkt()}


def coordinates(domain: RasterDomain) -> dict[str, tuple[Array, dict[str, str]]]:
    """Return ``y`` and ``x`` of the pixel centres with their CF attributes; none for a rotated grid.

    Raises
    ------
    TargetError
        There are more rows or columns than memory holds.

    Examples
    --------
    >>> from geopatcher.core.domain import RasterDomain
    >>> coordinates(RasterDomain((2, 3)))["x"]
    (array([0.5, 1.5, 2.5]), {'axis': 'X'})

    """
    a, b, c, d, e, f = domain.transform[:6]
    if b != 0 or d != 0:
        return {}
    described = _axes(domain.crs)
    try:
        return {
            "y": (f + e * (np.arange(domain.height) + 0.5), described["y"]),
            "x": (c + a * (np.arange(domain.width) + 0.5), described["x"]),
        }
    except MemoryError as error:
        raise TargetError(
            f"the coordinates of {domain.height:,} rows and {domain.width:,} columns do not fit into memory: "
            f"write a window of the raster, or a .tif"
        ) from error


def dims_of(domain: RasterDomain) -> tuple[str, ...]:
    """Return the names of the dimensions of an array of a raster.

    >>> from geopatcher.core.domain import RasterDomain
    >>> dims_of(RasterDomain((3, 20, 30)))
    ('band', 'y', 'x')
    """
    named = tuple(dimension.name for dimension in domain.leading)
    return (*(named or (BAND,) * len(domain.shape[:-2])), *PLANE)


def leading_coordinates(domain: RasterDomain) -> dict[str, tuple[Array, dict[str, object]]]:
    """Return the labels along leading dimensions with their attributes, as CF stores them; dates are numbers.

    >>> from geopatcher.core.domain import RasterDomain
    >>> leading_coordinates(RasterDomain((3, 20, 30)))
    {'band': (array([1, 2, 3]), {'long_name': 'band number'})}
    """
    if not domain.leading and len(domain.shape) == 3:
        return {BAND: (np.arange(1, domain.n_bands + 1), {"long_name": "band number"})}
    found: dict[str, tuple[Array, dict[str, object]]] = {}
    for dimension in domain.leading:
        labels = dimension.labels()
        if labels is not None:
            found[dimension.name] = (labels, plain_tags(dimension.attributes))
    return found


def _axes(crs: str | None) -> dict[str, dict[str, str]]:
    """Return the CF attributes of ``x`` and ``y``; only which is which where the CRS does not tell more."""
    found = (
        {}
        if crs is None
        else {axis["axis"]: axis for axis in load("pyproj").CRS.from_user_input(crs).cs_to_cf()}
    )
    if not {"X", "Y"} <= found.keys():
        found = {"X": {"axis": "X"}, "Y": {"axis": "Y"}}
    return {"x": dict(sorted(found["X"].items())), "y": dict(sorted(found["Y"].items()))}


def array_attributes(names: tuple[str, ...], units: tuple[str, ...]) -> dict[str, object]:
    """Return the attributes of an array of bands with these names and units (``""``: not known).

    ``coordinates`` makes xarray take the grid mapping for a coordinate, where rioxarray looks for it.
    ``long_name`` is a list where there are several bands: rioxarray's way to name bands.
    """
    attributes: dict[str, object] = {"coordinates": GRID_MAPPING, "grid_mapping": GRID_MAPPING}
    if names:
        attributes["long_name"] = names[0] if len(names) == 1 else list(names)
        attributes["band_names"] = list(names)
    return attributes | unit_attributes(units)


def unit_attributes(units: tuple[str, ...]) -> dict[str, object]:
    """Return the attributes that tell the unit of all bands, or of each; ``""`` where it is not known.

    >>> unit_attributes(("m", "m")), unit_attributes(("m", "")), unit_attributes(("",))
    ({'units': 'm'}, {'band_units': ['m', '']}, {})
    """
    if len(set(units)) == 1 and units[0]:
        return {"units": units[0]}
    return {"band_units": list(units)} if any(units) else {}


def flag_attributes() -> dict[str, object]:
    """Return the CF attributes of the array that says which cells of a result hold data."""
    return {
        "long_name": "whether a cell holds data",
        "standard_name": "status_flag",
        "flag_values": [MISSING, HELD, MET],
        "flag_meanings": MEANINGS,
    }


def fill_attribute(dtype: np.dtype, nodata: float | int | None) -> Mapping[str, str | int]:
    """Return ``_FillValue`` the way xarray encodes it in zarr v3: base64 for floats, plain for integers.

    >>> fill_attribute(np.dtype("uint8"), 255), fill_attribute(np.dtype("float32"), None)
    ({'_FillValue': 255}, {})
    """
    if nodata is None:
        return {}
    if dtype.kind == "f":
        return {"_FillValue": base64.standard_b64encode(struct.pack("<d", float(nodata))).decode()}
    return {"_FillValue": int(nodata)}
