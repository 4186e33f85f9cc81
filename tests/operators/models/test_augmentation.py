"""Means over views and over models."""

from __future__ import annotations

import pickle

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import geopatcher as gp
from geopatcher import Ensemble, Model
from geopatcher.operators.models.augmentation import Augmented
from geopatcher.operators.models.protocol import ModelLike
from networks import ConvNet

NETS = [ConvNet.random(seed=seed) for seed in (0, 1)]
PATCH = np.random.default_rng(1).normal(size=(3, 12, 12)).astype("float32")


@pytest.fixture
def models(tmp_path):
    return [
        Model(net.save(tmp_path / f"net{n}.onnx"), margin=n, multiple=2 + n) for n, net in enumerate(NETS)
    ]


def test_flips_are_the_mean_over_four_views(models):
    views = [(1, 1), (-1, 1), (1, -1), (-1, -1)]
    wanted = [NETS[0].scores(PATCH[:, ::down, ::right])[:, ::down, ::right] for down, right in views]
    np.testing.assert_allclose(Augmented(models[0])(PATCH), np.mean(wanted, axis=0), rtol=1e-3, atol=1e-3)


def test_d4_does_not_depend_on_how_a_patch_lies(models):
    operator = Augmented(models[0], "d4")
    made = operator(PATCH)
    turned = np.rot90(operator(np.rot90(PATCH, axes=(1, 2))), -1, axes=(1, 2))
    mirrored = operator(PATCH[:, :, ::-1])[:, :, ::-1]
    np.testing.assert_allclose(turned, made, atol=1e-3)
    np.testing.assert_allclose(mirrored, made, atol=1e-3)
    assert np.abs(models[0](PATCH) - made).max() > 0.1
    batch = operator(np.stack([PATCH, PATCH]))
    np.testing.assert_allclose(batch[1], made, atol=1e-4)


def test_patches_that_cannot_be_turned_are_refused(models):
    operator = Augmented(models[0], "d4")
    with pytest.raises(ValueError, match="12x10 pixels cannot be turned: use square ones, or tta='flips'"):
        operator.check(3, (), (12, 10))
    with pytest.raises(ValueError, match="cannot be turned"):
        operator(PATCH[:, :, :10])
    with pytest.raises(ValueError, match="tta='all': choose one of flips, d4"):
        Augmented(models[0], "all")


def test_an_ensemble_is_the_weighted_mean(models):
    wanted = (3 * NETS[0].scores(PATCH) + NETS[1].scores(PATCH)) / 4
    np.testing.assert_allclose(Ensemble(models, weights=[3, 1])(PATCH), wanted, rtol=1e-3, atol=1e-3)


def test_it_has_the_needs_of_all(models):
    both = Ensemble(models)
    assert isinstance(both, ModelLike)
    assert (both.margin, both.multiple, both.per_pixel, both.n_outputs, both.bands) == (1, 6, False, 3, None)
    with pytest.raises(ValueError, match="net1.onnx: patches of 8x8 pixels"):
        both.check(3, (), (8, 8))


def test_each_takes_its_own_bands(tmp_path):
    paths = [net.save(tmp_path / f"net{n}.onnx") for n, net in enumerate(NETS)]
    names = ["a", "b", "c"]
    both = Ensemble([Model(paths[0], bands=names), Model(paths[1], bands=names[::-1])])
    wanted = (NETS[0].scores(PATCH) + NETS[1].scores(PATCH[::-1])) / 2
    np.testing.assert_allclose(both.bound_to(3, names)(PATCH), wanted, rtol=1e-3, atol=1e-3)
    tta = Augmented(both).bound_to(3, names)
    assert tta(PATCH).shape == (3, 12, 12)


