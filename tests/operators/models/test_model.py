"""Models as operators: bands, gaps, identity, and their way through a run."""

from __future__ import annotations

import hashlib
import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import geopatcher as gp
from geopatcher import Model
from geopatcher.errors import GeopatcherError, OperatorError
from geopatcher.identity.operators import identity_of
from geopatcher.operators.models.protocol import ModelLike
from geopatcher.operators.models.record import ModelRecord
from networks import ConvNet, softmax

NET = ConvNet.random()
RNG = np.random.default_rng(2)
PATCH = RNG.normal(size=(3, 12, 16)).astype("float32")


class Sums:
    """An estimator without a library."""

    def __init__(self, factor=1):
        self.factor = factor

    def predict(self, rows):
        return self.factor * rows.sum(axis=1)


@pytest.fixture
def net(tmp_path):
    return NET.save(tmp_path / "net.onnx")


def test_it_is_what_models_are(net):
    assert isinstance(Model(net), ModelLike)
    assert Model(net).__name__ == "net.onnx"


def test_bands_are_taken_by_name_and_number(net):
    scene = np.stack([PATCH[2], PATCH[1] * 9, PATCH[0], PATCH[1]])
    names = ["B04", "x", "B02", "B03"]
    by_name = Model(net, bands=["B02", "B03", "B04"]).bound_to(4, names)
    by_number = Model(net, bands=[3, 4, 1])
    for model in (by_name, by_number):
        np.testing.assert_array_equal(model(scene), Model(net)(PATCH))
    with pytest.raises(ValueError, match="net.onnx: the model takes the band B03, which is not there"):
        Model(net, bands=["B02", "B03", "B04"]).check(3, ["B02", "B04", "B08"], (8, 8))
    with pytest.raises(ValueError, match="is for sources of 4 bands, and is given 3"):
        by_name(PATCH)


def test_scaling_comes_first(net):
    digital = np.round((PATCH + 10) * 1000).astype("uint16")
    model = Model(net, scale=1e-3, offset=-9, mean=1, std=[1, 1, 1])
    np.testing.assert_allclose(model(digital), NET.scores(digital / 1000 - 10), rtol=1e-2, atol=1e-2)


def test_a_gap_in_any_band_is_a_gap_in_all(net):
    patch = PATCH.copy()
    patch[1, 3, 4] = np.nan
    filled = np.where(np.isnan(patch).any(axis=0), 0, patch)
    made = Model(net)(np.stack([PATCH, patch]))
    assert not np.isnan(made[0]).any()
    assert np.argwhere(np.isnan(made[1])).tolist() == [[band, 3, 4] for band in range(3)]
    np.testing.assert_allclose(made[1][:, 0], NET.scores(filled)[:, 0], rtol=1e-3, atol=1e-4)


def test_a_run_is_seamless_and_the_same_with_two_workers(tmp_path, net):
    image = RNG.normal(size=(3, 96, 80)).astype("float32")
    field = gp.RasterField.from_array(image)
    model = Model(net, activation="softmax")
    one = gp.reconstruct(field, model, tmp_path / "one.zarr", size=32, batch_size=3)
    two = gp.reconstruct(field, model, tmp_path / "two.zarr", size=32, batch_size=3, workers=2)
    assert one.array[:].tobytes() == two.array[:].tobytes()
    inner = (slice(None), slice(None, 10), slice(None, 10))  # the first patch alone, far from its end
    np.testing.assert_allclose(one.array[inner], softmax(NET.scores(image))[inner], atol=1e-3)


def test_changed_weights_refuse_a_finished_result(tmp_path, net):
    image = np.ones((3, 16, 16), "float32")
    target = tmp_path / "map.zarr"
    first = gp.reconstruct(image, Model(net), target, size=8).array[:]
    again = gp.reconstruct(image, Model(net), target, size=8).array[:]
    np.testing.assert_array_equal(first, again)
    ConvNet.random(seed=7).save(net)
    with pytest.raises(GeopatcherError, match="operator"):
        gp.reconstruct(image, Model(net), target, size=8)


def test_a_model_that_was_loaded_takes_new_weights_when_it_is_asked_who_it_is(net):
    model = Model(net)
    before, who = model(PATCH), model.fingerprint()
    ConvNet.random(seed=7).save(net)
    assert model.fingerprint() != who
    assert np.abs(model(PATCH) - before).max() > 1e-3


