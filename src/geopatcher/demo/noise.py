"""Smooth random surfaces, made a few rows at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from geopatcher.core.protocols import Array


class Noise:
    """A random surface over the unit square: cubic B-splines through random knots, octave on octave.

    Each octave has twice the knots and ``gain`` times the height of the one before; the sum has about
    unit variance. ``shift`` (down, right, in widths of the square) looks at another part of the same
    surface.

    >>> surface = Noise(seed=1, knots=4, octaves=3, width=50)
    >>> surface.rows(np.arange(10) / 50).shape
    (10, 50)
    """

    def __init__(
        self,
        seed: int,
        knots: int,
        octaves: int,
        width: int,
        *,
        gain: float = 0.5,
        shift: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        random = np.random.default_rng(seed)
        heights = gain ** np.arange(octaves)
        heights /= np.linalg.norm(heights) * SPLINE_DEVIATION
        x = np.arange(width) / width + shift[1]
        self._down = shift[0]
        self._octaves: list[tuple[int, Array]] = []
        for octave, height in enumerate(heights):
            spacing = knots << octave
            side = int(spacing * (1 + max(shift))) + 4
            grid = random.standard_normal((side, side)) * height
            first, weights = spline(x * spacing)
            columns = sum(grid[:, first + knot] * weights[knot] for knot in range(4))
            self._octaves.append((spacing, np.asarray(columns, np.float32)))

    def rows(self, y: Array) -> Array:
        """Return the rows at heights ``y`` (0 is the top, 1 the bottom): float32 ``(len(y), width)``."""
        weights, grids = [], []
        for spacing, grid in self._octaves:
            first, values = spline((y + self._down) * spacing)
            used = np.zeros((len(y), first[-1] - first[0] + 4), np.float32)
            for knot in range(4):
                used[np.arange(len(y)), first - first[0] + knot] = values[knot]
            weights.append(used)
            grids.append(grid[first[0] : first[-1] + 4])
        product: Array = np.concatenate(weights, axis=1) @ np.concatenate(grids)
        return product


#: Standard deviation of a cubic B-spline surface through knots of standard deviation 1.
SPLINE_DEVIATION = 0.48


def spline(u: Array) -> tuple[Array, Array]:
    """Return the first of the four knots around each position, and the weights of the four: ``(4, n)``.

    These are the uniform cubic B-spline's: (1-t)³/6, (3t³-6t²+4)/6, (-3t³+3t²+3t+1)/6 and t³/6.

    >>> spline(np.array([2.0]))[1].ravel().round(3)
    array([0.167, 0.667, 0.167, 0.   ])
    """
    first = u.astype(int)
    t = u - first
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    return first, np.stack(weights) / 6
