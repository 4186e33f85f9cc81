from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import geopatcher as gp
from geotiffs import write_geotiff


def patcher(size=6, sampler=None, boundary="cover"):
    return gp.SpatialPatcher(
        gp.SpatialRectangular(size, boundary),
        sampler or gp.SpatialRegularStride(3),
        gp.SpatialBoxcar(),
        gp.SpatialOverlapAdd(),
    )


def pixels(anchors, size, shape):
    """Which pixels of a raster patches have."""
    covered = np.zeros(shape, bool)
    for row, col in anchors:
        covered[max(0, row) : max(0, row + size[0]), max(0, col) : max(0, col + size[1])] = True
    return covered


def nearest(one, other):
    """Least distance of a pixel of one set from a pixel of another, in rows or columns, whichever is more."""
    mine, its = np.argwhere(one), np.argwhere(other)
    return min(int(np.abs(its - pixel).max(axis=1).min()) for pixel in mine)


@given(
    shape=st.tuples(st.integers(10, 45), st.integers(10, 45)),
    block=st.tuples(st.integers(4, 16), st.integers(4, 16)),
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    buffer=st.integers(0, 7),
    seed=st.integers(0, 99),
    sampler=st.sampled_from(["stride", "random", "overhanging"]),
    parts=st.sampled_from([{"train": 0.7, "validation": 0.15, "test": 0.15}, {"a": 0.5, "b": 0.5}]),
)
def test_no_pixel_of_a_part_is_within_the_buffer_of_another(shape, block, size, buffer, seed, sampler, parts):
    chosen = gp.SpatialRegularStride(2) if sampler != "random" else gp.SpatialRandom(60, seed=seed)
    made = patcher(size, chosen, "pad" if sampler == "overhanging" else "cover")
    image = np.zeros(shape)
    try:
        found = gp.SpatialBlockSplit(block, buffer, parts, seed).assign(made, image)
    except ValueError as error:
        assume("would have none" not in str(error) and "alone, with half the buffer" not in str(error))
        raise
    names = list(found)
    covered = {name: pixels(found[name], size, shape) for name in names}
    for number, name in enumerate(names):
        for other in names[:number]:
            assert nearest(covered[name], covered[other]) > buffer
    everything = sorted([*found.left_out, *(anchor for name in names for anchor in found[name])])
    assert everything == sorted(made.anchors(image))


@pytest.mark.parametrize("buffer", [0, 3])
@pytest.mark.parametrize("boundary", ["reflect", "shrink", "pad", "cover"])
def test_no_ground_is_shared_by_reflection_either(boundary, buffer):
    shape = (63, 90)
    anchors = [(row, col) for row in range(-9, 62, 3) for col in range(-9, 88, 4)]
    # Each pixel is its own number: what patches are filled with is known again.
    image = np.arange(1, shape[0] * shape[1] + 1).reshape(shape)
    made = patcher(12, gp.SpatialExplicit(anchors), boundary)
    parts = gp.SpatialBlockSplit(20, buffer, {"a": 0.5, "b": 0.5}, seed=1).assign(made, image)
    seen = {
        name: np.isin(image, np.concatenate([np.ravel(p.data) for p in parts.patcher(name).split(image)]))
        for name in parts
    }
    assert nearest(seen["a"], seen["b"]) > buffer


def test_only_patches_that_come_too_near_are_left_out():
    image = np.zeros((60, 60))
    made = patcher(6, gp.SpatialRegularStride(1))
    found = gp.SpatialBlockSplit(20, 5, {"a": 0.5, "b": 0.5}, seed=1).assign(made, image)
    part_of = np.kron(found.blocks, np.ones((20, 20), int))
    for row, col in found.left_out:
        around = part_of[max(0, row - 3) : row + 9, max(0, col - 3) : col + 9]
        assert len(np.unique(around)) == 2
    for number, name in enumerate(found):
        for row, col in found[name]:
            assert (part_of[max(0, row - 3) : row + 9, max(0, col - 3) : col + 9] == number).all()


def test_blocks_are_shared_out_by_their_fractions():
    blocks = gp.SpatialBlockSplit(10, seed=0).blocks(gp.RasterDomain((95, 195)))
    assert blocks.shape == (10, 20)
    assert np.bincount(blocks.ravel()).tolist() == [140, 30, 30]
    folds = gp.SpatialBlockSplit(10, fractions=dict.fromkeys("abcde", 0.2), seed=0)
    assert np.bincount(folds.blocks(gp.RasterDomain((95, 195))).ravel()).tolist() == [40] * 5


