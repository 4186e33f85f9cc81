"""``geopatcher model``."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

from geopatcher import Model
from geopatcher.cli import main
from networks import ConvNet


@pytest.fixture
def net(tmp_path):
    return ConvNet.random().save(tmp_path / "net.onnx", notes={"geopatcher:multiple": "8"})


def call(*arguments):
    return CliRunner().invoke(main, ["model", *map(str, arguments)])


def test_it_says_what_is_known_and_what_is_not(net):
    out = call(net)
    assert out.exit_code == 0
    assert "bands      3, as they come" in out.output
    assert "patches    multiples of 8, any number at once" in out.output
    assert "not told   bands, scaling, classes, activation, margin" in out.output
    assert "measured by: geopatcher tune SCENE --model FILE" in out.output


def test_the_record_it_writes_is_read(net):
    assert call(net, "--write").exit_code == 0
    written = net.with_name("net.mlm.json")
    assert json.loads(written.read_text())["geopatcher:multiple"] == 8
    assert Model(net).multiple == 8
    assert str(written) in call(net).output
    refused = call(net, "--write")
    assert refused.exit_code == 1
    assert "--overwrite writes over it" in refused.output
    written.write_text(written.read_text().replace('"geopatcher:margin": 0', '"geopatcher:margin": 4'))
    assert call(net, "--write", "--overwrite").exit_code == 0
    assert Model(net).margin == 4


def test_of_a_model_of_several_parts_the_record_says_which_is_the_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ConvNet.random().save(tmp_path / "two.onnx", twice=True)
    out = call("two.onnx", "--write").output
    assert "parts      scores, negative" in out
    assert "part       none is the result" in out
    record = json.loads((tmp_path / "two.mlm.json").read_text())
    assert record["geopatcher:part"] is None
    image = np.random.default_rng(0).normal(size=(3, 40, 48)).astype("float32")
    with rasterio.open(
        "scene.tif",
        "w",
        driver="GTiff",
        count=3,
        height=40,
        width=48,
        dtype="float32",
        transform=rasterio.Affine(10, 0, 0, 0, -10, 0),
    ) as dataset:
        dataset.write(image)

    def run(target, outputs):
        arguments = ["run", "scene.tif", target, "--model", "two.onnx", "--size", "32", "--no-progress"]
        return CliRunner().invoke(main, [*arguments, "--outputs", outputs])

    refused = run("map.tif", "class,negative")
    assert refused.exit_code != 0
    assert "choose the one that is the result with parts=" in refused.output
    assert run("parts.tif", "scores,negative").exit_code == 0
    told = {"geopatcher:part": "scores", "geopatcher:activation": "softmax", "mlm:output": []}
    (tmp_path / "two.mlm.json").write_text(json.dumps(record | told))
    assert run("map.tif", "class,raw,negative").exit_code == 0
    with rasterio.open("map.raw.tif") as raw, rasterio.open("map.negative.tif") as negative:
        np.testing.assert_array_equal(raw.read(), -negative.read())
    with rasterio.open("map.tif") as classes, rasterio.open("parts.tif") as scores:
        assert classes.dtypes == ("uint8",)
        assert (classes.read(1) == scores.read().argmax(axis=0)).mean() > 0.95


def test_json_is_the_record(net):
    properties = json.loads(call(net, "--json").output)
    assert properties["mlm:input"][0]["input"]["shape"] == [-1, 3, -1, -1]


def test_what_is_wrong_is_one_line(tmp_path, net):
    assert "there is no file of a model" in call(tmp_path / "away.onnx").output
    assert "--overwrite is for --write" in call(net, "--overwrite").output
