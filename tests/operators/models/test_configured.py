"""Models as JSON values, and made of them again."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.operators.models.record import ModelRecord

lightgbm = pytest.importorskip("lightgbm")

PATCH = np.random.default_rng(1).random((3, 6, 7), dtype="float32")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    rng = np.random.default_rng(0)
    rows = rng.random((200, 2))
    data = lightgbm.Dataset(rows, label=(rows[:, 0] > rows[:, 1]).astype(int))
    place = tmp_path_factory.mktemp("model") / "split.txt"
    lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 5).save_model(str(place))
    return place


def through_json(value):
    return json.loads(json.dumps(value, allow_nan=False))


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"bands": [2, 3], "scale": 0.5, "mean": np.array([0.1, 0.2]), "std": (1, 2), "clip": (0.0, 0.9)},
        {"bands": [1, 3], "classes": iter([gp.ModelClass(4, "snow", "FFFFFF"), "land"]), "margin": 2},
        {"record": ModelRecord(bands=(1, 2)), "output_scale": Fraction(1, 1), "device": "cpu"},
    ],
)
def test_a_model_of_a_file_goes_through_json(path, told):
    model = gp.Model(path, **{"bands": [1, 2], **told} if "record" not in told else told)
    config = through_json(model.get_config())
    again = gp.Model.from_config(config)
    assert again.get_config() == config
    if "record" not in told:  # one that was an object says more as JSON: the order of dimensions, say
        assert again.fingerprint() == model.fingerprint()
    np.testing.assert_array_equal(again(PATCH), model(PATCH))
    assert through_json(again.on("cpu").get_config())["device"] == "cpu"
    with pytest.raises(TypeError, match="Model has no parameter 'treshold'"):
        gp.Model.from_config({**config, "treshold": 0.5})


def test_an_ensemble_goes_through_json(path):
    both = gp.Ensemble([gp.Model(path, bands=[1, 2]), gp.Model(path, bands=[2, 3])], weights=[3, 1])
    config = through_json(both.get_config())
    assert [part["class"] for part in config["models"]] == ["Model", "Model"]
    assert gp.Ensemble.from_config(config).fingerprint() == both.fingerprint()


def test_a_model_that_is_an_object_is_refused():
    class Mean:
        def predict(self, rows):
            return rows.mean(axis=1)

    with pytest.raises(TypeError, match="a model that is an object, Mean, cannot be told in a configuration"):
        gp.Model(Mean()).get_config()
