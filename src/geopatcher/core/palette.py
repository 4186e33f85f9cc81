"""Ramps of colors by their names, and colors of classes that nobody gave any."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Colour ramps by name: RGB at equal distances, from the lowest value to the highest.
RAMPS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "viridis": (
        *((68, 1, 84), (71, 45, 123), (59, 82, 139), (44, 114, 142), (33, 145, 140)),
        *((40, 174, 128), (94, 201, 98), (173, 220, 48), (253, 231, 37)),
    ),
    "magma": (
        *((0, 0, 4), (28, 16, 68), (79, 18, 123), (129, 37, 129), (181, 54, 122)),
        *((229, 80, 100), (251, 135, 97), (254, 194, 135), (252, 253, 191)),
    ),
    "cividis": (
        *((0, 34, 78), (18, 53, 112), (59, 73, 108), (87, 93, 109), (112, 113, 115)),
        *((138, 134, 120), (166, 157, 117), (197, 180, 108), (229, 207, 82), (254, 232, 56)),
    ),
    "grey": ((0, 0, 0), (255, 255, 255)),
    "vegetation": (
        (102, 60, 30),
        (190, 146, 92),
        (240, 230, 186),
        (148, 192, 96),
        (46, 128, 56),
        (8, 68, 40),
    ),
    "index": (
        *((43, 74, 111), (84, 115, 146), (125, 156, 181), (201, 162, 124), (239, 227, 179)),
        *((169, 207, 124), (76, 154, 78), (14, 74, 43)),
    ),
    "diverging": ((26, 78, 158), (106, 163, 212), (244, 244, 244), (231, 132, 106), (168, 22, 44)),
    "terrain": (
        (38, 86, 122),
        (92, 148, 112),
        (208, 204, 140),
        (164, 116, 76),
        (124, 96, 92),
        (250, 250, 250),
    ),
}
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
