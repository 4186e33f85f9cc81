"""Advice on overlap: a few steps and windows are tried on a sample, their seams and their cost measured.

Each is compared with a reference: the same operator run in patches whose borders fall elsewhere, half
overlapping under a Hann window. What jumps in both is the picture and no seam.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, Unpack

import numpy as np

from geopatcher._optional import load
from geopatcher.aggregations.names import aggregation_from_name
from geopatcher.api.models import as_run, matched, reading_for
from geopatcher.api.opening import opened
from geopatcher.api.options import SourceOptions
from geopatcher.core.axis import pixel_pair
from geopatcher.core.html_cards import plain_card
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.engine.prepare import name_of
from geopatcher.report.choices import Choice
from geopatcher.report.seams import UNSEEN
from geopatcher.report.trials import PATCHES, Manner, Measured, Remembered, areas_of, reference_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import matplotlib.axes
    import matplotlib.figure

    from geopatcher.api.axes import Scale
    from geopatcher.api.models import Runnable
    from geopatcher.core.protocols import Array, PixelSource
    from geopatcher.fields.open import Sources
    from geopatcher.report.results import Pixels

#: A step and a window.
Key: TypeAlias = "tuple[tuple[int, int], str]"

#: Steps that are tried, as shares of the size.
SHARES = (1.0, 0.75, 0.5, 0.25)
#: Windows that are tried.
WINDOWS = ("hann", "tukey", "boxcar")
#: Width and height of the picture, in inches.
FIGURE_IN = (8.4, 5.2)
#: What is not data.
SOFT = "#77756d"
#: Labels of which a smaller share differs from those of other patches agree.
AGREED = 0.001
#: Hues of the windows.
HUES = ("#2a78d6", "#1b9e6a", "#e2632e", "#8a5cd1", "#b58900")


@dataclass(frozen=True)
class Tuning:
    """What `tune` found: every choice, the cheapest first, and the one it recommends.

    Parameters
    ----------
    size
        ``(height, width)`` of the patches, in pixels.
    operator
        Its name.
    choices
        What was tried, the cheapest first.
    recommended
        One of them; `None` where nothing could be measured.
    samples
        At how many places.

    """

    size: tuple[int, int]
    operator: str
    choices: Sequence[Choice]
    recommended: Choice | None
    samples: int

    @property
    def reason(self) -> str:
        """Why this choice is recommended, or none is."""
        if self.recommended is None:
            return (
                "nothing could be measured: no value changes beside the borders of patches; give more samples"
            )
        if self.recommended.of_labels:
            if self.recommended.disagreement <= AGREED:
                return f"the cheapest of which no more than {AGREED:.1%} of the labels differ"
            return "the fewest labels that differ of those tried; try a larger size, or a smaller step"
        verdict = self.recommended.seams.strongest.verdict
        if verdict == "not visible":
            return "the cheapest whose seams are not visible"
        if self.recommended.seams.strongest.low <= 1.0:
            return "the cheapest whose seams may be none; give more samples to be sure"
        return "the faintest seams of those tried; try a larger size, or a smaller step"

    def plot(self, ax: matplotlib.axes.Axes | None = None) -> matplotlib.axes.Axes:
        """Draw seams against cost; needs the extra ``viz``.

        Parameters
        ----------
        ax
            Where to draw; a figure of its own by default.

        Returns
        -------
        matplotlib.axes.Axes
            What was drawn on.

        """
        if ax is None:
            ax = load("matplotlib.pyplot").figure(figsize=FIGURE_IN, layout="constrained").add_subplot()
        _draw(self, ax)
        return ax

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture of `plot` to a file, such as ``tune.png``.

        Parameters
        ----------
        path
            The file; its ending decides the format.

        """
        figure: matplotlib.figure.Figure = load("matplotlib.figure").Figure(FIGURE_IN, layout="constrained")
        self.plot(figure.add_subplot())
        figure.savefig(path, dpi=130)

    def _repr_html_(self) -> str:
        return plain_card("Tuning", str(self))

    def __str__(self) -> str:
        of_labels = any(each.of_labels for each in self.choices)
        what = "other labels in other patches" if of_labels else "seam (95 %)"
        head = f"{'step':>9}  {'window':<9}{'overlap':>8}{'patches/Mpx':>13}{'s/Mpx':>9}  {what}"
        rows, cols = self.size
        lines = [f"{self.operator}, patches of {rows} x {cols}, {self.samples} samples", head]
        for choice in self.choices:
            mark = "   <- recommended" if choice is self.recommended else ""
            step = "x".join(map(str, dict.fromkeys(choice.step)))
            lines.append(
                f"{step:>9}  {choice.window:<9}{choice.overlap:>8.0%}{choice.patches_per_mpx:>13,.1f}"
                f"{choice.seconds_per_mpx:>9.3g}  {choice.found}{mark}"
            )
        return "\n".join([*lines, f"recommended: {self.name}: {self.reason}"])

    @property
    def name(self) -> str:
        """The name of what is recommended, or none."""
        return "none" if self.recommended is None else self.recommended.name


