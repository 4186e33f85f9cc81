"""What is done with a scene's pixels, and how a result of it is held against them, pixel by pixel.

Every work looks at one pixel at a time: so patches agree where they overlap, and what is right follows from
the scene alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Array = NDArray[Any]

#: Classes lie this far apart, in digital numbers, around the mean of a scene.
CLASS_WIDTH = 100
FIRST_CLASS = 800
#: Where, in reflectances, each class is the most probable.
CENTRES = ((FIRST_CLASS + CLASS_WIDTH * (np.arange(catalog.CLASSES) + 0.5)) * catalog.SCALE).astype(
    np.float32
)
_SLOPES = (CENTRES * np.float32(catalog.SCALE))[:, None, None]
_OFFSETS = ((1 - CENTRES**2) / 2)[:, None, None]


@dataclass(frozen=True)
class Work:
    """An operator, the bands it makes of a scene's, and how far a result is from what is right.

    ``error`` is given pixels ``(bands, h, w)`` and what was found, ``(out_bands, h, w)``, and returns the
    absolute error shaped like that.
    """

    operator: Callable[[Array], Array]
    out_bands: Callable[[int], int]
    error: Callable[[Array, Array], Array]


def scale(pixels: Array) -> NDArray[np.float32]:
    """Digital numbers to reflectance."""
    return np.multiply(pixels, np.float32(catalog.SCALE), dtype=np.float32)


def probabilities(pixels: Array) -> NDArray[np.float32]:
    """Return the probabilities of `catalog.CLASSES` classes, ``(classes, h, w)``, all between 0 and 1.

    Straight lines, tangents of a parabola: the class whose centre is nearest has the largest.
    """
    made: NDArray[np.float32] = np.multiply(pixels, _SLOPES, dtype=np.float32)
    made += _OFFSETS
    return made


def labels(pixels: Array) -> NDArray[np.uint8]:
    """Return a class for each pixel, ``(1, h, w)``."""
    return np.clip(pixels // 200, 0, catalog.CLASSES - 1).astype(np.uint8)


def index(pixels: Array) -> NDArray[np.float32]:
    """Return the normalised difference of the last two bands, ``(1, h, w)``."""
    first, second = pixels[-1].astype(np.float32), pixels[-2].astype(np.float32)
    return ((first - second) / (first + second))[None]


def unchanged(pixels: Array) -> Array:
    """Return pixels as they are."""
    return pixels


def _index_error(pixels: Array, found: Array) -> Array:
    first, second = pixels[-1].astype(np.float64), pixels[-2].astype(np.float64)
    return np.abs(found.astype(np.float64) - ((first - second) / (first + second))[None])


def _unchanged_error(pixels: Array, found: Array) -> Array:
    return np.abs(found.astype(np.float64) - pixels)


def _scale_error(pixels: Array, found: Array) -> Array:
    return np.abs(found.astype(np.float64) - pixels * catalog.SCALE)


def _label_error(pixels: Array, found: Array) -> Array:
    return np.abs(found.astype(np.float64) - labels(pixels))


def _probability_error(pixels: Array, found: Array) -> Array:
    return np.abs(found.astype(np.float64) - probabilities(pixels))


def _score_error(pixels: Array, found: Array) -> Array:
    """``found`` is the class, which may be any of the most probable, and its probability."""
    made = probabilities(pixels).astype(np.float64)
    largest = made.max(axis=0)
    chosen = found[0].astype(np.intp)
    wrong = (chosen < 0) | (chosen >= len(made))
    lost = largest - np.take_along_axis(made, np.where(wrong, 0, chosen)[None], axis=0)[0]
    return np.stack([np.where(wrong, 1.0, lost), np.abs(found[1] - largest)])


WORKS: Mapping[str, Work] = {
    "scale": Work(scale, lambda bands: bands, _scale_error),
    "labels": Work(labels, lambda bands: bands, _label_error),
    "probabilities": Work(probabilities, lambda bands: catalog.CLASSES * bands, _probability_error),
    "index": Work(index, lambda _: 1, _index_error),
    "median": Work(unchanged, lambda bands: bands, _unchanged_error),
    "scores": Work(probabilities, lambda bands: 2 * bands, _score_error),
}
