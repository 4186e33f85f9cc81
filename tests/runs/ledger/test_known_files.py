"""What is known of files, against a dictionary of single files."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.box import Box
from geopatcher.runs.ledger.known_files import KnownFiles

#: A grid of 5 x 4 files of 8 x 10 pixels, the last ones cut.
GRID, BLOCK, FILES = (37, 33), (8, 10), (5, 4)


@st.composite
def boxes(draw):
    edges = []
    for length, size, count in zip(GRID, BLOCK, FILES, strict=True):
        first = draw(st.integers(0, count - 1))
        last = draw(st.integers(first + 1, count))
        edges += [first * size, min(last * size, length)]
    return Box(*edges)


def files_of(box, value):
    rows, cols = -(-box.height // BLOCK[0]), -(-box.width // BLOCK[1])
    return {"data": np.full((2, rows, cols, 3), value), "weight": np.full((1, rows, cols, 3), -value)}


@given(st.lists(st.tuples(st.integers(0, 1), boxes()), max_size=25))
def test_the_last_word_on_each_file_counts_and_is_said_once(said):
    known, wanted = KnownFiles(BLOCK), {}
    for value, (level, box) in enumerate(said):
        known.add(level, box, files_of(box, value))
        for tile in box.tiles(BLOCK):
            wanted[level, tile] = value
    found = {}
    for level in known.levels:
        for box, digests in known.rows(level):
            assert digests["data"].shape == (2, 1, -(-box.width // BLOCK[1]), 3)
            assert digests["weight"].shape == (1, 1, -(-box.width // BLOCK[1]), 3)
            for number, tile in enumerate(box.tiles(BLOCK)):
                assert (level, tile) not in found
                found[level, tile] = int(digests["data"][0, 0, number, 0])
                assert (digests["data"][:, :, number] == found[level, tile]).all()
                assert (digests["weight"][:, :, number] == -found[level, tile]).all()
    assert found == wanted


def test_what_is_hidden_is_held_by_nothing():
    known = KnownFiles(BLOCK)
    tall = np.zeros((1, 5, 4, 3))
    known.add(0, Box(0, 37, 0, 33), {"data": tall})
    wide = np.zeros((1, 1, 4, 3))
    known.add(0, Box(0, 8, 0, 33), {"data": wide})
    known.add(0, Box(0, 8, 10, 33), {"data": np.ones((1, 1, 3, 3))})
    held = [digests["data"] for _, digests in known.rows(0)]
    assert not any(np.may_share_memory(array, other) for array in held for other in (tall, wide))
    assert [array.shape[2] for array in held] == [1, 3, 4, 4, 4, 4]


def test_levels_are_forgotten_and_the_result_is_not():
    known = KnownFiles(BLOCK)
    for level in (0, 1, 2):
        known.add(level, Box(0, 8, 0, 10), files_of(Box(0, 8, 0, 10), 1))
    known.forget_levels()
    assert known.levels == [0]
    assert [box for box, _ in known.rows(0)] == [Box(0, 8, 0, 10)]
