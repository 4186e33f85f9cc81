"""The demo's picture: input, result and difference, whole and in detail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geopatcher._optional import load

if TYPE_CHECKING:
    from pathlib import Path

    import matplotlib.axes
    import matplotlib.colors
    import matplotlib.figure
    import matplotlib.image

    from geopatcher.core.protocols import Array

INK = "#26323a"
NO_DATA = "#e9ecee"
#: Index value and colour: water, bare soil, thin and thick vegetation.
INDEX_COLOURS = (
    (-0.5, "#2b4a6f"),
    (-0.1, "#7d9cb5"),
    (0.1, "#c9a27c"),
    (0.3, "#efe3b3"),
    (0.5, "#a9cf7c"),
    (0.7, "#4c9a4e"),
    (0.9, "#0e4a2b"),
)


@dataclass(frozen=True)
class Panels:
    """Three pictures of the same ground: reflectance ``(h, w, 3)``, index and difference ``(h, w)``."""

    rgb: Array
    index: Array
    difference: Array


def natural(reflectance: Array) -> Array:
    """Return reflectance as colours from 0 to 1, with room left for clouds; white where there is no data.

    >>> natural(np.array([[[0.0, 0.1, np.nan]]])).round(2).tolist()
    [[[0.0, 0.57, 0.92]]]
    """
    shown = 1 - np.exp(-8.5 * reflectance)
    return np.where(np.isnan(shown), 0.92, np.clip(shown, 0, 1))


def draw(
    path: Path,
    whole: Panels,
    part: Panels,
    *,
    square: tuple[float, float, float],
    corner: tuple[int, int],
    patch: tuple[int, int],
    expression: str,
    error: float,
) -> None:
    """Draw ``whole`` above ``part`` and write a PNG.

    Parameters
    ----------
    path
        Of the PNG.
    whole, part
        The scene, and a square of it at full resolution.
    square
        Where the square is: left, top and side, as fractions of the scene.
    corner
        Row and column of the square in the scene, in pixels.
    patch
        Size and step of the patches in pixels, drawn over the square.
    expression
        What the result is, for its title.
    error
        The largest difference anywhere.

    """
    colours = load("matplotlib.colors")
    figure = load("matplotlib.figure").Figure(figsize=(12.4, 9.0), dpi=100, facecolor="white")
    axes = figure.subplots(2, 3, gridspec_kw={"height_ratios": [1, 1]})
    figure.subplots_adjust(left=0.012, right=0.988, top=0.955, bottom=0.075, wspace=0.03, hspace=0.03)
    low, high = INDEX_COLOURS[0][0], INDEX_COLOURS[-1][0]
    stops = [((value - low) / (high - low), colour) for value, colour in INDEX_COLOURS]
    palette = colours.LinearSegmentedColormap.from_list("index", stops).with_extremes(bad=NO_DATA)
    scale = max(error, 1e-7)
    for row, panels in zip(axes, (whole, part), strict=True):
        row[0].imshow(natural(panels.rgb), interpolation="antialiased")
        index = row[1].imshow(panels.index, cmap=palette, vmin=low, vmax=high, interpolation="antialiased")
        error_map = row[2].imshow(panels.difference * 1e7, cmap=_ambers(), vmin=0, vmax=scale * 1e7)
    titles = (
        "input, read in patches that overlap by half",
        f"result: {expression}",
        "difference from the whole-array result",
    )
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, color=INK, fontsize=11.5, pad=7)
        _frame(axis, *square, shape=whole.index.shape)
    _patches(axes[1][0], part.index.shape[0], corner, *patch)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        for spine in axis.spines.values():
            spine.set_visible(False)
    _bar(figure, axes[1][1], index, "vegetation index")
    _bar(figure, axes[1][2], error_map, f"absolute difference in 1e-7 (at most {error * 1e7:.2g})")
    figure.savefig(path)


def _ambers() -> matplotlib.colors.Colormap:
    stops = ["#ffffff", "#f2b65f", "#a8321f"]
    palette = load("matplotlib.colors").LinearSegmentedColormap.from_list("difference", stops)
    shown: matplotlib.colors.Colormap = palette.with_extremes(bad=NO_DATA)
    return shown


def _frame(axis: matplotlib.axes.Axes, left: float, top: float, side: float, shape: tuple[int, ...]) -> None:
    """Draw where the detail is."""
    height, width = shape
    x, y = np.array([0, 1, 1, 0, 0]) * side + left, np.array([0, 0, 1, 1, 0]) * side + top
    axis.plot(x * width, y * height, color="white", linewidth=2.6)
    axis.plot(x * width, y * height, color=INK, linewidth=1.2)


def _patches(axis: matplotlib.axes.Axes, side: int, corner: tuple[int, int], size: int, step: int) -> None:
    """Draw where patches begin and end, and stress two that overlap."""
    rows = np.arange(-corner[0] % step, side, step)
    cols = np.arange(-corner[1] % step, side, step)
    for row in rows:
        axis.axhline(row - 0.5, color="white", linewidth=0.7, alpha=0.55)
    for col in cols:
        axis.axvline(col - 0.5, color="white", linewidth=0.7, alpha=0.55)
    for row, col in [
        (row, col) for row, col in zip(rows, cols, strict=False) if max(row, col) + size <= side
    ][1:3]:
        x, y = np.array([0, 1, 1, 0, 0]) * size + col - 0.5, np.array([0, 0, 1, 1, 0]) * size + row - 0.5
        axis.plot(x, y, color=INK, linewidth=3.4)
        axis.plot(x, y, color="#ffd34d", linewidth=1.8)


def _bar(
    figure: matplotlib.figure.Figure,
    axis: matplotlib.axes.Axes,
    image: matplotlib.image.AxesImage,
    label: str,
) -> None:
    box = axis.get_position()
    place = figure.add_axes((box.x0 + 0.04, 0.048, box.width - 0.08, 0.012))
    bar = figure.colorbar(image, cax=place, orientation="horizontal")
    bar.set_label(label, color=INK, fontsize=9.5, labelpad=2)
    bar.outline.set_visible(False)
    place.tick_params(length=0, labelsize=8.5, colors=INK, pad=2)
