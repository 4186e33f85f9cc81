"""Estimators of scikit-learn, pixel by pixel, and files of skops."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC

import geopatcher as gp
from geopatcher import Model
from geopatcher.errors import OperatorError

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(60, 2))
LABELS = (ROWS.sum(axis=1) > 0) * 3 + 2
SCENE = RNG.normal(size=(2, 20, 24)).astype("float32")
FOREST = RandomForestClassifier(5, random_state=0).fit(ROWS, LABELS)


def by_pixel(predict, scene=SCENE):
    made = predict(scene.reshape(len(scene), -1).T)
    return made.reshape(*scene.shape[1:], -1).transpose(2, 0, 1)


@pytest.mark.parametrize("fitted", [FOREST, LogisticRegression().fit(ROWS, LABELS)])
def test_probabilities_are_those_of_each_pixel(fitted):
    model = Model(fitted)
    np.testing.assert_allclose(model(SCENE), by_pixel(fitted.predict_proba), rtol=1e-6)
    assert [(one.value, one.name) for one in model.classes] == [(2, "2"), (5, "5")]
    assert (model.per_pixel, model.n_outputs, model.n_bands, model.is_probability) == (True, 2, 2, True)
    copy = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(copy(SCENE), model(SCENE))
    assert copy.fingerprint() == model.fingerprint()


def test_a_classifier_without_probabilities_votes():
    fitted = SVC().fit(ROWS, np.where(LABELS > 2, "wet", "dry"))
    model = Model(fitted)
    assert [one.name for one in model.classes] == ["dry", "wet"]
    np.testing.assert_array_equal(model(SCENE)[1], by_pixel(lambda rows: fitted.predict(rows) == "wet")[0])


def test_a_regression_gives_its_values():
    fitted = LinearRegression().fit(ROWS, ROWS @ [[1, 2, 3], [0, 1, 0]])
    model = Model(fitted)
    np.testing.assert_allclose(model(SCENE), by_pixel(fitted.predict), rtol=1e-5, atol=1e-6)
    assert (model.classes, model.is_probability) == ((), False)


def test_a_run_in_patches_is_the_whole_at_once():
    model = Model(FOREST)
    tiled = gp.reconstruct(SCENE, model, size=8, batch_size=2, outputs="probability").array
    np.testing.assert_allclose(tiled, model(SCENE), atol=1e-6)


def test_a_file_of_skops_is_read(tmp_path):
    path = tmp_path / "logistic.skops"
    fitted = LogisticRegression().fit(ROWS, LABELS)
    skops.io.dump(fitted, path)
    np.testing.assert_array_equal(Model(path)(SCENE), Model(fitted)(SCENE))


def test_types_that_are_not_safe_are_refused(tmp_path):
    path = tmp_path / "odd.skops"
    skops.io.dump(FOREST, path)  # nodes of trees are indexes that nobody checks
    with pytest.raises(
        OperatorError, match="odd.skops has types in it that are not safe: .*Tree.*pass the object"
    ):
        Model(path)(SCENE)


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "text.skops"
    path.write_text("no zip")
    with pytest.raises(OperatorError, match="text.skops cannot be read by skops"):
        Model(path)(SCENE)


def test_wrong_numbers_of_bands_are_refused():
    with pytest.raises(ValueError, match=r"takes 2 band\(s\), and is given 3"):
        Model(FOREST).check(3, (), (7, 9))
    with pytest.raises(ValueError, match="per-pixel models run on cpu, not on cuda"):
        Model(FOREST, device="cuda")(SCENE)
