"""Suppression and fusion, against loops that follow the definitions word for word."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from geopatcher.features.detections import Detections
from geopatcher.features.merging import Fusion, OfOwnCore, Suppression, rule_of
from geopatcher.features.overlaps import Overlap, ranked

from .test_overlaps import some


def together(rule, found):
    """Return what a rule leaves of detections of one group."""
    return rule(found, np.zeros(len(found), int))


def iou(one, other):
    shared = shapely.area(shapely.intersection(one, other))
    return shared / (shapely.area(one) + shapely.area(other) - shared)


def suppressed(found, threshold):
    """Return the numbers of those that stay, by the definition of greedy suppression."""
    kept = []
    for number in ranked(found):
        shape = found.shapes[number]
        for best in kept:
            inside = shapely.area(shapely.intersection(shape, found.shapes[best])) / shapely.area(shape)
            same = found.labels[number] == found.labels[best]
            if same and (
                iou(shape, found.shapes[best]) > threshold or (found.cut[number] and inside > threshold)
            ):
                break
        else:
            kept.append(number)
    return kept


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.4])
@pytest.mark.parametrize("rotated", [False, True])
def test_suppression_keeps_what_its_definition_keeps(rotated, threshold):
    found = some(3, rotated=rotated)
    kept = together(Suppression(Overlap(threshold)), found)
    wanted = suppressed(found, threshold)
    np.testing.assert_array_equal(kept.bounds, found.bounds[wanted])
    assert 0 < len(wanted) < len(found)


def test_a_whole_box_wins_over_a_cut_one_of_a_higher_score():
    found = Detections.of_boxes([[0, 0, 10, 10], [0, 0, 6, 10]], [0.5, 0.9], [0, 0])
    found.cut[1] = True
    assert together(Suppression(Overlap(0.5)), found).scores.tolist() == [0.5]


def fused(boxes, scores, threshold):
    """Return boxes and scores by steps 1 to 5 of section 3 of the paper."""
    clusters, means = [], []
    for number in np.argsort(-scores, kind="stable"):
        overlaps = [iou(shapely.box(*boxes[number]), shapely.box(*mean)) for mean in means]
        if overlaps and max(overlaps) > threshold:
            best = int(np.argmax(overlaps))
            clusters[best].append(number)
            weights = scores[clusters[best]]
            means[best] = (weights[:, None] * boxes[clusters[best]]).sum(0) / weights.sum()
        else:
            clusters.append([number])
            means.append(boxes[number])
    return np.array(means), np.array([scores[cluster].mean() for cluster in clusters])


def test_fusion_is_that_of_the_paper():
    rng = np.random.default_rng(5)
    corner = np.repeat(rng.uniform(0, 300, (20, 2)), 4, axis=0)
    boxes = np.hstack([corner, corner + 20]) + rng.uniform(-3, 3, (80, 4))
    scores = rng.permutation(np.linspace(0.3, 0.9, 80))
    made = together(Fusion(Overlap(0.4)), Detections.of_boxes(boxes, scores, np.zeros(80)))
    means, confidences = fused(boxes, scores, 0.4)
    np.testing.assert_allclose(made.bounds, means)
    np.testing.assert_allclose(made.scores, confidences)
    assert 20 <= len(means) < 40


def test_groups_are_fused_by_themselves():
    found = Detections.of_boxes([[0, 0, 10, 10], [2, 0, 12, 10], [0, 0, 9, 9]], [0.5, 0.5, 0.9], [0, 0, 0])
    made = Fusion(Overlap(0.2))(found, np.array([4, 4, 7]))
    assert made.bounds.tolist() == [[0, 0, 9, 9], [1, 0, 11, 10]]
    assert len(Fusion(Overlap(0.2))(Detections.none(), np.zeros(0, int))) == 0


def test_the_mean_of_boxes_that_are_the_same_is_that_box():
    box = [[0.1, 0.7, 3.3, 9.9]] * 3
    made = together(Fusion(Overlap(0.5)), Detections.of_boxes(box, [0.9, 0.3, 0.7], [1, 1, 1]))
    assert made.bounds.tolist() == [box[0]]
    assert made.labels.tolist() == [1]


def test_cut_boxes_do_not_move_a_fused_one():
    found = Detections.of_boxes([[0, 0, 10, 10], [0, 0, 4, 10]], [0.5, 0.9], [0, 0])
    found.cut[1] = True
    made = together(Fusion(Overlap(0.5)), found)
    assert made.bounds.tolist() == [[0, 0, 10, 10]]
    assert made.scores.tolist() == [pytest.approx(0.7)]


def test_scores_of_zero_weigh_alike():
    two = Detections.of_boxes([[0, 0, 10, 10], [2, 0, 12, 10]], [0, 0], [0, 0])
    made = together(Fusion(Overlap(0.2)), two)
    assert made.bounds.tolist() == [[1, 0, 11, 10]]


def test_names_stand_for_rules():
    overlap = Overlap(0.5)
    rules = [rule_of(name, overlap) for name in ("nms", "wbf", "center")]
    assert rules == [Suppression(overlap), Fusion(overlap), OfOwnCore()]
