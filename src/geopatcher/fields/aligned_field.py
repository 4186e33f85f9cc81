"""Several rasters by name as a field, whose patches are dicts of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from geopatcher.core.box import Box, box_of
from geopatcher.fields.open import as_field
from geopatcher.fields.placing import aligned
from geopatcher.fields.raster import RasterField

if TYPE_CHECKING:
    from geopatcher.core.box import PixelWindow
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array, SourceField
    from geopatcher.fields.aligned import Aligned
    from geopatcher.fields.open import Source, Sources


@dataclass(frozen=True)
class AlignedField:
    """Rasters on the grid of the first, whose windows are dicts with an array of each.

    Examples
    --------
    >>> import numpy as np
    >>> from rasterio.windows import Window
    >>> field = field_over({"s2": np.ones((4, 20, 30), "uint16"), "dem": np.zeros((20, 30))})
    >>> {name: array.shape for name, array in field.select(Window(0, 0, 8, 8)).items()}
    {'s2': (4, 8, 8), 'dem': (1, 8, 8)}

    """

    source: Aligned

    @property
    def domain(self) -> RasterDomain:
        """The grid of the first, of records."""
        return self.source.domain

    @property
    def gives_windows(self) -> bool:
        """No: windows are made of pixels that are read strip by strip."""
        return False

    @property
    def members(self) -> dict[str, SourceField[object]]:
        """Each raster by its name, where it lies over the first."""
        return {one.member.name: RasterField(one.source) for one in self.source.rasters}

    def dress(self, pixels: Array, box: Box) -> dict[str, Array]:
        """Return records ``(1, h, w)`` as the arrays ``(bands, h, w)`` they hold, by name."""
        _ = box
        return self.source.packing.unpacked(pixels)

    def select(self, indexer: PixelWindow) -> dict[str, Array]:
        """Return the pixels of each raster in a window, ``(bands, h, w)``.

        Parameters
        ----------
        indexer
            A rasterio ``Window`` of whole pixels of the first, inside it.

        Returns
        -------
        dict
            Arrays by name.

        Raises
        ------
        ValueError
            The window reaches over the edge.

        """
        box = box_of(indexer)
        if not Box.of_shape(self.domain.grid_shape).contains(box):
            raise ValueError(f"window {box} is not inside the raster of {self.domain.grid_shape} pixels")
        return self.dress(self.source.read(box), box)

    def with_data(self, array: Array) -> SourceField[object]:
        """Return a field on the same grid holding ``array``.

        Parameters
        ----------
        array
            ``(h, w)`` or ``(bands, h, w)``.

        Returns
        -------
        RasterField
            In memory.

        """
        return RasterField(self.source.rasters[0].source).with_data(array)


def field_over(source: Sources, *, either: bool = False) -> SourceField[object]:
    """Return a field for a source, as `as_field` does, or for several by name, in a dict.

    A pixel of several counts as data where all of them hold some, or with ``either`` where any does.

    Raises
    ------
    SourceError
        One of them cannot be opened, or put over the first; names it.
    TypeError
        Nothing is known about objects of this type.

    """
    if not isinstance(source, dict):
        return as_field(cast("Source", source))
    return AlignedField(aligned({name: as_field(one).source for name, one in source.items()}, either=either))
