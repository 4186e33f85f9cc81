"""What is told in a call, over what a record says, over what the model knows."""

from __future__ import annotations

from fractions import Fraction

import pytest

from geopatcher.operators.models.protocol import Described
from geopatcher.operators.models.record import ModelRecord, classes_of
from geopatcher.operators.models.scaling import Scaling
from geopatcher.operators.models.telling import Told, completed

NOTHING = dict.fromkeys(
    (
        *("bands", "scale", "offset", "mean", "std", "clip", "activation", "classes", "margin", "multiple"),
        "output_scale",
        "part",
    )
)
RECORD = ModelRecord(
    bands=("a", "b"), steps=((Scaling("scale", value=2),),), activation="softmax", margin=8, multiple=4
)


def test_nothing_changes_nothing():
    assert Told.of(**NOTHING).over(RECORD) == RECORD


@pytest.mark.parametrize(
    ("told", "field", "wanted"),
    [
        ({"bands": [2, 1]}, "bands", (2, 1)),
        ({"bands": "B04"}, "bands", ("B04",)),
        ({"part": 1}, "part", "1"),
        (
            {"scale": 0.5, "mean": 1, "std": 2},
            "steps",
            ((Scaling("scale", value=2.0),), (Scaling("z-score", mean=1.0, stddev=2.0),)),
        ),
        ({"activation": "sigmoid"}, "activation", "sigmoid"),
        ({"classes": ["x", "y"]}, "classes", classes_of(["x", "y"])),
        ({"margin": 0}, "margin", 0),
        ({"multiple": 32}, "multiple", 32),
        ({"output_scale": 1 / 16}, "output_scale", Fraction(1, 16)),
        ({"output_scale": 4}, "output_scale", Fraction(4)),
    ],
)
def test_what_is_told_goes_first(told, field, wanted):
    made = Told.of(**{**NOTHING, **told}).over(RECORD)
    assert vars(made)[field] == wanted
    assert vars(made) | {field: None} == vars(RECORD) | {field: None}


def test_names_and_numbers_do_not_mix():
    with pytest.raises(ValueError, match=r"bands are \['B02', 3\]: give names, or numbers from 1"):
        Told.of(**{**NOTHING, "bands": ["B02", 3]})


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (ModelRecord(batch=4), "takes 2 patches at once, and its record, or the call, says 4"),
        (ModelRecord(bands=(1, 2)), "takes 3 bands, and its record, or the call, says 2"),
        (ModelRecord(channels=4), "takes 3 bands, and its record, or the call, says 4"),
    ],
)
def test_what_the_model_does_not_take_is_refused(record, says):
    with pytest.raises(ValueError, match=says):
        completed(record, Described("onnxruntime", "1", batch=2, n_bands=3))


def test_what_the_model_knows_fills_what_is_not_told():
    known = Described("onnxruntime", "1", band_names=("c", "d"), batch=2, size=(64, 32))
    assert completed(RECORD, known).bands == ("a", "b")
    filled = completed(ModelRecord(), known)
    assert (filled.bands, filled.batch, filled.size, filled.dim_order) == (("c", "d"), 2, (64, 32), None)
