from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.training import strips
from geopatcher.training.samplers import apportioned, sample_number
from geotiffs import write_geotiff

LABELS = (
    np.random.default_rng(0).choice([0, 1, 7, 9], p=[0.9, 0.08, 0.015, 0.005], size=(60, 80)).astype("uint8")
)
GRID = gp.RasterDomain(LABELS.shape)
SIZE = gp.SpatialRectangular(5)


def middles(sampler, labels=LABELS, domain=GRID):
    return Counter(labels[tuple(sampler.centres(domain).T)].tolist())


def test_classes_are_drawn_as_often_as_each_other():
    assert middles(gp.SpatialBalanced(LABELS, 400, seed=1)) == {0: 100, 1: 100, 7: 100, 9: 100}
    found = middles(gp.SpatialBalanced(LABELS, 402, seed=1))
    assert sorted(found.values()) == [100, 100, 101, 101]
    assert middles(gp.SpatialBalanced(LABELS, 90, seed=1, ignore=[0])) == {1: 30, 7: 30, 9: 30}


def test_pixels_of_a_class_are_equally_likely():
    labels = np.zeros((4, 5), "uint8")
    labels[1:3, 1:4] = 3
    centres = gp.SpatialBalanced(labels, 24_000, seed=0, ignore=[0]).centres(gp.RasterDomain((4, 5)))
    found = Counter(map(tuple, centres.tolist()))
    assert set(found) == {(row, col) for row in (1, 2) for col in (1, 2, 3)}
    # Six pixels, 4000 each: chi-squared with 5 degrees of freedom is below 20.5 with a chance of 99.9 %.
    assert sum((count - 4000) ** 2 / 4000 for count in found.values()) < 20.5


def test_shares_are_those_of_pixels_or_those_asked_for():
    totals = Counter(LABELS.ravel().tolist())
    found = middles(gp.SpatialStratified(LABELS, 500, seed=2))
    assert sum(found.values()) == 500
    for label, total in totals.items():
        assert abs(found[label] - 500 * total / LABELS.size) < 1
    assert middles(gp.SpatialStratified(LABELS, {9: 11, 0: 3, 1: 0}, seed=2)) == {9: 11, 0: 3}
    with pytest.raises(ValueError, match="names class 4, and the labels have 0, 1, 7, 9"):
        gp.SpatialStratified(LABELS, {4: 1}).centres(GRID)


@given(total=st.integers(0, 300), weights=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=8))
def test_shares_make_up_the_whole_and_are_next_to_their_quotas(total, weights):
    weights = np.array(weights)
    shares = apportioned(total, weights)
    assert shares.sum() == total
    assert (np.abs(shares - total * weights / weights.sum()) < 1 + 1e-9).all()


@pytest.mark.parametrize("sampler", [gp.SpatialBalanced, gp.SpatialStratified, gp.SpatialWeighted])
def test_the_middle_of_a_patch_is_the_pixel_that_was_drawn(sampler):
    made = sampler(LABELS, 200, seed=5)
    anchors = list(made.anchors(GRID, SIZE))
    centres = made.centres(GRID)
    assert len(anchors) == 200
    for (row, col), (middle_row, middle_col) in zip(anchors, centres.tolist(), strict=True):
        assert 0 <= row <= 55
        assert 0 <= col <= 75
        inside = 2 <= middle_row <= 57 and 2 <= middle_col <= 77
        assert (middle_row - row, middle_col - col) == (2, 2) or not inside
        assert 0 <= middle_row - row < 5
        assert 0 <= middle_col - col < 5


