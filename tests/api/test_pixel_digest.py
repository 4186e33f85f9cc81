"""A digest of all pixels, and of which are missing."""

from __future__ import annotations

import numpy as np

from geopatcher.api.pixel_digest import digest_of_pixels
from geopatcher.fields.array_source import ArraySource


def digest(array):
    return digest_of_pixels(ArraySource.of(array))


def test_every_pixel_and_every_mark_counts():
    image = np.random.default_rng(0).integers(0, 255, (2, 600, 40), dtype=np.uint8)
    assert digest(image) == digest(image.copy())
    for where in ((0, 0, 0), (1, 599, 39), (0, 300, 7)):
        other = image.copy()
        other[where] += 1
        assert digest(other) != digest(image)
    masked = np.ma.array(image, mask=np.zeros(image.shape, bool))
    masked[1, 599, 39] = np.ma.masked
    assert digest(masked) != digest(image)
