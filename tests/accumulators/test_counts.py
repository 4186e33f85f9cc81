from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.accumulators.counts import HardVote, Mode, Tally, label_dtype, label_nodata, require_classes
from geopatcher.accumulators.soft import SoftVote
from tiles import piece, result
from tiles import tile as tile_of

SHAPE = (5, 6)


class TestVotes:
    @pytest.mark.parametrize("n_classes", [10, 1000])
    def test_patches_that_agree_need_one_entry_however_many_classes(self, n_classes):
        aggregation = gp.SpatialHardVote(n_classes)
        state = aggregation.zero(tile_of((1, *SHAPE), "int64"))
        for _ in range(20):
            state = aggregation.update(state, piece(np.full((1, *SHAPE), n_classes - 1)))
        assert len(state.values) == 1

    def test_counts_grow_before_they_overflow(self):
        tally = Tally((1, 1, 1), np.dtype("uint8"))
        whole = (slice(0, 1), slice(0, 1))
        for label, votes in ((3, 65_535), (1, 65_535), (3, 2), (1, 1)):
            tally.expect(votes)
            tally.add(whole, np.full((1, 1, 1), label, np.uint8), np.full((1, 1, 1), votes, np.uint32))
        assert [int(count[0, 0, 0]) for count in tally.counts] == [65_537, 65_536]
        assert tally.winner().values[0, 0, 0] == 3


ONE_TWO = [
    [piece([[[5, 7]]]), piece([[[5, 9]]]), piece([[[6, 9]]])],
    [piece([[[6, 7]]]), piece([[[6, 7]]])],
]


@pytest.mark.parametrize("make", [Mode, lambda: HardVote(10)])
def test_states_that_are_joined_count_every_vote(make):
    # Cell 0 has 5, 5, 6 and 6, 6; cell 1 has 7, 9, 9 and 7, 7.
    found = result(make(), tile_of((1, 1, 2), "int64"), *ONE_TWO)
    np.testing.assert_array_equal(found, [[[6.0, 7.0]]])
    np.testing.assert_array_equal(result(make(), tile_of((1, 1, 2), "int64"), ONE_TWO[0]), [[[5.0, 9.0]]])


def test_of_values_as_frequent_the_smallest_wins_whichever_came_first():
    votes = [piece([[[value]]]) for value in (8.0, 3.0, 5.0, 3.0, 8.0)]
    assert result(Mode(), tile_of((1, 1, 1)), votes) == 3.0


@pytest.mark.parametrize(
    ("n_classes", "dtype", "nodata"),
    [(1, "uint8", 255), (255, "uint8", 255), (256, "uint16", 65_535), (65_536, "uint32", 2**32 - 1)],
)
def test_the_dtype_of_labels_has_room_for_nodata(n_classes, dtype, nodata):
    assert label_dtype(n_classes) == dtype
    assert label_nodata(np.dtype(dtype), n_classes) == nodata


def test_labels_that_do_not_fit_are_refused_with_the_dtype_that_holds_them():
    require_classes(np.dtype("uint8"), 256)
    with pytest.raises(ValueError, match=r"uint8 has no room for 257 classes: use dtype='uint16'"):
        require_classes(np.dtype("uint8"), 257)
    with pytest.raises(ValueError, match=r"int8 has no room for 128 classes and nodata: use dtype='uint8'"):
        label_nodata(np.dtype("int8"), 128)
    assert label_nodata(np.dtype("float32"), 300) is None


@pytest.mark.parametrize("make", [HardVote, SoftVote])
def test_one_class_is_enough_and_none_is_not(make):
    assert make(1).out_dtype(np.dtype("float32")) == np.uint8
    assert make(1).nodata_for(np.dtype("uint8")) == 255
    with pytest.raises(ValueError, match="n_classes must be 1 or more, not 0"):
        make(0)
