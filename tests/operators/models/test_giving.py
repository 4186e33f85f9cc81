"""Several results of one call."""

from __future__ import annotations

import json

import numpy as np
import pytest

import geopatcher as gp
from geopatcher import Model
from geopatcher.core.operators import Several
from geopatcher.errors import OperatorError
from geopatcher.operators.models.augmentation import Augmented, Ensemble
from geopatcher.operators.models.giving import Giving, check_alike, found_part
from geopatcher.operators.models.record_json import record_from_json, record_to_json
from networks import ConvNet, softmax

NET = ConvNet.random()
PATCH = np.random.default_rng(4).normal(size=(3, 12, 16)).astype("float32")
TOLD = {"activation": "softmax", "classes": ["a", "b", "c"]}


class Counted:
    """An estimator that counts its calls, and returns what it was told to."""

    def __init__(self, makes):
        self.makes, self.calls = makes, 0

    def predict(self, rows):
        self.calls += 1
        return self.makes(rows)


@pytest.fixture
def net(tmp_path):
    return NET.save(tmp_path / "net.onnx", twice=True)


def test_one_call_gives_the_result_the_raw_one_and_a_part(net):
    model = Model(net, parts="scores", **TOLD).giving(["negative", "", "raw"])
    scores = NET.scores(PATCH)
    made = model(np.stack([PATCH, PATCH]))
    np.testing.assert_array_equal(made[0], made[1])
    wanted = np.concatenate([-scores, softmax(scores), scores])
    np.testing.assert_allclose(made[0], wanted, rtol=1e-4, atol=1e-4)
    assert model.places(PATCH) == ((0, 3), (3, 6), (6, 9))
    assert isinstance(model, Several)
    assert isinstance(model, Several)
    assert model.gives_several


def test_the_model_runs_once_for_all_of_them():
    object_ = Counted(lambda rows: {"sum": rows.sum(axis=1), "twice": rows * 2, "label": rows[:, :1] > 0})
    model = Model(object_, parts="sum").giving(["twice", "label", "sum"])
    made = model(PATCH)
    assert object_.calls == 1
    np.testing.assert_allclose(
        made, np.concatenate([PATCH * 2, PATCH[:1] > 0, PATCH.sum(axis=0)[None]]), rtol=1e-5
    )


@pytest.mark.parametrize("kind", [tuple, list])
def test_parts_of_a_tuple_have_numbers(kind):
    model = Model(Counted(lambda rows: kind((rows, rows.sum(axis=1)))))
    made = model.giving(["part1", "0"])(PATCH)
    np.testing.assert_allclose(made, np.concatenate([PATCH.sum(axis=0)[None], PATCH]), rtol=1e-5)


def test_a_list_of_values_is_no_tuple_of_parts():
    model = Model(Counted(lambda rows: [float(row.sum()) for row in rows]))
    np.testing.assert_allclose(model(PATCH)[0], PATCH.sum(axis=0), rtol=1e-5)
    rows = Model(Counted(list))
    np.testing.assert_array_equal(rows(PATCH), PATCH)


def test_without_an_activation_the_raw_result_is_the_result_and_given_once(net):
    model = Model(net, parts="scores", classes=["a", "b", "c"]).giving(["", "negative", "raw"])
    assert model(PATCH).shape == (6, 12, 16)
    assert model.places(PATCH) == ((0, 3), (3, 6), (0, 3))


def test_one_band_for_two_classes_is_another_result_than_the_raw_one():
    wet = Counted(lambda rows: 1 / (1 + np.exp(-rows[:, 0])))
    model = Model(wet, classes=["dry", "wet"]).giving(["", "raw"])
    assert model.places(PATCH) == ((0, 2), (2, 3))
    made = model(PATCH)
    np.testing.assert_allclose(made[0], 1 - made[1])
    np.testing.assert_array_equal(made[1], made[2])


