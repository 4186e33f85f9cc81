"""Coordinates in other units than those of their CRS: kilometres, and angles of geostationary satellites."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from geopatcher._optional import load

if TYPE_CHECKING:
    from geopatcher.core.arrays import Array
    from geopatcher.fields.georeference import Attributes

#: Units of angles, in radians, as they are written.
ANGLES = {
    **dict.fromkeys(("rad", "radian", "radians"), 1.0),
    **dict.fromkeys(("microradian", "microradians", "urad", "µrad"), 1e-6),
}
KILOMETRES = frozenset({"km", "kilometer", "kilometers", "kilometre", "kilometres"})
#: What PROJ calls the height of a satellite, as WKT has it.
HEIGHT = "satellite height"
#: Coordinates beyond this, in meters, are none on Earth: the unit is that of values that were changed.
FARTHEST = 1e8


def unit_of(attributes: Attributes, values: Array, mapping: Attributes, crs: str | None) -> float:
    """Return how many units of a CRS one of a coordinate is; 1 where nothing else is said.

    Parameters
    ----------
    attributes
        Of the coordinate; ``units`` is looked at.
    values
        Of the coordinate, which may have been brought into units of the CRS under the same attributes.
    mapping
        The grid mapping, with ``perspective_point_height`` in meters of a geostationary satellite, whose
        coordinates CF has in angles, and PROJ in angles times that height.
    crs
        The CRS.

    Raises
    ------
    ValueError
        Coordinates are angles of a satellite whose height is not told.

    """
    units = str(attributes.get("units", "")).strip().lower()
    largest = float(np.abs(values).max(initial=0.0))
    if crs is None or not (units in ANGLES or units in KILOMETRES) or not math.isfinite(largest):
        return 1.0
    known = load("pyproj").CRS.from_user_input(crs)
    if not known.is_projected:
        return 1.0
    if units in KILOMETRES:
        meters = float(known.axis_info[0].unit_conversion_factor)
        return 1000 / meters if largest * 1000 <= FARTHEST else 1.0
    if "geostationary" not in str(known.coordinate_operation.method_name).lower():
        return 1.0
    if largest * ANGLES[units] > math.pi:
        return 1.0
    told = [each.value for each in known.coordinate_operation.params if each.name.lower() == HEIGHT]
    height = mapping.get("perspective_point_height", *told[:1])
    found = float(height) if isinstance(height, int | float | np.number) else math.nan
    if not found > 0:
        raise ValueError(
            f"coordinates are in {units}, and the CRS says no height of the satellite: write it into the "
            f"grid mapping as perspective_point_height, in meters, or multiply the coordinates by it"
        )
    return ANGLES[units] * found
