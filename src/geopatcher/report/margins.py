"""The margin an operator needs: how far from the border of what it is shown its results are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from geopatcher.api.models import as_run, matched, reading_for
from geopatcher.api.opening import opened
from geopatcher.api.options import SourceOptions
from geopatcher.core.axis import pixel_pair
from geopatcher.core.html_cards import plain_card
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.engine.prepare import name_of
from geopatcher.report.margin_trials import Differences, Layout
from geopatcher.report.trials import areas_of

if TYPE_CHECKING:
    from geopatcher.api.axes import Scale
    from geopatcher.api.models import Runnable
    from geopatcher.fields.open import Sources
    from geopatcher.report.results import Pixels

#: Differences that are no larger than this share of the range of values are those of float32.
TOLERANCE = 1e-5
#: Margins in a table, as far as they were looked at.
LISTED = (0, 1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)


@dataclass(frozen=True)
class MarginTuning:
    """What `tune_margin` found: by how much results differ that lie near the border of what was shown.

    Parameters
    ----------
    operator
        Its name.
    shown
        ``(height, width)`` of what it was shown at once, in pixels.
    differences
        The largest difference that is left with a margin of 0, 1, 2, ... pixels.
    value_range
        The largest value of the results less the smallest.
    moved
        The largest difference between windows that begin one pixel apart, in their middle.
    unit
        Margins and patches are multiples of so many pixels, 1 for any.
    samples
        At how many places.
    is_fixed
        Whether the operator takes no other height and width.

    """

    operator: str
    shown: tuple[int, int]
    differences: tuple[float, ...]
    value_range: float
    moved: float = 0.0
    unit: int = 1
    samples: int = 1
    is_fixed: bool = False

    @property
    def widest(self) -> int:
        """The widest margin that was looked at."""
        return len(self.differences) - 1

    @property
    def needed(self) -> int | None:
        """The smallest margin that leaves no difference, in pixels; ``None`` where none does."""
        enough = (margin for margin, left in enumerate(self.differences) if self._is_none(left))
        return next(enough, None)

    @property
    def recommended(self) -> int | None:
        """The smallest multiple of ``unit`` that leaves no difference; ``None`` where none does."""
        return None if self.needed is None else -(-self.needed // self.unit) * self.unit

    @property
    def has_a_grid(self) -> bool:
        """Whether results change when a patch begins elsewhere, however wide the margin."""
        return self.needed is not None and self.needed < self.widest and not self._is_none(self.moved)

    @property
    def reason(self) -> str:
        """What is recommended, and why."""
        if self.recommended is None:
            larger = "" if self.is_fixed else "try a larger size, or "
            return (
                f"recommended: none: no margin up to {self.widest} is enough. Each result depends on pixels "
                f"further away, or on all of a patch: {larger}hide seams by overlap and a taper "
                f"(--measure overlap)"
            )
        of_unit = f" of the multiples of {self.unit}" if self.unit > 1 else ""
        sides = dict.fromkeys(side - 2 * self.recommended for side in self.shown)
        size = f" and size {'x'.join(map(str, sides))}" if self.is_fixed else ""
        return (
            f"recommended: margin {self.recommended}{size}: the smallest{of_unit} that leaves no more than "
            f"{TOLERANCE:.0e} of the range of {self.value_range:.3g}"
        )

    def _is_none(self, difference: float) -> bool:
        return difference <= TOLERANCE * self.value_range

    def _listed(self) -> list[int]:
        last = self.widest if self.needed is None else self.needed
        return sorted({*(margin for margin in LISTED if margin < last), max(0, last - 1), last})

    def _repr_html_(self) -> str:
        return plain_card("MarginTuning", str(self))

    def __str__(self) -> str:
        rows, cols = self.shown
        lines = [
            f"{self.operator}, shown {rows} x {cols} pixels, {self.samples} samples",
            f"{'margin':>9}{'largest difference':>21}{'of the range':>15}",
        ]
        for margin in self._listed():
            left = self.differences[margin]
            share = left / self.value_range if self.value_range else 0.0
            mark = "   <- enough" if margin == self.needed else ""
            lines.append(f"{margin:>9}{left:>21.3g}{share:>15.1e}{mark}")
        lines.append(self.reason)
        if self.has_a_grid:
            multiples = f"multiples of {self.unit}" if self.unit > 1 else "multiples of its own"
            lines.append(
                f"note: patches that begin one pixel apart differ by {self.moved:.3g}, whatever the margin: "
                f"give a size and step that are {multiples}, and boundary reflect where the raster is none"
            )
        return "\n".join(lines)


def tune_margin(
    source: Sources,
    operator: Runnable,
    *,
    size: Pixels = 256,
    samples: int = 4,
    output_scale: Scale | None = None,
    **opening: Unpack[SourceOptions],
) -> MarginTuning:
    """Measure how wide a margin an operator needs for its tiles to equal the whole raster.

    The operator is shown windows of twice the size, or of the one size that a model takes. Each sample is six
    of them that overlap; how much their results differ is looked at up to a quarter of a window from the
    border. A raster that is smaller is mirrored. What is found holds for values like those of the samples.

    Parameters
    ----------
    source
        What the operator will be run over; or several rasters by name in a dict, on the grid of the first.
    operator
        As for `reconstruct`: a function, a model, or the path of one.
    size
        Patch, in pixels.
    samples
        How many places are looked at, spread over the raster.
    output_scale
        As for `reconstruct`.
    **opening
        How the source is read, as for `reconstruct`: ``bands``, ``native``, ``variable``, ...

    Returns
    -------
    MarginTuning
        Printed, a table; ``.recommended`` is a margin in pixels of the source.

    Raises
    ------
    ValueError
        No sample holds data, or the model takes too few pixels at once.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).random((300, 300), dtype="float32")
    >>> def smooth(x):  # the mean of seven pixels; beyond the border there are zeros
    ...     return sum(np.pad(x, 3)[3:-3, i : i + x.shape[1]] for i in range(7)) / 7
    >>> tune_margin(image, smooth, size=64).recommended
    3

    """
    run = as_run(operator, None)
    pixels = opened(source, opening, ErrorPolicy(), "tune_margin", SourceOptions.__optional_keys__, run)
    layout = Layout.of(run, pixel_pair(size, "size"), reading_for(run, 0, output_scale).scale)
    run, pixels = matched(run, pixels, layout.shown, (0, 0))
    found = Differences(layout)
    for area in areas_of(pixels, layout.extent, samples):
        found.take(area, run)
    if not found.samples:
        raise ValueError(f"no sample of {pixels.name} holds data: give more samples than {samples}")
    return MarginTuning(
        operator=name_of(run),
        shown=layout.shown,
        differences=found.by_margin(),
        value_range=max(0.0, found.high - found.low),
        moved=found.moved,
        unit=layout.unit,
        samples=found.samples,
        is_fixed=layout.is_fixed,
    )
