"""Split, work on each patch, merge: with every kind of source, in memory and on disk."""

import numpy as np
import xarray as xr

from geopatcher import (
    IndexedPatchView,
    Patch,
    RasterField,
    SpatialHann,
    SpatialOverlapAdd,
    SpatialPatcher,
    SpatialRectangular,
    SpatialRegularStride,
    stack_patches,
)
from geopatcher.runners import parallel_map


def doubled(patch: Patch) -> Patch:
    return patch.with_data(patch.data * 2)


def mean_of(patcher: SpatialPatcher, image: np.ndarray) -> float:
    return float(patcher.merge(patcher.split(image), image).mean())


def main() -> None:
    image = np.random.default_rng(1).random((40, 60))
    patcher = SpatialPatcher(
        SpatialRectangular(16), SpatialRegularStride(8), SpatialHann(), SpatialOverlapAdd()
    )

    patches = list(patcher.split(image))
    first = patches[0]
    print(first.data.shape, first.data.dtype, first.anchor, first.data.max())
    if first.weights is not None:
        print(first.weights.shape)
    whole = patcher.merge([doubled(patch) for patch in patches], image)
    print(whole.shape, whole.mean(), np.abs(whole - 2 * image).max())
    print(mean_of(patcher, image))

    thresholds = [patch.with_data(patch.data > 0.5) for patch in patcher.split(image)]
    print(thresholds[0].data.any())

    for patch in patcher.split(xr.DataArray(image, dims=("y", "x"))):
        print(patch.data.dims, patch.data.mean().item())
        break

    field = RasterField.from_array(image)
    if first.indices is not None:
        print(field.select(first.indices).sum(), first.indices.width)
    print(field.with_data(image * 2).domain.shape, patcher.patch_at(field, (8, 8)).data.std())

    stream = patcher.split(field, cache=None)
    print(len(stream), stream.plan.n_patches)
    to_disk = SpatialOverlapAdd(streaming=True, target_path="stitched", chunks=(16, 16))
    stored = to_disk.merge(stream, field.domain)
    print(stored.shape, stored.dtype, stored[0, :4].tolist(), np.asarray(stored).mean())

    roots = parallel_map(patcher, image, np.sqrt, n_workers=2, on_error="raise")
    np.testing.assert_allclose(patcher.merge(roots, image), np.sqrt(image))
    widths = parallel_map(patcher, image, lambda data: data.shape, n_workers=2)
    print(widths[0].data[0], len(widths))

    view = IndexedPatchView(patcher, image, cache_size=4)
    batch = stack_patches(view[:4])
    print(len(view), view[-1].data.mean(), batch.data.shape, batch.anchors.tolist())

    patcher.on_error = "skip"
    print([record.message for record in patcher.errors])


if __name__ == "__main__":
    main()
