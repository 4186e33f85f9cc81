"""Pipelines of geotoolz."""

import numpy as np
from numpy.typing import NDArray

from geopatcher import (
    SpatialBoxcar,
    SpatialHann,
    SpatialOverlapAdd,
    SpatialPatcher,
    SpatialRectangular,
    SpatialRegularStride,
)
from geotoolz import Identity, Lambda, Operator, Sequential
from geotoolz.patch_ops import ApplyToChips, GridSampler, SplitApplyStitch, Stitch


class Scale(Operator[np.ndarray, np.ndarray]):
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, x: np.ndarray, /) -> np.ndarray:
        return x * self.factor


def squared(chip: NDArray[np.float64]) -> NDArray[np.float64]:
    return chip * chip


def main() -> None:
    image = np.random.default_rng(4).random((40, 60))
    patcher = SpatialPatcher(
        SpatialRectangular(16), SpatialRegularStride(8), SpatialHann(), SpatialOverlapAdd()
    )

    model = Lambda(squared, name="square")
    print(model(image).mean(), model.name, model.get_config())
    listed = Sequential(
        [GridSampler(patcher), ApplyToChips(model), Stitch(SpatialOverlapAdd(), domain=image)]
    )
    print(listed(image).shape, len(listed))

    piped = GridSampler(patcher) | ApplyToChips(Scale(2) | squared) | Stitch(SpatialOverlapAdd(), image)
    print(piped(image).mean(), piped)

    chips = GridSampler(patcher)(image)
    print(len(chips), chips.plan.n_patches, [chip.data.max() for chip in chips.map(np.sqrt)][:2])

    outer = SpatialPatcher(
        SpatialRectangular(20), SpatialRegularStride(20), SpatialBoxcar(), SpatialOverlapAdd()
    )
    nested = (
        GridSampler(outer)
        | ApplyToChips(SplitApplyStitch(patcher, squared))
        | Stitch(SpatialOverlapAdd(), image)
    )
    print(nested(image).mean(), Identity()(3) + 1, (Scale(0.5) | Identity())(image))


if __name__ == "__main__":
    main()
