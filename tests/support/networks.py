"""Small networks in ONNX, and what they compute in NumPy and SciPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from scipy.ndimage import correlate


@dataclass(frozen=True)
class ConvNet:
    """Two convolutions of 3 x 3 with a ReLU between them, from ``bands`` to ``classes``."""

    first: np.ndarray  # (hidden, bands, 3, 3)
    second: np.ndarray  # (classes, hidden, 3, 3)
    bias: np.ndarray  # (hidden,)

    @classmethod
    def random(cls, bands=3, classes=3, hidden=4, seed=0):
        rng = np.random.default_rng(seed)
        return cls(
            rng.normal(size=(hidden, bands, 3, 3)).astype("float32"),
            rng.normal(size=(classes, hidden, 3, 3)).astype("float32"),
            rng.normal(size=hidden).astype("float32"),
        )

    def save(
        self, path, *, batch="n", size=("h", "w"), pad=1, notes=None, axes="nchw", twice=False, labels=False
    ):
        """Write it; ``twice`` returns a second part, ``labels`` the class in the place of scores."""
        bands, classes = self.first.shape[1], self.second.shape[0]
        shapes = {"nchw": [batch, bands, *size], "nhwc": [batch, *size, bands]}
        made = {"nchw": [batch, classes, *size], "nhwc": [batch, *size, classes]}
        if pad == 0:
            made = {"nchw": [batch, classes, "oh", "ow"]}
        pads, nodes = {"pads": [pad] * 4}, []
        given, result = "patch", "scores"
        if axes == "nhwc":
            nodes.append(helper.make_node("Transpose", ["patch"], ["given"], perm=[0, 3, 1, 2]))
            given, result = "given", "planes"
        nodes += [
            helper.make_node("Conv", [given, "w1", "b1"], ["hidden"], **pads),
            helper.make_node("Relu", ["hidden"], ["bent"]),
            helper.make_node("Conv", ["bent", "w2"], [result], **pads),
        ]
        if axes == "nhwc":
            nodes.append(helper.make_node("Transpose", [result], ["scores"], perm=[0, 2, 3, 1]))
        outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, made[axes])]
        if twice:
            nodes.append(helper.make_node("Neg", ["scores"], ["negative"]))
            outputs.append(helper.make_tensor_value_info("negative", TensorProto.FLOAT, made[axes]))
        if labels:
            nodes.append(helper.make_node("ArgMax", ["scores"], ["label"], axis=1))
            shape = [batch, 1, *size]
            outputs = [helper.make_tensor_value_info("label", TensorProto.INT64, shape)]
        weights = [("w1", self.first), ("b1", self.bias), ("w2", self.second)]
        graph = helper.make_graph(
            nodes,
            "convnet",
            [helper.make_tensor_value_info("patch", TensorProto.FLOAT, shapes[axes])],
            outputs,
            [numpy_helper.from_array(array, name) for name, array in weights],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, notes or {})
        onnx.save(model, path)
        return path

    def scores(self, patch):
        """Return what it computes of ``(bands, h, w)``, with zeros beyond the edges."""
        hidden = np.maximum(_convolved(patch, self.first) + self.bias[:, None, None], 0)
        return _convolved(hidden, self.second)


def _convolved(planes, kernels):
    return np.stack(
        [
            sum(
                correlate(plane.astype("float64"), one, mode="constant")
                for plane, one in zip(planes, kernel, strict=True)
            )
            for kernel in kernels
        ]
    )


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=0))
    return powers / powers.sum(axis=0)
