"""Charts as SVG text: drawn with the page's own colours, so that they suit light and dark."""

from __future__ import annotations

import math
from html import escape
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.inspect.classes import css_colors
from geopatcher.inspect.png import ramp_colours
from geopatcher.report.seams import UNSEEN
from geopatcher.report.segments import REACH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geopatcher.report.findings import Detail, Look
    from geopatcher.report.seams import Seam

#: Width of a chart, in its own units, and of the same on a screen that is hardly wider.
WIDTH, NARROW = 640, 340


def number(value: float) -> str:
    """Write a number for people: four significant digits.

    >>> number(0.123456), number(12345.6), number(-3.0), number(1e-9)
    ('0.1235', '12,346', '-3', '1e-09')
    """
    if not math.isfinite(value):
        return "-" if math.isnan(value) else "∞"
    if value and not 1e-4 <= abs(value) < 1e12:
        return f"{value:.3g}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.4g}"
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def for_screens(draw: Callable[[int], str]) -> str:
    """Return a chart twice, drawn for its two widths; the page shows the one that suits its screen.

    >>> for_screens(lambda width: str(width))
    '<div class="wide">640</div><div class="narrow">340</div>'
    """
    return f'<div class="wide">{draw(WIDTH)}</div><div class="narrow">{draw(NARROW)}</div>'


def bars(items: Sequence[tuple[str, float]], unit: str, width: int = WIDTH) -> str:
    """Return horizontal bars, one under the other, each with its name and its value."""
    row, left, right = 30, 110, 90
    top = max((value for _, value in items), default=0.0) or 1.0
    parts = []
    for index, (name, value) in enumerate(items):
        y, long = index * row, (width - left - right) * value / top
        parts.append(
            f'<text class="name" x="{left - 10}" y="{y + 19}" text-anchor="end">{escape(name)}</text>'
            f'<path class="bar" d="{_bar(left, y + 6, long, row - 12)}"/>'
            f'<text class="value" x="{left + long + 8:.1f}" y="{y + 19}">'
            f"{value:.2f} {escape(unit)}</text>"
        )
    return _svg(len(items) * row, f"bars: {', '.join(name for name, _ in items)}", "".join(parts), width)


def legend(look: Look) -> str:
    """Return the classes of a map with their colours, and how much of it each has, most of it first."""
    both = zip(css_colors(look.style.classes), look.style.shares, strict=True)
    rows = "".join(
        f'<li><span class="swatch" style="background:{color}"></span>'
        f'<span class="class">{escape(name)}</span><span class="share">{share:.1%}</span>'
        f'<span class="part"><span style="width:{100 * share:.2f}%;background:{color}"></span></span></li>'
        for (name, color), share in sorted(both, key=itemgetter(1), reverse=True)
    )
    return f'<ul class="classes">{rows}</ul>'


def histogram(look: Look, width: int = WIDTH) -> str:
    """Return the histogram of a quantity over its range, in the colours of its picture."""
    height, base, left = 150, 120, 4
    counts, edges = look.counts, look.edges
    top = float(counts.max()) if counts.size and counts.max() else 1.0
    colours = ramp_colours(look.style.ramp)
    low, high = look.style.span
    step = (width - 2 * left) / max(1, len(counts))
    wide = max(step - 1, 0.5)
    parts = []
    for index, count in enumerate(counts):
        middle = (edges[index] + edges[index + 1]) / 2
        red, green, blue = colours[int(np.clip(round(255 * (middle - low) / (high - low)), 0, 255))]
        tall = (base - 8) * float(count) / top
        title = f"{number(edges[index])} to {number(edges[index + 1])}"
        parts.append(
            f'<rect x="{left + index * step + 0.5:.2f}" y="{base - tall:.2f}" width="{wide:.2f}" '
            f'height="{tall:.2f}" fill="rgb({red},{green},{blue})"><title>{title}: {count:,}</title></rect>'
        )
    ticks = _ticks(float(edges[0]), float(edges[-1]), left, base, width)
    axis = f'<line class="axis" x1="{left}" x2="{width - left}" y1="{base}" y2="{base}"/>'
    return _svg(height, f"histogram of {look.title}", "".join(parts) + axis + ticks, width)


def forest(seams: Sequence[tuple[str, Seam]], width: int = WIDTH) -> str:
    """Return ratios with their confidence on one scale; the shaded part is what nobody sees.

    Names and values are beside the lines, or above them where there is no room.
    """
    slim = width < WIDTH
    row, left, right, top = (50, 8, 8, 10) if slim else (34, 150, 150, 10)
    known = [seam for _, seam in seams if math.isfinite(seam.ratio)]
    high = max([1.2, *(seam.high for seam in known if math.isfinite(seam.high))])
    low = min([0.9, *(seam.low for seam in known)])
    span = width - left - right

    def at(value: float) -> float:
        return left + span * (min(max(value, low), high) - low) / (high - low)

    base = top + row * len(seams)
    unseen = (
        f'<rect class="unseen" x="{at(1 - UNSEEN):.1f}" y="{top}" '
        f'width="{at(1 + UNSEEN) - at(1 - UNSEEN):.1f}" height="{base - top}"/>'
    )
    parts = [unseen, f'<line class="one" x1="{at(1):.1f}" x2="{at(1):.1f}" y1="{top}" y2="{base}"/>']
    for index, (name, seam) in enumerate(seams):
        y = top + row * index + (row - 12 if slim else row / 2)
        said = y - 18 if slim else y + 4
        kind = seam.verdict.replace(" ", "-")
        parts.append(
            f'<text class="name" x="{left}" y="{said}">{escape(name)}</text>'
            if slim
            else f'<text class="name" x="{left - 14}" y="{said}" text-anchor="end">{escape(name)}</text>'
        )
        value, line = "not measured", ""
        if not math.isnan(seam.ratio):
            ends = f"{seam.low:.2f} to {seam.high:.2f}" if math.isfinite(seam.ratio) else "only borders jump"
            value = f"{seam.ratio:.2f} ({ends})"
            line = (
                f'<line class="range {kind}" x1="{at(seam.low):.1f}" x2="{at(seam.high):.1f}" '
                f'y1="{y}" y2="{y}"/><circle class="point {kind}" cx="{at(seam.ratio):.1f}" cy="{y}" r="5"/>'
            )
        place = f'x="{width - right}" text-anchor="end"' if slim else f'x="{left + span + 14}"'
        parts.append(f'{line}<text class="value" {place} y="{said}">{value}</text>')
    parts += [_tick(at(value), base + 16, number(value)) for value in _round_values(low, high, 5)]
    return _svg(base + 24, "jump across borders over the jump beside them", "".join(parts), width)


def profile(seam: Seam, width: int = WIDTH) -> str:
    """Return the mean jump at each distance from a border, relative to that beside it."""
    height, left, base = 170, 44, 138
    values = [value if math.isfinite(value) else float("nan") for value in seam.profile]
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return ""
    top = max(1.25, *known) * 1.05
    step = (width - left - 10) / len(values)

    def y_of(value: float) -> float:
        return base - (base - 8) * value / top

    parts = [f'<line class="one" x1="{left}" x2="{width - 10}" y1="{y_of(1):.1f}" y2="{y_of(1):.1f}"/>']
    for index, value in enumerate(values):
        distance = index - REACH
        x = left + index * step
        if not math.isnan(value):
            kind = "bar at-border" if distance == 0 else "bar"
            parts.append(
                f'<rect class="{kind}" x="{x + 3:.1f}" y="{y_of(value):.1f}" width="{step - 6:.1f}" '
                f'height="{base - y_of(value):.1f}" rx="2">'
                f"<title>{distance:+d} px: {value:.3f}</title></rect>"
            )
        if distance % (2 if width >= WIDTH else 4) == 0:
            parts.append(_tick(x + step / 2, base + 17, f"{distance:+d}" if distance else "border"))
    parts += [_tick(left - 8, y_of(value) + 4, number(value), "end") for value in _round_values(0.0, top, 4)]
    return _svg(height, "relative jump by distance from a border, in pixels", "".join(parts), width)


def detail(found: Detail) -> str:
    """Return a piece of the result with ticks on its frame where borders of patches fall."""
    height, width = found.box.shape
    tick = 5
    frame = f"{-tick - 1} {-tick - 1} {width + 2 * tick + 2} {height + 2 * tick + 2}"
    ticks = "".join(
        [
            *(f'<path d="M{-tick} {row}H-1M{width + 1} {row}h{tick - 1}"/>' for row in found.rows),
            *(f'<path d="M{col} {-tick}V-1M{col} {height + 1}v{tick - 1}"/>' for col in found.columns),
        ]
    )
    return (
        f'<svg class="detail" viewBox="{frame}" role="img" '
        f'aria-label="a crossing of borders, magnified">'
        f'<image href="{found.uri}" width="{width}" height="{height}" style="image-rendering:pixelated"/>'
        f'<g class="ticks">{ticks}</g></svg>'
    )


def scale(look: Look, width: int = WIDTH) -> str:
    """Return the colours of a picture from its lowest to its highest value, with ticks."""
    (low, high), edge = look.style.span, 12
    step = (width - 2 * edge) / 64
    stops = "".join(
        f'<rect x="{edge + index * step:.1f}" width="{step + 0.5:.1f}" height="12" fill="rgb({r},{g},{b})"/>'
        for index, (r, g, b) in enumerate(ramp_colours(look.style.ramp)[::4])
    )
    unit = f" {look.unit}" if look.unit else ""
    label = f"colours from {number(low)} to {number(high)}{unit}"
    return _svg(36, label, stops + _ticks(low, high, edge, 12, width), width)


def _svg(height: float, label: str, content: str, width: int) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {width} {height:.0f}" role="img" '
        f'aria-label="{escape(label, quote=True)}">{content}</svg>'
    )


def _bar(x: float, y: float, width: float, height: float) -> str:
    """Return a bar whose far end is rounded."""
    r = min(4.0, width, height / 2)
    end = f"q{r:.1f} 0 {r:.1f} {r:.1f}v{height - 2 * r:.1f}q0 {r:.1f} {-r:.1f} {r:.1f}"
    return f"M{x} {y}h{width - r:.1f}{end}H{x}z"


def _tick(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text class="tick" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _ticks(low: float, high: float, left: float, base: float, width: int) -> str:
    span = width - 2 * left
    about = 6 if width >= WIDTH else 4
    places = (
        (left + span * (value - low) / (high - low), value) for value in _round_values(low, high, about)
    )
    return "".join(_tick(x, base + 18, number(value)) for x, value in places)


def _round_values(low: float, high: float, about: int) -> list[float]:
    """Return round numbers inside a range.

    >>> _round_values(0.0, 1.3, 5)
    [0.25, 0.5, 0.75, 1.0, 1.25]
    """
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.9)
    first = math.floor(low / step) + 1
    return [round(index * step, 12) for index in range(first, math.ceil(high / step))]
