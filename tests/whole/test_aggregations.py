"""Each aggregation through `reconstruct`: in memory, on disk and in regions, the same bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

import cells
import geopatcher as gp


def widest(stack, weights):
    _ = weights
    known = ~np.isnan(stack)
    return np.where(known, stack, -1e30).max(axis=0) - np.where(known, stack, 1e30).min(axis=0)


FLOATING = {
    "overlap-add": gp.SpatialOverlapAdd(),
    "unnormalised": gp.SpatialOverlapAdd(normalize_by_window=False),
    "sum": gp.SpatialSum(),
    "mean": gp.SpatialMean(),
    "max": gp.SpatialMax(),
    "min": gp.SpatialMin(),
    "variance": gp.SpatialVariance(),
    "weighted-sum": gp.SpatialWeightedSum(),
    "by the data": gp.SpatialWeightedSum(
        lambda data: np.nan_to_num(data).reshape(-1, *data.shape[-2:])[0] ** 2
    ),
    "inv-var": gp.SpatialInvVarWeightedMean(),
    "median": gp.SpatialMedian(),
    "mode": gp.SpatialMode(),
    "learned": gp.SpatialLearned(widest),
}
SELECTING = ("max", "min", "median", "mode")
VOTES = {"hard-vote": gp.SpatialHardVote(5), "soft-vote": gp.SpatialSoftVote(2)}


def bend(pixels):
    """A pure function of a patch that makes overlapping patches disagree."""
    values = np.nan_to_num(pixels.astype(np.float64))
    factor = 1 + (abs(values.sum()) % 7) / 8
    return (pixels * factor).astype(pixels.dtype)


def label(pixels):
    values = np.where(np.isnan(pixels), np.nan, np.abs(np.nan_to_num(bend(pixels)) * 4) % 5 // 1)
    return values.astype(np.float32)


def shares(pixels):
    first = np.abs(np.sin(bend(pixels)[0])).astype(np.float32)
    return np.stack([first, 1 - first])


OPERATORS = {
    "hard-vote": label,
    "soft-vote": shares,
    "inv-var": lambda x: np.concatenate([bend(x), np.abs(bend(x))]),
}


@pytest.mark.parametrize("name", [*FLOATING, *VOTES])
@how(max_examples=6)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 60)),
    size=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    share=st.sampled_from([1, 2, 2, 3]),
    chunks=st.tuples(st.sampled_from([4, 7, 16]), st.sampled_from([5, 8, 16])),
    dtype=st.sampled_from(["float32", "float64"]),
    result=st.sampled_from([None, "uint8", "float32", "float64"]),
    holes=st.sampled_from([0.0, 0.1, 0.8]),
    on_disk=st.sampled_from([False, False, False, True]),
    seed=st.integers(0, 2**32),
)
def test_the_same_bytes(
    *, name, shape, size, share, chunks, dtype, result, holes, on_disk, seed, tmp_path_factory
):
    rng = np.random.default_rng(seed)
    image = (rng.normal(size=(1, *shape)) * 50).astype(dtype)
    if result == "uint8" and name in SELECTING:  # which refuse what does not fit
        image = np.abs(image) % 128
    image[rng.random(image.shape) < holes] = np.nan
    step = tuple(max(1, -(-edge // share)) for edge in size)
    aggregation = (FLOATING | VOTES)[name]
    operator = OPERATORS.get(name, bend)
    options = {"size": size, "step": step, "aggregation": aggregation, "dtype": result, "window": "tukey"}

    def run(target=None, **more):
        return gp.reconstruct(image, operator, target, **(options | more))

    whole = run()
    first = whole.array
    plan = gp.plan(image, size=size, step=step, aggregation=aggregation, dtype=result, chunks=chunks)
    others = [run(chunks=chunks).array]
    true = replace(whole.plan.model, tile=chunks)
    narrow = max(model.bytes_for(chunks[1], shape[0], alone=False) for model in (true, plan.model))
    in_regions = run(chunks=chunks, memory_limit=narrow)
    if true.bytes_for(shape[1], shape[0]) > narrow:
        assert in_regions.plan.n_regions > 1
    others.append(in_regions.array)
    if on_disk:
        folder = tmp_path_factory.mktemp("run")
        others.append(run(folder / "x.zarr", chunks=chunks).array[...])
    for other in others:
        assert other.dtype == first.dtype
        assert other.tobytes() == first.tobytes()
    part = plan.restrict(gp.Box(shape[0] // 2, shape[0], shape[1] // 2, shape[1])).region
    region = run(chunks=chunks, region=part).array
    cut = first[..., part.row0 : part.row1, part.col0 : part.col1]
    assert region[..., part.row0 : part.row1, part.col0 : part.col1].tobytes() == cut.tobytes()


@pytest.mark.parametrize("name", ["overlap-add", "max", "median", "hard-vote"])
def test_a_geotiff_holds_the_same(name, tmp_path):
    rng = np.random.default_rng(0)
    image = (rng.normal(size=(1, 100, 130)) * 50).astype("float32")
    image[0, 10:30, 20:50] = np.nan
    aggregation = (FLOATING | VOTES)[name]
    operator = OPERATORS.get(name, bend)
    first = gp.reconstruct(image, operator, size=32, aggregation=aggregation).array
    stored = gp.reconstruct(image, operator, tmp_path / "x.tif", size=32, aggregation=aggregation)
    with rasterio.open(tmp_path / "x.tif") as dataset:
        assert dataset.read().tobytes() == first.reshape(dataset.read().shape).tobytes()
        np.testing.assert_equal(dataset.nodata, stored.domain.nodata)


@pytest.mark.parametrize("name", ["max", "min", "median", "mode", "sum", "overlap-add", "mean"])
@pytest.mark.parametrize("dtype", cells.INTEGERS)
def test_identity_on_integers(name, dtype):
    image = cells.values_of(np.random.default_rng(1), "plain", (2, 30, 41), dtype)
    step = 8 if name == "sum" else 5
    got = gp.reconstruct(image[:, :24, :40], lambda x: x, size=8, step=step, aggregation=FLOATING[name])
    np.testing.assert_array_equal(got.array, image[:, :24, :40])
    assert got.array.dtype == (dtype if name != "sum" else "int64" if dtype.startswith("i") else "uint64")


@pytest.mark.parametrize(
    ("dtype", "result", "wanted"), [("float16", None, "float32"), ("float32", "float64", "float64")]
)
def test_a_median_is_as_exact_as_its_result(dtype, result, wanted):
    """The middle of two neighbours, which their own dtype does not hold."""
    image = np.random.default_rng(2).normal(size=(1, 8, 24)).astype(dtype)

    def neighbours(patches, positions):  # (2, 1, 8, 8): of two patches over a cell the second is one step up
        odd = [position.window.col_off // 4 % 2 for position in positions]
        return np.stack(
            [np.nextafter(p, np.array(9, dtype)) if up else p for p, up in zip(patches, odd, strict=True)]
        )

    options = {"size": 8, "step": (8, 4), "batch_size": 2, "aggregation": "median", "dtype": result}
    got = gp.reconstruct(image, gp.positioned(neighbours), **options).array
    assert got.dtype == wanted
    middle = (image.astype("float64") + np.nextafter(image, np.array(9, dtype))) / 2
    np.testing.assert_array_equal(got[..., 4:20], middle[..., 4:20])


@pytest.mark.parametrize("name", [*FLOATING, *VOTES])
@pytest.mark.filterwarnings("ignore:Spatial.* has streaming_safe = False:RuntimeWarning")
def test_no_patches_at_all(name):
    got = (FLOATING | VOTES)[name].merge([], np.empty((2, 3)))
    for array in got.values() if isinstance(got, dict) else [got]:
        assert array.shape == (2, 3)
        if name == "sum":
            assert (array == 0).all()
        else:
            assert (array == 255).all() if array.dtype == np.uint8 else np.isnan(array).all()


@pytest.mark.parametrize("name", ["overlap-add", "mean", "max", "min", "median", "mode", "hard-vote"])
def test_booleans_become_bytes(name):
    image = np.random.default_rng(0).random((20, 30)) < 0.5
    got = gp.reconstruct(image, lambda x: x, size=8, aggregation=(FLOATING | VOTES)[name]).array
    assert got.dtype == "uint8"
    np.testing.assert_array_equal(got, image)


@pytest.mark.parametrize("make", [gp.SpatialHardVote, gp.SpatialSoftVote])
def test_a_dtype_without_room_for_the_labels(make):
    words = "a result of uint8 has no room for 256 classes and nodata: use dtype='uint16'"
    with pytest.raises(ValueError, match=words):
        gp.reconstruct(np.zeros((8, 8)), lambda x: x, size=4, chunks=16, aggregation=make(256), dtype="uint8")


def test_labels_of_64_bits_survive_the_disk(tmp_path):
    labels = 2**60 + np.arange(600).reshape(20, 30)
    for name in ("max", "min", "mode", "median", "overlap-add"):
        for target in (None, tmp_path / f"{name}.zarr"):
            got = gp.reconstruct(labels, lambda x: x, target, size=8, aggregation=FLOATING[name]).array
            assert got.dtype == "int64"
            np.testing.assert_array_equal(got[...], labels)
