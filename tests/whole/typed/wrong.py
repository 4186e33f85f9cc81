"""Wrong calls: a type checker refuses every line that says so."""

import numpy as np

import geopatcher
from geopatcher import (
    Box,
    Patch,
    RasterField,
    SpatialHann,
    SpatialOverlapAdd,
    SpatialPatcher,
    SpatialRectangular,
    SpatialRegularStride,
)
from geotoolz import Lambda

image = np.zeros((8, 8))


def length(text: str) -> int:
    return len(text)


class Deaf:
    def on_patch(self, anchor: tuple[int, int]) -> None: ...


geopatcher.reconstruct(3, np.sqrt)  # wrong
geopatcher.reconstruct({1: image}, np.sqrt)  # wrong
geopatcher.reconstruct(image)  # wrong
geopatcher.reconstruct(image, 5)  # wrong
geopatcher.reconstruct(image, length)  # wrong
geopatcher.reconstruct(image, np.sqrt, size="256")  # wrong
geopatcher.reconstruct(image, np.sqrt, size=(8, 8, 8))  # wrong
geopatcher.reconstruct(image, np.sqrt, on_error="ignore")  # wrong
geopatcher.reconstruct(image, np.sqrt, hooks=[Deaf()])  # wrong
geopatcher.reconstruct(image, np.sqrt, region=7)  # wrong
geopatcher.reconstruct(image, np.sqrt, window=SpatialOverlapAdd())  # wrong
geopatcher.reconstruct(image, np.sqrt, aggregation=SpatialHann())  # wrong
geopatcher.reconstruct(image, np.sqrt, sise=8)  # wrong
geopatcher.reconstruct(image, np.sqrt, scale_to="uint8")  # wrong
geopatcher.plan(image, memory_limit=1.5)  # wrong
geopatcher.plan(image, allow_gaps="yes")  # wrong
geopatcher.plan(image, nodata=[0])  # wrong
geopatcher.plan(image, region=Box(0, 8, 0, 8)).n_patchs  # wrong
SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(8), SpatialOverlapAdd(), SpatialHann())  # wrong
SpatialPatcher(8, SpatialRegularStride(8), SpatialHann(), SpatialOverlapAdd())  # wrong
patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(8), SpatialHann(), SpatialOverlapAdd())
patcher.merge([image], image)  # wrong
patcher.merge(patcher.split(image), 3)  # wrong
patcher.merge(patcher.split(image), image).plan  # wrong
next(patcher.split(image)).data.values  # wrong
next(patcher.split(image)).data = image  # wrong
patcher.reduce(image, np.mean)  # wrong
Patch(image, 3, None)  # wrong
RasterField(3)  # wrong
SpatialOverlapAdd(3)  # wrong
SpatialOverlapAdd(writer="png")  # wrong
SpatialOverlapAdd(streaming=True, target_path="here").merge([], image).mean()  # wrong
Lambda(length)(3)  # wrong
