"""`merge`: with a plan or without, in any order, in memory or on disk, the same field."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

import geopatcher as gp
import oracle
from geopatcher import Patch, SpatialOverlapAdd, SpatialPatcher
from geopatcher.core.domain import RasterDomain
from geopatcher.errors import OperatorError, TargetExistsError
from geopatcher.patching.windows import window_from_name
from geotoolz import Lambda, Sequential
from geotoolz.patch_ops import ApplyToChips, GridSampler, Stitch

IMAGE = np.random.default_rng(0).random((2, 90, 130))


def patcher_of(size=16, step=8, boundary="cover", window=None, aggregation=None):
    return SpatialPatcher(
        gp.SpatialRectangular(size, boundary=boundary),
        gp.SpatialRegularStride(step),
        window or gp.SpatialHann(),
        aggregation or SpatialOverlapAdd(),
    )


def results(patcher, image, operator):
    return [patch.with_data(operator(patch.data)) for patch in patcher.split(image)]


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(1, 16),
    st.integers(1, 16),
    st.sampled_from(["cover", "pad", "reflect", "shrink"]),
    st.sampled_from(["hann", "boxcar"]),
    st.sampled_from([None, "float32", "uint8"]),
    st.randoms(use_true_random=False),
)
def test_planned_listed_shuffled_and_reconstructed_are_the_same_bytes(
    tmp_path_factory, shape, size, step, boundary, window, dtype, random
):
    step = min(step, size)
    image = np.random.default_rng(0).random((2, *shape)) * 200
    patcher = patcher_of(size, step, boundary, window_from_name(window))

    def operator(patch):
        return patch * 1.25 + 3

    folder = tmp_path_factory.mktemp("merge")
    names = itertools.count()

    def aggregation():
        if dtype is None:
            return SpatialOverlapAdd(chunks=16)
        return SpatialOverlapAdd(
            streaming=True, target_path=folder / f"{next(names)}.zarr", dtype=dtype, chunks=16
        )

    listed = results(patcher, image, operator)
    shuffled = random.sample(listed, len(listed))
    wanted = aggregation().merge(listed, image)[:]
    planned = Sequential([GridSampler(patcher), ApplyToChips(operator), Stitch(aggregation(), image)])(image)
    np.testing.assert_array_equal(planned[:], wanted)
    np.testing.assert_array_equal(aggregation().merge(shuffled, image)[:], wanted)
    np.testing.assert_array_equal(aggregation().merge(iter(shuffled), image)[:], wanted)
    direct = gp.reconstruct(image, operator, patcher=patcher, dtype=dtype, chunks=16).array
    np.testing.assert_array_equal(direct, wanted)
    truth = oracle.overlap_add(
        image, operator, (size, size), (step, step), patcher.window.weights(patcher.geometry), boundary
    )
    tolerance = {None: 1e-12, "float32": 1e-6, "uint8": 0}[dtype]
    if dtype == "uint8":
        np.testing.assert_allclose(wanted, np.clip(np.rint(truth), 0, 255), atol=1)
    else:
        np.testing.assert_allclose(wanted, truth, rtol=tolerance)


@pytest.mark.parametrize("target", ["memory", "zarr", "cog"])
@pytest.mark.parametrize("planned", [True, False])
def test_a_field_too_wide_for_the_limit_is_merged_in_column_regions(tmp_path, target, planned, monkeypatch):
    image = np.random.default_rng(0).random((1, 48, 800))
    patcher = patcher_of()
    regions = []
    whole = gp.Plan.regions

    def watched(plan):
        for region in whole(plan):
            regions.append(region.region)
            yield region

    monkeypatch.setattr(gp.Plan, "regions", watched)

    def merged(limit, name):
        options = {"chunks": 32, "memory_limit": limit}
        if target != "memory":
            ending = "x.zarr" if target == "zarr" else "x.tif"
            (tmp_path / name).mkdir()
            options |= {"streaming": True, "target_path": tmp_path / name / ending, "writer": target}
        patches = patcher.split(image)
        patches = patches if planned else (patch for patch in reversed(list(patches)))
        return np.asarray(SpatialOverlapAdd(**options).merge(patches, image)[...])

    wanted = merged("1GiB", "whole")
    regions.clear()
    got = merged(1, "narrow")
    assert len(regions) > 10
    assert sum(region.n_pixels for region in regions) == 48 * 800
    np.testing.assert_array_equal(got, wanted)
    assert (
        oracle.ulps(got.astype("float64"), image.astype(got.dtype).astype("float64")) <= 4
        or target != "memory"
    )
    leftovers = [path for path in tmp_path.rglob("*") if "scratch" in path.name or "partial" in path.name]
    assert leftovers == []


def test_memory_stays_bounded_while_a_wide_field_is_merged(tmp_path):
    """16 MiB of patches and as much of result, in 5 MiB."""
    height, width = 64, 32_768

    def give():
        for col in range(0, width, 64):
            data = np.full((1, height, 64), col, "float64")
            yield Patch(data, (0, col), None)

    aggregation = SpatialOverlapAdd(
        streaming=True, target_path=tmp_path / "x.zarr", chunks=256, memory_limit="1MiB", dtype="float64"
    )
    tracemalloc.start()
    result = aggregation.merge(give(), RasterDomain((1, height, width)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 << 20
    assert result[0, 63, ::64].tolist() == list(range(0, width, 64))


def test_patches_of_one_buffer_are_not_confused():
    buffer = np.empty((2, 16, 16))

    def give(patches):
        for patch in patches:
            np.multiply(patch.data, 2, out=buffer)
            yield patch.with_data(buffer)

    patcher = patcher_of()
    backwards = give(reversed(list(patcher.split(IMAGE))))
    np.testing.assert_allclose(patcher.merge(backwards, IMAGE), IMAGE * 2, rtol=1e-14)


def test_a_part_of_the_patches_leaves_nan_where_none_is():
    patches = list(patcher_of(step=16).split(IMAGE))
    result = patcher_of().merge(patches[:3], IMAGE)
    np.testing.assert_allclose(result[:, :16, :48], IMAGE[:, :16, :48], rtol=1e-14)
    assert np.isnan(result[:, 16:]).all()
    assert np.isnan(result[:, :, 48:]).all()


def test_nothing_at_all_is_all_nan():
    result = SpatialOverlapAdd().merge([], RasterDomain((20, 30)))
    assert result.shape == (20, 30)
    assert np.isnan(result).all()


def test_patches_beyond_the_field_are_cut_off():
    patch = Patch(np.arange(100.0).reshape(10, 10), (-4, -3), None)
    result = SpatialOverlapAdd().merge([patch], RasterDomain((12, 9)))
    np.testing.assert_array_equal(result[:6, :7], patch.data[4:, 3:])
    assert np.isnan(result[6:]).all()


@pytest.mark.parametrize("anchor", [(50, 50), (12, 0), (0, 9), (-10, 0), (0, -10)])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_patch_beside_the_field_is_an_error(tmp_path, anchor, streaming):
    inside, beside = (Patch(np.ones((10, 10)), where, None) for where in ((0, 0), anchor))
    aggregation = SpatialOverlapAdd(
        streaming=streaming, target_path=tmp_path / "a.zarr" if streaming else None
    )
    told = rf"the patch at \({anchor[0]}, {anchor[1]}\) of 10x10 pixels lies outside the domain of 12x9"
    with pytest.raises(ValueError, match=told):
        aggregation.merge([inside, beside], RasterDomain((12, 9)))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("writer", ["zarr", "cog"])
def test_a_second_merge_to_a_place_is_told_what_it_can_do(tmp_path, writer):
    path = tmp_path / f"a.{'tif' if writer == 'cog' else 'zarr'}"
    aggregation = SpatialOverlapAdd(streaming=True, target_path=path, writer=writer)
    patches = [Patch(np.ones((20, 20)), (0, 0), None)]
    aggregation.merge(patches, RasterDomain((20, 20)))
    with pytest.raises(TargetExistsError) as caught:
        aggregation.merge(patches, RasterDomain((20, 20)))
    assert str(caught.value) == (
        f"{path} exists, and merge replaces nothing: choose another target_path, or remove it first"
    )


@pytest.mark.parametrize("data", ["masked", "nan"])
def test_masked_cells_do_not_count(data):
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    gone = np.array([[False, True], [False, False]])
    shown = np.ma.array(values, mask=gone) if data == "masked" else np.where(gone, np.nan, values)
    other = Patch(np.full((2, 2), 10.0), (0, 0), None)
    result = SpatialOverlapAdd().merge([Patch(shown, (0, 0), None), other], np.empty((2, 2)))
    np.testing.assert_array_equal(result, [[5.5, 10], [6.5, 7]])
    alone = SpatialOverlapAdd().merge([Patch(shown, (0, 0), None)], np.empty((2, 2)))
    np.testing.assert_array_equal(alone, np.where(gone, np.nan, values))


@pytest.mark.parametrize(
    ("patch", "complaint"),
    [
        (Patch(np.ones(4), (0, 0), None), r"the patch at \(0, 0\) has shape \(4,\): expected \(h, w\)"),
        (Patch(np.ones((1, 2, 4, 5)), (0, 0), Window(0, 0, 4, 4)), r"has data of \(4, 5\)"),
        (
            Patch(np.ones((3, 4)), (8, 4), Window(4, 8, 4, 4)),
            r"the patch at \(8, 4\) has data of \(3, 4\), and its window or weights are \(4, 4\)",
        ),
        (
            Patch(np.ones((4, 4)), (0, 0), None, np.ones((4, 5))),
            r"has data of \(4, 4\), and its window or weights are \(4, 5\): an operator must return",
        ),
    ],
)
def test_patches_that_do_not_fit_are_refused(patch, complaint):
    with pytest.raises(OperatorError, match=complaint):
        SpatialOverlapAdd().merge([patch], np.empty((20, 20)))


def test_the_number_of_bands_must_stay():
    patches = [Patch(np.ones((2, 4, 4)), (0, 0), None), Patch(np.ones((4, 4)), (4, 0), None)]
    for some in (patches, iter(patches)):
        with pytest.raises(OperatorError, match=r"the patch at \(4, 0\) has 1 bands and those before have 2"):
            SpatialOverlapAdd().merge(some, np.empty((20, 20)))


def test_an_operator_that_fails_leaves_nothing_behind(tmp_path):
    def fail(data):
        if fail.left == 0:
            raise ValueError("no")
        fail.left -= 1
        return data

    target = tmp_path / "x.zarr"
    for planned in (True, False):
        fail.left = 20
        chips = ApplyToChips(Lambda(fail))(GridSampler(patcher_of())(IMAGE))
        with pytest.raises(ValueError, match="no"):
            SpatialOverlapAdd(streaming=True, target_path=target, chunks=16).merge(
                chips if planned else iter(chips), IMAGE
            )
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_exists_is_refused_before_a_patch_is_made(tmp_path):
    (tmp_path / "mine").write_text("keep")

    def never():
        raise AssertionError
        yield

    with pytest.raises(TargetExistsError, match="exists"):
        SpatialOverlapAdd(streaming=True, target_path=tmp_path).merge(never(), IMAGE)
    assert (tmp_path / "mine").read_text() == "keep"


def test_the_domains_georeference_arrives(tmp_path):
    transform = Affine(10, 0, 5e5, 0, -10, 4.6e6)
    domain = RasterDomain((2, 90, 130), transform, "EPSG:32633")
    target = tmp_path / "x.tif"
    aggregation = SpatialOverlapAdd(streaming=True, target_path=target, writer="cog")
    aggregation.merge(patcher_of().split(IMAGE), domain)
    with rasterio.open(target) as dataset:
        assert dataset.transform == transform
        assert dataset.crs.to_epsg() == 32633
        assert np.isnan(dataset.nodata)
        np.testing.assert_allclose(dataset.read(), IMAGE, rtol=1e-6)


def test_float64_on_disk_is_what_memory_holds(tmp_path):
    patches = list(patcher_of().split(IMAGE))
    memory = SpatialOverlapAdd().merge(patches, IMAGE)
    disk = SpatialOverlapAdd(streaming=True, target_path=tmp_path / "x.zarr", dtype="float64").merge(
        patches, IMAGE
    )
    np.testing.assert_array_equal(disk[:], memory)
    assert (memory.dtype, disk.dtype) == (np.float64, np.float64)


def test_a_plan_is_passed_on_through_operators():
    chips = GridSampler(patcher_of())(IMAGE)
    doubled = ApplyToChips(Lambda(lambda x: x * 2))(chips)
    assert doubled.plan == chips.plan
    assert len(doubled) == chips.plan.n_patches
    for _ in range(2):  # it can be gone through again
        np.testing.assert_allclose(SpatialOverlapAdd().merge(doubled, IMAGE), IMAGE * 2, rtol=1e-14)


@pytest.mark.parametrize("option", ["chunks", "shard_shape"])
@pytest.mark.parametrize("value", [(256.7, 512), 256.0, (0, 512), (1, 2, 3), "512"])
def test_sizes_of_blocks_that_are_no_whole_numbers_are_refused(tmp_path, option, value):
    target = {"streaming": True, "target_path": tmp_path / "x.zarr"}
    aggregation = SpatialOverlapAdd(**target, **{option: value})
    patcher = patcher_of(aggregation=aggregation)
    with pytest.raises(ValueError, match=rf"{option} is a whole number of pixels, at least 1, or a pair"):
        patcher.merge(patcher.split(IMAGE), RasterDomain(IMAGE.shape))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("domain", ["path.tif", Path("path.tif"), None, (90, 130), 3])
@pytest.mark.parametrize("aggregation", [SpatialOverlapAdd(), gp.SpatialSum(), gp.SpatialMeanStd()])
def test_what_is_no_domain_is_refused_and_a_path_told_where_it_goes(domain, aggregation):
    if domain is None and isinstance(aggregation, gp.SpatialMeanStd):
        pytest.skip("a global statistic needs none")
    patcher = patcher_of(aggregation=aggregation)
    way = "target_path=" if isinstance(domain, str | Path) else "the field they were cut from"
    with pytest.raises(TypeError, match=f"is none: pass .*{way}"):
        patcher.merge(patcher.split(IMAGE), domain)


AGGREGATIONS = [SpatialOverlapAdd(), gp.SpatialSum(), gp.SpatialByIndex(), gp.SpatialMinMax()]


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("kind", [list, iter], ids=["list", "stream"])
def test_arrays_without_their_patches_are_refused(aggregation, kind):
    patcher = patcher_of(aggregation=aggregation)
    arrays = [patch.data for patch in patcher.split(IMAGE)]
    with pytest.raises(TypeError, match=r"number 0 is a ndarray: yield patch\.with_data\(result\)"):
        patcher.merge(kind(arrays), IMAGE)
    with pytest.raises(TypeError, match="not one Patch"):
        patcher.merge(Patch(IMAGE, (0, 0), None), IMAGE)


@pytest.mark.parametrize("dtype", ["complex64", "M8[D]", "m8[h]", "U3"])
@pytest.mark.parametrize(
    "aggregation",
    [SpatialOverlapAdd(), gp.SpatialSum(), gp.SpatialMax(), gp.SpatialMode(), gp.SpatialHardVote(3)],
)
@pytest.mark.filterwarnings("ignore:SpatialMode")
def test_what_is_no_real_number_is_refused(dtype, aggregation):
    patcher = patcher_of(aggregation=aggregation)
    patches = (patch.with_data(patch.data.astype("uint8").astype(dtype)) for patch in patcher.split(IMAGE))
    with pytest.raises(OperatorError, match="rows 0:16, columns 0:16 holds .* values: only real numbers"):
        patcher.merge(patches, IMAGE)


@pytest.mark.filterwarnings("ignore:SpatialLearned")
def test_a_model_may_be_given_complex_numbers():
    waves = IMAGE[0] * np.exp(1j * IMAGE[1])
    patcher = patcher_of(aggregation=gp.SpatialLearned(lambda stack: np.nanmax(np.abs(stack), axis=0)))
    assert np.allclose(patcher.merge(patcher.split(waves), waves), np.abs(waves))


def test_weights_may_be_a_list_and_have_the_shape_of_the_patch():
    data = np.arange(4.0).reshape(2, 2)
    assert np.array_equal(
        SpatialOverlapAdd().merge([Patch(data, (0, 0), None, [[1, 2], [3, 4]])], data), data
    )
    for weights in (2.0, [1, 2]):
        with pytest.raises(OperatorError, match=r"its window or weights are \("):
            SpatialOverlapAdd().merge([Patch(data, (0, 0), None, weights)], data)
