"""Several fields cut at the same places."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest
from affine import Affine

import geopatcher as gp
from geopatcher.matched import MatchedField, MatchedPatch, MatchedSpatialPatcher
from geopatcher.samplers import SpatialRandom

RANDOM = np.random.default_rng(5)
IMAGE, HEIGHT = RANDOM.normal(size=(3, 20, 30)), RANDOM.normal(size=(20, 30))
LABELS = RANDOM.integers(1, 5, (20, 30)).astype("uint8")


def spatial(boundary="cover", sampler=None, **more):
    return gp.SpatialPatcher(
        gp.SpatialRectangular(8, boundary),
        sampler or gp.SpatialRegularStride(5),
        gp.SpatialHann(),
        gp.SpatialOverlapAdd(),
        **more,
    )


FIELD = MatchedField(IMAGE, {"dem": HEIGHT, "labels": LABELS})


@pytest.mark.parametrize("prefetch", [0, 3])
def test_members_are_cut_where_the_primary_one_is(prefetch):
    patches = MatchedSpatialPatcher(spatial()).split(FIELD, prefetch=prefetch)
    n = 0
    for patch in patches:
        assert isinstance(patch, MatchedPatch)
        row, col = patch.anchor
        assert np.array_equal(patch.primary.data, IMAGE[:, row : row + 8, col : col + 8])
        assert np.array_equal(patch.members["dem"].data, HEIGHT[row : row + 8, col : col + 8])
        assert np.array_equal(patch.members["labels"].data, LABELS[row : row + 8, col : col + 8])
        assert {member.anchor for member in patch.members.values()} == {patch.anchor}
        assert patch.weights is patch.primary.weights
        assert patch.secondary_names == ("dem", "labels")
        n += 1
    assert n == len(patches) == spatial().n_anchors(IMAGE)


@pytest.mark.parametrize("boundary", ["cover", "pad", "reflect", "shrink"])
def test_each_source_is_stitched_by_itself(boundary):
    patcher = MatchedSpatialPatcher(spatial(boundary), {"labels": gp.SpatialMax()})
    merged = patcher.merge(patcher.split(FIELD), FIELD)
    assert list(merged) == ["primary", "dem", "labels"]
    assert np.allclose(merged["primary"], IMAGE)
    assert np.allclose(merged["dem"], HEIGHT)
    assert np.array_equal(merged["labels"], LABELS)


def test_data_of_some_sources_is_replaced():
    patcher = MatchedSpatialPatcher(spatial())
    changed = (
        patch.with_data({"primary": patch.primary.data.sum(axis=0) * patch.members["dem"].data})
        for patch in patcher.split(FIELD)
    )
    merged = patcher.merge(changed, FIELD)
    assert np.allclose(merged["primary"], IMAGE.sum(axis=0) * HEIGHT)
    assert np.allclose(merged["dem"], HEIGHT)


def test_random_places_are_the_same_in_all():
    sampler = SpatialRandom(9, seed=None)
    for patch in MatchedSpatialPatcher(spatial(sampler=sampler)).split(FIELD):
        row, col = patch.anchor
        assert np.array_equal(patch.members["dem"].data, HEIGHT[row : row + 8, col : col + 8])


def test_the_mask_says_where_all_have_data():
    image, labels = IMAGE.copy(), LABELS.copy()
    image[1, 2, 3], labels[4, 5] = np.nan, 0
    field = MatchedField(image, {"labels": gp.RasterField.from_array(labels, nodata=0)})
    (first, *_) = MatchedSpatialPatcher(spatial()).split(field)
    wanted = np.ones((8, 8), bool)
    wanted[2, 3] = wanted[4, 5] = False
    assert np.array_equal(first.valid_mask, wanted)
    (bare, *_) = MatchedSpatialPatcher(spatial()).split(MatchedField(image, valid_mask=False))
    assert bare.valid_mask is None


@pytest.mark.parametrize("boundary", ["cover", "pad", "shrink"])
def test_a_source_on_another_grid_is_brought_to_this_one(boundary):
    coarse = RANDOM.normal(size=(10, 15))
    fine = gp.RasterField.from_array(IMAGE, transform=Affine(10, 0, 0, 0, -10, 200), crs="EPSG:32725")
    other = gp.RasterField.from_array(coarse, transform=Affine(20, 0, 0, 0, -20, 200), crs="EPSG:32725")

    def nearest(raw, primary):
        fine = np.kron(raw, np.ones((2, 2)))
        rows, cols = primary.shape[-2:]
        return np.pad(fine, ((0, max(0, rows - len(fine))), (0, max(0, cols - fine.shape[1]))))[:rows, :cols]

    field = MatchedField(fine, {"coarse": other}, coreg={"coarse": nearest})
    patcher = MatchedSpatialPatcher(spatial(boundary, gp.SpatialRegularStride(4)))
    merged = patcher.merge(patcher.split(field), field)
    assert np.allclose(merged["coarse"], np.kron(coarse, np.ones((2, 2))))


def test_coreg_has_to_return_the_pixels_of_the_patch():
    field = MatchedField(IMAGE, {"dem": HEIGHT}, coreg={"dem": lambda raw, primary: raw[1:]})
    with pytest.raises(ValueError, match=r"'dem' came back as \(7, 8\)"):
        list(MatchedSpatialPatcher(spatial()).split(field))


def test_a_place_left_out_of_one_is_left_out_of_all():
    class Torn:
        domain = gp.RasterDomain((20, 30), dtype=np.dtype("float64"))

        def select(self, window):
            if window.row_off == 5:
                raise OSError("torn")
            rows, cols = window.toslices()
            return HEIGHT[rows, cols]

        def with_data(self, array):
            return self

    skipping = spatial(on_error="skip")
    patches = list(MatchedSpatialPatcher(skipping).split(MatchedField(IMAGE, {"dem": Torn()})))
    assert {patch.anchor[0] for patch in patches} == {0, 10, 12}
    for patch in patches:
        row, col = patch.anchor
        assert np.array_equal(patch.primary.data, IMAGE[:, row : row + 8, col : col + 8])
    assert len(skipping.errors) == 6


def test_unknown_names_are_refused():
    patcher = MatchedSpatialPatcher(spatial(), {"demm": gp.SpatialMax()})
    for call in (lambda: patcher.split(FIELD), lambda: patcher.merge([], FIELD)):
        with pytest.raises(ValueError, match="has no source 'demm': it has dem, labels"):
            call()
    fine = MatchedSpatialPatcher(spatial())
    (patch, *_) = fine.split(MatchedField(IMAGE, {"snow": HEIGHT}))
    with pytest.raises(ValueError, match="what is merged has no source 'snow'"):
        fine.merge([patch], FIELD)


def test_awaited_patches_and_hooks():
    class Log(list):
        def on_patch_done(self, anchor, seconds, nbytes):
            self.append((anchor, nbytes))

        def on_merge_end(self, nbytes):
            self.append(nbytes)

    log = Log()
    patcher = MatchedSpatialPatcher(spatial())

    async def go():
        return [patch async for patch in patcher.asplit(FIELD, [log])]

    patches = asyncio.run(go())
    assert log == [(patch.anchor, 8 * 8 * (3 * 8 + 8 + 1)) for patch in patches]
    patcher.merge(patches, FIELD, [log])
    assert log[-1] == 8 * 5 * 600
    ours = [one.name for one in threading.enumerate() if one.name.startswith("geopatcher")]
    assert [name for name in ours if not name.startswith("geopatcher-fetch")] == []
