"""A picture of parts: blocks pale, patches strong."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from geopatcher._optional import load
from geopatcher.core.palette import PALETTE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import matplotlib.axes
    from numpy.typing import NDArray

#: Longest side of the picture, in its pixels.
PICTURE_PX = 900
#: How much of its colour a block shows, on white.
PALE = 0.28


def draw_parts(
    grid: tuple[int, int],
    block: tuple[int, int],
    blocks: NDArray[np.int64],
    size: tuple[int, int],
    members: Mapping[str, NDArray[np.int64]],
    n_without: int,
    ax: matplotlib.axes.Axes | None,
) -> matplotlib.axes.Axes:
    """Draw which block and which patch is of which part, in pixels of the raster."""
    if ax is None:
        figure = load("matplotlib.pyplot").figure(figsize=(7.6, 6.8))
        ax = figure.add_subplot()
    step = max(1, math.ceil(max(grid) / PICTURE_PX))
    rows, cols = (np.arange(0, length, step) // side for length, side in zip(grid, block, strict=True))
    painted = blocks[rows[:, None], cols]
    for number, anchors in enumerate(members.values()):
        for anchor in anchors.tolist():
            painted[_covered(anchor, size, grid, step)] = number + len(members)
    strong = np.array([PALETTE[number % len(PALETTE)] for number in range(len(members))]) / 255
    colors = np.concatenate([1 - PALE * (1 - strong), strong])
    ax.imshow(colors[painted], extent=(0, grid[1], grid[0], 0), interpolation="nearest", resample=False)
    patch = load("matplotlib.patches").Patch
    handles = [
        patch(facecolor=color, label=f"{name}: {len(anchors):,} patches")
        for color, (name, anchors) in zip(strong, members.items(), strict=True)
    ]
    ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.05),
        borderaxespad=0.0,
        ncols=len(handles),
        columnspacing=1.2,
        frameon=False,
    )
    ax.set_title(f"Blocks by part, and the patches in them; {n_without:,} left out", fontsize=10, loc="left")
    ax.set_xlabel("column")
    ax.set_ylabel("row")
    return ax


def _covered(
    anchor: list[int], size: tuple[int, int], grid: tuple[int, int], step: int
) -> tuple[slice, slice]:
    """Return which pixels of the picture, one of ``step`` each way, a patch has."""
    rows, cols = (
        slice(-(-max(first, 0) // step), -(-min(max(first + side, 0), length) // step))
        for first, side, length in zip(anchor, size, grid, strict=True)
    )
    return rows, cols