def test_gaps_are_gaps_in_all_of_them(net):
    patch = PATCH.copy()
    patch[1, 3, 4] = np.nan
    made = Model(net, parts=0, **TOLD).giving(["raw", "", "negative"])(patch)
    assert np.argwhere(np.isnan(made)).tolist() == [[band, 3, 4] for band in range(9)]


def test_parts_that_are_not_there_are_named(net):
    with pytest.raises(ValueError, match=r"net.onnx returns no part 'height', but scores, negative$"):
        Model(net).giving(["height"]).places(PATCH)
    with pytest.raises(ValueError, match="returns no part 'height', but one result alone"):
        found_part("height", ("0",), "net")
    with pytest.raises(ValueError, match=r"2 parts \(scores, negative\): .* with parts=, .* by outputs="):
        Model(net).giving(["raw"]).places(PATCH)


def test_parts_of_several_sizes_do_not_lie_on_one_grid():
    with pytest.raises(OperatorError, match=r"parts of several sizes \(a 4x4, the result 2x2\)"):
        check_alike({"a": np.zeros((1, 1, 4, 4)), "": np.zeros((1, 1, 2, 2))}, "net")


def test_who_it_is_follows_from_what_it_gives(net):
    model = Model(net, parts=0)
    given = [
        model,
        model.giving(["raw"]),
        model.giving(["", "raw"]),
        model.giving(["1"]),
        Model(net, parts=1),
    ]
    assert len({one.fingerprint() for one in given}) == len(given)
    assert model.giving([""]).fingerprint() == model.fingerprint()
    assert str(Giving()) == ""


def test_the_record_may_say_which_part_is_the_result(net):
    beside = net.with_name("net.mlm.json")
    beside.write_text(json.dumps({"geopatcher:part": "negative", "geopatcher:activation": "softmax"}))
    np.testing.assert_allclose(Model(net)(PATCH), softmax(-NET.scores(PATCH)), atol=1e-4)
    np.testing.assert_allclose(Model(net, parts=0)(PATCH), softmax(NET.scores(PATCH)), atol=1e-4)
    assert record_from_json(record_to_json(Model(net).record)).part == "negative"


def test_views_and_ensembles_give_the_mean_of_each(net, tmp_path):
    other = ConvNet.random(seed=5)
    told = {"parts": "scores", **TOLD}
    models = [Model(net, **told), Model(other.save(tmp_path / "other.onnx", twice=True), **told)]
    square = PATCH[:, :12, :12]
    given = Augmented(models[0], "d4").giving(["raw", ""])
    raw, chances = given(square)[:3], given(square)[3:]
    np.testing.assert_allclose(chances, Augmented(models[0], "d4")(square), atol=1e-6)
    turned = [np.rot90(NET.scores(np.rot90(square, k, axes=(1, 2))), -k, axes=(1, 2)) for k in range(4)]
    flipped = square[:, ::-1]
    turned += [
        np.rot90(NET.scores(np.rot90(flipped, k, axes=(1, 2))), -k, axes=(1, 2))[:, ::-1] for k in range(4)
    ]
    np.testing.assert_allclose(raw, np.mean(turned, axis=0), rtol=1e-3, atol=1e-3)
    both = Ensemble(models, [1, 3]).giving(["", "raw"])
    wanted = (NET.scores(PATCH) + 3 * other.scores(PATCH)) / 4
    np.testing.assert_allclose(both(PATCH)[3:], wanted, rtol=1e-3, atol=1e-3)
    assert both.places(PATCH) == ((0, 3), (3, 6))


def test_an_ensemble_of_other_numbers_of_bands_is_refused(net):
    plain = Model(net, parts=0, classes=["a", "b", "c"])  # whose raw result is the result
    both = gp.Ensemble([Model(net, parts=0, **TOLD), plain]).giving(["", "raw"])
    with pytest.raises(ValueError, match="models of ensemble of 2 return other numbers of bands"):
        both.places(PATCH)
