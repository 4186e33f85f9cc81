"""Every aggregation, by itself and in a patcher."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

import geopatcher
from geopatcher import (
    Patch,
    SpatialApproxCardinality,
    SpatialApproxMode,
    SpatialApproxQuantile,
    SpatialBoxcar,
    SpatialByIndex,
    SpatialHardVote,
    SpatialInstances,
    SpatialInvVarWeightedMean,
    SpatialLearned,
    SpatialMax,
    SpatialMean,
    SpatialMeanStd,
    SpatialMedian,
    SpatialMin,
    SpatialMinMax,
    SpatialMode,
    SpatialOverlapAdd,
    SpatialPatcher,
    SpatialRectangular,
    SpatialRegularStride,
    SpatialReservoir,
    SpatialSoftVote,
    SpatialStreamingHistogram,
    SpatialSum,
    SpatialVariance,
    SpatialWeightedSum,
)


def widest(stack: np.ndarray, weights: np.ndarray) -> np.ndarray:
    spread: np.ndarray = np.nanmax(stack, axis=0) - np.nanmin(stack, axis=0)
    return np.where(weights.max(axis=0) > 0, spread, np.nan)


def of_cells(image: np.ndarray, labels: np.ndarray) -> None:
    geometry, sampler, window = SpatialRectangular(8), SpatialRegularStride(4), SpatialBoxcar()
    patcher = SpatialPatcher(geometry, sampler, window, SpatialOverlapAdd())
    patches = list(patcher.split(image))
    for result in (
        SpatialOverlapAdd().merge(patches, image),
        SpatialMean().merge(patches, image),
        SpatialSum().merge(patches, image),
        SpatialWeightedSum(lambda data: data > 0.5).merge(patches, image),
        SpatialMax().merge(patches, image),
        SpatialMin(dtype="float64").merge(patches, image),
        SpatialVariance().merge(patches, image),
        SpatialMedian().merge(patches, image),
        SpatialLearned(widest).merge(patches, image),
    ):
        print(result.mean(), result.shape, result.dtype)

    tiles = list(patcher.split(labels))
    print(SpatialMode().merge(tiles, labels).max(), SpatialHardVote(5).merge(tiles, labels).max())
    print(SpatialInstances().merge(tiles, labels).max(), SpatialInstances(0.2).iou)
    chances = [patch.with_data(np.stack([patch.data == 0, patch.data > 0]).astype(float)) for patch in tiles]
    print(SpatialSoftVote(2).merge(chances, labels).max())

    pairs = [patch.with_data((patch.data, np.ones_like(patch.data))) for patch in patches]
    fused = SpatialInvVarWeightedMean().merge(pairs, image)
    print(fused["mean"].shape, np.asarray(fused["var"]).max())

    stored = SpatialMax(streaming=True, target_path="highest", chunks=16).merge(patches, image)
    print(stored.shape, stored[:4, :4].max())

    medians = SpatialPatcher(geometry, sampler, window, SpatialMedian())
    print(medians.merge(patches, image).max(), medians.reconstruct(image, np.sqrt).array.shape)
    kept = SpatialPatcher(geometry, sampler, window, SpatialByIndex()).merge(patches, image)
    print(sorted(kept)[:2])
    for aggregation in (SpatialMean(), SpatialMax(), "median"):
        print(geopatcher.reconstruct(image, np.sqrt, size=8, aggregation=aggregation).array.shape)


def of_fields(image: np.ndarray, labels: np.ndarray) -> None:
    patcher = SpatialPatcher(
        SpatialRectangular(8), SpatialRegularStride(4), SpatialBoxcar(), SpatialOverlapAdd()
    )
    print(patcher.reduce(image, SpatialMeanStd())["mean"], patcher.reduce(image, SpatialMinMax())["max"])
    print(patcher.reduce(image, SpatialApproxQuantile(0.5)), patcher.reduce(labels, SpatialApproxMode()))
    print(patcher.reduce(labels, SpatialApproxCardinality()))
    histogram = patcher.reduce(image, SpatialStreamingHistogram(bins=4))
    print(histogram["counts"].sum(), histogram["edges"])
    print(
        patcher.reduce(image, SpatialReservoir(k=5, seed=1)).mean(), patcher.reduce(image, SpatialMax()).max()
    )

    def centred(data: np.ndarray, found: Mapping[str, ArrayLike]) -> np.ndarray:
        return np.asarray(data - np.asarray(found["mean"]))

    scaled = patcher.two_pass(image, reduce_with=SpatialMeanStd(), apply=centred)
    print(scaled.mean())
    stored = patcher.two_pass(image, reduce_with=SpatialMeanStd(), apply=centred, target="centred.zarr")
    print(stored.shape)


def main() -> None:
    image = np.random.default_rng(2).random((24, 32))
    labels = (image * 5).astype("uint8")
    of_cells(image, labels)
    of_fields(image, labels)
    print(SpatialByIndex().merge([Patch("water", (0, 0), None), Patch("land", (0, 8), None)], image))


if __name__ == "__main__":
    main()
