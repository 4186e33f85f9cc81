"""Class maps in their own colours: what a raster says of its classes, and cells painted by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.metadata import BandMetadata, ClassLabel
from geopatcher.core.palette import from_palette

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from geopatcher.core.metadata import Metadata
    from geopatcher.core.protocols import Array

#: Classes that are all listed in a legend; of more, those that occur.
MAX_LISTED = 24


def classes_shown(metadata: Metadata, band: int, cells: Array) -> tuple[ClassLabel, ...]:
    """Return the classes of a band of labels, for a legend of ``cells``.

    Every value that occurs is a class, whether it is named or not, and so is every one that is named, of a
    few. One without a name is called by its number; colors that are not told are those of the palette.

    >>> from geopatcher.core.metadata import BandMetadata, Metadata
    >>> said = Metadata((BandMetadata(classes=((2, "open_water"),)),))
    >>> [(one.value, one.name) for one in classes_shown(said, 0, np.array([[2.0, 7.0, np.nan]]))]
    [(2, 'open water'), (7, '7')]
    """
    known = metadata.bands[band] if band < len(metadata.bands) else BandMetadata()
    names = {value: name.replace("_", " ") for value, name in known.classes}
    there = {int(value) for value in np.unique(cells[np.isfinite(cells)])}
    listed = sorted({*names, *there} if len(names) <= MAX_LISTED else there)
    colors = from_palette(listed) | dict(known.colormap)
    return tuple(ClassLabel(value, names.get(value, str(value)), colors[value]) for value in listed)


def painted(cells: Array, classes: Iterable[ClassLabel]) -> NDArray[np.uint8]:
    """Return cells in the colors of their classes, ``(h, w, 4)`` uint8; what is of none is transparent.

    >>> painted(np.array([[2.0, np.nan]]), [ClassLabel(2, "water", (0, 0, 255, 255))]).tolist()
    [[[0, 0, 255, 255], [0, 0, 0, 0]]]
    """
    picture = np.zeros((*cells.shape, 4), np.uint8)
    for one in classes:
        picture[cells == one.value] = one.color
    return picture


def css_colors(classes: Sequence[ClassLabel]) -> list[tuple[str, str]]:
    """Return the name and the color of each class, as in ``("water", "#0000ff")``."""
    return [(one.name, "#{:02x}{:02x}{:02x}".format(*one.color)) for one in classes]
