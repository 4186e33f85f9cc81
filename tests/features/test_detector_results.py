"""What detectors return, in the forms of the libraries people use."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import shapely

from geopatcher.features.detector_results import detections_of, results_of

BOXES = [[1, 2, 5, 4], [10, 10, 20, 30]]
SCORES, CLASSES = [0.9, 0.4], [3, 1]
ROTATED = [[3, 3, 4, 2, np.pi / 2], [15, 20, 10, 20, 0.0]]


class Tensor:
    """An array that has to be asked for, as those of torch on a GPU."""

    def __init__(self, values, place="cuda"):
        self.values, self.place = np.asarray(values, "float32"), place

    def detach(self):
        return self

    def cpu(self):
        return Tensor(self.values, "cpu")

    def __array__(self, dtype=None, copy=None):
        if self.place != "cpu":
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        return self.values.astype(dtype or "float32")


TABLE = np.column_stack([BOXES, SCORES, CLASSES])
FORMS = {
    "array": TABLE,
    "lists": TABLE.tolist(),
    "tensor": Tensor(TABLE),
    "torchvision": {"boxes": Tensor(BOXES), "labels": Tensor(CLASSES), "scores": Tensor(SCORES)},
    "ultralytics": SimpleNamespace(
        boxes=SimpleNamespace(xyxy=Tensor(BOXES), conf=Tensor(SCORES), cls=Tensor(CLASSES)),
        obb=None,
        masks=None,
    ),
    "supervision": SimpleNamespace(
        xyxy=np.array(BOXES), confidence=np.array(SCORES), class_id=np.array(CLASSES)
    ),
}
TURNED = {
    "array": np.column_stack([ROTATED, SCORES, CLASSES]),
    "dict": {"xywhr": ROTATED, "scores": SCORES, "labels": CLASSES},
    "ultralytics": SimpleNamespace(
        boxes=None, obb=SimpleNamespace(xywhr=Tensor(ROTATED), conf=Tensor(SCORES), cls=Tensor(CLASSES))
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_boxes_are_read_in_each_form(form):
    found = detections_of(FORMS[form], 0.25)
    assert found.kind == "box"
    np.testing.assert_array_equal(found.bounds, BOXES)
    np.testing.assert_allclose(found.scores, SCORES, rtol=1e-6)
    assert found.labels.tolist() == CLASSES


@pytest.mark.parametrize("form", TURNED)
def test_rotated_rectangles_are_turned_as_shapely_turns_them(form):
    found = detections_of(TURNED[form], 0.25)
    upright = [shapely.box(1, 2, 5, 4), shapely.box(10, 10, 20, 30)]
    wanted = [shapely.affinity.rotate(upright[0], np.pi / 2, use_radians=True), upright[1]]
    assert shapely.area(shapely.symmetric_difference(found.shapes, wanted)).max() < 1e-5
    assert found.labels.tolist() == CLASSES


def test_an_angle_turns_from_x_to_y_which_points_down():
    found = detections_of([[0, 0, 10, 0.001, np.pi / 6, 0.9, 0]], 0)
    right = found.points[found.points[:, 0] > 0].mean(axis=0)
    np.testing.assert_allclose(right, [5 * np.cos(np.pi / 6), 5 * np.sin(np.pi / 6)], atol=1e-3)


def test_outlines_and_points():
    ring = [[0, 0], [4, 0], [0, 4]]
    closed = shapely.Polygon(ring)
    found = detections_of({"polygons": [ring, closed], "scores": [0.5, 0.6], "labels": [1, 2]}, 0.25)
    assert found.shapes[0].equals(closed)
    assert found.shapes[1].equals(closed)
    points = detections_of({"points": [[1, 2]], "scores": [1]}, 0.25)
    assert (points.kind, points.points.tolist(), points.labels.tolist()) == ("point", [[1, 2]], [0])


@pytest.mark.parametrize("nothing", [[], np.zeros((0, 6)), np.zeros(0), Tensor(np.zeros((0, 6)))])
def test_nothing_found_is_nothing(nothing):
    assert len(detections_of(nothing, 0.25)) == 0


def test_low_scores_and_boxes_without_an_area_are_left_out():
    table = [[0, 0, 4, 4, 0.2, 0], [0, 0, 0, 4, 0.9, 0], [0, 0, 4, 4, 0.25, 7]]
    assert detections_of(table, 0.25).labels.tolist() == [7]


GOOD = [1, 2, 9, 8]


@pytest.mark.parametrize(
    "result",
    [
        [[*GOOD, 0.9, 7], [np.nan] * 4 + [0.1, np.nan]],
        {"boxes": [GOOD, [5, 5, 1, 1]], "scores": [0.9, 0.1], "labels": [7, 0.5]},
        {"xywhr": [[5, 5, 8, 6, 0], [0, 0, -1, np.inf, 0]], "scores": [0.9, -1], "labels": [7, -1]},
        {"polygons": [[[1, 2], [9, 2], [9, 8], [1, 8]], []], "scores": [0.9, 0], "labels": [7, 0]},
        SimpleNamespace(xyxy=[[5, 5, 1, 1], GOOD], confidence=[0.1, 0.9], class_id=[0, 7]),
    ],
)
def test_what_a_network_fills_up_with_is_not_looked_at(result):
    found = detections_of(result, 0.25)
    assert (found.scores.tolist(), found.labels.tolist()) == ([0.9], [7])
    assert np.allclose(found.bounds, [GOOD])


def test_supervision_may_know_neither_scores_nor_classes():
    found = detections_of(SimpleNamespace(xyxy=BOXES, confidence=None, class_id=None), 0.25)
    assert (found.scores.tolist(), found.labels.tolist()) == ([1, 1], [0, 0])


REFUSED = [
    ("what", "a str: a detector returns an array"),
    (None, "a NoneType: a detector returns an array"),
    (np.zeros((3, 5)), r"an array of shape \(3, 5\): a detector returns"),
    ({"masks": 1, "scores": [1]}, "a dict with the keys 'masks', 'scores': a detector returns"),
    ({"boxes": BOXES, "scores": [0.5], "labels": [1, 1]}, "2 objects, 1 scores and 2 classes"),
    ([[5, 0, 1, 4, 0.9, 0]], "whose right edge is left of its left one"),
    ([[0, 0, np.nan, 4, 0.9, 0]], "NaN or infinite"),
    ([[0, 0, 4, 4, np.nan, 0]], "NaN or infinite"),
    ([[0, 0, 4, 4, 0.9, 0.5]], "classes that are no whole numbers"),
    ({"xywhr": [[0, 0, -1, 2, 0]], "scores": [1]}, "sides below 0"),
    ({"polygons": [[[0, 0], [4, 4]]], "scores": [1]}, "a polygon of 2 corners"),
    ({"polygons": [[[0, 0], [4, 4], [4, 0], [0, 4]]], "scores": [1]}, "Self-intersection"),
    ({"polygons": 5, "scores": [1]}, "polygons in a int"),
    ({"points": [[1, 2, 3]], "scores": [1]}, r"points of shape \(1, 3\), not \(n, 2\)"),
]


@pytest.mark.parametrize(("result", "message"), REFUSED)
def test_what_is_of_no_form_is_refused_by_name(result, message):
    with pytest.raises(ValueError, match=message):
        detections_of(result, 0.25)


def test_a_polygon_with_holes_is_refused():
    ring = shapely.box(0, 0, 9, 9).difference(shapely.box(3, 3, 4, 4))
    with pytest.raises(ValueError, match="with holes: give its outline"):
        detections_of({"polygons": [ring], "scores": [1]}, 0.25)


def test_one_patch_may_come_in_a_list_of_one():
    assert results_of([TABLE], None)[0] is TABLE
    assert results_of(TABLE.tolist(), None) == [TABLE.tolist()]
    assert results_of([TABLE[0].tolist()], None) == [[TABLE[0].tolist()]]  # a table of one row


def test_a_batch_has_a_result_for_each_patch():
    assert len(results_of([TABLE, []], 2)) == 2
    assert results_of(Tensor(np.zeros((2, 3, 6))), 2)[1].shape == (3, 6)
    for wrong, message in [([TABLE], "1 results for a batch of 2"), (TABLE, "one result for a batch of 2")]:
        with pytest.raises(ValueError, match=message):
            results_of(wrong, 2)
