"""Which bands of a raster are red, green and blue, going by what they are called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geopatcher.core.domain import RasterDomain

#: What bands are called that are red, green and blue, in the order in which they are looked for: plain
#: words, and the numbers of Sentinel-2.
_NAMES = (
    (r"red", r"green", r"blue"),
    (r"r", r"g", r"b"),
    (r"b0?4", r"b0?3", r"b0?2"),
)
_COLORS = ("red", "green", "blue")


def true_color(domain: RasterDomain) -> tuple[int, int, int] | None:
    """Return the bands, counted from 1, that make a picture as an eye sees it; ``None`` if not known.

    What the raster says of its bands as colors counts first, then their names.

    >>> from geopatcher.core.domain import RasterDomain
    >>> true_color(RasterDomain((4, 9, 9), band_names=("B02", "B03", "B04", "B08")))
    (3, 2, 1)
    >>> true_color(RasterDomain((2, 9, 9), band_names=("red", "nir"))) is None
    True
    """
    meant = [band.color for band in domain.metadata.bands]
    if all(color in meant for color in _COLORS):
        return (meant.index("red") + 1, meant.index("green") + 1, meant.index("blue") + 1)
    for names in _NAMES:
        found = [_called(domain.band_names, name) for name in names]
        if all(found):
            return (found[0], found[1], found[2])
    return None


def _called(bands: tuple[str, ...], name: str) -> int:
    """Return the first band that has a name among its words, counted from 1; 0 for none."""
    word = re.compile(rf"(?<![a-z0-9]){name}(?![a-z0-9])", re.IGNORECASE)
    exact = [index for index, band in enumerate(bands, 1) if re.fullmatch(name, band, re.IGNORECASE)]
    return next(iter(exact), 0) or next(
        (index for index, band in enumerate(bands, 1) if word.search(band)), 0
    )
