from __future__ import annotations

import itertools

import numpy as np
import pytest
from affine import Affine

import geopatcher as gp
import oracle
from geopatcher import Box
from kinds import IMAGE, KINDS, patcher_of, path, source_of, tensor
from reads import counting

__all__ = ["path"]  # a fixture

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # georeader multiplies affines by points
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


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


def test_its_length_is_that_of_the_plan_less_what_is_done():
    class Done:
        def has(self, anchor):
            return anchor[0] == 0

    patcher = patcher_of(16, 16)
    assert len(patcher.split(IMAGE)) == 4 * 5
    left = patcher.split(IMAGE, journal=Done())
    assert len(left) == 3 * 5
    found = list(left)
    assert [patch.anchor for patch in found] == [
        (row, col) for row in (16, 32, 44) for col in (0, 16, 32, 48, 54)
    ]
    np.testing.assert_array_equal(found[0].data, IMAGE[:, 16:32, :16])


@pytest.mark.parametrize("cache", [True, "folder", 3])
def test_what_is_no_cache_is_refused(cache):
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(4), gp.SpatialRegularStride(2), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    with pytest.raises(TypeError, match=r"cache= is a PatchCache\(folder\), not"):
        patcher.split(np.zeros((7, 9)), cache=cache)
