"""Figures for notebooks: a result, and how a patcher cuts a field. Needs the extra ``viz``."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from geopatcher._optional import load
from geopatcher.core.box import Box
from geopatcher.inspect.classes import css_colors
from geopatcher.inspect.png import USUAL, ramp_colours
from geopatcher.inspect.styles import OF_LAYERS, seen, style_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import matplotlib.axes
    import matplotlib.colors
    import matplotlib.figure

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.metadata import ClassLabel
    from geopatcher.core.protocols import Array
    from geopatcher.inspect.levels import Raster
    from geopatcher.inspect.styles import BandStyle
    from geopatcher.planning.plan import Plan

#: Patches drawn one by one; of more, those of one corner.
MAX_PATCHES = 400
#: Patches along an axis of the corner that is drawn.
CORNER_PATCHES = 7
#: Cells of a map of depths, a side.
DEPTH_PX = 480
#: Where there is no data.
NOTHING = "#d9d7d0"
#: One hue for patches, one for what is singled out.
PATCH, STRONG, SOFT = "#2a78d6", "#e2632e", "#77756d"


def draw_band(
    raster: Raster,
    band: int,
    ax: matplotlib.axes.Axes | None,
    title: str,
    *,
    layer: bool = False,
) -> matplotlib.axes.Axes:
    """Draw a band with its colours explained, in coordinates of its CRS; cells without data are grey.

    A ``layer`` has a ramp of its own, and classes only where it says so.
    """
    if ax is None:
        ax = load("matplotlib.pyplot").figure(layout="constrained").add_subplot()
    domain = raster.domain
    cells = seen(raster, band)
    known = cells[np.isfinite(cells)]
    extent, names = _frame(domain)
    ax.set_facecolor(NOTHING)
    style = style_of(
        raster,
        band,
        cells,
        labels=domain.metadata.has_labels if layer else None,
        ramp=OF_LAYERS if layer else USUAL,
    )
    if style.classes:
        ax.imshow(style.painted(cells), extent=extent, interpolation="nearest")
        _list_classes(ax, style.classes, gaps=len(known) < cells.size)
    else:
        _draw_values(ax, cells, extent, style, domain.units[band] if band < len(domain.units) else "")
    ax.set_aspect(_aspect(domain))
    ax.set_title(title)
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    ax.ticklabel_format(useOffset=False, style="plain")
    return ax


def _draw_values(
    ax: matplotlib.axes.Axes,
    cells: Array,
    extent: tuple[float, float, float, float],
    style: BandStyle,
    unit: str,
) -> None:
    """Draw numbers by a ramp of colours."""
    low, high = style.span
    image = ax.imshow(
        np.ma.masked_invalid(cells),
        cmap=_colours(style.ramp),
        vmin=low,
        vmax=high,
        extent=extent,
        interpolation="nearest",
    )
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8, extend=_extend(cells[np.isfinite(cells)], low, high))
    if unit:
        bar.set_label(unit)


def _list_classes(ax: matplotlib.axes.Axes, classes: Sequence[ClassLabel], *, gaps: bool) -> None:
    """Put a legend of classes beside a map, that of cells without data among them where there are some."""
    patch = load("matplotlib.patches").Patch
    listed = [*css_colors(classes), *([("no data", NOTHING)] if gaps else [])]
    ax.legend(
        handles=[patch(facecolor=color, edgecolor=SOFT, linewidth=0.5, label=name) for name, color in listed],
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        borderaxespad=0.0,
        frameon=False,
    )


def draw_result(
    rasters: Mapping[str, Raster], band: int, ax: matplotlib.axes.Axes | None, layers: Sequence[str]
) -> matplotlib.axes.Axes:
    """Draw a band of a result, and layers beside it in a figure of their own; return the result's axes.

    Raises
    ------
    ValueError
        There is no such band or layer, or ``ax`` has no room for layers.

    """
    result = next(iter(rasters.values()))
    names = result.domain.band_names
    if not 0 <= band < result.domain.n_bands:
        raise ValueError(f"band {band} is not one of 0 to {result.domain.n_bands - 1}")
    known = [name for name in rasters if rasters[name] is not result]
    missing = [name for name in layers if name not in known]
    if missing:
        raise ValueError(
            f"the result has no layers {', '.join(missing)}; it has {', '.join(known) or 'none'}"
        )
    title = names[band] if band < len(names) else "result"
    if not layers:
        return draw_band(result, band, ax, title)
    if ax is not None:
        raise ValueError("layers are drawn beside the result: leave out ax, or draw one at a time")
    figure = load("matplotlib.pyplot").figure(figsize=(5.4 * (1 + len(layers)), 4.6), layout="constrained")
    panels = figure.subplots(1, 1 + len(layers), sharex=True, sharey=True)
    for panel, name in zip(panels[1:], layers, strict=True):
        draw_band(rasters[name], 0, panel, name, layer=True)
    return draw_band(result, band, panels[0], title)


def draw_patches(plan: Plan, weights: Array, axes: Sequence[tuple[str, str]]) -> matplotlib.figure.Figure:
    """Draw where patches fall and how they overlap, and tell the four axes; no pixel is read.

    ``weights`` is one patch's window, ``(h, w)``; ``axes`` are names and values.
    """
    boxes, view = _sample(plan)
    figure: matplotlib.figure.Figure = load("matplotlib.pyplot").figure(
        figsize=(11, 7.6), layout="constrained"
    )
    grid = figure.subplots(2, 2, gridspec_kw={"width_ratios": (1, 1), "height_ratios": (5, 3)})
    _draw_boxes(grid[0, 0], boxes, view, plan)
    _draw_depth(grid[0, 1], boxes, view, plan)
    _draw_window(grid[1, 0], weights, boxes)
    _write(grid[1, 1], axes)
    return figure


def _draw_boxes(ax: matplotlib.axes.Axes, boxes: Sequence[Box], view: Box, plan: Plan) -> None:
    patches = load("matplotlib.patches")
    for box in boxes:
        ax.add_patch(
            patches.Rectangle(
                (box.col0, box.row0),
                box.width,
                box.height,
                facecolor=(*_rgb(PATCH), 0.06),
                edgecolor=(*_rgb(PATCH), 0.6),
            )
        )
    first = boxes[len(boxes) // 2] if boxes else None
    if first is not None:
        ax.add_patch(
            patches.Rectangle(
                (first.col0, first.row0),
                first.width,
                first.height,
                facecolor="none",
                edgecolor=STRONG,
                linewidth=2,
            )
        )
    height, width = plan.domain.grid_shape
    ax.add_patch(patches.Rectangle((0, 0), width, height, facecolor="none", edgecolor="black", linewidth=1.2))
    part = len(boxes) < plan.n_patches
    shown = f"the corner of {plan.n_patches:,} patches" if part else f"{plan.n_patches:,} patches"
    _limit(ax, view, f"Where patches fall: {shown}")


def _draw_depth(ax: matplotlib.axes.Axes, boxes: Sequence[Box], view: Box, plan: Plan) -> None:
    inside = view.intersect(Box.of_shape(plan.domain.grid_shape))
    step = max(1, math.ceil(max(inside.shape) / DEPTH_PX))
    depth = np.zeros((-(-inside.height // step), -(-inside.width // step)), int)
    for box in boxes:
        rows = slice(-(-max(0, box.row0 - inside.row0) // step), -(-max(0, box.row1 - inside.row0) // step))
        cols = slice(-(-max(0, box.col0 - inside.col0) // step), -(-max(0, box.col1 - inside.col0) // step))
        depth[rows, cols] += 1
    top = max(1, int(depth.max()))
    colours = load("matplotlib.colors").ListedColormap(
        [NOTHING, *(ramp_colours("viridis")[index * 255 // max(1, top - 1)] / 255 for index in range(top))]
    )
    image = ax.imshow(
        depth,
        extent=(inside.col0, inside.col1, inside.row1, inside.row0),
        cmap=colours,
        vmin=-0.5,
        vmax=top + 0.5,
        interpolation="nearest",
    )
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8)
    bar.set_ticks(np.unique(np.linspace(0, top, min(top, 8) + 1).round()).tolist())
    bar.set_label("patches over a pixel")
    _limit(ax, view, "How deep they lie")


def _draw_window(ax: matplotlib.axes.Axes, weights: Array, boxes: Sequence[Box]) -> None:
    """Draw the window's middle row for neighbouring patches, as shares of their sum."""
    width = weights.shape[1]
    profile = np.asarray(weights[weights.shape[0] // 2], dtype=float)
    row = boxes[0].row0 if boxes else 0
    starts = sorted({box.col0 for box in boxes if box.row0 == row})[:5] or [0]
    length = starts[-1] + width - starts[0]
    total = np.zeros(length)
    for start in starts:
        total[start - starts[0] : start - starts[0] + width] += profile
    x = np.arange(length) + starts[0] + 0.5
    for index, start in enumerate(starts):
        span = slice(start - starts[0], start - starts[0] + width)
        share = np.divide(profile, total[span], out=np.zeros(width), where=total[span] > 0)
        colour = STRONG if index == len(starts) // 2 else PATCH
        ax.fill_between(x[span], share, color=colour, alpha=0.14, linewidth=0)
        ax.plot(x[span], share, color=colour, linewidth=1.6)
    ax.set_ylim(0, 1.08)
    ax.set_title("What each patch counts along a row, as a share", fontsize=10.5, loc="left")
    ax.set_xlabel("column")
    ax.spines[["top", "right"]].set_visible(False)


def _write(ax: matplotlib.axes.Axes, axes: Sequence[tuple[str, str]]) -> None:
    ax.axis("off")
    lines = max(8, len(axes))
    for index, (name, value) in enumerate(axes):
        y = 1.0 - (index + 0.5) / lines
        ax.text(0.0, y, name, transform=ax.transAxes, color=SOFT, va="center", fontsize=9.5)
        ax.text(0.2, y, value, transform=ax.transAxes, va="center", fontsize=9.5, wrap=True)


def _sample(plan: Plan) -> tuple[list[Box], Box]:
    """Return the patches that are drawn, and the part of the raster they are drawn on."""
    whole = Box.of_shape(plan.domain.grid_shape)
    if plan.anchors.count <= MAX_PATCHES:
        boxes = [box for strip in plan.strips() for box in strip.boxes]
        around = [whole, *boxes]
        rows, cols = max(box.row1 for box in around), max(box.col1 for box in around)
        return boxes, Box(min(box.row0 for box in around), rows, min(box.col0 for box in around), cols)
    strips = islice(plan.strips(), CORNER_PATCHES)
    boxes = [box for strip in strips for box in islice(strip.boxes, CORNER_PATCHES)]
    row0, col0 = min(box.row0 for box in boxes), min(box.col0 for box in boxes)
    # Up to where the last patches begin: whatever lies over pixels before that is in the sample.
    rows = max(box.row0 for box in boxes) if len({box.row0 for box in boxes}) > 1 else boxes[0].row1
    cols = max(box.col0 for box in boxes) if len({box.col0 for box in boxes}) > 1 else boxes[0].col1
    return boxes, Box(row0, rows, col0, cols)


def _limit(ax: matplotlib.axes.Axes, view: Box, title: str) -> None:
    margin = 0.03 * max(view.shape)
    ax.set_xlim(view.col0 - margin, view.col1 + margin)
    ax.set_ylim(view.row1 + margin, view.row0 - margin)
    ax.set_aspect("equal")
    ax.set_title(title, fontsize=10.5, loc="left")
    ax.set_xlabel("column")
    ax.set_ylabel("row")


def _frame(domain: RasterDomain) -> tuple[tuple[float, float, float, float], tuple[str, str]]:
    """Return the extent of a picture and the names of its axes, with units.

    A rotated raster has no extent along its rows and columns but in pixels.
    """
    if domain.crs is None or domain.transform.b or domain.transform.d:
        rotated = "" if domain.crs is None else " (the grid is rotated)"
        return (0.0, domain.width, domain.height, 0.0), (f"column{rotated}", "row")
    left, bottom, right, top = domain.bounds
    crs = load("pyproj").CRS.from_user_input(domain.crs)
    unit = crs.axis_info[0].unit_name if crs.axis_info else ""
    authority = ":".join(crs.to_authority() or (crs.name,))
    shown = f" [{unit}]" if unit else ""
    names = ("longitude", "latitude") if crs.is_geographic else ("x", "y")
    return (left, right, bottom, top), (f"{names[0]}{shown}, {authority}", f"{names[1]}{shown}")


def _aspect(domain: RasterDomain) -> float:
    """Return how much taller than wide a unit is drawn: degrees of longitude shrink towards the poles."""
    if domain.crs is None or domain.transform.b or domain.transform.d:
        return 1.0
    if not load("pyproj").CRS.from_user_input(domain.crs).is_geographic:
        return 1.0
    middle = (domain.bounds[1] + domain.bounds[3]) / 2
    return 1.0 / max(0.05, math.cos(math.radians(min(abs(middle), 89.0))))


def _colours(ramp: str) -> matplotlib.colors.ListedColormap:
    made: matplotlib.colors.ListedColormap = load("matplotlib.colors").ListedColormap(
        ramp_colours(ramp) / 255, name=ramp
    )
    made.set_bad(alpha=0.0)
    return made


def _extend(known: Array, low: float, high: float) -> str:
    """Return which ends of the scale stand for more than their value."""
    if not known.size:
        return "neither"
    below, above = bool(known.min() < low), bool(known.max() > high)
    return {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue
