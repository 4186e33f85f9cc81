"""Small pieces of HTML that notebooks show for what a cell ends with."""

from __future__ import annotations

from html import escape
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geopatcher.core.box import Box

#: Patches of a sketch: rows, and patches of a row.
SKETCH_PATCHES = (4, 6)
#: Longer side of a sketch or a thumbnail, in CSS pixels.
SIDE_PX = 180


def facts_of(text: str) -> list[tuple[str, str]]:
    """Return the lines of a summary as pairs: the first word, and the rest.

    >>> facts_of("patches    12 of 8x8")
    [('patches', '12 of 8x8')]
    """
    pairs = (line.partition(" ") for line in text.splitlines() if line.strip())
    return [(name, rest.strip()) for name, _, rest in pairs]


def card(title: str, facts: Sequence[tuple[str, str]], picture: str = "") -> str:
    """Return a table of facts beside a picture (HTML that is put in as it is); all text is escaped.

    It can be folded to its title. Colours are the notebook's own, so that it suits a light and a dark one.

    >>> "&lt;b&gt;" in card("<b>", [("a", "1")])
    True
    """
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left;vertical-align:top;padding:1px 12px 1px 0;'
        f'font-weight:500;opacity:.7">{escape(name)}</th>'
        f'<td style="text-align:left;padding:1px 0;overflow-wrap:anywhere">{escape(value)}</td></tr>'
        for name, value in facts
    )
    beside = f"<div>{picture}</div>" if picture else ""
    return framed(
        title, f'<table style="border-collapse:collapse;font-size:90%;margin:0">{rows}</table>', beside
    )


def framed(title: str, inside: str, beside: str = "") -> str:
    """Return pieces of HTML, which are put in as they are, in a frame that folds to its title."""
    return (
        '<details open style="padding:10px 14px;border:1px solid rgba(128,128,128,.35);border-radius:8px;'
        'width:fit-content;max-width:100%">'
        f'<summary style="font-weight:600;cursor:pointer">{escape(title)}</summary>'
        '<div style="display:flex;flex-wrap:wrap;gap:20px;align-items:flex-start;margin-top:6px">'
        f"<div>{inside}</div>{beside}</div></details>"
    )


def plain_card(title: str, text: str) -> str:
    """Return a text whose columns stand under each other, such as a table that a terminal shows.

    >>> "a  b" in plain_card("Table", "a  b")
    True
    """
    return framed(title, f'<pre style="margin:0;font-size:90%;overflow-x:auto">{escape(text)}</pre>')


def thumbnail(uri: str, alt: str) -> str:
    """Return a picture in its frame."""
    return (
        f'<img src="{escape(uri, quote=True)}" alt="{escape(alt, quote=True)}" '
        f'style="max-width:{SIDE_PX}px;max-height:{SIDE_PX}px;border-radius:4px;'
        f'border:1px solid rgba(128,128,128,.35);image-rendering:pixelated">'
    )


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """Return names beside their colors, ``"#rrggbb"`` each.

    >>> "&lt;b&gt;" in legend([("<b>", "#ff0000")])
    True
    """
    return "".join(
        f'<div style="font-size:85%;margin-top:3px"><span style="display:inline-block;width:.9em;height:.9em;'
        f"margin-right:6px;vertical-align:-.1em;border:1px solid rgba(128,128,128,.6);"
        f'background:{escape(color, quote=True)}"></span>{escape(name)}</div>'
        for name, color in entries
    )


def corner_of(strips: Iterable[Iterable[Box]], grid: tuple[int, int]) -> str:
    """Return a sketch (SVG) of the first patches: the darker, the more of them lie over each other.

    ``strips`` are rows of patches, read no further than drawn; ``grid`` is the raster,
    ``(height, width)``.
    """
    n_rows, n_cols = SKETCH_PATCHES
    boxes = [box for strip in islice(strips, n_rows) for box in islice(strip, n_cols)]
    if not boxes:
        return ""
    row0, col0 = min(box.row0 for box in boxes), min(box.col0 for box in boxes)
    height, width = max(box.row1 for box in boxes) - row0, max(box.col1 for box in boxes) - col0
    scale = SIDE_PX / max(height, width)
    drawn = "".join(
        f'<rect x="{(box.col0 - col0) * scale:.1f}" y="{(box.row0 - row0) * scale:.1f}" '
        f'width="{box.width * scale:.1f}" height="{box.height * scale:.1f}" rx="1"/>'
        for box in boxes
    )
    inside = (
        f'<rect x="{-col0 * scale:.1f}" y="{-row0 * scale:.1f}" width="{grid[1] * scale:.1f}" '
        f'height="{grid[0] * scale:.1f}" fill="none" stroke="currentColor" stroke-dasharray="4 3"/>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * scale + 4:.0f}" '
        f'height="{height * scale + 4:.0f}" viewBox="-2 -2 {width * scale + 4:.1f} {height * scale + 4:.1f}" '
        f'role="img" aria-label="the first {len(boxes)} patches">'
        f'<g fill="#2a78d6" fill-opacity=".16" stroke="#2a78d6" stroke-opacity=".55">{drawn}</g>'
        f"{inside}</svg>"
    )
