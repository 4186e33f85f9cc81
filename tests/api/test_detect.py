"""Objects in scenes of which scipy knows all, found in patches: each once, whatever the patches."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

import geopatcher
from detections import found, names_in, objects_in, raster
from geopatcher import Box, DetectionModel
from geopatcher.errors import OperatorError, SourceError, TargetError, TargetExistsError
from networks import CELL, save_detector
from objects import boxes_of, detect_each, detect_one, scene, truth_of

__all__ = ["raster"]  # a fixture


@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 1000),
    height=st.integers(20, 90),
    width=st.integers(20, 90),
    most=st.integers(1, 8),
    spare=st.integers(0, 12),
    step=st.integers(6, 30),
    merge=st.sampled_from(["nms", "wbf", "center"]),
)
def test_each_object_is_found_once(tmp_path_factory, seed, height, width, most, spare, step, merge):
    # A core ends halfway through an overlap: to hold its own objects whole that has to be twice as wide.
    overlap = (2 * most if merge == "center" else most) + 2 + spare
    raster = scene(seed, height, width, 25, most, classes=2)
    made = geopatcher.detect(
        raster,
        detect_one,
        tmp_path_factory.mktemp("scene") / "objects.fgb",
        size=step + overlap,
        step=step,
        merge=merge,
        progress=False,
    )
    assert objects_in(made.path) == truth_of(raster)
    assert made.n == len(truth_of(raster)) <= made.n_seen


@pytest.mark.parametrize("ending", ["gpkg", "fgb", "geojson", "parquet"])
def test_each_format_has_the_columns(raster, tmp_path, ending):
    made = found(raster, tmp_path / f"o.{ending}", classes={1: "ship", 2: "buoy"})
    table = made.to_geodataframe()
    assert objects_in(made.path) == truth_of(raster)
    assert set(table.columns) == {"class", "name", "score", "geometry"}
    named = dict(zip(table["class"], table["name"], strict=True))
    assert named == {1: "ship", 2: "buoy", 3: "3"}
    scores = sorted(round(float(box[4]), 9) for box in boxes_of(raster[0]))
    assert sorted(table["score"].round(9)) == scores
    assert names_in(tmp_path) == [f"o.{ending}"]


def test_batches_workers_and_columns_change_no_byte(raster, tmp_path):
    ways = {
        "alone": {},
        "batches": {"detector": detect_each, "batch_size": 3},
        "auto": {"detector": detect_each, "batch_size": "auto"},
        "workers": {"workers": 2},
    }
    made = {}
    for name, way in ways.items():
        (tmp_path / name).mkdir()
        made[name] = found(raster, tmp_path / name / "o.fgb", **way)
    assert made["workers"].stats.patches == made["alone"].stats.patches == 72
    for name in ways:
        assert made[name].path.read_bytes() == made["alone"].path.read_bytes(), name


@pytest.mark.parametrize("crs", ["EPSG:32633", None])
def test_objects_lie_where_the_raster_lies_turned_or_not(raster, tmp_path, crs):
    turned = Affine.translation(500_000, 4_000_000) @ Affine.rotation(30) @ Affine.scale(10, -10)
    path = tmp_path / "turned.tif"
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "crs": crs, "transform": turned}
    with rasterio.open(path, "w", height=raster.shape[1], width=raster.shape[2], **profile) as file:
        file.write(raster)
    table = found(path, tmp_path / "o.gpkg").to_geodataframe()
    assert table.crs == crs
    back = ~turned
    corners = []
    for shape in table.geometry:
        points = np.array(shape.exterior.coords)
        cols, rows = np.array([tuple(back @ tuple(point)) for point in points]).T
        corners.append(tuple(np.round([cols.min(), rows.min(), cols.max(), rows.max()], 3)))
        assert shape.area == pytest.approx(
            (cols.max() - cols.min()) * (rows.max() - rows.min()) * 100, rel=1e-4
        )
    assert sorted(corners) == sorted(box[:4] for box in truth_of(raster))


def test_patches_without_data_are_passed_over(raster, tmp_path):
    path = tmp_path / "gaps.tif"
    pixels = raster + 1
    pixels[:, :, 60:] = 0
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "nodata": 0}
    with rasterio.open(path, "w", height=pixels.shape[1], width=pixels.shape[2], **profile) as file:
        file.write(pixels)
    seen = []

    def detector(patch):
        seen.append(patch)
        return detect_one(np.maximum(patch, 1) - 1)

    made = found(path, tmp_path / "o.fgb", detector=detector, resume="always")
    pixels[:, :, 60:] = 1
    assert objects_in(made.path) == truth_of(pixels - 1)
    assert len(seen) == made.stats.patches == 36
    assert made.stats.skipped == 36
    assert all(patch.any() for patch in seen)


@pytest.mark.parametrize("batch_size", [2, 5, "auto"])
def test_batches_that_reach_over_rows_without_data_lose_nothing(tmp_path, batch_size):
    """A batch begun in one row may be full rows below, when all in between was passed over."""
    raster = scene(2, 150, 40, 7, 4)
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "nodata": 0}
    with rasterio.open(tmp_path / "x.tif", "w", height=150, width=40, **profile) as file:
        file.write(raster)
    for folder in ("one", "some"):
        (tmp_path / folder).mkdir()
    one = found(tmp_path / "x.tif", tmp_path / "one/o.fgb", size=8, step=3)
    some = found(
        tmp_path / "x.tif",
        tmp_path / "some/o.fgb",
        detector=detect_each,
        batch_size=batch_size,
        size=8,
        step=3,
    )
    assert one.stats.skipped == some.stats.skipped > one.stats.patches == some.stats.patches > 0
    assert (some.n, some.n_seen) == (one.n, one.n_seen)
    assert objects_in(some.path) == truth_of(raster)
    assert some.path.read_bytes() == one.path.read_bytes()


@pytest.mark.parametrize("shape", [(20, 60), (60, 20), (9, 9)])
def test_a_raster_smaller_than_a_patch_has_its_objects_once(tmp_path, shape):
    raster = scene(2, *shape, 6, 4)
    assert objects_in(found(raster, tmp_path / "o.fgb").path) == truth_of(raster)


def test_a_region_has_the_objects_whose_centres_are_in_it(raster, tmp_path):
    box = Box(33, 90, 21, 77)
    made = found(raster, tmp_path / "o.fgb", region=box)
    wanted = [
        one
        for one in truth_of(raster)
        if 21 <= (one[0] + one[2]) / 2 < 77 and 33 <= (one[1] + one[3]) / 2 < 90
    ]
    assert objects_in(made.path) == wanted
    assert 0 < len(wanted) < len(truth_of(raster))
    assert made.stats.patches == 25  # those that touch it


def test_a_polygon_has_the_objects_whose_centres_are_in_it(raster, tmp_path):
    shape = {"type": "Polygon", "coordinates": [[[0, 0], [100, 0], [0, 100], [0, 0]]]}
    made = found(raster, tmp_path / "o.fgb", region=shape)
    cells = np.array([one[:4] for one in truth_of(raster)])
    x, y = np.floor((cells[:, 0] + cells[:, 2]) / 2) + 0.5, np.floor((cells[:, 1] + cells[:, 3]) / 2) + 0.5
    inside = [one for one, is_in in zip(truth_of(raster), x + y < 100, strict=True) if is_in]
    on_the_border = [one for one, is_on in zip(truth_of(raster), x + y == 100, strict=True) if is_on]
    assert set(inside) <= set(objects_in(made.path)) <= {*inside, *on_the_border}


def test_points_are_kept_by_the_core_that_holds_them(raster, tmp_path):
    def points(patch):
        boxes = detect_one(patch)
        return {"points": (boxes[:, :2] + boxes[:, 2:4]) / 2, "scores": boxes[:, 4], "labels": boxes[:, 5]}

    made = found(raster, tmp_path / "o.gpkg", detector=points, merge="center", size=40, step=16)
    wanted = sorted(
        ((left + right) / 2, (top + bottom) / 2) for left, top, right, bottom, _ in truth_of(raster)
    )
    table = made.to_geodataframe()
    assert set(table.geom_type) == {"Point"}
    assert sorted(zip(table.geometry.x, table.geometry.y, strict=True)) == wanted
    with pytest.raises(ValueError, match='points have none: take merge="center"'):
        found(raster, tmp_path / "p.gpkg", detector=points)
    assert names_in(tmp_path) == ["o.gpkg"]  # it ended with the first row


def test_rotated_rectangles_become_polygons(raster, tmp_path):
    def rotated(patch):
        table = []
        for left, top, right, bottom, score, kind in detect_one(patch):
            table.append(
                [(left + right) / 2, (top + bottom) / 2, bottom - top, right - left, np.pi / 2, score, kind]
            )
        return table

    made = found(raster, tmp_path / "o.gpkg", detector=rotated)
    assert sorted(tuple(np.round(one, 6)) for one in objects_in(made.path)) == truth_of(raster)
    with pytest.raises(ValueError, match='merge="wbf" takes means of upright boxes'):
        found(raster, tmp_path / "p.gpkg", detector=rotated, merge="wbf")


@pytest.mark.parametrize("layout", ["rows", "end-to-end"])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_network_finds_its_cells_once(tmp_path, layout, batch_size):
    raster = np.where(np.random.default_rng(3).random((1, 96, 64)) > 0.995, 0.9, 0).astype("float32")
    path = save_detector(tmp_path / "net.onnx", 32, layout=layout, names={0: "bright", 1: "other"})
    made = found(raster, tmp_path / "o.fgb", detector=str(path), batch_size=batch_size)
    rows, cols = np.nonzero(raster[0].reshape(12, CELL, 8, CELL).max(axis=(1, 3)))
    kind = 0 if layout == "rows" else 1
    wanted = [
        (c * CELL, r * CELL, (c + 1) * CELL, (r + 1) * CELL, kind) for r, c in zip(rows, cols, strict=True)
    ]
    assert objects_in(made.path) == sorted(wanted)
    assert made.n > 5


def test_a_network_takes_its_own_bands(tmp_path):
    bright = scene(1, 64, 64, 8, 4) * 255
    two = np.concatenate([bright * 0, bright])
    model = DetectionModel(save_detector(tmp_path / "net.onnx", 32), bands=[2], scale=1 / 255)
    assert found(two, tmp_path / "o.fgb", detector=model).n > 0
    with pytest.raises(ValueError, match="the model takes band 2, and there are 1"):
        found(bright, tmp_path / "p.fgb", detector=model)
    with pytest.raises(ValueError, match="the model takes 32x32 only"):
        found(two, tmp_path / "p.fgb", detector=model, size=48)


def test_nothing_found_is_an_empty_file(tmp_path):
    made = found(np.zeros((1, 64, 64), "uint8"), tmp_path / "o.gpkg")
    assert made.n == 0
    assert len(made.to_geodataframe()) == 0


REFUSED = [
    ({"iou": 1.0}, "iou=1.0 is no number from 0 to less than 1"),
    ({"iou": "0.5"}, "iou='0.5' is no number from 0 to less than 1"),
    ({"score": -0.1}, "score=-0.1 is no number from 0"),
    ({"score": None}, "score=None is no number from 0"),
    ({"merge": "soft"}, "merge='soft': choose one of nms, wbf, center"),
    ({"step": 40}, "step=40 leaves pixels out between patches of 32"),
    ({"size": 0}, "size is a whole number of pixels"),
    ({"workers": 0}, "workers must be 1 or more, not 0"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_made(raster, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        found(raster, tmp_path / "o.gpkg", **options)
    assert names_in(tmp_path) == []


def test_other_refusals(raster, tmp_path):
    with pytest.raises(ValueError, match=r"o\.shp is no vector file to write"):
        found(raster, tmp_path / "o.shp")
    with pytest.raises(TypeError, match=r"detect\(\) got an unexpected keyword argument 'window'"):
        found(raster, tmp_path / "o.gpkg", window="hann")
    with pytest.raises(SourceError, match="there is no"):
        found(tmp_path / "gone.tif", tmp_path / "o.gpkg")
    (tmp_path / "folder.gpkg").mkdir()
    with pytest.raises(TargetError, match=r"folder\.gpkg is a folder, where a file is to be"):
        found(raster, tmp_path / "folder.gpkg", overwrite=True)
    (tmp_path / "there.gpkg").write_text("mine")
    with pytest.raises(TargetExistsError, match=r"there\.gpkg exists"):
        found(raster, tmp_path / "there.gpkg")
    assert (tmp_path / "there.gpkg").read_text() == "mine"
    found(raster, tmp_path / "there.gpkg", overwrite=True)
    assert objects_in(tmp_path / "there.gpkg") == truth_of(raster)


def wrong(patch):
    return np.zeros((2, 2))


def test_what_is_no_detection_is_refused_by_patch(raster, tmp_path):
    message = r"wrong returned for .*row.* an array of shape \(2, 2\): a detector"
    with pytest.raises(OperatorError, match=message):
        found(raster, tmp_path / "o.gpkg", detector=wrong)


def test_patches_that_fail_are_left_out_and_noted(raster, tmp_path):
    def picky(patch):
        if patch[0, 0, 0]:
            raise ArithmeticError("no")
        return detect_one(patch)

    made = found(raster, tmp_path / "o.fgb", detector=picky, on_error="skip")
    assert made.stats.failed == len(made.errors) > 0
    assert 0 < made.n < len(truth_of(raster)) + len(made.errors)
    with pytest.raises(OperatorError, match="failed"):
        found(raster, tmp_path / "p.fgb", detector=lambda patch: 1 / 0, on_error="skip", resume="always")


def test_what_is_held_does_not_grow_with_the_scene(tmp_path):
    held = []
    for height in (200, 800):
        raster = scene(4, height, 60, height // 4, 6)
        held.append(found(raster, tmp_path / f"{height}.fgb").most_held)
    assert held[1] < 1.5 * held[0]
