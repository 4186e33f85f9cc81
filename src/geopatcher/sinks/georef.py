"""Georeference of a zarr result, said so that xarray, rioxarray and GDAL all understand it."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING

import numpy as np
from pyproj import CRS

if TYPE_CHECKING:
    from geopatcher.domain import RasterDomain
    from geopatcher.protocols import Array

#: GeoZarr conventions, identified by UUID: https://github.com/zarr-conventions
PROJ_UUID = "f17cb550-5864-4468-aeb7-f3180cfb622f"
SPATIAL_UUID = "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4"


def grid_mapping(domain: RasterDomain) -> dict[str, object]:
    """Return the CF attributes of the ``spatial_ref`` variable."""
    attributes: dict[str, object] = {}
    if domain.crs is not None:
        crs = CRS.from_user_input(domain.crs)
        attributes |= crs.to_cf()
        attributes["spatial_ref"] = attributes.get("crs_wkt", crs.to_wkt())
    transform = domain.transform
    attributes["GeoTransform"] = " ".join(
        repr(float(value))
        for value in (transform.c, transform.a, transform.b, transform.f, transform.d, transform.e)
    )
    return attributes


def group_attributes(domain: RasterDomain) -> dict[str, object]:
    """Return the GeoZarr ``proj`` and ``spatial`` attributes of the group."""
    attributes: dict[str, object] = {
        "spatial:dimensions": ["y", "x"],
        "spatial:transform": [float(value) for value in domain.transform[:6]],
        "spatial:shape": list(domain.grid_shape),
        "spatial:bbox": list(domain.bounds),
        "spatial:registration": "pixel",
    }
    conventions = [{"uuid": SPATIAL_UUID, "name": "spatial:"}]
    if domain.crs is not None:
        crs = CRS.from_user_input(domain.crs)
        authority = crs.to_authority()
        conventions.append({"uuid": PROJ_UUID, "name": "proj:"})
        if authority is not None:
            attributes["proj:code"] = ":".join(authority)
        else:
            attributes["proj:wkt2"] = crs.to_wkt()
    attributes["zarr_conventions"] = conventions
    return attributes


def coordinates(domain: RasterDomain) -> dict[str, tuple[Array, dict[str, str]]]:
    """Return ``x`` and ``y`` of the pixel centres with their CF attributes; none for a rotated grid."""
    transform = domain.transform
    if transform.b != 0 or transform.d != 0:
        return {}
    x = transform.c + transform.a * (np.arange(domain.width) + 0.5)
    y = transform.f + transform.e * (np.arange(domain.height) + 0.5)
    geographic = domain.crs is not None and CRS.from_user_input(domain.crs).is_geographic
    if geographic:
        axes = {"x": ("longitude", "degrees_east"), "y": ("latitude", "degrees_north")}
    else:
        axes = {"x": ("projection_x_coordinate", "metre"), "y": ("projection_y_coordinate", "metre")}
    if domain.crs is not None and not geographic:
        unit = CRS.from_user_input(domain.crs).axis_info
        name = unit[0].unit_name if unit else "metre"
        axes = {key: (standard, name) for key, (standard, _) in axes.items()}
    described = {
        key: {"standard_name": standard, "units": units, "axis": key.upper()}
        for key, (standard, units) in axes.items()
    }
    return {"y": (y, described["y"]), "x": (x, described["x"])}


def fill_attribute(dtype: np.dtype, nodata: float | int | None) -> dict[str, object]:
    """Return ``_FillValue`` the way xarray encodes it in zarr v3: base64 for floats, plain for integers."""
    if nodata is None:
        return {}
    if dtype.kind == "f":
        return {"_FillValue": base64.standard_b64encode(struct.pack("<d", float(nodata))).decode()}
    return {"_FillValue": int(nodata)}
