"""A source that notes what is read of it, and patches of it to compare."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from geopatcher import (
    RasterDomain,
    SpatialBoxcar,
    SpatialOverlapAdd,
    SpatialPatcher,
    SpatialRectangular,
    SpatialRegularStride,
)

if TYPE_CHECKING:
    from geopatcher.core.box import Box


def patcher(size=8, step=4, boundary="cover", sampler=None, **policy):
    return SpatialPatcher(
        SpatialRectangular(size, boundary),
        sampler or SpatialRegularStride(step),
        SpatialBoxcar(),
        SpatialOverlapAdd(),
        **policy,
    )


@dataclass(eq=False)
class Counted:
    """A source with a name of its own that notes what is read of it."""

    array: np.ndarray
    version: int = 1
    broken: Box | None = None
    boxes: list[Box] = field(default_factory=list)
    has_nodata: bool = False
    name: str = "counted"
    block_shape: tuple[int, int] = (16, 16)
    gives_windows: bool = False

    @property
    def source(self):
        return self

    @property
    def domain(self):
        return RasterDomain(self.array.shape, dtype=self.array.dtype)

    def read(self, box):
        if self.broken is not None and box.intersect(self.broken).n_pixels:
            raise OSError("bad tile")
        self.boxes.append(box)
        return self.array[(slice(None), *box.slices())]

    def valid(self, box, pixels):
        return None

    def identity(self):
        return {"path": self.name, "version": self.version}

    def select(self, indexer):
        raise NotImplementedError

    def with_data(self, array):
        raise NotImplementedError

    def dress(self, pixels, box):
        return pixels


def inside(anchors, shape, lattice):
    """Anchors of patches that have at least one pixel in the raster."""
    over = lattice[0] - 1
    return [(row % (shape[0] + over) - over, col % (shape[1] + over) - over) for row, col in anchors]


def image(rows=40, cols=30):
    return np.random.default_rng(0).normal(size=(2, rows, cols)).astype(np.float32)


def equal(found, expected):
    found, expected = list(found), list(expected)
    return len(found) == len(expected) and all(
        one.anchor == other.anchor
        and one.indices == other.indices
        and one.data.dtype == other.data.dtype
        and np.array_equal(one.data, other.data, equal_nan=True)
        and np.array_equal(one.weights, other.weights)
        for one, other in zip(found, expected, strict=True)
    )


def files(cache):
    return sorted(cache.root.glob("*/*.npy"))
