"""Merging from top to bottom is merging all at once, and holds little."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopatcher.features.detections import Detections
from geopatcher.features.front import Front, Part
from geopatcher.features.merging import rule_of
from geopatcher.features.overlaps import Overlap

from .test_merging import together
from .test_overlaps import some


def parts_of(found, numbers):
    """Return detections in parts, each with those of one number, by their tops."""
    chunks = [found.taken(np.flatnonzero(numbers == number)) for number in np.unique(numbers)]
    parts = [Part(float(chunk.bounds[:, 1].min()), lambda chunk=chunk: chunk) for chunk in chunks]
    return sorted(parts, key=lambda part: part.top)


def rows(found):
    return [(*map(float, box), float(score)) for box, score in zip(found.bounds, found.scores, strict=True)]


@pytest.mark.parametrize("merge", ["nms", "wbf"])
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), n_parts=st.integers(1, 12), n=st.integers(1, 80))
def test_parts_change_nothing(merge, seed, n_parts, n):
    found = some(seed, n)
    numbers = np.random.default_rng(seed).integers(0, n_parts, n)
    in_parts = list(Front(merge, 0.4).merged(parts_of(found, numbers)))
    at_once = list(Front(merge, 0.4).merged(parts_of(found, np.zeros(n))))
    assert rows(Detections.joined(in_parts)) == rows(Detections.joined(at_once))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), n_parts=st.integers(1, 8))
def test_suppression_is_that_of_the_whole_image(seed, n_parts):
    found = some(seed)
    numbers = np.random.default_rng(seed).integers(0, n_parts, len(found))
    made = Detections.joined(list(Front("nms", 0.3).merged(parts_of(found, numbers))))
    assert sorted(rows(made)) == sorted(rows(together(rule_of("nms", Overlap(0.3)), found)))


def test_rotated_outlines_are_merged_alike():
    found = some(4, rotated=True)
    numbers = np.arange(len(found)) % 5
    made = Detections.joined(list(Front("nms", 0.3).merged(parts_of(found, numbers))))
    assert sorted(rows(made)) == sorted(rows(together(rule_of("nms", Overlap(0.3)), found)))


def test_what_comes_is_sorted_by_its_upper_edge():
    made = Detections.joined(list(Front("nms", 0.5).merged(parts_of(some(6), np.arange(60) // 10))))
    tops = made.bounds[:, 1]
    assert (np.diff(tops) >= 0).all()


def test_only_what_is_of_a_patchs_own_core_is_kept_by_its_centre():
    found = some(7)
    found.core[:] = np.arange(len(found)) % 3 == 0
    made = Detections.joined(list(Front("center", 0.5).merged(parts_of(found, np.arange(60) // 20))))
    assert sorted(rows(made)) == sorted(rows(found.taken(found.core)))


@pytest.mark.parametrize("merge", ["nms", "wbf", "center"])
def test_what_is_held_does_not_grow_with_the_height(merge):
    def held(n_rows):
        """Hold rows of ten boxes, each of which the next row has again."""
        front = Front(merge, 0.5)
        left = np.arange(10) * 20.0

        def row(number):
            top = np.full(10, 8.0 * number)
            again = top + 8
            tops = np.concatenate([top, again])
            lefts = np.concatenate([left, left])
            boxes = np.stack([lefts, tops, lefts + 6, tops + 6], axis=1)
            return Detections.of_boxes(boxes, np.full(20, 0.9), np.zeros(20))

        parts = [Part(8.0 * number, lambda number=number: row(number)) for number in range(n_rows)]
        n = sum(map(len, front.merged(parts)))
        assert n == (10 * (n_rows + 1) if merge != "center" else 20 * n_rows)
        return front.most_held

    assert held(20) == held(400) <= 60