def tune(
    source: Sources,
    operator: Runnable,
    *,
    size: Pixels = 256,
    steps: Iterable[Pixels] | None = None,
    windows: Iterable[str] = WINDOWS,
    samples: int = 4,
    margin: Pixels | None = None,
    output_scale: Scale | None = None,
    batch_size: int = 1,
    aggregation: str = "overlap-add",
    labels: bool | None = None,
    **opening: Unpack[SourceOptions],
) -> Tuning:
    """Try a few steps and windows on samples of a raster; measure how visible the seams are, and the cost.

    Parameters
    ----------
    source
        What the operator will be run over; or several rasters by name in a dict, on the grid of the first.
    operator
        As for `reconstruct`: a function, a model, or the path of one. Of a model with classes it is their
        probabilities whose seams are measured.
    size
        Patch, in pixels.
    steps
        Steps to try, in pixels; the whole, three quarters, half and a quarter of the size by default.
    windows
        Windows to try, by name.
    samples
        How many places are tried: squares three patches a side, spread over the raster.
    margin, output_scale, batch_size, aggregation
        As for `reconstruct`.
    labels
        Whether results are labels, such as classes, of which it is counted how many differ where patches lie
        otherwise; by default known by the aggregation, or by their having few values.
    **opening
        How the source is read, as for `reconstruct`: ``bands``, ``native``, ``variable``, ...

    Returns
    -------
    Tuning
        Printed, a table; ``.plot()`` and ``.save("tune.png")`` draw it; ``.recommended`` is the cheapest
        choice whose seams cannot be told from none, of labels the cheapest whose labels hardly depend on
        where patches lie; `None` where nothing could be measured.

    Raises
    ------
    ValueError
        There is nothing to try, or no sample holds data.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((300, 300), dtype="float32")
    >>> tuning = tune(image, lambda x: x * 2, size=64, steps=(64, 32), windows=("hann",))
    >>> tuning.recommended.step  # what each pixel becomes does not depend on the others: no overlap is needed
    (64, 64)

    """
    rows, cols = pixel_pair(size, "size")
    run = as_run(operator, None)
    manner = Manner((rows, cols), reading_for(run, margin, output_scale), aggregation, batch_size)
    tried = _candidates((rows, cols), steps, windows)
    given = opened(source, opening, ErrorPolicy(), "tune", SourceOptions.__optional_keys__, run)
    run, pixels = matched(run, given, manner.size, manner.reading.margin)
    known = True if labels is None and aggregation_from_name(aggregation).gives_labels else labels
    found, looked_at = _try(pixels, run, manner, tried, samples, known)
    per_patch_s = _per_patch_s(found)
    choices = sorted(
        (_choice(key, (rows, cols), found, per_patch_s) for key in tried),
        key=lambda choice: (choice.patches_per_mpx, choice.seams.strongest.high),
    )
    return Tuning((rows, cols), name_of(run), choices, _recommended(choices), looked_at)


def _try(
    source: PixelSource,
    operator: Callable[..., Array],
    manner: Manner,
    tried: Sequence[Key],
    samples: int,
    labels: bool | None,
) -> tuple[dict[Key, Measured], int]:
    """Run every choice over every sample; return what was measured, and how many samples there were."""
    found: dict[Key, Measured] = {each: Measured(labels) for each in tried}
    looked_at = 0
    extent = PATCHES * manner.size[0], PATCHES * manner.size[1]
    for area in areas_of(source, extent, samples, manner.reading.scale.denominator):
        looked_at += 1
        reference = reference_of(area, Remembered(operator), manner)
        for step, group in itertools.groupby(tried, key=lambda each: each[0]):
            remembered = Remembered(operator)
            for _, window in group:
                found[step, window].take(manner.run(area, remembered, step, window), reference)
    if not looked_at:
        raise ValueError(f"no sample of {source.name} holds data: give more samples than {samples}")
    return found, looked_at


def _candidates(size: tuple[int, int], steps: Iterable[Pixels] | None, windows: Iterable[str]) -> list[Key]:
    """Return what is tried: without overlap, all windows are the same, and the first one stands for them."""
    given = (
        [tuple(max(1, round(share * side)) for side in size) for share in SHARES] if steps is None else steps
    )
    pairs = sorted({pixel_pair(step, "step") for step in given}, reverse=True)
    names = list(dict.fromkeys(windows))
    if not pairs or not names:
        raise ValueError("there is nothing to try: give at least one step and one window")
    too_long = [step for step in pairs if step[0] > size[0] or step[1] > size[1]]
    if too_long:
        raise ValueError(f"step {too_long[0]} is longer than the size {size}: pixels would be left out")
    return [(step, name) for step in pairs for name in (names[:1] if step == size else names)]


