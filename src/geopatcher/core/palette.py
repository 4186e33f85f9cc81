"""Colors of classes that nobody gave any."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Colours of labels: hues far apart, used again after the last.
PALETTE: tuple[tuple[int, int, int], ...] = (
    *((31, 119, 180), (255, 159, 64), (44, 140, 60), (214, 39, 60), (148, 103, 189), (140, 86, 75)),
    *((227, 119, 194), (110, 110, 110), (188, 189, 34), (23, 190, 207), (20, 60, 110), (245, 205, 90)),
    *((150, 210, 140), (120, 10, 40), (200, 180, 230), (60, 40, 30)),
)


def from_palette(values: Sequence[int]) -> dict[int, tuple[int, int, int, int]]:
    """Return a color for each value: its own where all are small, else one after the other.

    >>> from_palette([1]), from_palette([500])
    ({1: (255, 159, 64, 255)}, {500: (31, 119, 180, 255)})
    """
    small = all(0 <= value < len(PALETTE) for value in values)
    return {
        value: (*PALETTE[(value if small else index) % len(PALETTE)], 255)
        for index, value in enumerate(values)
    }
