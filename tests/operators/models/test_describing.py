"""Models, for people."""

from __future__ import annotations

from geopatcher import Model
from geopatcher.operators.models.describing import describe_model
from networks import ConvNet


def test_all_that_is_told_is_said(tmp_path):
    path = ConvNet.random().save(tmp_path / "net.onnx", batch=2, size=(64, 32), twice=True)
    told = {"activation": "softmax", "classes": ["land", "water", "cloud"], "margin": 3, "multiple": 8}
    told["parts"] = "scores"
    model = Model(path, bands=["B02", "B03", "B04"], mean=[1, 2, 3], std=2, scale=0.5, **told)
    text = str(describe_model(model, path))
    for line in (
        "bands      B02, B03, B04",
        "scaling    scale (value 2); then z-score (mean 1 stddev 2, mean 2 stddev 2, mean 3 stddev 2)",
        "classes    0 land, 1 water, 2 cloud",
        "activation softmax",
        "patches    64 x 32, 2 at once",
        "margin     3 pixels",
        "parts      scores, negative",
        "part       scores is the result",
        "record     none beside it",
    ):
        assert line in text.splitlines()
    assert "not told" not in text


def test_of_several_parts_one_must_be_chosen(tmp_path):
    path = ConvNet.random().save(tmp_path / "net.onnx", twice=True)
    text = str(describe_model(Model(path), path))
    assert "part       none is the result" in text.splitlines()
    assert "not told   bands, scaling, classes, part, activation, margin" in text
