"""ModelOp: whatever is a model, between other operators."""

import json
import pickle

import numpy as np
import pytest

import geopatcher
from geotoolz import ModelOp, Scale, SelectBands

IMAGE = np.random.default_rng(6).integers(0, 9000, (3, 40, 56)).astype("uint16")


class Difference:
    """An estimator that looks at single pixels."""

    def predict(self, rows):
        return rows[:, 1] - rows[:, 0]


class Gradient:
    """A function that looks one pixel around."""

    margin = 1

    def __call__(self, patch):
        return np.gradient(patch.astype("float32"), axis=-1)


class Filling:
    wants_mask = True

    def __call__(self, patch):
        return patch.filled(9)


class Rows:
    wants_position = True

    def __call__(self, patch, position):
        return patch * 0.0 + position.window.row_off


class Finer:
    output_scale = 2

    def __call__(self, patch):
        return patch.repeat(2, axis=-2).repeat(2, axis=-1)


def halve(patch):
    return patch / 2


@pytest.mark.parametrize("model", [Difference(), geopatcher.Model(Difference())])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_in_patches_it_is_as_on_the_whole(model, batch_size):
    pipeline = SelectBands([1, 3]) | Scale(1e-4) | ModelOp(model)
    made = geopatcher.reconstruct(IMAGE, pipeline, size=16, step=8, batch_size=batch_size).array
    expected = (IMAGE[2].astype("float64") - IMAGE[0]) * 1e-4
    np.testing.assert_allclose(made.reshape(40, 56), expected, atol=1e-6)
    np.testing.assert_allclose(pipeline(np.stack([IMAGE, IMAGE]))[1, 0], expected, atol=1e-6)


def test_the_margin_of_the_model_is_asked_for():
    assert ModelOp(Gradient()).margin == 1
    assert ModelOp(halve).margin == 0
    made = geopatcher.reconstruct(IMAGE, ModelOp(Gradient()), size=16, step=16).array
    np.testing.assert_array_equal(made, Gradient()(IMAGE))


def test_what_the_model_wants_it_is_given():
    assert ModelOp(geopatcher.masked(halve)).wants_mask
    source = geopatcher.fields.array_source.ArraySource.of(IMAGE % 3, nodata=0)
    filled = geopatcher.reconstruct(geopatcher.RasterField(source), ModelOp(Filling()), size=16).array
    np.testing.assert_array_equal(filled, np.where(IMAGE % 3 == 0, 9, IMAGE % 3))
    assert ModelOp(Rows()).wants_position
    rows = geopatcher.reconstruct(IMAGE[:, :32], ModelOp(Rows()), size=8, step=8).array
    np.testing.assert_array_equal(rows[0, :, 0], np.arange(32) // 8 * 8)
    assert geopatcher.reconstruct(IMAGE, ModelOp(Finer()), size=8).array.shape == (3, 80, 112)


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match="int is no model: pass the path of a file"):
        ModelOp(12)


def test_it_says_what_it_is_and_pickles():
    again = pickle.loads(pickle.dumps(ModelOp(halve)))  # noqa: S301 - our own bytes
    assert json.loads(json.dumps(again.get_config())) == {
        "name": "ModelOp",
        "type": "ModelOp",
        "model": {"name": "halve", "type": "Lambda", "function": f"{__name__}:halve"},
    }
    config = ModelOp(Difference()).get_config()["model"]
    assert config["name"] == "Difference"
    assert ModelOp(Scale(2)).get_config()["model"] == Scale(2).get_config()
    model = pickle.loads(pickle.dumps(ModelOp(Difference())))  # noqa: S301 - our own bytes
    expected = IMAGE[2:].astype("float32") - IMAGE[1]
    np.testing.assert_array_equal(model(IMAGE[1:]), expected)