@pytest.mark.parametrize("sampler", [gp.SpatialBalanced, gp.SpatialStratified, gp.SpatialWeighted])
def test_a_seed_gives_the_same_anchors_however_the_raster_is_stored(sampler, tmp_path, monkeypatch):
    tiled = write_geotiff(tmp_path / "tiled.tif", LABELS[None], tiled=True, blockxsize=16, blockysize=16)
    striped = write_geotiff(tmp_path / "striped.tif", LABELS[None])
    domain = gp.RasterField(tiled).domain
    wanted = list(sampler(tiled, 50, seed=3).anchors(domain, SIZE))
    assert list(sampler(striped, 50, seed=3).anchors(domain, SIZE)) == wanted
    assert list(sampler(LABELS, 50, seed=3).anchors(GRID, SIZE)) == wanted
    assert list(sampler(LABELS, 50, seed=4).anchors(GRID, SIZE)) != wanted
    monkeypatch.setattr(strips, "PIECE_PIXELS", 333)
    assert list(sampler(tiled, 50, seed=3).anchors(domain, SIZE)) == wanted
    program = (
        f"import geopatcher as gp; s = gp.{sampler.__name__}({str(tiled)!r}, 50, seed=3); "
        f"print(list(s.anchors(gp.RasterField({str(tiled)!r}).domain, gp.SpatialRectangular(5))))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(wanted)


def test_a_pickled_sampler_has_its_anchors_with_it(tmp_path):
    path = write_geotiff(tmp_path / "labels.tif", LABELS[None])
    domain = gp.RasterField(path).domain
    sampler = gp.SpatialBalanced(path, 20, seed=3)
    wanted = list(sampler.anchors(domain, SIZE))
    path.unlink()
    assert list(pickle.loads(pickle.dumps(sampler)).anchors(domain, SIZE)) == wanted  # noqa: S301 - ours


@pytest.mark.parametrize(
    "sampler",
    [
        gp.SpatialBalanced("labels.tif", 20, seed=3, ignore=[0]),
        gp.SpatialStratified("labels.tif", 20, seed=3),
        gp.SpatialStratified("labels.tif", {1: 20, 7: 4}, seed=3, ignore=[255]),
        gp.SpatialWeighted("density.tif", 20, seed=3),
    ],
)
def test_a_sampler_is_what_its_configuration_says(sampler):
    config = json.loads(json.dumps(sampler.get_config()))
    again = type(sampler).from_config(config)
    assert again == sampler
    assert hash(again) == hash(sampler)
    assert again != type(sampler)("other.tif", 20, seed=3)
    assert again != gp.SpatialRandom(3, seed=1)
    patcher = gp.SpatialPatcher(SIZE, sampler, gp.SpatialBoxcar(), gp.SpatialOverlapAdd())
    assert gp.SpatialPatcher.from_config(json.loads(json.dumps(patcher.get_config()))) == patcher
    assert repr(sampler).startswith(f"{type(sampler).__name__}(")


def test_an_array_cannot_be_told_in_a_configuration():
    with pytest.raises(TypeError, match="labels is of ndarray"):
        gp.SpatialBalanced(LABELS, 3).get_config()


def test_a_view_and_split_have_the_patches():
    image = np.random.default_rng(1).normal(size=(2, *LABELS.shape))
    patcher = gp.SpatialPatcher(
        SIZE, gp.SpatialBalanced(LABELS, 40, seed=0), gp.SpatialBoxcar(), gp.SpatialOverlapAdd()
    )
    found = {patch.anchor for patch in patcher.split(image)}
    assert found == set(patcher.sampler.anchors(GRID, SIZE))
    assert len(gp.IndexedPatchView(patcher, image)) == 40


def test_named_grids_are_drawn_from_too():
    grid = gp.GridDomain({"y": np.arange(60.0), "x": np.arange(80.0)})
    pairs = list(gp.SpatialBalanced(LABELS, 9, seed=0).anchors(GRID, SIZE))
    named = list(gp.SpatialBalanced(LABELS, 9, seed=0).anchors(grid, SIZE))
    assert named == [{"y": row, "x": col} for row, col in pairs]


def test_small_rasters_and_numbered_places():
    small = gp.RasterDomain((3, 3))
    sampler = gp.SpatialBalanced(np.ones((3, 3), "uint8"), 4, seed=0)
    assert list(sampler.anchors(small, gp.SpatialRectangular(5, "drop"))) == []
    assert list(sampler.anchors(small, gp.SpatialRectangular(5))) == [(0, 0)] * 4
    with pytest.raises(TypeError, match="SpatialBalanced draws pixels"):
        sampler.anchors(small, gp.SpatialPolygonIntersection("POLYGON ((0 0, 2 0, 2 2, 0 0))"))


@pytest.mark.parametrize("sampler", [gp.SpatialBalanced, gp.SpatialStratified, gp.SpatialWeighted])
def test_numbers_are_checked(sampler):
    with pytest.raises(ValueError, match="n_samples is the number of patches, 0 or more, not -1"):
        sampler(LABELS, -1)
    with pytest.raises(ValueError, match="a seed is None or a whole number"):
        sampler(LABELS, 1, seed=-1)
    assert sampler(LABELS, 1).seed >= 0
    assert list(sampler(LABELS, 0).anchors(GRID, SIZE)) == []
    assert sample_number(np.int64(3)) == 3


def test_nothing_to_draw_from_is_an_error():
    with pytest.raises(ValueError, match="no pixel of .* has a class to draw"):
        gp.SpatialBalanced(np.ones((4, 4), "uint8"), 3, ignore=[1]).centres(gp.RasterDomain((4, 4)))
