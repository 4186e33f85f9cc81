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


def save_unet(path, bands=2, classes=3, levels=2, seed=0):
    """Write a U-Net: convolutions of 3 x 3, maxima of 2 x 2, and the way up again beside what was kept.

    Its height and width are multiples of ``2 ** levels``.
    """
    rng, nodes, weights = np.random.default_rng(seed), [], []

    def convolve(given, into, n_in, n_out):
        kernel = rng.normal(size=(n_out, n_in, 3, 3), scale=(2 / (9 * n_in)) ** 0.5).astype("float32")
        weights.append(numpy_helper.from_array(kernel, f"{into} kernel"))
        nodes.append(helper.make_node("Conv", [given, f"{into} kernel"], [into], pads=[1] * 4))

    def bent(given, into, n_in, n_out):
        convolve(given, f"{into} sums", n_in, n_out)
        nodes.append(helper.make_node("Relu", [f"{into} sums"], [into]))

    weights.append(numpy_helper.from_array(np.float32([1, 1, 2, 2]), "twice"))
    here, n_here, kept = "patch", bands, []
    for level in range(levels):
        bent(here, f"kept {level}", n_here, 4)
        nodes.append(
            helper.make_node(
                "MaxPool", [f"kept {level}"], [f"pool {level}"], kernel_shape=[2, 2], strides=[2, 2]
            )
        )
        here, n_here = f"pool {level}", 4
        kept.append(f"kept {level}")
    bent(here, "bottom", 4, 4)
    here = "bottom"
    for level in reversed(range(levels)):
        nodes.append(helper.make_node("Resize", [here, "", "twice"], [f"up {level}"], mode="nearest"))
        nodes.append(helper.make_node("Concat", [f"up {level}", kept[level]], [f"both {level}"], axis=1))
        bent(f"both {level}", f"joined {level}", 8, 4)
        here = f"joined {level}"
    convolve(here, "scores", 4, classes)
    graph = helper.make_graph(
        nodes,
        "unet",
        [helper.make_tensor_value_info("patch", TensorProto.FLOAT, ["n", bands, "h", "w"])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", classes, "oh", "ow"])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


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


#: Side of the cells that `save_detector` looks at, in pixels.
CELL = 8


def save_detector(path, size, *, layout="rows", batch="n", names=None):
    """Write a detector: a box for each cell of 8 x 8 pixels, whose score is the largest value in it.

    Its class is 0 in the layout of rows, in which class 1 has half of that score, and 1 else.
    """
    n_cells = size // CELL
    row, col = np.divmod(np.arange(n_cells**2), n_cells)
    low = np.stack([col, row]) * CELL
    rows = layout == "rows"
    place = np.concatenate([low + CELL / 2, np.full_like(low, CELL)] if rows else [low, low + CELL])
    constants = {
        "shape": np.array([0, 1, -1], "int64"),
        "place": place[np.newaxis].astype("float32"),
        "none": np.zeros(1, "float32"),
        "other": np.full(1, 0.5 if rows else 1, "float32"),
    }
    other = ("Mul", "score") if rows else ("Add", "zero")
    nodes = [
        helper.make_node("MaxPool", ["patch"], ["largest"], kernel_shape=[CELL] * 2, strides=[CELL] * 2),
        helper.make_node("Reshape", ["largest", "shape"], ["score"]),
        helper.make_node("Mul", ["score", "none"], ["zero"]),
        helper.make_node("Add", ["zero", "place"], ["boxes"]),
        helper.make_node(other[0], [other[1], "other"], ["last"]),
        helper.make_node("Concat", ["boxes", "score", "last"], ["table"], axis=1),
    ]
    shape = [batch, 6, n_cells**2]
    if not rows:
        nodes.append(helper.make_node("Transpose", ["table"], ["found"], perm=[0, 2, 1]))
        shape = [batch, n_cells**2, 6]
    result = "table" if rows else "found"
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("patch", TensorProto.FLOAT, [batch, 1, size, size])],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {} if names is None else {"names": str(names)})
    onnx.save(model, path)
    return path
