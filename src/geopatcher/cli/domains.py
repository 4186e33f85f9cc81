"""What commands say of a grid to programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geopatcher.fields.facts import short_crs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geopatcher.core.domain import RasterDomain


def of_domain(domain: RasterDomain) -> dict[str, object]:
    """Return a grid, its bands and what says that a cell is missing."""
    return {
        "height": domain.height,
        "width": domain.width,
        "shape": list(domain.array_shape),
        "dtype": str(domain.dtype),
        "crs": short_crs(domain.crs),
        "transform": [float(value) for value in domain.transform[:6]],
        "bounds": [float(value) for value in domain.bounds],
        "nodata": domain.nodata,
        "bands": list(domain.band_names),
        "units": list(domain.units),
        "classes": _classes(domain),
    }


def _classes(domain: RasterDomain) -> Sequence[Mapping[str, str]]:
    return [
        {str(value): name for value, name in band.classes} for band in domain.metadata.bands if band.classes
    ]
