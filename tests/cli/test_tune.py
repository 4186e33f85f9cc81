from __future__ import annotations

import json

import click
import numpy as np
import pytest
from click.testing import CliRunner

from geopatcher.cli import main
from geopatcher.cli.tune import read_sizes, tune
from geotiffs import write_geotiff
from networks import ConvNet


@pytest.fixture
def scene(tmp_path):
    image = np.random.default_rng(0).random((2, 120, 130), dtype="float32")
    return write_geotiff(tmp_path / "scene.tif", image)


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_tune_prints_a_table_and_saves_a_picture(scene, tmp_path):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "tune.png"
    done = run(
        "tune", scene, "--expr", "b1 * 2", "--size", 32, "--steps", "32,16", "--samples", 1, "--save", picture
    )
    assert done.exit_code == 0, done.output
    assert "recommended: hann, step 32: the cheapest whose seams are not visible" in done.output
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_tune_asks_for_an_operator_and_names_a_wrong_step(scene):
    assert "give what to run" in run("tune", scene).output
    done = run("tune", scene, "--expr", "b1", "--steps", "32,x")
    assert done.exit_code == 2
    assert "'x' is neither pixels" in done.output


def test_the_margin_of_a_model_is_measured(scene, tmp_path):
    net = ConvNet.random(bands=2).save(tmp_path / "net.onnx")
    done = run("tune", scene, "--model", net, "--size", 24, "--samples", 1)
    assert done.exit_code == 0, done.output
    assert "net.onnx, shown 48 x 48 pixels, 1 samples" in done.output
    assert "recommended: margin 2: the smallest" in done.output
    refused = run("tune", scene, "--model", net, "--save", "x.png")
    assert refused.exit_code == 2
    assert "--save is for --measure overlap" in refused.output


def test_the_overlap_of_a_model_and_the_margin_of_an_expression(scene, tmp_path):
    net = ConvNet.random(bands=2).save(tmp_path / "net.onnx")
    options = ["--size", 32, "--samples", 1, "--steps", "32,16", "--windows", "boxcar"]
    seen = []
    for margin in (0, 2):
        done = run("tune", scene, "--model", net, "--measure", "overlap", "--margin", margin, *options)
        assert done.exit_code == 0, done.output
        seen.append(done.output.splitlines()[-1])
    assert seen[1] == "recommended: boxcar, step 32: the cheapest whose seams are not visible"
    assert seen[0] != seen[1]
    done = run("tune", scene, "--expr", "b1 + b2", "--measure", "margin", "--size", 16)
    assert "recommended: margin 0" in done.output


def test_sizes_are_read_one_by_one():
    context, option = click.Context(tune), tune.params[-1]
    assert read_sizes(context, option, "256,128,64x128") == [256, 128, (64, 128)]
    assert read_sizes(context, option, None) is None


def test_several_rasters_and_scenes(scene, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.py").write_text("def both(x): return x['a'][:1] * 2.0 + x['b'][:1]\n")
    how = ["--size", 16, "--samples", 1, "--steps", "16,8", "--json"]
    done = run("tune", f"a={scene}", f"b={scene}", "--operator", "tiny.py:both", *how)
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["recommended"]["step"] == [16, 16]
    margin = run(
        "tune", f"a={scene}", f"b={scene}", "--operator", "tiny.py:both", "--measure", "margin", "--size", 8
    )
    assert "recommended: margin 0" in margin.output
    assert run("tune", scene, scene, "--expr", "b1", "--to-crs", "EPSG:32632", *how).exit_code == 0
    refused = run("tune", f"a={scene}", f"b={scene}", "--expr", "b1", *how)
    assert "--expr is for one raster, and there are a, b" in refused.output
