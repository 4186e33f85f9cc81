"""Windows that see the same pixels from different places, and how much the results of an operator differ.

Five windows of one size overlap: four begin at the corners of a square, and one in its middle. The pixels
that all have in common lie well within the one in the middle, and from the border inwards in the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from geopatcher.api.axes import Axes
from geopatcher.api.reconstruct import reconstruct
from geopatcher.core.box import Box
from geopatcher.core.sources import packing_of
from geopatcher.engine.prepare import name_of
from geopatcher.fields.held_part import held_field, held_part
from geopatcher.operators.models.protocol import ModelLike
from geopatcher.planning.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from geopatcher.core.protocols import Array
    from geopatcher.fields.raster import RasterField


@dataclass(frozen=True)
class Layout:
    """Where the windows lie: ``shown`` is their height and width, ``shift`` how far the middle one is moved.

    All of it is in pixels of the source. ``unit`` is what ``shift`` is a multiple of, ``scale`` how many
    pixels of the result one of the source is, ``is_fixed`` whether the operator takes no other size.
    """

    shown: tuple[int, int]
    shift: tuple[int, int]
    unit: int
    scale: Fraction
    is_fixed: bool = False

    @classmethod
    def of(cls, operator: Callable[..., Array], size: tuple[int, int], scale: Fraction) -> Self:
        """Return windows of twice the size of a patch, or of the one size that a model takes.

        Raises
        ------
        ValueError
            The model takes so few pixels at once that nothing can be moved.

        """
        record = operator.record if isinstance(operator, ModelLike) else None
        unit = math.lcm(scale.denominator, 1 if record is None else record.multiple)
        fixed = None if record is None else record.size
        least = 4 * unit
        rows, cols = fixed or (-(-2 * size[0] // least) * least, -(-2 * size[1] // least) * least)
        if min(rows, cols) < least:
            raise ValueError(
                f"{name_of(operator)} takes {rows}x{cols} pixels at once, in multiples of {unit}: a margin "
                f"is measured with windows of {least}x{least} or more"
            )
        shift = rows // least * unit, cols // least * unit
        return cls((rows, cols), shift, unit, scale, is_fixed=fixed is not None)

    @property
    def widest(self) -> int:
        """The widest margin that is looked at."""
        return min(self.shift)

    @property
    def extent(self) -> tuple[int, int]:
        """Height and width of all windows together."""
        return self.shown[0] + 2 * self.shift[0], self.shown[1] + 2 * self.shift[1]

    @property
    def corners(self) -> list[tuple[int, int]]:
        """Where four of the windows begin."""
        rows, cols = self.shift
        return [(row, col) for row in (0, 2 * rows) for col in (0, 2 * cols)]

    def common(self, corner: tuple[int, int]) -> tuple[slice, slice]:
        """Return where the pixels that all windows share lie in the result of the one that begins there."""
        (height, width), (rows, cols) = self.shown, self.shift
        box = Box(2 * rows, height, 2 * cols, width).shift(-corner[0], -corner[1])
        made = Reading(scale=self.scale).made
        (row0, col0), (row1, col1) = made((box.row0, box.col0)), made((box.row1, box.col1))
        return slice(row0, row1), slice(col0, col1)

    def depths(self) -> Array:
        """Return, for each pixel of a result, the widest margin that leaves it, in pixels of the source.

        >>> from fractions import Fraction
        >>> Layout((8, 8), (2, 2), 2, Fraction(1, 2)).depths()[1].tolist()
        [0, 2, 2, 0]
        """
        rows, cols = (self._depths(length) for length in self.shown)
        return np.minimum.outer(rows, cols)

    def _depths(self, length: int) -> Array:
        fine, coarse = self.scale.as_integer_ratio()
        cells = np.arange(Reading(scale=self.scale).scaled(length))
        return np.minimum(cells * coarse // fine, length + -(cells + 1) * coarse // fine)


@dataclass
class Differences:
    """The largest difference for each margin, over all samples, and between which values results lie.

    ``moved`` is the largest between two windows in whose middle the pixels are, and that begin one pixel
    apart.
    """

    layout: Layout
    largest: Array = field(init=False)  # by how deep a pixel lies: (widest + 1,)
    moved: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    samples: int = 0

    def __post_init__(self) -> None:
        self.largest = np.zeros(self.layout.widest + 1)

    def take(self, area: RasterField, operator: Callable[..., Array]) -> None:
        """Look at a piece of a raster; one that is too small is mirrored."""
        layout = self.layout
        whole = _grown(area, layout.extent)
        middle = _seen(whole, operator, layout, layout.shift)
        known = middle[np.isfinite(middle)]
        self.low = min(self.low, known.min(initial=math.inf))
        self.high = max(self.high, known.max(initial=-math.inf))
        depths = layout.depths()
        for corner in layout.corners:
            deep = np.minimum(depths[layout.common(corner)], layout.widest)
            np.maximum.at(self.largest, deep, _apart(_seen(whole, operator, layout, corner), middle))
        if layout.scale == 1:
            further = layout.shift[0] + 1, layout.shift[1] + 1
            apart = _apart(_seen(whole, operator, layout, further), middle)
            self.moved = max(self.moved, float(apart.max()))
        self.samples += 1

    def by_margin(self) -> tuple[float, ...]:
        """Return the largest difference that is left with a margin of 0, 1, 2, ... pixels."""
        return tuple(np.maximum.accumulate(self.largest[::-1])[::-1].tolist())


def _grown(area: RasterField, extent: tuple[int, int]) -> RasterField:
    """Return a piece of a raster of a height and width, mirrored at its end where it is shorter."""
    shape = area.domain.grid_shape
    pixels = area.source.read(Box.of_shape(shape))
    more = [(0, max(0, wanted - length)) for wanted, length in zip(extent, shape, strict=True)]
    if any(after for _, after in more) and packing_of(area.source) is not None:
        raise ValueError(
            f"several rasters are not mirrored, and a margin is measured over {extent[0]}x{extent[1]} of "
            f"their {shape[0]}x{shape[1]} pixels: give a smaller size"
        )
    pixels = np.pad(pixels, [(0, 0), *more], mode="reflect")
    domain = area.domain.cut(Box.of_shape((pixels.shape[1], pixels.shape[2])))
    return held_field(area.source, pixels, domain)


def _seen(
    whole: RasterField, operator: Callable[..., Array], layout: Layout, corner: tuple[int, int]
) -> Array:
    """Return what an operator makes of the common pixels in a window; floats, NaN where missing."""
    box = Box.of_shape(layout.shown).shift(*corner)
    window = held_part(whole.source, whole.source.read(box), box)
    once = Axes.of(layout.shown, layout.shown, "boxcar", "overlap-add", "cover")
    made = reconstruct(window, operator, patcher=once, margin=0, output_scale=layout.scale, progress=False)
    cells: Array = np.where(made.valid[...], made.array, np.nan)
    return cells.reshape(-1, *cells.shape[-2:])[:, *layout.common(corner)]


def _apart(one: Array, other: Array) -> Array:
    """Return the largest difference of a pixel over all bands; infinite where one of two is missing."""
    lost = np.isnan(one) != np.isnan(other)
    apart = np.where(lost, np.inf, np.nan_to_num(np.abs(one - other), nan=0.0))
    largest: Array = apart.max(axis=0)
    return largest
