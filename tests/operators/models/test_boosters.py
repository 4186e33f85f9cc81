"""Boosters of LightGBM and XGBoost, by object and by file."""

from __future__ import annotations

import pickle

import lightgbm
import numpy as np
import pytest

from geopatcher import Model
from geopatcher.errors import OperatorError

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(400, 3))
LABELS = (ROWS[:, 0] > 0).astype(int) + (ROWS[:, 1] > 0.5)
SCENE = RNG.normal(size=(3, 10, 12)).astype("float32")
PIXELS = SCENE.reshape(3, -1).T


def trained(objective, labels, names="auto", **more):
    settings = {"objective": objective, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5, **more}
    return lightgbm.train(settings, lightgbm.Dataset(ROWS, labels, feature_name=names), num_boost_round=3)


def test_lightgbm_gives_the_probability_of_each_class(tmp_path):
    booster = trained("multiclass", LABELS, names=["B02", "B03", "B04"], num_class=3)
    path = tmp_path / "trees.txt"
    booster.save_model(path)
    for model in (Model(booster), Model(path)):
        wanted = booster.predict(PIXELS).reshape(10, 12, 3).transpose(2, 0, 1)
        np.testing.assert_allclose(model(SCENE), wanted, rtol=1e-6)
        assert (model.bands, model.n_bands, model.per_pixel) == (("B02", "B03", "B04"), 3, True)
    copy = pickle.loads(pickle.dumps(Model(booster)))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(copy(SCENE), Model(booster)(SCENE))


def test_one_probability_is_one_band_or_two_classes():
    booster = trained("binary", LABELS > 0)
    wanted = booster.predict(PIXELS).reshape(10, 12)
    np.testing.assert_allclose(Model(booster)(SCENE)[0], wanted, rtol=1e-6)
    both = Model(booster, classes=["clear", "cloud"])(SCENE)
    np.testing.assert_allclose(both, [1 - wanted, wanted], rtol=1e-5)
    assert Model(booster).bands is None


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "trees.txt"
    path.write_text("no trees")
    with pytest.raises(OperatorError, match="trees.txt cannot be read by LightGBM"):
        Model(path)(SCENE)


@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_xgboost_gives_what_it_predicts(tmp_path, suffix):
    xgboost = pytest.importorskip("xgboost", reason="is hundreds of megabytes, and not in the test group")
    data = xgboost.DMatrix(ROWS, LABELS, feature_names=["B02", "B03", "B04"])
    booster = xgboost.train({"objective": "multi:softprob", "num_class": 3}, data, num_boost_round=3)
    path = tmp_path / f"trees.{suffix}"
    booster.save_model(path)
    for model in (Model(booster), Model(path)):
        wanted = booster.predict(xgboost.DMatrix(PIXELS, feature_names=data.feature_names))
        np.testing.assert_allclose(model(SCENE), wanted.reshape(10, 12, 3).transpose(2, 0, 1), rtol=1e-6)
        assert model.bands == ("B02", "B03", "B04")
    path.write_text("{}")
    with pytest.raises(OperatorError, match="cannot be read by XGBoost"):
        Model(path)(SCENE)
