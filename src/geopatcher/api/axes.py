"""The four axes of a run, from a patcher or from sizes and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from geopatcher.aggregations.names import aggregation_from_name
from geopatcher.api.placed import check_rectangular
from geopatcher.core.axis import pixel_pair
from geopatcher.patching.geometry import SpatialRectangular
from geopatcher.patching.samplers.lattice import SpatialRegularStride
from geopatcher.patching.windows import window_from_name

if TYPE_CHECKING:
    from fractions import Fraction

    from geopatcher.accumulators.base import AnyCellAggregation
    from geopatcher.accumulators.protocols import Plannable
    from geopatcher.core.protocols import RectGeometry, Sampler, Window

#: Pixels: one number for rows and columns, or ``(rows, columns)``.
Size: TypeAlias = "int | tuple[int, int]"
#: Pixels of a result for one of the source, along each axis, such as 2, 0.25 or ``"1/3"``.
Scale: TypeAlias = "float | Fraction | str"


class PatcherLike(Protocol):
    """The four axes of a patcher."""

    @property
    def geometry(self) -> RectGeometry:
        """Anchor to neighbourhood."""
        ...

    @property
    def sampler(self) -> Sampler:
        """Where the anchors are."""
        ...

    @property
    def window(self) -> Window:
        """The taper."""
        ...

    @property
    def aggregation(self) -> Plannable:
        """Local to global."""
        ...


#: Names of the arguments that say what patches there are.
PATCHES = ("patcher", "size", "step", "window", "aggregation", "boundary")
#: Of the arguments that a patcher stands for, in the order of `axes_for`.
USUAL: tuple[Size, None, str, str, str] = (256, None, "hann", "overlap-add", "cover")


def axes_for(
    patcher: PatcherLike | None,
    size: Size,
    step: Size | None,
    window: str | Window,
    aggregation: str | AnyCellAggregation,
    boundary: str,
) -> PatcherLike:
    """Return a patcher, or the axes of sizes and names where there is none.

    Raises
    ------
    TypeError
        There is a patcher, and something else is asked for of what it stands for.

    """
    if patcher is not None:
        check_rectangular(patcher.geometry)
    if patcher is None:
        return Axes.of(size, step, window, aggregation, boundary)
    given = zip(PATCHES[1:], (size, step, window, aggregation, boundary), USUAL, strict=True)
    asked = [name for name, value, usual in given if value is not usual and value != usual]
    if asked:
        raise TypeError(
            f"{asked[0]}= is not for a patcher=, which has its own: leave out {', '.join(asked)}, or make "
            f"the patcher with it"
        )
    return patcher


@dataclass(frozen=True)
class Axes:
    """The four axes, put together from sizes and names."""

    geometry: RectGeometry
    sampler: Sampler
    window: Window
    aggregation: AnyCellAggregation

    @classmethod
    def of(
        cls,
        size: Size,
        step: Size | None,
        window: str | Window,
        aggregation: str | AnyCellAggregation,
        boundary: str,
    ) -> Axes:
        """Resolve names and defaults; ``step=None`` is half of ``size``.

        >>> axes = Axes.of(256, None, "hann", "overlap-add", "cover")
        >>> axes.sampler.step, type(axes.aggregation).__name__
        ((128, 128), 'SpatialOverlapAdd')
        """
        rows, cols = pixel_pair(size, "size")
        stride = (max(1, rows // 2), max(1, cols // 2)) if step is None else pixel_pair(step, "step")
        return cls(
            SpatialRectangular((rows, cols), boundary),
            SpatialRegularStride(stride),
            window_from_name(window) if isinstance(window, str) else window,
            aggregation_from_name(aggregation) if isinstance(aggregation, str) else aggregation,
        )
