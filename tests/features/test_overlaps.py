"""Which detections overlap, against shapely and a loop over all pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely

from geopatcher.features.detections import Detections
from geopatcher.features.overlaps import Overlap, pairs_of, ranked


def some(seed, n=60, rotated=False):
    rng = np.random.default_rng(seed)
    corner, sides = rng.uniform(0, 60, (n, 2)), rng.uniform(2, 20, (n, 2))
    scores, labels = rng.random(n).round(1), rng.integers(0, 2, n)
    found = Detections.of_boxes(np.hstack([corner, corner + sides]), scores, labels)
    if rotated:
        turn = rng.uniform(0, np.pi, n)
        shapes = [
            shapely.affinity.rotate(one, angle, use_radians=True)
            for one, angle in zip(found.shapes, turn, strict=True)
        ]
        rings = [shapely.get_coordinates(one)[:-1] for one in shapes]
        found = Detections.of("polygon", rings, scores, labels)
    return replace(found, cut=rng.random(n) < 0.3)


def by_pair(pairs, values):
    numbers = zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)
    return dict(zip(numbers, values.tolist(), strict=True))


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("since", [0, 40])
def test_pairs_and_their_areas_are_those_of_shapely(rotated, since):
    found = some(1, rotated=rotated)
    pairs = pairs_of(found, since)
    wanted = {}
    for second in range(since, len(found)):
        for first in range(second):
            area = shapely.area(shapely.intersection(found.shapes[first], found.shapes[second]))
            if found.labels[first] == found.labels[second] and area > 0:
                wanted[first, second] = area
    got = by_pair(pairs, pairs.shared)
    assert got.keys() == wanted.keys()
    assert len(wanted) > 20
    np.testing.assert_allclose([got[key] for key in wanted], list(wanted.values()))


def test_a_cut_box_is_of_the_whole_one_in_which_most_of_it_lies():
    found = Detections.of_boxes([[0, 0, 10, 10], [0, 0, 2, 10], [8, 0, 18, 10]], [0.9, 0.9, 0.9], [0, 0, 0])
    whole = Overlap(0.5).of_one(found, pairs_of(found))
    assert not np.any(whole)
    pairs = pairs_of(found)
    second, first = Overlap(0.5).of_one(replace(found, cut=np.array([False, True, False])), pairs)
    assert by_pair(pairs, second) == {
        (0, 1): True,
        (0, 2): False,
    }
    assert not first.any()


def test_the_order_is_whole_ones_by_score_whatever_the_order_they_came_in():
    found = some(2)
    shuffled = found.taken(np.random.default_rng(0).permutation(len(found)))
    one, other = found.taken(ranked(found)), shuffled.taken(ranked(shuffled))
    np.testing.assert_array_equal(one.bounds, other.bounds)
    np.testing.assert_array_equal(one.cut, np.sort(one.cut))
    assert (np.diff(one.scores[~one.cut]) <= 0).all()