def test_they_travel_and_say_who_they_are(models):
    operators = [
        models[0],
        Augmented(models[0]),
        Augmented(models[0], "d4"),
        Ensemble(models),
        Ensemble(models, weights=[1, 2]),
        Ensemble(models[::-1]),
    ]
    assert len({operator.fingerprint() for operator in operators}) == len(operators)
    for operator in operators:
        copy = pickle.loads(pickle.dumps(operator))  # noqa: S301 - our own bytes
        np.testing.assert_array_equal(copy(PATCH), operator(PATCH))
    assert gp.reconstruct(PATCH, operators[3], size=10).array.shape == (3, 12, 12)


@pytest.mark.parametrize("weights", [[1], [1, 0], [1, -1], [1, np.inf]])
def test_weights_that_do_not_fit_are_refused(models, weights):
    with pytest.raises(ValueError, match="for 2 models: give a positive one to each"):
        Ensemble(models, weights=weights)


def test_models_that_do_not_go_together_are_refused(tmp_path, models):
    other = Model(NETS[0].save(tmp_path / "other.onnx"), classes=["a", "b", "c"])
    with pytest.raises(ValueError, match="the models have different classes"):
        Ensemble([models[0], other])
    with pytest.raises(ValueError, match="there is no model"):
        Ensemble([])
    with pytest.raises(TypeError, match="ufunc is no model: make it one with geopatcher.Model"):
        Ensemble([np.negative])


def two_inputs(path, factor):
    ports = [
        helper.make_tensor_value_info("s2", TensorProto.FLOAT, ["n", 2, "h", "w"]),
        helper.make_tensor_value_info("dem", TensorProto.FLOAT, ["n", 1, "h", "w"]),
    ]
    kernel = np.zeros((1, 2, 3, 3), "float32")
    kernel[0, :, 0, 1] = factor  # looks up: turned, it looks elsewhere
    nodes = [
        helper.make_node("Conv", ["s2", "kernel"], ["seen"], pads=[1, 1, 1, 1]),
        helper.make_node("Sub", ["seen", "dem"], ["made"]),
    ]
    made = [helper.make_tensor_value_info("made", TensorProto.FLOAT, ["n", 1, "h", "w"])]
    graph = helper.make_graph(nodes, "two", ports, made, [numpy_helper.from_array(kernel, "kernel")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("size", [16, (16, 24)])
def test_views_and_ensembles_of_models_of_several_rasters(tmp_path, size):
    rng = np.random.default_rng(8)
    s2, dem = rng.random((2, 64, 72), "float32"), rng.random((1, 64, 72), "float32")
    models = [Model(two_inputs(tmp_path / f"net{n}.onnx", n + 1), margin=1) for n in (0, 1)]
    padded = np.pad(s2.sum(axis=0), 1)
    views = {"up": padded[:-2, 1:-1], "down": padded[2:, 1:-1], "left": padded[1:-1, :-2]}
    views["right"] = padded[1:-1, 2:]
    inner = np.s_[2:-2, 2:-2]  # the source ends, and is reflected, beyond
    both = Ensemble(models, weights=[1, 3])
    flipped = 1.75 * (views["up"] + views["down"]) / 2 - dem[0]
    result = gp.reconstruct({"s2": s2, "dem": dem}, both, size=size, tta="flips").array
    np.testing.assert_allclose(result[0][inner], flipped[inner], rtol=1e-5, atol=1e-5)
    if size == 16:
        turned = 1.75 * sum(views.values()) / 4 - dem[0]
        result = gp.reconstruct({"s2": s2, "dem": dem}, both, size=size, tta="d4", batch_size=3).array
        np.testing.assert_allclose(result[0][inner], turned[inner], rtol=1e-5, atol=1e-5)
    else:
        with pytest.raises(ValueError, match="18x26 pixels cannot be turned"):
            gp.reconstruct({"s2": s2, "dem": dem}, both, size=size, tta="d4")


def test_views_of_a_model_of_one_raster_are_refused_several(models):
    with pytest.raises(ValueError, match="takes one raster, and is given a, b"):
        gp.reconstruct({"a": PATCH, "b": PATCH}, models[0], size=8, tta="flips")
