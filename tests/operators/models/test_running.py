"""Batches of patches through a runtime."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from geopatcher.operators.models.giving import Giving
from geopatcher.operators.models.protocol import Described
from geopatcher.operators.models.record import CHANNELS_FIRST, CHANNELS_LAST, ModelRecord
from geopatcher.operators.models.running import run_parts

BATCH = np.arange(5 * 2 * 3 * 4, dtype="float32").reshape(5, 2, 3, 4)


@dataclass
class Doubles:
    """A runtime that doubles what it is given, and remembers its shape."""

    described: Described
    shapes: list = field(default_factory=list)

    def run(self, batch):
        assert batch.flags.c_contiguous
        self.shapes.append(batch.shape)
        return batch * 2

    def close(self): ...


@pytest.mark.parametrize(
    ("order", "at_once", "shapes"),
    [
        (None, None, [(5, 2, 3, 4)]),
        (CHANNELS_FIRST, 5, [(5, 2, 3, 4)]),
        (CHANNELS_LAST, None, [(5, 3, 4, 2)]),
        (CHANNELS_FIRST, 2, [(2, 2, 3, 4)] * 3),
        (CHANNELS_LAST, 8, [(8, 3, 4, 2)]),
    ],
)
def test_each_patch_comes_back_whatever_the_order_and_the_batch(order, at_once, shapes):
    runtime = Doubles(Described("fake", "1"))
    (made,) = run_parts(runtime, BATCH, ModelRecord(dim_order=order, batch=at_once), "net", Giving())
    np.testing.assert_array_equal(made, BATCH * 2)
    assert runtime.shapes == shapes


def test_pixels_are_rows():
    runtime = Doubles(Described("fake", "1", per_pixel=True))
    (made,) = run_parts(runtime, BATCH, ModelRecord(), "net", Giving())
    np.testing.assert_array_equal(made, BATCH * 2)
    assert runtime.shapes == [(60, 2)]


@pytest.mark.parametrize("at_once", [1, 7, 60, 64])
def test_rows_are_as_many_at_once_as_the_model_takes(at_once):
    runtime = Doubles(Described("fake", "1", per_pixel=True, batch=at_once))
    (made,) = run_parts(runtime, BATCH, ModelRecord(), "net", Giving())
    np.testing.assert_array_equal(made, BATCH * 2)
    assert {*runtime.shapes} == {(at_once, 2)}
