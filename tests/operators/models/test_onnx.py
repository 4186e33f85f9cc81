"""ONNX models, against the same convolutions in SciPy."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from geopatcher import Model
from geopatcher.errors import OperatorError
from networks import ConvNet, softmax

NET = ConvNet.random()
PATCH = np.random.default_rng(1).normal(size=(3, 12, 16)).astype("float32")


def test_it_computes_what_scipy_computes(tmp_path):
    model = Model(NET.save(tmp_path / "net.onnx"))
    made = model(PATCH)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, NET.scores(PATCH), rtol=1e-3, atol=1e-4)
    assert (model.n_bands, model.n_outputs, model.fixed_batch, model.per_pixel) == (3, 3, None, False)


def test_bands_last_are_recognised(tmp_path):
    model = Model(NET.save(tmp_path / "net.onnx", axes="nhwc"), activation="softmax")
    np.testing.assert_allclose(model(PATCH), softmax(NET.scores(PATCH)), atol=1e-4)


@pytest.mark.parametrize("size", [(24, 20), (12, 16)])
def test_the_record_says_which_axes_of_a_fixed_size_are_which(tmp_path, size):
    path = NET.save(tmp_path / "net.onnx", axes="nhwc", size=size)
    last = ["batch", "height", "width", "channel"]
    model = Model(path, classes=["a", "b", "c"], record={"mlm:input": [{"input": {"dim_order": last}}]})
    assert (model.n_bands, model.n_outputs, model.record.size) == (3, 3, size)
    patch = np.random.default_rng(1).normal(size=(3, *size)).astype("float32")
    model.check(3, (), size)
    np.testing.assert_allclose(model(patch), NET.scores(patch), rtol=1e-3, atol=1e-4)


def test_a_record_of_other_axes_is_refused(tmp_path):
    path = NET.save(tmp_path / "net.onnx")
    model = Model(path, record={"mlm:input": [{"input": {"dim_order": ["batch", "channel"]}}]})
    says = (
        r"^net.onnx: the record says that .* has the axes batch, channel, and it has 4: correct its dim_order"
    )
    with pytest.raises(ValueError, match=says):
        model.check(3, (), (8, 8))


def _cast(path, taken):
    """Write a model of one band that returns what it is given in another dtype."""
    shape = ["n", 1, "h", "w"]
    given = helper.make_tensor_value_info("patch", taken, shape)
    made = helper.make_tensor_value_info("made", TensorProto.FLOAT, shape)
    node = helper.make_node("Cast", ["patch"], ["made"], to=TensorProto.FLOAT)
    graph = helper.make_graph([node], "cast", [given], [made])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize(
    ("taken", "values", "says"),
    [
        (TensorProto.UINT8, [0, 300], "takes uint8, and is given values from 0 to 300: scale them"),
        (TensorProto.UINT8, [-1, 3], "values from -1 to 3"),
        (TensorProto.UINT8, [0, 255.6], "values from 0 to 256"),
        (TensorProto.INT16, [-32769, 0], "takes int16"),
        (TensorProto.INT64, [0, 2.0**63], "takes int64"),
        (TensorProto.FLOAT16, [0, 70000], "takes float16, and is given values from 0 to 70000"),
    ],
)
def test_what_an_input_has_no_room_for_is_refused(tmp_path, taken, values, says):
    model = Model(_cast(tmp_path / "net.onnx", taken))
    with pytest.raises(OperatorError, match=says):
        model(np.array([[values]], "float64"))


def test_integers_are_the_nearest(tmp_path):
    model = Model(_cast(tmp_path / "net.onnx", TensorProto.UINT8), scale=0.1)
    assert model(np.array([[[0, 6, 19, 2550]]], "uint16")).tolist() == [[[0, 1, 2, 255]]]


def test_a_fixed_batch_is_filled_up(tmp_path):
    model = Model(NET.save(tmp_path / "net.onnx", batch=2))
    assert model.fixed_batch == 2
    five = np.stack([PATCH + n for n in range(5)])
    made = model(five)
    assert made.shape == (5, 3, 12, 16)
    np.testing.assert_allclose(made[4], NET.scores(five[4]), rtol=1e-3, atol=1e-3)


def test_a_fixed_size_is_refused_before_it_runs(tmp_path):
    model = Model(NET.save(tmp_path / "net.onnx", size=(32, 32)))
    with pytest.raises(ValueError, match="patches of 64x32 pixels: the model takes 32x32 only"):
        model.check(3, (), (64, 32))
    with pytest.raises(ValueError, match="patches of 12x16 pixels"):
        model(PATCH)


def test_a_network_without_padding_says_which_margin_it_needs(tmp_path):
    path = NET.save(tmp_path / "net.onnx", pad=0)
    with pytest.raises(OperatorError, match="loses 2 pixels at each edge, and margin is 0: give it margin=2"):
        Model(path)(PATCH)
    model = Model(path, margin=2)
    np.testing.assert_allclose(model(PATCH), NET.scores(PATCH)[:, 2:-2, 2:-2], rtol=1e-3, atol=1e-4)
    assert model.border == 2


def test_parts_are_chosen_by_name_or_number(tmp_path):
    path = NET.save(tmp_path / "net.onnx", twice=True)
    with pytest.raises(ValueError, match=r"returns 2 parts \(scores, negative\): choose the one"):
        Model(path).check(3, (), (12, 16))
    scores, negative = Model(path, parts="scores")(PATCH), Model(path, parts=1)(PATCH)
    np.testing.assert_array_equal(scores, -negative)
    both = Model(path).giving(["negative", "0"])(PATCH)
    np.testing.assert_array_equal(both, np.concatenate([negative, scores]))
    with pytest.raises(ValueError, match="returns no part 'height', but scores, negative"):
        Model(path, parts="height").check(3, (), (12, 16))


def test_labels_are_votes_for_classes(tmp_path):
    model = Model(NET.save(tmp_path / "net.onnx", labels=True), classes=["a", "b", "c"])
    np.testing.assert_array_equal(model(PATCH).argmax(axis=0), NET.scores(PATCH).argmax(axis=0))
    assert model.n_outputs == 3


def test_a_record_inside_the_file_is_used(tmp_path):
    notes = {"geopatcher:activation": "softmax", "geopatcher:multiple": json.dumps(4)}
    model = Model(NET.save(tmp_path / "net.onnx", notes=notes))
    assert model.multiple == 4
    np.testing.assert_allclose(model(PATCH), softmax(NET.scores(PATCH)), atol=1e-4)


def test_what_cannot_be_loaded_is_named(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(OperatorError, match="net.onnx cannot be loaded by onnxruntime"):
        Model(path).check(3, (), (8, 8))


def test_a_model_of_two_inputs_is_refused_for_one_raster(tmp_path):
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 4, 4]) for name in "abc"]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["c"])], "add", ports[:2], ports[2:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, tmp_path / "add.onnx")
    model = Model(tmp_path / "add.onnx")
    with pytest.raises(
        ValueError, match="the model takes several rasters, a, b: give them by name, in a dict"
    ):
        model.check(3, (), (4, 4))
    with pytest.raises(ValueError, match="several rasters, a, b"):
        model(PATCH)


def test_precision_and_device_that_are_not_there_are_refused(tmp_path):
    path = NET.save(tmp_path / "net.onnx")
    with pytest.raises(ValueError, match="an ONNX model computes in the precision it was exported with"):
        Model(path, precision="bf16")(PATCH)
    with pytest.raises(ValueError, match="device='gpu': choose one of auto, cpu, cuda"):
        Model(path, device="gpu")
