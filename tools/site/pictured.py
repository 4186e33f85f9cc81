"""Draws flow charts that documents tell in Mermaid's words: its script would come from elsewhere."""

from __future__ import annotations

import re

MERMAID = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TIP = '<path d="M0 0L8 4L0 8z"/>'
WIDTH, HEIGHT, GAP, MARGIN = 92, 30, 16, 44


def drawn_in(markdown: str) -> str:
    """Return Markdown with its flow charts as SVG."""
    return MERMAID.sub(lambda match: svg(match[1]), markdown)


def svg(chart: str) -> str:
    r"""Return a chart of floors (``subgraph``) and arrows between the rooms on them.

    >>> svg("subgraph a\nx\nend\nsubgraph b\ny\nend\nx --> y").count("<rect")
    2
    """
    floors = [
        re.findall(r"^\s*(\w+)\s*$", part, re.MULTILINE)
        for part in re.findall(r"subgraph[^\n]*\n(.*?)\bend\b", chart, re.DOTALL)
    ]
    arrows = re.findall(r"(\w+) --> (\w+)", chart)
    width = max(len(floor) for floor in floors) * (WIDTH + GAP) + GAP
    at = {
        room: (
            width / 2 + (column - (len(floor) - 1) / 2) * (WIDTH + GAP),
            MARGIN / 2 + row * (HEIGHT + MARGIN),
        )
        for row, floor in enumerate(floors)
        for column, room in enumerate(floor)
    }
    height = len(floors) * (HEIGHT + MARGIN)
    lines = [_arrow(at[start], at[end]) for start, end in arrows]
    boxes = [
        f'<rect x="{x - WIDTH / 2:.0f}" y="{y:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="4"/>'
        f'<text x="{x:.0f}" y="{y + HEIGHT / 2 + 4:.0f}">{room}</text>'
        for room, (x, y) in at.items()
    ]
    label = f"{len(at)} rooms on {len(floors)} floors, with arrows from each to those it imports"
    drawn = "".join(lines + boxes)
    return (
        f'<svg class="rooms" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">'
        f'<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" orient="auto">{TIP}</marker></defs>'
        f"{drawn}</svg>"
    )


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x0, y0), (x1, y1) = (start[0], start[1] + HEIGHT), end
    middle = (y0 + y1) / 2
    curve = f"M{x0:.0f} {y0:.0f}C{x0:.0f} {middle:.0f} {x1:.0f} {middle:.0f} {x1:.0f} {y1:.0f}"
    return f'<path class="arrow" marker-end="url(#tip)" d="{curve}"/>'
