"""Axes of arrays of models: told, or guessed."""

from __future__ import annotations

import pytest

from geopatcher.operators.models.axes import in_order
from geopatcher.operators.models.protocol import Described
from geopatcher.operators.models.record import CHANNELS_FIRST, CHANNELS_LAST, PIXELS, ModelInput, ModelRecord

KNOWN = Described(
    "fake", "1", dim_order=CHANNELS_FIRST, shapes=((2, 24, 20, 5),), made=(2, 24, 20, 3), parts=("made",)
)


def test_axes_are_as_the_runtime_has_them_where_nothing_is_told():
    found = in_order(KNOWN, ModelRecord())
    assert (found.batch, found.n_bands, found.size, found.n_outputs) == (2, 24, (20, 5), 24)


def test_axes_are_as_the_record_tells():
    found = in_order(KNOWN, ModelRecord(dim_order=CHANNELS_LAST))
    assert (found.batch, found.n_bands, found.size, found.n_outputs) == (2, 5, (24, 20), 3)
    assert in_order(found, ModelRecord()) == found


def test_a_result_may_have_other_axes():
    told = ModelRecord(dim_order=CHANNELS_LAST, result_order=CHANNELS_FIRST)
    assert in_order(KNOWN, told).n_outputs == 24
    assert in_order(KNOWN, ModelRecord(result_order=("batch", "height", "width"))).n_outputs is None


def test_each_of_several_inputs_has_its_own():
    inputs = (ModelInput("s2", dim_order=CHANNELS_FIRST), ModelInput("dem", dim_order=CHANNELS_FIRST))
    known = Described("fake", "1", inputs=inputs, shapes=((None, 4, 8, 9), (None, 24, 20, 1)))
    found = in_order(known, ModelRecord(inputs=(ModelInput("dem", dim_order=CHANNELS_LAST),)))
    assert [(one.n_bands, one.size) for one in found.inputs] == [(4, (8, 9)), (1, (24, 20))]


def test_what_nothing_is_known_of_stays_so():
    known = Described("fake", "1", n_bands=3)
    assert in_order(known, ModelRecord(dim_order=CHANNELS_LAST)) is known


def test_another_number_of_axes_is_refused():
    with pytest.raises(ValueError, match="the input of the model has the axes batch, channel, and it has 4"):
        in_order(KNOWN, ModelRecord(dim_order=PIXELS))
