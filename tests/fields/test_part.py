"""A part of a source reads what the whole has there, and nothing that is not near its area."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import shapely

from geopatcher.core.area import Area
from geopatcher.core.box import Box
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.part import LEAST_COLUMNS, Part

# The window begins inside the first piece of columns.
NEAR = LEAST_COLUMNS - 100
PIXELS = np.random.default_rng(0).integers(0, 200, (2, 90, 1200)).astype("uint8")
WINDOW = Box(20, 70, 100, 1100)


class Counting:
    """A source that says what was read of it."""

    def __init__(self, source):
        self.source, self.boxes = source, []

    def __getattr__(self, name):
        return getattr(self.source, name)

    def read(self, box):
        self.boxes.append(box)
        return self.source.read(box)

    def valid(self, box, pixels):
        return self.source.valid(box, pixels)


def whole(nodata=None):
    return ArraySource.of(PIXELS, nodata=nodata)


def test_it_counts_from_the_corner_of_its_window_and_reads_beyond():
    part = Part(whole(), WINDOW)
    assert part.domain.shape == (2, 50, 1000)
    assert part.around == (20, 20, 100, 100)
    np.testing.assert_array_equal(part.read(Box(0, 5, 0, 7)), PIXELS[:, 20:25, 100:107])
    np.testing.assert_array_equal(part.read(Box(-20, 70, -100, 1100)), PIXELS)


def test_what_is_not_near_its_area_is_not_read():
    source = Counting(whole())
    here = Area(shapely.box(10, 10, 20, 20))
    part = Part(source, WINDOW, here, (4, 4), here)
    got = part.read(Box(0, 30, 0, 1000))
    assert [box.width for box in source.boxes] == [NEAR]
    near = source.boxes[0].shift(-20, -100)
    np.testing.assert_array_equal(got[:, *near.slices()], PIXELS[:, 20:50, 100 : 100 + NEAR])
    source.boxes.clear()
    assert not part.read(Box(30, 50, 0, 1000)).any()
    assert source.boxes == []
    assert part.has_nodata


def test_where_it_holds_data_is_asked_of_what_was_read():
    here = Area(shapely.box(10, 10, 20, 20))
    source = whole(nodata=7)
    part = Part(source, WINDOW, here, (4, 4), here)
    box = Box(0, 30, 0, 1000)
    known = part.valid(box, part.read(box))
    expected = PIXELS[:, 20:50, 100 : 100 + NEAR] != 7
    np.testing.assert_array_equal(known[..., :NEAR], expected)
    assert known[..., NEAR:].all()


def test_it_is_another_source_than_the_whole_and_than_other_parts():
    here, there = Area(shapely.box(1, 1, 5, 5)), Area(shapely.box(1, 1, 5, 6))
    parts = [Part(whole(), WINDOW, area, (1, 1), area) for area in (None, here, there)]
    parts += [Part(whole(), Box(20, 70, 100, 1101)), whole()]
    known = [tuple(sorted(map(str, part.identity().items()))) for part in parts]
    assert len(set(known)) == len(known)


def test_bands_are_those_of_the_whole_and_it_travels():
    part = pickle.loads(pickle.dumps(Part(whole(), WINDOW).select_bands([1])))  # noqa: S301 - our own
    np.testing.assert_array_equal(part.read(Box(0, 50, 0, 1000)), PIXELS[1:, 20:70, 100:1100])
    assert Part(whole(), WINDOW).held() is not None
    assert part.held() is None  # some bands of an array are none

    class Plain:
        name = "plain"

    with pytest.raises(ValueError, match="bands cannot be chosen from plain"):
        Part(Plain(), WINDOW).select_bands([0])
