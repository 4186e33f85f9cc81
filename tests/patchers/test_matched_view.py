from __future__ import annotations

import pickle

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from geopatcher import MatchedField, MatchedPatchView, MatchedSpatialPatcher, PatchCache
from geopatcher.patchers.matched_patches import PRIMARY_KEY
from geotiffs import write_geotiff

RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.integers(0, 4000, size=(3, 40, 48)).astype("uint16")
COARSE = RANDOM.integers(0, 5, size=(1, 11, 13)).astype("uint8")
#: Pixels of the labels are four of the image wide; they begin two pixels before it.
PLACE = rasterio.Affine(120, 0, 499_940, 0, -120, 4_000_060)


def spatial(sampler=None, boundary="cover"):
    return gp.SpatialPatcher(
        gp.SpatialRectangular(8, boundary),
        sampler or gp.SpatialRandom(30, seed=0),
        gp.SpatialBoxcar(),
        gp.SpatialOverlapAdd(),
    )


@pytest.fixture
def files(tmp_path):
    image = write_geotiff(tmp_path / "image.tif", IMAGE, tiled=True, blockxsize=16, blockysize=16)
    label = write_geotiff(tmp_path / "label.tif", COARSE, transform=PLACE)
    return image, label


def label_at(row, col):
    """Labels of the pixels of the image, by hand: the one whose pixel their middle lies in."""
    return COARSE[0, (row + 2) // 4, (col + 2) // 4]


def test_labels_of_another_grid_lie_over_their_image(files):
    image, label = files
    view = MatchedPatchView(
        MatchedSpatialPatcher(spatial()),
        MatchedField(image, {"label": label}, resampling={"label": "nearest"}),
    )
    assert len(view) == 30
    rows, cols = np.indices((8, 8))
    for patch in view:
        row, col = patch.anchor
        np.testing.assert_array_equal(patch.primary.data, IMAGE[:, row : row + 8, col : col + 8])
        wanted = label_at(rows + row, cols + col)
        np.testing.assert_array_equal(patch.members["label"].data, wanted[None])
        assert patch.valid_mask.all()


def test_a_view_holds_what_split_yields(files):
    image, label = files
    patcher = MatchedSpatialPatcher(spatial(gp.SpatialRegularStride(6), "pad"))
    pairs = MatchedField(image, {"label": label}, resampling="nearest")
    view = MatchedPatchView(patcher, pairs)
    patches = list(patcher.split(pairs))
    assert len(view) == len(patches)
    for mine, its in zip(view, patches, strict=True):
        assert mine.anchor == its.anchor
        for name in (PRIMARY_KEY, "label"):
            np.testing.assert_array_equal(mine.members[name].data, its.members[name].data)
        np.testing.assert_array_equal(mine.valid_mask, its.valid_mask)
    assert [patch.anchor for patch in view[2:5]] == list(view.anchors)[2:5]
    assert repr(view) == f"MatchedPatchView(primary, label; {len(patches)} patches)"


def test_where_labels_end_is_no_class(tmp_path):
    image = write_geotiff(tmp_path / "image.tif", IMAGE)
    half = np.ones((1, 40, 24), "uint8")  # without a nodata value: beyond it 0 is read
    label = write_geotiff(tmp_path / "label.tif", half)
    pairs = MatchedField(image, {"label": label}, resampling={"label": "nearest"})
    patcher = MatchedSpatialPatcher(spatial(gp.SpatialExplicit([(0, 20), (0, 30), (0, 3)])))
    found = {patch.anchor: patch.valid_mask for patch in MatchedPatchView(patcher, pairs)}
    assert found[0, 20].tolist() == [[True] * 4 + [False] * 4] * 8
    assert not found[0, 30].any()
    assert found[0, 3].all()
    assert {patch.anchor: patch.valid_mask.sum() for patch in patcher.split(pairs)} == {
        anchor: mask.sum() for anchor, mask in found.items()
    }


def test_a_mask_of_the_file_says_what_is_missing(tmp_path):
    path = tmp_path / "label.tif"
    known = RANDOM.random((40, 48)) < 0.6
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write_geotiff(path, np.ones((1, 40, 48), "uint8"))
        with rasterio.open(path, "r+") as dataset:
            dataset.write_mask(known)
    pairs = MatchedField(IMAGE, {"label": path})
    for row, col in ((0, 0), (20, 30)):
        patcher = MatchedSpatialPatcher(spatial(gp.SpatialExplicit([(row, col)])))
        (patch,) = MatchedPatchView(patcher, pairs)
        np.testing.assert_array_equal(patch.valid_mask, known[row : row + 8, col : col + 8])


@pytest.mark.parametrize("boundary", ["pad", "reflect"])
@pytest.mark.parametrize("kind", ["plain", "floats", "mask", "nodata"])
def test_what_overhangs_has_data_where_what_it_is_filled_with_has(tmp_path, boundary, kind):
    known = np.ones((40, 48), bool) if kind in ("plain", "floats") else RANDOM.random((40, 48)) < 0.6
    path = tmp_path / "label.tif"
    values = np.where(known, 3, 0)[None].astype("float32" if kind == "floats" else "uint8")
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write_geotiff(path, values, nodata=0 if kind == "nodata" else None)
        if kind == "mask":
            with rasterio.open(path, "r+") as dataset:
                dataset.write_mask(known)
    fill = {"constant_values": False} if boundary == "pad" else {}
    wide = np.pad(known, 10, mode="constant" if boundary == "pad" else "reflect", **fill)
    anchors = [(-5, -3), (3, 4), (12, 45), (37, 44)]
    geometry = gp.SpatialRectangular(8, boundary, pad_value=7 if boundary == "pad" else None)
    primary = gp.SpatialPatcher(
        geometry, gp.SpatialExplicit(anchors), gp.SpatialBoxcar(), gp.SpatialOverlapAdd()
    )
    patcher, pairs = MatchedSpatialPatcher(primary), MatchedField(path, {"same": path})
    for patches in (MatchedPatchView(patcher, pairs), patcher.split(pairs)):
        for patch, (row, col) in zip(patches, anchors, strict=True):
            wanted = wide[row + 10 : row + 18, col + 10 : col + 18]
            np.testing.assert_array_equal(patch.valid_mask, wanted)


def test_patches_are_cached_in_memory_and_on_disk(files, tmp_path, monkeypatch):
    image, label = files
    pairs = MatchedField(image, {"label": label}, resampling="nearest")
    patcher = MatchedSpatialPatcher(spatial())
    cache = PatchCache(tmp_path / "cache")
    view = MatchedPatchView(patcher, pairs, cache)
    first = [{name: np.array(data) for name, data in patch.data.items()} for patch in view]
    n_places = len(set(view.anchors))
    assert (cache.hits + cache.misses, cache.stats()["entries"]) == (60, 2 * n_places)
    again = MatchedPatchView(patcher, pairs, PatchCache(tmp_path / "cache"))
    for source in {type(field.source) for field in pairs.fields.values()}:
        monkeypatch.setattr(source, "read", None)  # nobody calls it
    for mine, its in zip(again, first, strict=True):
        for name, data in its.items():
            np.testing.assert_array_equal(mine.data[name], data)
        assert mine.valid_mask.all()
    monkeypatch.undo()
    kept = MatchedPatchView(patcher, pairs, cache_size=4)
    assert kept[3].primary.data is kept[3].primary.data
    kept.clear_cache()
    view.clear_cache()
    assert cache.stats()["entries"] == 0


def test_a_view_pickles_without_what_it_keeps(files):
    image, label = files
    pairs = MatchedField(image, {"label": label}, resampling="nearest")
    view = MatchedPatchView(MatchedSpatialPatcher(spatial()), pairs, True)
    _ = view[0]
    again = pickle.loads(pickle.dumps(view))  # noqa: S301 - ours
    np.testing.assert_array_equal(again[7].members["label"].data, view[7].members["label"].data)


def test_what_does_not_fit_is_refused(files, tmp_path):
    image, label = files
    patcher = MatchedSpatialPatcher(spatial())
    with pytest.raises(ValueError, match=r"'label' is on another grid.*resampling=\{'label': 'nearest'\}"):
        MatchedPatchView(patcher, MatchedField(image, {"label": label}))
    pairs = MatchedField(image, {"label": label}, resampling="nearest")
    with pytest.raises(ValueError, match="calls every field 'mine', and there are 2"):
        MatchedPatchView(patcher, pairs, PatchCache(tmp_path / "cache", field_id="mine"))
    with pytest.raises(ValueError, match="has no source 'dem'"):
        MatchedPatchView(MatchedSpatialPatcher(spatial(), {"dem": gp.SpatialMax()}), pairs)
    with pytest.raises(IndexError):
        _ = MatchedPatchView(patcher, pairs)[30]
