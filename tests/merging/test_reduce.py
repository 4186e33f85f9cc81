from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

import geopatcher as gp
from geopatcher import Patch, SpatialMinMax
from geopatcher.accumulators.reducers.values import Values
from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.errors import OperatorError
from geopatcher.merging.reduce import GlobalAggregation, Incoming, numbers_of


class Total(GlobalAggregation):
    """Sum of the cells, and the boxes they came in."""

    def zero(self, incoming):
        self.incoming = incoming
        return [0.0, []]

    def take(self, state, values):
        return [state[0] + sum(values.band(0).tolist()), [*state[1], values.box]]

    def merge_states(self, first, second):
        return [first[0] + second[0], first[1] + second[1]]

    def finalise(self, state):
        return state


def test_cells_count_that_are_valid_and_inside():
    data = np.arange(12.0).reshape(3, 4)
    data[0, 0] = np.nan
    total = Total()
    found, boxes = total.merge([Patch(data, (-1, 2), None)], np.empty((5, 5)))
    assert found == 4 + 5 + 6 + 8 + 9 + 10
    assert boxes == [Box(0, 2, 2, 5)]
    assert total.incoming == Incoming(1, np.dtype("float64"), flat=True)


def test_nothing_is_of_the_domain():
    total = Total()
    assert total.merge([], RasterDomain((3, 5, 5), dtype=np.dtype("int16"))) == [0.0, []]
    assert total.incoming == Incoming(3, np.dtype("int16"), flat=False)


def test_patches_may_be_of_a_narrower_dtype_than_the_first_and_not_of_a_wider_one():
    wide, narrow = Patch(np.full((1, 1), 2.0), (0, 0), None), Patch(np.full((1, 1), 3, "int16"), (0, 0), None)
    assert Total().merge([wide, narrow], np.empty((1, 1)))[0] == 5.0
    words = r"holds float64 values and those before int16: .*\.astype\('float64'\)"
    with pytest.raises(OperatorError, match=words):
        Total().merge([narrow, wide], np.empty((1, 1)))


def test_booleans_are_numbers_and_numbers_stay():
    values = Values(np.array([[[True, False]]]), None, Box(0, 1, 0, 2))
    assert numbers_of(values).data.tolist() == [[[1, 0]]]
    counted = Values(np.ones((1, 1, 1)), None, Box(0, 1, 0, 1))
    assert numbers_of(counted) is counted


def test_states_of_each_band_are_merged_with_those_of_the_same_band():
    aggregation, incoming = SpatialMinMax(), Incoming(2, np.dtype("int16"), flat=False)
    states = []
    for value in (1, 5):
        data = np.array([[[value]], [[-value]]], "int16")
        states.append(aggregation.take(aggregation.zero(incoming), Values(data, None, Box(0, 1, 0, 1))))
    found = aggregation.finalise(aggregation.merge_states(*states))
    assert found["min"].tolist() == [1, -5]
    assert found["max"].tolist() == [5, -1]


SKETCHES = [
    gp.SpatialMeanStd(),
    gp.SpatialMinMax(),
    gp.SpatialApproxQuantile(0.3),
    gp.SpatialApproxCardinality(),
    gp.SpatialApproxMode(),
    gp.SpatialStreamingHistogram(),
    gp.SpatialReservoir(5),
]


def plain(value):
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return repr(np.asarray(value).tolist())  # NaN is no equal of itself


@pytest.mark.parametrize("sketch", SKETCHES, ids=lambda sketch: type(sketch).__name__)
@pytest.mark.parametrize("shape", [(6, 8), (2, 6, 8)])
def test_patch_by_patch_is_as_all_at_once(sketch, shape):
    rng = np.random.default_rng(1)
    patches = [Patch(rng.integers(0, 9, shape, np.uint8), (0, 8 * at), None) for at in range(6)]
    if isinstance(sketch, gp.SpatialApproxCardinality | gp.SpatialApproxMode):
        pytest.importorskip("datasketches")
    wanted = plain(copy.copy(sketch).merge(patches))
    assert wanted == plain(copy.copy(sketch).merge(iter(patches), np.empty((6, 48))))
    one, other = (replace(sketch) for _ in range(2))
    for patch in patches[:2]:
        assert one.update(patch) is one
    early = plain(one.finalize())
    assert plain(one.finalize()) == early, "it may be asked again"
    for patch in patches[2:]:
        other.update(patch)
    other = pickle.loads(pickle.dumps(other))  # noqa: S301 - it was made in another process
    assert one.merge_state(other) is one
    assert plain(one.finalize()) == wanted
    assert one == sketch, "what it has seen is no parameter"
    assert plain(replace(sketch).merge_state(replace(sketch)).finalize()) == plain(replace(sketch).finalize())
    with pytest.raises(ValueError, match="make both with the same parameters"):
        gp.SpatialReservoir(7).merge_state(gp.SpatialReservoir(8))
    with pytest.raises(
        TypeError, match=r"a SpatialMeanStd adds what another has seen, not SpatialMinMax\(\)"
    ):
        gp.SpatialMeanStd().merge_state(gp.SpatialMinMax())
