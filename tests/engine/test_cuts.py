"""Patches are cut out of strips, filled where they overhang, and have their margins around them."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import geopatcher as gp
import oracle
from geopatcher.core.box import Box
from geopatcher.engine.cuts import Cut, cut_patches, is_empty, mirror
from geopatcher.engine.rows import NOTHING

results = hnp.arrays(np.float32, (2, 3, 3), elements=st.sampled_from([1.0, np.inf, -np.inf, np.nan]))
masks = hnp.arrays(bool, (2, 3, 3))


class Whole:
    """Rectangles of an image in memory."""

    def __init__(self, image, mask=None):
        self.image, self.mask = image, mask

    def cut(self, box):
        where = (slice(None), *box.slices())
        return self.image[where].copy(), None if self.mask is None else self.mask[where].copy()


def plan_for(image, size, boundary, nodata=None, pad_value=None):
    field = gp.RasterField.from_array(image, nodata=nodata)
    plan = gp.plan(field, size=size, boundary="cover")
    return replace(plan, boundary=boundary, pad_value=pad_value)


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(-7, 9), st.integers(-7, 9)),
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    st.sampled_from(["pad", "reflect", "shrink", "cover"]),
    st.booleans(),
)
def test_what_overhangs_is_filled_as_the_boundary_says(shape, corner, size, boundary, masked):
    random = np.random.default_rng(1)
    image = random.random((2, *shape))
    mask = random.random(image.shape) < 0.7 if masked else None
    box = Box(corner[0], corner[0] + size[0], corner[1], corner[1] + size[1])
    inner = box.intersect(Box.of_shape(shape))
    if not inner.n_pixels:
        return
    (cut,) = cut_patches(plan_for(image, size, boundary), [box], Whole(image, mask))
    if boundary == "shrink":
        assert cut.box == inner
        np.testing.assert_array_equal(cut.pixels, image[:, *inner.slices()])
        weights = np.arange(size[0] * size[1]).reshape(size)
        np.testing.assert_array_equal(
            weights if cut.crop is None else weights[cut.crop], weights[inner.slices(box)]
        )
        return
    big = oracle.around(image, 8, "pad" if boundary == "pad" else "reflect")
    where = (slice(None), *box.shift(8, 8).slices())
    assert cut.box == box
    np.testing.assert_array_equal(cut.pixels, big[where])
    if cut.valid is not None:
        known = np.ones(image.shape) if mask is None else mask.astype(float)
        filled = oracle.around(known, 8, "pad" if boundary == "pad" else "reflect", 0.0)
        np.testing.assert_array_equal(cut.valid, filled[where] == 1)
    else:
        assert mask is None


@pytest.mark.parametrize(
    ("dtype", "nodata", "pad_value", "wanted"),
    [
        ("uint8", None, None, 0),
        ("uint8", 9, None, 9),
        ("uint8", 9, 3, 3),
        ("uint8", -9999, None, 0),  # which no pixel can have
        ("uint8", np.nan, None, 0),
        ("int16", -9999.0, None, -9999),
        ("uint64", 2**64 - 1, None, 2**64 - 1),
        ("bool", 1, None, 0),
        ("float32", None, None, 0),
        ("float32", 9, None, 0),  # an operator sees NaN where there is a 9
        ("float32", np.nan, None, 0),
        ("float32", None, 3.5, 3.5),
        ("float32", 9, np.nan, np.nan),
    ],
)
def test_padding_is_a_value_and_counts_as_outside(dtype, nodata, pad_value, wanted):
    image = np.ones((1, 4, 4), dtype)
    plan = plan_for(image, 4, "pad", nodata, pad_value)
    (cut,) = cut_patches(plan, [Box(2, 6, 0, 4)], Whole(image))
    np.testing.assert_array_equal(cut.pixels[0, 2:], np.full((2, 4), wanted, dtype))
    assert cut.pixels.dtype == dtype
    assert not cut.valid[0, 2:].any()
    assert cut.valid[0, :2].all()


@given(st.integers(1, 9), st.integers(0, 30))
def test_mirrored_positions_are_numpys(length, margin):
    wanted = np.pad(np.arange(length), margin, mode="reflect" if length > 1 else "edge")
    np.testing.assert_array_equal(mirror(np.arange(-margin, length + margin), length), wanted)


@given(results, st.none() | masks)
def test_empty_is_when_nothing_is_there(data, valid):
    known = ~np.isnan(data) if valid is None else ~np.isnan(data) & valid
    assert is_empty(Cut(Box(0, 3, 0, 3), data, valid)) == (not known.any())


def test_what_surrounds_a_patch_at_the_edge_is_mirrored_out_of_what_was_moved_in():
    image = np.arange(200.0).reshape(1, 10, 20)
    plan = plan_for(image, 4, "cover")
    plan = replace(plan, reading=replace(plan.reading, margin=(2, 3))).with_model(plan.model)
    for box in (Box(0, 4, 0, 4), Box(6, 10, 16, 20), Box(1, 5, 8, 12), Box(3, 7, 8, 12)):
        (cut,) = cut_patches(plan, [box], Whole(image, image > 5))
        assert cut.pixels.shape == (1, 8, 10)
        np.testing.assert_array_equal(cut.pixels, image[:, *cut.shown.slices()])
        np.testing.assert_array_equal(cut.pixels[:, *cut.inner], image[:, *box.slices()])
        around = cut.surrounded((2, 3))
        wanted = Box(box.row0 - 2, box.row1 + 2, box.col0 - 3, box.col1 + 3)
        big = oracle.around(image, 3, "reflect")
        np.testing.assert_array_equal(around.pixels, big[:, *wanted.shift(3, 3).slices()])
        np.testing.assert_array_equal(around.valid, around.pixels > 5)
        assert (around.shown, around.surrounded((2, 3))) == (wanted, around)
        np.testing.assert_array_equal(around.pixels[:, *around.inner], image[:, *box.slices()])


def test_a_patch_is_empty_when_it_is_so_within_its_margin():
    data = np.full((1, 5, 5), np.nan)
    data[0, 0, 0] = 1.0
    inner = (slice(1, 4), slice(1, 4))
    assert is_empty(Cut(Box(0, 3, 0, 3), data, None, around=Box(0, 5, 0, 5), inner=inner))
    assert not is_empty(Cut(Box(0, 5, 0, 5), data, None))
    known = ~np.isnan(data)
    cut = Cut(Box(0, 3, 0, 3), np.ones((1, 5, 5)), known, around=Box(0, 5, 0, 5), inner=inner)
    assert is_empty(cut)
    assert cut.within(~known) is None
    assert cut.within(NOTHING) is NOTHING


def test_its_anchor_is_the_corner_of_what_was_cut():
    cut = Cut(Box(-2, 6, 10, 18), np.zeros((1, 8, 8)), None)
    assert cut.anchor == (-2, 10)
    assert (cut.crop, cut.loss) == (None, None)


def test_it_travels():
    cut = Cut(Box(0, 2, 0, 2), np.eye(2)[None], np.eye(2, dtype=bool)[None], (slice(0, 2), slice(1, 3)))
    again = pickle.loads(pickle.dumps(cut))  # noqa: S301 - our own, as workers get it
    assert (again.box, again.crop, again.anchor) == (cut.box, cut.crop, (0, 0))
    np.testing.assert_array_equal(again.pixels, cut.pixels)
    np.testing.assert_array_equal(again.valid, cut.valid)
