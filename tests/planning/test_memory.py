"""Sizes in bytes, and the model that says what a run will hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.core.blocks_below import BlocksBelow
from geopatcher.errors import MemoryLimitError
from geopatcher.planning.memory import MemoryModel, format_bytes, parse_bytes

MODEL = MemoryModel(
    patch=(256, 256),
    tile=(512, 512),
    unit_rows=256,
    in_bytes=2,
    mask_bytes=0,
    state_bytes=4,
    gap_bytes=0,
    kept_bytes=4,
    out_bytes=4,
    item_bytes=4,
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (4096, 4096),
        ("4096", 4096),
        ("4096 B", 4096),
        ("1k", 1000),
        ("1KB", 1000),
        ("1KiB", 1024),
        (" 1.5 GiB ", 3 << 29),
        (".5MB", 500_000),
        ("2Ti", 2 << 40),
        ("1e3", None),
        ("1iB", None),
        ("-1MB", None),
        ("MB", None),
        ("", None),
        ("1 PB", None),
    ],
)
def test_sizes_are_read_or_refused(text, wanted):
    if wanted is not None:
        assert parse_bytes(text) == wanted
        return
    with pytest.raises(ValueError, match=r'is not a size in bytes: write 268435456, "256MiB" or "1.5GB"'):
        parse_bytes(text)


@pytest.mark.parametrize("text", [0, "0", -5, "0.0001k"])
def test_a_size_of_nothing_is_refused(text):
    with pytest.raises(ValueError, match="a size in bytes must be positive"):
        parse_bytes(text)


@given(st.integers(1, 2**49))
def test_what_is_written_for_people_is_read_back(size):
    assert parse_bytes(format_bytes(size)) == pytest.approx(size, rel=0.06)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3 << 39, "1.5 TiB"), (2**50, "1.0 PiB")],
)
def test_sizes_for_people(size, text):
    assert format_bytes(size) == text


@given(st.integers(1, 40), st.integers(100, 100_000), st.integers(256 << 20, 2 << 30))
def test_the_widest_region_keeps_the_limit_and_one_more_column_would_not(state_bytes, height, limit):
    model = replace(MODEL, state_bytes=state_bytes)
    widest = model.widest(limit, height)
    assert widest % model.tile[1] == 0
    assert model.bytes_for(widest, height, alone=False) <= limit
    assert model.bytes_for(widest + model.tile[1], height, alone=False) > limit


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_more_pixels_never_need_less(width, height):
    assert MODEL.bytes_for(width + 1, height) >= MODEL.bytes_for(width, height)
    assert MODEL.bytes_for(width, height + 1) >= MODEL.bytes_for(width, height)


@pytest.mark.parametrize("name", ["in_bytes", "state_bytes", "out_bytes", "batch_size"])
def test_each_size_counts(name):
    more = replace(MODEL, **{name: 64})
    assert more.bytes_for(4096, 4096) > MODEL.bytes_for(4096, 4096)


def test_memory_does_not_grow_with_the_height_of_the_raster():
    assert MODEL.bytes_for(10_980, 10_980) == MODEL.bytes_for(10_980, 1_000_000)


def test_what_cannot_fit_is_refused_with_the_numbers_and_the_way_out():
    with pytest.raises(MemoryLimitError) as caught:
        replace(MODEL, patch=(4096, 4096), state_bytes=24).widest(100 << 20, 5000)
    message = str(caught.value)
    for words in ("patch 4096x4096", "24 bytes of state", "memory_limit is 100.0 MiB", "use a smaller size"):
        assert words in message
    assert isinstance(caught.value, MemoryError)


@pytest.mark.parametrize(("patch", "tile"), [(256, 512), (512, 512), (513, 512), (600, 100), (1, 1)])
def test_open_rows_of_blocks_are_counted_for_the_worst_place_of_a_patch(patch, tile):
    model = replace(MODEL, patch=(patch, patch), tile=(tile, tile))
    touched = [(start + patch - 1) // tile - start // tile + 1 for start in range(tile)]
    assert model.open_tile_rows == max(touched)


def test_the_public_verbs_take_text_and_refuse_nonsense():
    image = np.zeros((64, 64), "uint8")
    assert gp.plan(image, memory_limit="300MiB").memory_limit == 300 << 20
    with pytest.raises(ValueError, match="'plenty' is not a size in bytes"):
        gp.plan(image, memory_limit="plenty")


BELOW = BlocksBelow((1.0, 0.05), (0.05, 1.0), 4, (256, 512), (512, 512), 2, 1 << 40)


def test_blocks_that_several_strips_have_in_common_count_once():
    plain = replace(MODEL, across=5000, working_bytes=10 << 20)
    far = replace(plain, below=(BELOW,), most_ahead=4, ahead=4)
    assert plain.blocks_for(5000, 5000, 1 << 30) == 0
    kept = far.blocks_for(5000, 5000, 1 << 30)
    assert kept == BELOW.n_bytes(4 * 256, 5000 + 256)
    assert replace(far, ahead=2).blocks_for(5000, 5000, 1 << 30) == BELOW.n_bytes(256, 5000 + 256)
    assert replace(far, below=(BELOW, BELOW)).blocks_for(5000, 5000, 1 << 30) == 2 * kept
    # A region is as wide as without, and each read takes what it took.
    for limit in (120 << 20, 200 << 20, 1 << 30):
        without = replace(far, below=())
        assert far.widest(limit, 5000) == without.widest(limit, 5000)
        assert far.cuts(limit, 5000, 5000) == without.cuts(limit, 5000, 5000)
        assert far.reading_ahead(limit, 5000).ahead == without.reading_ahead(limit, 5000).ahead


def test_blocks_are_kept_as_far_as_the_limit_has_room():
    model = replace(MODEL, across=5000, below=(BELOW,))
    taken = model.bytes_for(5000, 5000)
    assert model.blocks_for(5000, 5000, taken + 1000) == 1000
    assert model.blocks_for(5000, 5000, taken - 1) == 0
    assert replace(model, grows=True).blocks_for(5000, 5000, taken + 1000) == 500
    assert model.blocks_for(300, 100, 1 << 40) == BELOW.n_bytes(100, 300 + 256)
