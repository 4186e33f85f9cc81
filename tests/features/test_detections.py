"""Tables of objects."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from geopatcher.features.detections import Detections

TRIANGLE = np.array([[0, 0], [4, 0], [0, 4]])
SQUARE = np.array([[10, 10], [12, 10], [12, 12], [10, 12]])


def outlines():
    return Detections.of("polygon", [TRIANGLE, SQUARE], np.array([0.5, 0.9]), np.array([1, 2]))


def test_shapes_bounds_areas_and_centres_are_those_of_shapely():
    found = outlines()
    wanted = [shapely.Polygon(TRIANGLE), shapely.Polygon(SQUARE)]
    assert shapely.equals(found.shapes, wanted).all()
    np.testing.assert_array_equal(found.bounds, shapely.bounds(wanted))
    np.testing.assert_array_equal(found.areas, shapely.area(wanted))
    np.testing.assert_array_equal(found.centres, shapely.get_coordinates(shapely.centroid(wanted)))


def test_a_box_has_its_four_corners():
    found = Detections.of_boxes([[1, 2, 5, 4]], [0.9], [3])
    assert found.shapes[0].equals(shapely.box(1, 2, 5, 4))
    assert (found.areas.tolist(), found.centres.tolist()) == ([8.0], [[3.0, 3.0]])


@pytest.mark.parametrize("which", [np.array([1, 0]), np.array([False, True]), np.array([], int)])
def test_some_are_taken_with_their_outlines(which):
    found = outlines()
    numbers = np.flatnonzero(which) if which.dtype == bool else which
    taken = found.taken(which)
    assert shapely.equals(taken.shapes, found.shapes[numbers]).all()
    np.testing.assert_array_equal(taken.labels, found.labels[numbers])


def test_tables_are_joined_and_none_is_nothing():
    found = outlines()
    both = Detections.joined([Detections.none(), found, Detections.none("point"), found.shifted(1, 2)])
    assert both.kind == "polygon"
    np.testing.assert_array_equal(both.bounds[2:], found.bounds + np.array([1, 2, 1, 2]))
    assert len(Detections.joined([])) == len(Detections.joined([Detections.none()])) == 0


def test_several_kinds_are_not_joined():
    message = r"objects of several kinds \(box, polygon\)"
    with pytest.raises(ValueError, match=message):
        Detections.joined([outlines(), Detections.of_boxes([[0, 0, 1, 1]], [1], [1])])


@pytest.mark.parametrize(
    "found",
    [
        outlines(),
        Detections.none(),
        Detections.of("point", [np.array([[1.5, 2.5]])], np.ones(1), np.zeros(1)),
    ],
    ids=["outlines", "none", "points"],
)
def test_they_come_back_from_bytes(found):
    back = Detections.from_bytes(found.to_bytes())
    assert back.kind == found.kind
    for name in ("points", "ends", "scores", "labels", "cut", "core"):
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name))


def test_bytes_that_hold_objects_are_refused(tmp_path):
    path = tmp_path / "evil.npz"
    np.savez(path, kind=np.array([print], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        Detections.from_bytes(path.read_bytes())
