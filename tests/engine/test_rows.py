"""Rows are read once, in order, and rectangles are copied out of those in hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopatcher.core.box import Box
from geopatcher.engine.rows import MAX_UNIT_ROWS, Loss, RowBuffer, Unit, read_units, unit_rows


class Reads:
    """Gives rows of an image, and notes what was asked for."""

    def __init__(self, image, mask=None):
        self.image, self.mask, self.boxes = image, mask, []

    def __call__(self, box):
        self.boxes.append(box)
        where = (slice(None), *box.slices())
        known = None if self.mask is None else self.mask[where]
        return Unit(self.image[where], None if known is None or known.all() else known)


@given(st.integers(1, 20000))
def test_rows_are_read_in_whole_blocks_neither_few_nor_many(block):
    rows = unit_rows(block)
    assert rows <= max(MAX_UNIT_ROWS, 256 + block)
    if block <= MAX_UNIT_ROWS:
        assert rows % block == 0 or rows == MAX_UNIT_ROWS
        assert rows >= min(256, MAX_UNIT_ROWS)
    else:
        assert rows == MAX_UNIT_ROWS


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 20))
def test_units_are_cut_at_multiples_and_cover_the_box_once(row0, height, rows):
    image = np.zeros((1, 100, 10))
    reads = Reads(image)
    box = Box(row0, row0 + height, 2, 7)
    list(read_units(reads, box, rows))
    edges = [edge for read in reads.boxes for edge in (read.row0, read.row1)]
    assert edges == sorted(edges)
    assert sum(read.height for read in reads.boxes) == height
    assert all(read.row1 % rows == 0 for read in reads.boxes[:-1])
    assert all((read.col0, read.col1) == (2, 7) for read in reads.boxes)


@st.composite
def walks(draw):
    """A box, and spans of rows with ascending first rows, each with rectangles inside."""
    row0, height, width = draw(st.integers(0, 9)), draw(st.integers(1, 40)), draw(st.integers(1, 8))
    box = Box(row0, row0 + height, 3, 3 + width)
    tops = sorted(draw(st.lists(st.integers(row0, row0 + height - 1), min_size=1, max_size=6)))
    spans = [(top, draw(st.integers(top + 1, row0 + height))) for top in tops]
    return box, spans, draw(st.integers(1, 12))


@given(walks(), st.booleans())
def test_what_is_cut_is_what_is_there(walk, masked):
    box, spans, rows = walk
    random = np.random.default_rng(0)
    image = random.random((2, box.row1, box.col1))
    mask = random.random(image.shape) < 0.8 if masked else None
    if masked:
        mask[:, : box.row1 // 2] = True  # a mask that only begins later
    reads = Reads(image, mask)
    buffer = RowBuffer(read_units(reads, box, rows), box)
    for top, bottom in spans:
        buffer.advance(top, bottom)
        for part in (Box(top, bottom, box.col0, box.col1), Box(bottom - 1, bottom, box.col1 - 1, box.col1)):
            pixels, valid = buffer.cut(part)
            where = (slice(None), *part.slices())
            np.testing.assert_array_equal(pixels, image[where])
            if mask is None or mask[where].all():
                assert valid is None
            else:
                np.testing.assert_array_equal(valid, mask[where])
    seen = [row for read in reads.boxes for row in range(read.row0, read.row1)]
    assert seen == list(range(box.row0, box.row0 + len(seen)))  # each row once, in order


def test_a_copy_does_not_change_when_the_buffer_moves_on():
    image = np.arange(64.0).reshape(1, 64, 1)
    box = Box(0, 64, 0, 1)
    buffer = RowBuffer(read_units(Reads(image), box, 4), box)
    kept = []
    for top in range(0, 60, 3):
        buffer.advance(top, top + 4)
        kept.append((top, buffer.cut(Box(top, top + 4, 0, 1))[0]))
    for top, pixels in kept:
        assert pixels[0, :, 0].tolist() == [top, top + 1, top + 2, top + 3]
        pixels[:] = -1  # and writing into it harms no one
    buffer.advance(60, 64)
    assert buffer.cut(Box(60, 64, 0, 1))[0].min() == 60


def test_losses_are_found_while_their_rows_are_in_hand():
    loss = Loss(Box(4, 8, 0, 2), OSError("gone"), 1)

    def read(box):
        return Unit(np.zeros((1, *box.shape)), None, (loss,) if box.row0 == 4 else ())

    box = Box(0, 16, 0, 4)
    buffer = RowBuffer(read_units(read, box, 4), box)
    buffer.advance(0, 6)
    assert buffer.has_losses
    assert buffer.loss_in(Box(3, 5, 0, 1)) is loss
    assert buffer.loss_in(Box(3, 5, 2, 4)) is None
    buffer.advance(8, 12)
    assert not buffer.has_losses


@pytest.mark.parametrize(("pixels", "mask", "wanted"), [((2, 3, 4), None, 192), ((2, 3, 4), 24, 216)])
def test_a_unit_knows_its_bytes(pixels, mask, wanted):
    known = None if mask is None else np.ones(pixels, bool)
    assert Unit(np.zeros(pixels), known).n_bytes == wanted
