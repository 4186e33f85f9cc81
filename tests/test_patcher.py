"""The patcher: lazy streams that carry their plan, and what they hand out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

import geopatcher as gp
import oracle
from geopatcher import Box, SpatialPatcher
from geopatcher.errors import IncompleteScanConfiguration
from geopatcher.fields.array_source import ArraySource

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # georeader multiplies affines by points
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]
IMAGE = np.random.default_rng(0).random((2, 60, 70)).astype("float32")
TRANSFORM = Affine(10, 0, 5e5, 0, -10, 4.6e6)


def patcher_of(size=16, step=16, boundary="cover", sampler=None, **options):
    return SpatialPatcher(
        gp.SpatialRectangular(size, boundary=boundary),
        sampler or gp.SpatialRegularStride(step),
        options.pop("window", gp.SpatialHann()),
        gp.SpatialOverlapAdd(),
        **options,
    )


def tensor(image=IMAGE):
    geotensor = pytest.importorskip("georeader.geotensor")
    return geotensor.GeoTensor(image, TRANSFORM, "EPSG:32633")


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "height": 60, "width": 70, "count": 2, "dtype": "float32"}
    with rasterio.open(place, "w", crs="EPSG:32633", transform=TRANSFORM, **profile) as dataset:
        dataset.write(IMAGE)
    return str(place)


def reader(path):
    return pytest.importorskip("georeader.rasterio_reader").RasterioReader(path)


KINDS = ["array", "path", "tensor", "reader"]


def source_of(kind, path, image=IMAGE):
    return {"array": lambda: image, "path": lambda: path, "tensor": tensor, "reader": lambda: reader(path)}[
        kind
    ]()


def pixels_of(data):
    return np.asarray(data.load().values if hasattr(data, "load") else data)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("boundary", ["cover", "drop", "pad", "reflect", "shrink"])
def test_every_kind_of_source_gives_the_same_patches(kind, boundary, path):
    patcher = patcher_of(16, 12, boundary)
    patches = list(patcher.split(source_of(kind, path)))
    wanted = list(oracle.patches(IMAGE, (16, 16), (12, 12), boundary))
    assert len(patches) == len(wanted) == patcher.n_anchors(source_of(kind, path))
    full = patcher.window.weights(patcher.geometry)
    for patch, (row, col, window) in zip(patches, wanted, strict=True):
        assert patch.anchor == (row, col)
        assert (patch.indices.row_off, patch.indices.col_off) == (row, col)
        assert (patch.indices.height, patch.indices.width) == window.shape[1:]
        np.testing.assert_array_equal(pixels_of(patch.data), window)
        np.testing.assert_array_equal(patch.weights, full[: window.shape[1], : window.shape[2]])


@pytest.mark.parametrize("kind", ["tensor", "reader"])
@pytest.mark.parametrize("boundary", ["cover", "reflect", "shrink"])
def test_patches_of_georeferenced_data_lie_where_they_lie(kind, boundary, path):
    source = source_of(kind, path)
    for patch in patcher_of(16, 12, boundary).split(source):
        row, col = patch.anchor
        assert patch.data.transform == Affine(10, 0, 5e5 + 10 * col, 0, -10, 4.6e6 - 10 * row)
        assert str(patch.data.crs) == str(source.crs)
        whole = row + 16 <= 60 and col + 16 <= 70
        wanted = type(source) if whole or boundary == "shrink" else type(tensor())
        assert type(patch.data) is wanted


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("boundary", ["cover", "pad", "shrink"])
@pytest.mark.parametrize("anchor", [(0, 0), (44, 54), (50, 60), (-5, -6)])
def test_one_patch_is_the_one_split_would_give(kind, boundary, anchor, path):
    patcher = patcher_of(16, 12, boundary)
    patch = patcher.patch_at(source_of(kind, path), anchor)
    box = Box(anchor[0], anchor[0] + 16, anchor[1], anchor[1] + 16)
    big = oracle.around(IMAGE, 20, "pad" if boundary == "pad" else "reflect")
    inner = box.intersect(Box(0, 60, 0, 70)) if boundary == "shrink" else box
    assert patch.anchor == (inner.row0, inner.col0)
    np.testing.assert_array_equal(pixels_of(patch.data), big[:, *inner.shift(20, 20).slices()])
    full = patcher.window.weights(patcher.geometry)
    np.testing.assert_array_equal(patch.weights, full[inner.slices(box)])


def test_a_patch_beside_the_field_is_refused():
    with pytest.raises(ValueError, match=r"16x16 at anchor \(60, 0\) has no pixel in the raster of 60x70"):
        patcher_of().patch_at(IMAGE, (60, 0))


# Laziness


class Counting(ArraySource):
    def read(self, box):
        self.reads.append(box)
        return super().read(box)


def counting(image):
    source = Counting(image, ArraySource.of(image).domain)
    object.__setattr__(source, "reads", [])
    return source


def test_a_stream_reads_only_as_far_as_it_is_followed():
    source = counting(np.random.default_rng(0).random((1, 2000, 40)))
    stream = patcher_of(32, 16).split(gp.RasterField(source))
    assert source.reads == []
    first = list(itertools.islice(stream, 4))
    assert [patch.anchor for patch in first] == [(0, 0), (0, 8), (16, 0), (16, 8)]
    assert max(box.row1 for box in source.reads) <= 256
    rest = list(stream)
    assert len(first) + len(rest) == len(stream) == stream.plan.n_patches
    seen = np.zeros((2000, 40), int)
    for box in source.reads:
        seen[box.slices()] += 1
    assert (seen == 1).all()


def test_a_stream_carries_its_plan_and_the_anchors_are_those():
    patcher = patcher_of(16, 12)
    stream = patcher.split(IMAGE)
    assert stream.plan == patcher.plan(IMAGE)
    assert [patch.anchor for patch in stream] == list(patcher.anchors(IMAGE))
    assert next(stream, None) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_patch_does_not_change_when_the_stream_goes_on_or_another_is_written_into(kind, path):
    image = IMAGE.copy()
    source = tensor(image) if kind == "tensor" else source_of(kind, path, image)
    kept = []
    for patch in patcher_of(16, 8).split(source):
        pixels = pixels_of(patch.data)
        kept.append((patch, pixels.copy()))
        if pixels.flags.writeable and kind != "reader":
            pixels *= -1
            kept[-1] = (patch, -kept[-1][1])
    for patch, wanted in kept:
        np.testing.assert_array_equal(pixels_of(patch.data), wanted)
    np.testing.assert_array_equal(image, IMAGE)


def test_a_stream_that_is_closed_ends():
    stream = patcher_of().split(IMAGE)
    next(stream)
    stream.close()
    assert list(stream) == []


# Samplers

samplers = st.one_of(
    st.builds(gp.SpatialRegularStride, st.integers(1, 16)),
    st.builds(gp.SpatialJitteredStride, st.integers(4, 16), st.floats(0, 1), st.integers(0, 99)),
    st.builds(
        gp.samplers.explicit.SpatialExplicit,
        st.lists(st.tuples(st.integers(-15, 59), st.integers(-15, 69)), min_size=1, max_size=30),
    ),
)


@settings(max_examples=40)
@given(samplers, st.sampled_from(["pad", "reflect", "shrink"]))
def test_any_sampler_gives_the_pixels_around_its_anchors(sampler, boundary):
    image = IMAGE[:1]
    patcher = patcher_of(16, 16, boundary, sampler)
    big = oracle.around(image, 40, "pad" if boundary == "pad" else "reflect")
    anchors = sorted(sampler.anchors(gp.RasterDomain((1, 60, 70)), patcher.geometry))
    patches = list(patcher.split(image))
    assert len(patches) == len(anchors)
    for patch, (row, col) in zip(patches, anchors, strict=True):
        box = Box(row, row + 16, col, col + 16)
        if boundary == "shrink":
            box = box.intersect(Box(0, 60, 0, 70))
        assert patch.anchor == (box.row0, box.col0)
        np.testing.assert_array_equal(patch.data, big[:, *box.shift(40, 40).slices()])


@settings(max_examples=20)
@given(st.integers(0, 99), st.sampled_from(["cover", "pad", "reflect", "shrink"]), st.floats(0, 0.5))
def test_listed_anchors_reconstruct_what_a_lattice_does(seed, boundary, jitter):
    sampler = gp.SpatialJitteredStride(8, jitter, seed)
    patcher = patcher_of(16, 8, boundary, sampler)
    result = patcher.reconstruct(IMAGE, lambda x: x)
    assert oracle.ulps(result.array, IMAGE) <= 4
    assert oracle.ulps(patcher.merge(patcher.split(IMAGE), IMAGE), IMAGE.astype("float64")) <= 4


def test_samplers_that_leave_gaps_are_told_of():
    patcher = patcher_of(16, sampler=gp.samplers.explicit.SpatialExplicit([(0, 0), (20, 20)]))
    with pytest.raises(IncompleteScanConfiguration, match="3,688 of 4,200 pixels are left out"):
        patcher.reconstruct(IMAGE, lambda x: x)
    result = gp.reconstruct(IMAGE, lambda x: x, patcher=patcher, allow_gaps=True)
    assert np.isnan(result.array).sum() == 2 * 3688


# Round trips


@pytest.mark.parametrize("kind", KINDS)
def test_merging_what_was_split_gives_the_field_back(kind, path):
    source = source_of(kind, path)
    patcher = patcher_of(16, 8)
    for patches in (patcher.split(source), list(patcher.split(source))):
        merged = patcher.merge(patches, source if kind != "path" else IMAGE)
        assert merged.shape == IMAGE.shape
        np.testing.assert_allclose(merged, IMAGE, rtol=1e-6)


def test_two_dimensional_fields_give_two_dimensional_patches(path):
    image = IMAGE[0]
    for source in (image, tensor(image)):
        patcher = patcher_of(16, 8, "reflect")
        patches = list(patcher.split(source))
        assert {patch.data.shape for patch in patches} == {(16, 16)}
        np.testing.assert_allclose(patcher.merge(patches, source), image, rtol=1e-6)


def test_errors_of_policies_come_at_once():
    with pytest.raises(ValueError, match="on_error='ignore' is none of raise, skip, mask, retry"):
        patcher_of(on_error="ignore")
    with pytest.raises(ValueError, match="max_retries must be 0 or more, not -1"):
        patcher_of(max_retries=-1)


def test_the_policy_of_a_patcher_is_that_of_its_runs():
    def fail(patch):
        if patch[0, 0, 0] == IMAGE[0, 16, 16]:
            raise ValueError("bad")
        return patch

    patcher = patcher_of(on_error="skip")
    result = patcher.reconstruct(IMAGE, fail)
    assert [record.anchor for record in patcher.errors] == [(16, 16)]
    assert np.isnan(result.array[:, 16:32, 16:32]).all()
    assert np.isnan(result.array).sum() == 2 * 256


def test_patches_are_context_managers():
    closed = []

    class Resource:
        def close(self):
            closed.append(self)

    with gp.Patch(Resource(), (0, 0), Window(0, 0, 1, 1)) as patch:
        assert closed == []
    assert closed == [patch.data]
