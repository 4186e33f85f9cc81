"""Lines that are torn, and lines that are only stretched."""

import numpy as np
import pytest

from geopatcher.core.tearing import torn


def pieces(count=64):
    along = np.linspace(0, 1, count + 1)
    points = np.stack([along, along], axis=1)
    return points[:-1], points[1:]


def is_torn(starts, ends, drawn):
    return torn(starts, ends, drawn(starts), drawn(ends), drawn)


def over_an_end(at):
    return np.stack([(at[:, 0] * 40 + 160 + 180) % 360 - 180, at[:, 1]], axis=1)


def stretched(at):
    return np.stack([-np.log(1.0001 - at[:, 0]), at[:, 1]], axis=1)  # the last piece is half of all


@pytest.mark.parametrize(
    ("drawn", "expected"), [(over_an_end, True), (stretched, False), (lambda at: at * 0, False)]
)
def test_what_is_torn(drawn, expected):
    assert is_torn(*pieces(), drawn) is expected
    assert is_torn(*pieces()[::-1], drawn) is expected


def test_no_pieces_and_no_places():
    nothing = np.empty((0, 2))
    assert not is_torn(nothing, nothing, over_an_end)
    assert not is_torn(*pieces(), lambda at: np.full(at.shape, np.nan))
