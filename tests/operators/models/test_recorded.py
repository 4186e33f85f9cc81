"""What follows from a record and a description."""

from __future__ import annotations

from fractions import Fraction

from geopatcher.operators.models.protocol import Described
from geopatcher.operators.models.record import ModelRecord, classes_of
from geopatcher.operators.models.recorded import Recorded


class Known(Recorded):
    def __init__(self, record, **described):
        self._record, self._described = record, Described("fake", "1", **described)

    @property
    def record(self):
        return self._record

    @property
    def described(self):
        return self._described


def test_what_is_told_goes_before_what_is_known():
    told = ModelRecord(bands=(3, 1), classes=classes_of(["a", "b"]), margin=4, multiple=8, batch=2)
    model = Known(told, n_bands=5, n_outputs=1, parts=("x", "y"))
    assert (model.n_bands, model.n_outputs, model.fixed_batch) == (2, 2, 2)
    assert (model.bands, model.margin, model.multiple, model.output_scale) == ((3, 1), 4, 8, Fraction(1))
    assert [one.name for one in model.classes] == ["a", "b"]
    assert model.part_names == ("x", "y")
    assert (model.per_pixel, model.is_probability) == (False, False)


def test_what_is_not_told_is_what_is_known():
    model = Known(ModelRecord(batch=3), n_bands=5, n_outputs=4, per_pixel=True, gives_probability=True)
    assert (model.n_bands, model.n_outputs) == (5, 4)
    assert (model.fixed_batch, model.per_pixel, model.is_probability) == (None, True, True)