def test_a_seed_gives_the_same_parts_in_every_process():
    domain = gp.RasterDomain((100, 100))
    blocks = gp.SpatialBlockSplit(10, seed=4).blocks(domain)
    assert (gp.SpatialBlockSplit(10, seed=4).blocks(domain) == blocks).all()
    assert (gp.SpatialBlockSplit(10, seed=5).blocks(domain) != blocks).any()
    program = (
        "import geopatcher as gp; "
        "print(gp.SpatialBlockSplit(10, seed=4).blocks(gp.RasterDomain((100, 100))).tolist())"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(blocks.tolist())


def test_a_patcher_of_a_part_cuts_its_patches():
    image = np.random.default_rng(0).normal(size=(2, 60, 70))
    made = patcher()
    found = gp.SpatialBlockSplit(20, 2, seed=3).assign(made, image)
    assert list(found) == ["train", "validation", "test"]
    assert len(found) == 3
    test = found.patcher("test")
    assert test.geometry == made.geometry
    assert sorted(patch.anchor for patch in test.split(image)) == sorted(found["test"])
    assert list(found.sampler("test").anchors(gp.RasterDomain((60, 70)), made.geometry)) == found["test"]
    assert repr(found).startswith("SpatialParts(train: ")
    with pytest.raises(KeyError):
        found["else"]


def test_each_part_has_its_share_of_a_class_that_is_rare():
    labels = np.zeros((200, 200), "uint8")
    rare = np.random.default_rng(2).permutation(400)[:40]  # blocks with a class of their own
    for block in rare.tolist():
        row, col = divmod(block, 20)
        labels[10 * row : 10 * row + 5, 10 * col : 10 * col + 5] = 1
    split = gp.SpatialBlockSplit(10, seed=0, stratify=labels)
    of_pixel = np.kron(split.blocks(gp.RasterDomain(labels.shape)), np.ones((10, 10), int))
    for number, fraction in enumerate((0.7, 0.15, 0.15)):
        for label in (0, 1):
            share = (labels[of_pixel == number] == label).sum() / (labels == label).sum()
            assert abs(share - fraction) < 0.01
    again = gp.SpatialBlockSplit(10, seed=0, stratify=labels)
    assert (again.blocks(gp.RasterDomain(labels.shape)) == split.blocks(gp.RasterDomain(labels.shape))).all()


def test_a_split_is_what_its_configuration_says(tmp_path):
    path = write_geotiff(tmp_path / "labels.tif", np.ones((1, 40, 40), "uint8"))
    for split in (
        gp.SpatialBlockSplit((10, 20), 3, {"a": 0.25, "b": 0.75}, seed=4),
        gp.SpatialBlockSplit(10, seed=4, stratify=path, ignore=[0]),
    ):
        again = gp.SpatialBlockSplit.from_config(json.loads(json.dumps(split.get_config())))
        assert again == split
        assert hash(again) == hash(split)
        assert again != gp.SpatialBlockSplit(10, seed=5)
        assert repr(split).startswith("SpatialBlockSplit(block_size=[10, ")
    with pytest.raises(TypeError, match="stratify is of ndarray"):
        gp.SpatialBlockSplit(10, stratify=np.ones((3, 3), int)).get_config()


def test_what_cannot_be_shared_out_is_refused():
    with pytest.raises(ValueError, match=r"fractions are positive and sum up to 1.*sum up to 1\.1"):
        gp.SpatialBlockSplit(10, fractions={"a": 0.5, "b": 0.6})
    with pytest.raises(ValueError, match="fractions are positive"):
        gp.SpatialBlockSplit(10, fractions={"a": 1.5, "b": -0.5})
    with pytest.raises(ValueError, match="buffer is a number of pixels"):
        gp.SpatialBlockSplit(10, -1)
    with pytest.raises(ValueError, match="block_size is a whole number"):
        gp.SpatialBlockSplit(0)
    with pytest.raises(ValueError, match=r"has 4 blocks of 10x10, and 'test' .* would have none"):
        gp.SpatialBlockSplit(10).blocks(gp.RasterDomain((20, 20)))
    with pytest.raises(ValueError, match=r"patches of 6x6 lies within blocks of 'validation' alone"):
        gp.SpatialBlockSplit(5, seed=0).assign(patcher(), np.zeros((60, 60)))
    polygons = gp.SpatialPolygonIntersection("POLYGON ((0 0, 2 0, 2 2, 0 0))")
    with pytest.raises(TypeError, match="blocks are shared out among rectangles"):
        gp.SpatialBlockSplit(5).assign(
            gp.SpatialPatcher(
                polygons, gp.SpatialRegularStride(1), gp.SpatialBoxcar(), gp.SpatialOverlapAdd()
            ),
            np.zeros((60, 60)),
        )