def test_weights_that_change_on_the_way_to_a_worker_are_refused(net):
    model = Model(net)
    model.fingerprint()
    travelled = pickle.dumps(model)
    ConvNet.random(seed=7).save(net)
    with pytest.raises(OperatorError, match="was changed since this run knew it"):
        pickle.loads(travelled)(PATCH)  # noqa: S301 - our own bytes


def test_it_travels_without_what_was_loaded(net, monkeypatch, tmp_path):
    model = Model(net, activation="softmax", margin=3)
    before = model(PATCH)
    packed = pickle.dumps(model)
    assert len(packed) < 4000
    monkeypatch.chdir(tmp_path)
    copy = pickle.loads(packed)  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(copy(PATCH), before)
    assert (copy.margin, copy.fingerprint()) == (3, model.fingerprint())


def test_threads_may_share_it(net):
    model = Model(net)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(model, [PATCH] * 8))
    for made in found:
        np.testing.assert_array_equal(made, found[0])


def test_who_it_is_follows_from_all_that_decides_the_result(net):
    same = [Model(net), Model(net, bands=None)]
    others = [
        Model(net, scale=2),
        Model(net, activation="softmax"),
        Model(net, margin=1),
        Model(net, bands=[3, 2, 1]),
        Model(net, bands=["a", "b", "c"]).bound_to(3, ["a", "b", "c"]),
        Model(net, bands=["a", "b", "c"]).bound_to(3, ["c", "b", "a"]),
    ]
    said = [model.fingerprint() for model in (*same, *others)]
    assert len(set(said)) == len(said) - 1
    assert "onnxruntime" in said[0]
    assert not identity_of(same[0]).unknown


def test_an_object_is_known_by_its_state_and_code():
    assert Model(Sums(2)).fingerprint() == Model(Sums(2)).fingerprint()
    assert Model(Sums(2)).fingerprint() != Model(Sums(3)).fingerprint()
    unknown = Sums(factor for factor in [1])  # a generator has no state that can be known
    assert Model(unknown).fingerprint() != Model(unknown).fingerprint()


def test_the_record_beside_the_weights_is_used_and_arguments_go_before_it(net):
    beside = net.with_name("net.mlm.json")
    beside.write_text(json.dumps({"geopatcher:margin": 8, "geopatcher:multiple": 4}))
    assert (Model(net).margin, Model(net).multiple) == (8, 4)
    assert (Model(net, margin=0).margin, Model(net, margin=0).multiple) == (0, 4)
    assert Model(net, record=ModelRecord(multiple=2)).margin == 0
    assert Model(net, record={"geopatcher:margin": 5}).margin == 5
    assert Model(net, record=beside).margin == 8


def test_weights_that_are_not_those_of_the_record_are_refused(net):
    right = hashlib.sha256(net.read_bytes()).hexdigest()
    Model(net, record={"geopatcher:sha256": right})
    with pytest.raises(OperatorError, match="net.onnx are not those of their record"):
        Model(net, record={"geopatcher:sha256": "00" * 32})


@pytest.mark.parametrize(
    ("told", "size", "message"),
    [
        ({"multiple": 8}, (64, 60), "must be multiples of 8, such as 56 or 64"),
        ({"output_scale": 1 / 16}, (40, 48), "must be multiples of 16, such as 32 or 48"),
        ({"classes": ["a", "b"]}, (64, 64), r"returns 3 bands, and there are 2 classes \(a, b\)"),
        ({"bands": [1, 2, 4]}, (64, 64), "takes band 4, and there are 3"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_first_pixel(net, told, size, message):
    with pytest.raises(ValueError, match=message):
        Model(net, **told).check(3, (), size)


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "notes.doc").touch()
    with pytest.raises(ValueError, match="notes.doc is no model by its ending: known are .onnx"):
        Model(tmp_path / "notes.doc")
    with pytest.raises(OperatorError, match="there is no file of a model .*away.onnx"):
        Model(tmp_path / "away.onnx")
    with pytest.raises(OperatorError, match="is a pickle, and opening one runs whatever code is in it"):
        Model(tmp_path / "net.pkl")
    with pytest.raises(TypeError, match="Sums is a class: pass a model made of it"):
        Model(Sums)
    with pytest.raises(TypeError, match="int is no model: pass the path"):
        Model(3)
