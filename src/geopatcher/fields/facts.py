"""What a raster is, in words: the lines that ``info`` prints and notebooks show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from geopatcher._optional import load
from geopatcher.core.html_cards import card
from geopatcher.fields.labels import texts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.leading import Dimension

#: Bands named one by one; more are counted.
MAX_BANDS = 16
#: Labels along a dimension that are named one by one.
MAX_LABELS = 6


def facts_about(domain: RasterDomain, missing: str = "") -> list[tuple[str, str]]:
    """Return what is known of a raster without its pixels, as pairs of a name and a text.

    ``missing`` says how pixels are missing, where that is more than a nodata value.

    >>> from geopatcher.core.domain import RasterDomain
    >>> facts_about(RasterDomain((3, 20, 30)))[0]
    ('raster', '20 x 30 pixels, 3 x float32')
    """
    left, bottom, right, top = domain.bounds
    value = "none" if domain.nodata is None else str(domain.nodata)
    along = ("dimensions", _dims_line(domain)) if domain.leading else ("bands", _bands_line(domain))
    facts = [
        ("raster", f"{domain.height:,} x {domain.width:,} pixels, {_by(domain)} x {domain.dtype}"),
        ("crs", _crs_line(domain.crs)),
        ("resolution", _resolution_line(domain)),
        ("bounds", f"left {left:.10g}, bottom {bottom:.10g}, right {right:.10g}, top {top:.10g}"),
        ("nodata", missing or value),
        along,
    ]
    if domain.metadata.scaled:
        facts.append(("scale", _scale_line(domain)))
    return facts + [("classes", said) for said in _class_lines(domain)]


def field_card(field: object, name: str, domain: RasterDomain) -> str:
    """Return how a notebook shows a field (HTML): its class, where its pixels are from, its raster."""
    return card(type(field).__name__, [("source", name), *facts_about(domain)])


def _by(domain: RasterDomain) -> str:
    """Return how many bands there are along each leading dimension."""
    return " x ".join(map(str, domain.lengths)) or "1"


def _dims_line(domain: RasterDomain) -> str:
    """Return each leading dimension: its name, its length, and what lies along it."""
    return "; ".join(_along(dimension) for dimension in domain.leading)


def _along(dimension: Dimension) -> str:
    labels = dimension.labels()
    if labels is None:
        return f"{dimension.name} {dimension.length}"
    texts = texts_of(labels, dict(dimension.attributes))
    between = f"{texts[0]} to {texts[-1]}" if len(texts) > MAX_LABELS else ", ".join(texts)
    return f"{dimension.name} {dimension.length} ({between})"


def short_crs(crs: str | None) -> str | None:
    """Return a CRS as the code of an authority where it is exactly that, else as it is.

    >>> short_crs("EPSG:32633"), short_crs("+proj=laea +lat_0=45")
    ('EPSG:32633', '+proj=laea +lat_0=45')
    """
    return crs if crs is None else _code_of(crs) or crs


def _code_of(crs: str) -> str:
    """Return the code of a CRS, ``""`` where it has none."""
    code: tuple[str, str] | None = load("pyproj").CRS.from_user_input(crs).to_authority(min_confidence=100)
    return ":".join(code or ())


def _crs_line(crs: str | None) -> str:
    if crs is None:
        return "none"
    name, code = load("pyproj").CRS.from_user_input(crs).name, _code_of(crs)
    return f"{code} ({name})" if code else str(name)


def _resolution_line(domain: RasterDomain) -> str:
    """Length of a pixel's sides, in units of the CRS."""
    a, b, _, d, e, _ = domain.transform[:6]
    axes = () if domain.crs is None else load("pyproj").CRS.from_user_input(domain.crs).axis_info
    unit = f" {axes[0].unit_name}" if axes else ""
    rotated = ", rotated" if b or d else ""
    return f"{math.hypot(a, d):.10g} x {math.hypot(b, e):.10g}{unit}{rotated}"


def _scale_line(domain: RasterDomain) -> str:
    """Return what values mean, of each band where that differs."""
    said = [f"{band.scale:.10g} * value + {band.offset:.10g}" for band in domain.metadata.bands]
    if len(set(said)) == 1:
        return said[0]
    return _numbered(said)


def _class_lines(domain: RasterDomain) -> list[str]:
    """Return the values and names of classes, a line for each band that has other ones."""
    said = [", ".join(f"{value} {name}" for value, name in band.classes) for band in domain.metadata.bands]
    return [line for line in dict.fromkeys(said) if line]


def _bands_line(domain: RasterDomain) -> str:
    units = domain.units or ("",) * len(domain.band_names)
    named = [
        f"{name} [{unit}]" if unit else name for name, unit in zip(domain.band_names, units, strict=True)
    ]
    return _numbered(named) or "1"


def _numbered(said: Sequence[str]) -> str:
    """Return what is said of each band behind its number, of the first `MAX_BANDS`."""
    listed = [f"{number} {each}" for number, each in enumerate(said[:MAX_BANDS], start=1)]
    more = len(said) - len(listed)
    return ", ".join([*listed, f"and {more} more"] if more else listed)
