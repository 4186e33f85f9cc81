"""``geopatcher view``, ``report`` and ``tune`` as a shell user meets them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

from geopatcher.cli import main


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "scene.tif"
    profile = {"driver": "GTiff", "height": 120, "width": 130, "count": 2, "dtype": "float32"}
    with rasterio.open(path, "w", crs="EPSG:32610", **profile) as dataset:
        dataset.write(np.random.default_rng(0).random((2, 120, 130), dtype="float32"))
    return path


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_report_says_where_it_is(scene):
    done = run("report", scene, "--size", 32)
    assert done.exit_code == 0, done.output
    assert done.output.strip() == f"{scene}.report.html"
    assert "Seams are" in (scene.parent / "scene.tif.report.html").read_text(encoding="utf-8")


def test_report_of_nothing_is_one_line(tmp_path):
    done = run("report", tmp_path / "nowhere.zarr")
    assert done.exit_code == 1
    assert done.output.startswith("Error: there is no result ")
    assert done.output.count("\n") == 1


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


def test_view_names_a_port_that_cannot_be(scene):
    assert run("view", scene, "--port", 70_000).exit_code == 2
    done = run("view", scene, "--step", 8)
    assert done.exit_code == 1
    assert "only together with a size" in done.output


def test_view_serves_until_it_is_interrupted(scene):
    command = [sys.executable, "-m", "geopatcher", "view", str(scene), "--input", str(scene), "--size", "32"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().split()[0]
            with urllib.request.urlopen(f"{url}session", timeout=20) as answer:  # noqa: S310 - our own
                session = json.load(answer)
            assert [layer["name"] for layer in session["layers"]] == ["result", "input"]
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()
