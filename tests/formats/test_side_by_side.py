"""Pieces of a rectangle, and calls at the same time."""

from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.box import Box
from geopatcher.formats.side_by_side import (
    FEW_PIECES,
    IN_FLIGHT,
    MOST_PIECES,
    one_read,
    pieces,
    side_by_side,
)

EDGES = st.tuples(st.integers(0, 400), st.integers(1, 300))


@given(EDGES, EDGES, st.tuples(st.integers(1, 90), st.integers(1, 90)))
def test_pieces_make_up_the_rectangle_and_no_block_is_in_two(rows, cols, block):
    box = Box(rows[0], rows[0] + rows[1], cols[0], cols[0] + cols[1])
    found = pieces(box, block)
    assert 1 <= len(found) <= MOST_PIECES
    assert sum(piece.n_pixels for piece in found) == box.n_pixels
    assert all(box.contains(piece) and not piece.empty for piece in found)
    blocks = [
        {(row // block[0], col // block[1]) for row in range(p.row0, p.row1) for col in (p.col0, p.col1 - 1)}
        for p in found
    ]
    assert sum(map(len, blocks)) == len(set().union(*blocks))


def test_a_strip_of_many_blocks_is_as_many_pieces_as_there_may_be():
    assert len(pieces(Box(0, 512, 0, 10980), (512, 512))) == MOST_PIECES
    assert len(pieces(Box(0, 512, 0, 10980), (1, 10980))) == MOST_PIECES  # across the rows
    assert [piece.width for piece in pieces(Box(0, 512, 0, 2048), (512, 512))] == [1024, 1024]


def test_calls_are_made_at_the_same_time():
    together = threading.Barrier(IN_FLIGHT, timeout=30)
    side_by_side([together.wait] * IN_FLIGHT)
    here = []
    side_by_side([lambda: here.append(threading.current_thread())])
    assert here == [threading.current_thread()]


def test_what_comes_behind_others_is_cut_into_fewer_pieces():
    with one_read() as first:
        with one_read() as second:
            pass
        with one_read() as third, one_read() as fourth:
            pass
    with one_read() as alone:
        pass
    assert (first, second, third, fourth, alone) == (
        MOST_PIECES,
        FEW_PIECES,
        FEW_PIECES,
        FEW_PIECES,
        MOST_PIECES,
    )
    assert len(pieces(Box(0, 512, 0, 10980), (512, 512), FEW_PIECES)) == FEW_PIECES


def test_the_first_error_is_raised_when_all_have_ended():
    ended = []

    def fail(number):
        ended.append(number)
        raise ValueError(number)

    with pytest.raises(ValueError, match="0"):
        side_by_side([lambda number=number: fail(number) for number in range(5)])
    assert sorted(ended) == [0, 1, 2, 3, 4]


def test_a_forked_child_has_threads_of_its_own():
    side_by_side([int, int])
    with one_read():
        child = os.fork()
        if not child:
            side_by_side([int, int])
            with one_read() as most:
                os._exit(most)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == MOST_PIECES
