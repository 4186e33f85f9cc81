"""Scenes of rectangles that do not touch, and detectors that find them, in forms that libraries use."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi

#: Eight neighbours of a cell.
AROUND = np.ones((3, 3))


def scene(seed, height, width, n, most, classes=1):
    """Return a raster ``(1, height, width)`` of rectangles of class 1 and more, ``most`` to a side."""
    rng = np.random.default_rng(seed)
    raster = np.zeros((height, width), "uint8")
    for _ in range(10 * n):
        rows, cols = rng.integers(1, most + 1, 2)
        if rows > height or cols > width:
            continue
        row, col = rng.integers(0, height - rows + 1), rng.integers(0, width - cols + 1)
        if not raster[max(row - 1, 0) : row + rows + 1, max(col - 1, 0) : col + cols + 1].any():
            raster[row : row + rows, col : col + cols] = rng.integers(1, classes + 1)
            n -= 1
        if not n:
            break
    return raster[np.newaxis]


def boxes_of(plane):
    """Return left, top, right, bottom, score and class of objects in ``(h, w)``; larger ones score more."""
    labels, _ = ndi.label(plane > 0, AROUND)
    found = []
    for number, (rows, cols) in enumerate(ndi.find_objects(labels), 1):
        kind = plane[rows, cols][labels[rows, cols] == number][0]
        area = (rows.stop - rows.start) * (cols.stop - cols.start)
        found.append(
            (cols.start, rows.start, cols.stop, rows.stop, 0.5 + 0.4 * area / (area + 50), int(kind))
        )
    return found


def detect_one(patch):
    """Return what is found in ``(bands, h, w)``."""
    return np.array(boxes_of(patch[0])).reshape(-1, 6)


def detect_each(patches):
    """Return what is found in each of ``(n, bands, h, w)``."""
    return [detect_one(patch) for patch in patches]


def truth_of(raster):
    """Return the boxes and classes that scipy finds in all of a raster."""
    return sorted((*box[:4], box[5]) for box in boxes_of(raster[0]))
