"""A field, an operator, a hook, an aggregation and a window of one's own."""

from collections.abc import Iterable

import numpy as np
from rasterio.windows import Window

import geopatcher
from geopatcher import (
    Patch,
    RasterDomain,
    SpatialAggregation,
    SpatialHann,
    SpatialOverlapAdd,
    SpatialPatcher,
    SpatialRectangular,
    SpatialRegularStride,
)
from geopatcher.core.protocols import HasShape, RectGeometry
from geopatcher.domain import RasterDomain as Domain


class Ramp:
    """A field that computes its pixels."""

    def __init__(self, height: int, width: int) -> None:
        self.domain = RasterDomain((height, width), dtype=np.dtype("float32"))

    def select(self, window: Window) -> np.ndarray:
        rows = np.arange(window.row_off, window.row_off + window.height, dtype="float32")
        return np.repeat(rows[:, np.newaxis], int(window.width), axis=1)

    def with_data(self, array: np.ndarray) -> "Ramp":
        return Ramp(*array.shape[-2:])


class Shape:
    """Enough of a domain."""

    def __init__(self, height: int, width: int) -> None:
        self.shape = (height, width)


class Model:
    """An operator with a state."""

    def __init__(self, gain: float) -> None:
        self.gain = gain

    def __call__(self, patch: np.ndarray) -> np.ndarray:
        return patch * self.gain

    def fingerprint(self) -> str:
        return f"model {self.gain}"


class Clock:
    """A hook."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_patch_done(self, anchor: tuple[int, int], seconds: float, nbytes: int) -> None:
        self.seconds.append(seconds)

    def on_error(self, anchor: tuple[int, int], exc: Exception) -> None:
        print(anchor, exc)


class Brightest(SpatialAggregation):
    """An aggregation: the anchor of the patch with the highest mean."""

    def merge(self, patches: Iterable[Patch[object]], domain: HasShape) -> tuple[int, int]:
        return max(patches, key=lambda patch: np.asarray(patch.data).mean()).anchor


class Triangle:
    """A window."""

    def weights(self, geometry: RectGeometry) -> np.ndarray:
        height, width = geometry.size
        return np.outer(np.bartlett(height + 2)[1:-1], np.bartlett(width + 2)[1:-1])


@geopatcher.masked
def filled(patch: np.ma.MaskedArray) -> np.ndarray:
    return np.asarray(patch.filled(0))


@geopatcher.positioned(seed=7)
def noisy(patch: np.ndarray, position: geopatcher.Position) -> np.ndarray:
    return patch + position.rng().normal(size=patch.shape)


def main() -> None:
    ramp, clock = Ramp(40, 60), Clock()
    result = geopatcher.reconstruct(
        ramp, Model(2.0), size=16, hooks=clock, log_json="run.jsonl", window=Triangle()
    )
    print(result.array[..., 0].ravel()[:3], len(clock.seconds))
    for operator in (filled, noisy, Model(3.0), np.negative):
        geopatcher.reconstruct(ramp, operator, size=16, hooks=[clock])

    patcher = SpatialPatcher(
        SpatialRectangular(16), SpatialRegularStride(8), SpatialHann(), SpatialOverlapAdd()
    )
    patches = list(patcher.split(ramp, hooks=clock))
    print(patches[0].data.mean(), patcher.merge(patches, Shape(40, 60)).shape, patcher.n_anchors(ramp))
    print(patcher.reduce(ramp, Brightest())[0])
    brightest = SpatialPatcher(SpatialRectangular(16), SpatialRegularStride(8), Triangle(), Brightest())
    row, col = brightest.merge(patches, ramp.domain)
    print(row, col, Domain((3, 4)).shape)


if __name__ == "__main__":
    main()