def _choice(key: Key, size: tuple[int, int], found: Mapping[Key, Measured], per_patch_s: float) -> Choice:
    step, window = key
    patches = 1e6 / (step[0] * step[1])
    overlap = max(1.0 - step[axis] / size[axis] for axis in (0, 1))
    return Choice(
        step, window, overlap, patches, per_patch_s * patches, found[key].seams(), found[key].disagreement
    )


def _per_patch_s(found: Mapping[Key, Measured]) -> float:
    """Return what a patch takes, operated on and stitched: no step or window changes that much.

    The first window of a step called the operator; the others remembered.
    """
    first: dict[tuple[int, int], Measured] = {}
    for (step, _), measured in found.items():
        first.setdefault(step, measured)
    operated = sum(each.patches for each in first.values())
    operate_s = sum(each.operate_s for each in first.values()) / max(1, operated)
    stitched = sum(each.patches for each in found.values())
    return operate_s + sum(each.stitch_s for each in found.values()) / max(1, stitched)


def _recommended(choices: Sequence[Choice]) -> Choice | None:
    """Return the cheapest without visible seams, or else that may have none, or else the faintest.

    Of labels it is the cheapest that agrees with other patches, or else the one that does most.
    """
    of_labels = [choice for choice in choices if choice.of_labels]
    if of_labels:
        least = min(of_labels, key=lambda choice: choice.disagreement)
        return next((choice for choice in of_labels if choice.disagreement <= AGREED), least)
    choices = [choice for choice in choices if choice.is_measured]
    clean = [choice for choice in choices if choice.seams.strongest.verdict == "not visible"]
    perhaps = [choice for choice in choices if choice.seams.strongest.low <= 1.0]
    if clean or perhaps:
        return (clean or perhaps)[0]
    return min(choices, key=lambda choice: choice.seams.strongest.ratio, default=None)


def _ends(choice: Choice) -> tuple[float, float, float]:
    """Return what was measured between the ends of its confidence."""
    if choice.of_labels:
        return (choice.disagreement,) * 3
    seam = choice.seams.strongest
    return seam.low, seam.ratio, seam.high


def _draw(tuning: Tuning, ax: matplotlib.axes.Axes) -> None:
    windows = list(dict.fromkeys(each.window for each in tuning.choices))
    known = [each for each in tuning.choices if each.is_measured]
    of_labels = any(each.of_labels for each in known)
    if of_labels:
        top = 1.0
        ax.axhspan(0, AGREED, color=HUES[0], alpha=0.09, linewidth=0)
    else:
        highs = [each.seams.strongest.high for each in known]
        top = max([1.2, *(high for high in highs if np.isfinite(high))])
        ax.axhspan(1 - UNSEEN, 1 + UNSEEN, color=HUES[0], alpha=0.09, linewidth=0)
        ax.axhline(1.0, color=SOFT, linewidth=0.8, linestyle=(0, (3, 3)))
    ax.set_xscale("log")
    for choice in known:
        index = windows.index(choice.window)
        low, level, high = _ends(choice)
        # Windows of one step cost the same: a little apart, all of them can be seen.
        x = max(choice.seconds_per_mpx, 1e-9) * 1.05 ** (index - (len(windows) - 1) / 2)
        y, colour = min(level, top), HUES[index % len(HUES)]
        ax.plot([x, x], [min(low, top), min(high, top)], color=colour, linewidth=2)
        ax.plot([x], [y], "o", color=colour, markersize=8, markeredgecolor="white")
        if choice is tuning.recommended:
            ax.plot([x], [y], "o", markersize=17, markerfacecolor="none", markeredgecolor="black")
    for step in dict.fromkeys(each.step for each in tuning.choices):
        x = max(next(each.seconds_per_mpx for each in tuning.choices if each.step == step), 1e-9)
        name = f"step {'x'.join(map(str, dict.fromkeys(step)))}"
        ax.annotate(name, (x, 0.02), xycoords=("data", "axes fraction"), ha="center", color=SOFT, fontsize=9)
    for index, window in enumerate(windows):
        ax.plot([], [], "o", color=HUES[index % len(HUES)], markersize=8, label=window)
    rows, cols = tuning.size
    ax.margins(x=0.12, y=0.16)
    ax.set_title(f"Recommended: {tuning.name}, {tuning.reason}", fontsize=10.5, loc="left", wrap=True)
    ax.set_xlabel("seconds per million pixels, operating and stitching")
    ax.set_ylabel(
        "share of labels that differ" if of_labels else "jump across borders over the jump without them"
    )
    plain = load("matplotlib.ticker").FuncFormatter(lambda value, _: f"{value:.3g}")
    ax.xaxis.set_major_formatter(plain)
    ax.xaxis.set_minor_formatter(plain)
    ax.legend(frameon=False, title=f"window, size {rows if rows == cols else f'{rows}x{cols}'}")
    ax.spines[["top", "right"]].set_visible(False)
