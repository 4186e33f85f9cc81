"""Which codec is taken, by sizes of parts of tiles."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.targets.cog.choosing import MOST, TRIED, Trials, chosen, sizes_of, tried_places
from geopatcher.targets.cog.encoders import TileCodec
from geopatcher.targets.cog.tile_arrays import TileArray

FLOATS = TileCodec.of("ZSTD", 1, np.dtype("float32"), labels=False)
ARRAY = TileArray((640, 640), 1, np.dtype("float32"), 0, (64, 64), True, FLOATS, None)
RANDOM = np.random.default_rng(0)
NOISE = (900 + np.cumsum(RANDOM.normal(0, 1, (1, 64, 64)), axis=-1)).astype("float32")
FEW = (RANDOM.integers(0, 12, (1, 64, 64)) / np.float32(7)).astype("float32")


def numbers(codecs):
    return [(codec.level, codec.predictor) for codec in codecs]


def test_tiles_that_are_tried_lie_all_over():
    for places in [(1, 1), (3, 5), (40, 16), (21, 34), (500, 500)]:
        found = tried_places(places)
        assert all(0 <= row < places[0] and 0 <= col < places[1] for row, col in found)
        assert min(TRIED, places[0] * places[1]) // 2 < len(found) <= TRIED
        if places[0] * places[1] > TRIED:
            halves = {(2 * row // places[0], 2 * col // places[1]) for row, col in found}
            assert halves == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_sizes_are_those_of_rows_in_the_middle():
    image = np.concatenate([np.zeros((1, 16, 64), "f4"), FEW[:, :32], np.zeros((1, 16, 64), "f4")], axis=1)
    sizes = sizes_of(FLOATS.candidates(), image)
    apart = [len(codec.encoder(image.dtype, (1, 32, 64))(FEW[:, :32])) for codec in FLOATS.candidates()]
    assert sizes.tolist() == [*apart, *[0] * (MOST - 3)]


@pytest.mark.parametrize(("values", "predictor"), [(NOISE, 3), (FEW, 1)])
def test_the_smallest_is_taken(values, predictor):
    codecs = FLOATS.candidates()
    assert numbers(codecs) == [(1, 3), (1, 2), (1, 1)]
    assert codecs[chosen(codecs, sizes_of(codecs, values))].predictor == predictor


def test_another_predictor_is_taken_only_where_it_is_worth_it():
    codecs = FLOATS.candidates()
    assert chosen(codecs, np.array([1000, 990, 985, 0, 0, 0])) == 0
    assert chosen(codecs, np.array([1000, 990, 970, 0, 0, 0])) == 2
    assert chosen(codecs, np.zeros(MOST, np.int64)) == 0


def test_the_fast_level_is_taken_where_it_costs_little():
    codecs = TileCodec("DEFLATE", None, 2).candidates()
    assert numbers(codecs) == [(1, 2), (6, 2)]
    assert [chosen(codecs, np.array([made, 1000, 0, 0, 0, 0])) for made in (990, 1050, 1051)] == [0, 0, 1]
    both = TileCodec("DEFLATE", None, 3, by_size=True).candidates()
    assert numbers(both) == [(1, 3), (1, 2), (1, 1), (6, 3), (6, 2), (6, 1)]
    assert chosen(both, np.array([100, 99, 60, 99, 98, 50])) == 5
    assert chosen(both, np.array([100, 99, 60, 99, 98, 59])) == 2


def test_what_is_asked_for_is_not_tried():
    for codec in (TileCodec("ZSTD", 1, 1), TileCodec("DEFLATE", 4, 2), TileCodec("LZW", None, 3)):
        assert numbers(codec.candidates()) == [(codec.level, codec.predictor)]
        trials = Trials(codec.candidates(), ARRAY.tried)
        assert [trials.choose(place, FEW)[1].any() for place in ARRAY.tried] == [False] * TRIED


def test_a_writer_goes_by_its_first_tile_and_counts_those_of_the_grid():
    trials = Trials(ARRAY.codecs, ARRAY.tried)
    apart = next((row, col) for row in range(10) for col in range(10) if (row, col) not in ARRAY.tried)
    number, sizes = trials.choose(apart, FEW)
    assert (number, sizes.any()) == (2, False)
    assert not trials.choose(apart, NOISE)[1].any()
    for place in sorted(ARRAY.tried)[:8]:
        number, sizes = trials.choose(place, NOISE)
        assert sizes.tolist() == sizes_of(ARRAY.codecs, NOISE).tolist()
    assert number == 0
