from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from click.testing import CliRunner

from geopatcher.cli import main
from geotiffs import write_geotiff
from networks import ConvNet

SHAPE = (4, 150, 170)


@pytest.fixture
def scene(tmp_path):
    """Four bands of uint16 with a corner of nodata; returns its path and pixels."""
    pixels = np.random.default_rng(3).integers(1, 4000, SHAPE).astype("uint16")
    pixels[:, :30, :40] = 0
    place = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
    return write_geotiff(tmp_path / "scene.tif", pixels, nodata=0, **place), pixels


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_plan_is_printed_without_reading(scene, monkeypatch):
    path, _ = scene

    def refuse(*_):
        raise AssertionError("a pixel was read")

    monkeypatch.setattr("geopatcher.fields.rasterio_source.RasterioSource.read", refuse)
    result = run("plan", path, "--size", 64, "--memory-limit", "512MiB")
    assert result.exit_code == 0
    assert "20 of 64x64, overlap 50%" in result.output
    assert "memory_limit is 512.0 MiB" in result.output
    assert "at the peak of the whole process" in result.output
    assert "all of it in memory" not in result.output, "a run of the command has a target on disk"
    assert "assembly" not in result.output
    assert "assembly" in run("plan", path, "x.tif", "--size", 64).output
    workers = run("plan", path, "--size", 64, "--chunks", 64, "--workers", 2).output
    assert "at the peak of this process and 2 workers" in workers
    assert workers.splitlines()[-1].startswith("tasks      ")


def test_a_plan_knows_the_bands_of_an_expression(scene):
    path, _ = scene
    disk = {
        name: run("plan", path, *arguments).output.splitlines()[-1]
        for name, arguments in {
            "all": (),
            "expr": ("--expr", "b4 - b3"),
            "two": ("--bands", "1,2"),
            "out": ("--out-bands", 1),
        }.items()
    }
    one = 150 * 170 * 4 / 1024
    assert disk["all"] == f"disk       {4 * one:.1f} KiB before compression"
    assert disk["expr"] == disk["out"] == f"disk       {one:.1f} KiB before compression"
    assert disk["two"] == f"disk       {2 * one:.1f} KiB before compression"


def test_a_plan_of_a_model_knows_its_margin_and_bands(scene, tmp_path):
    path, _ = scene
    net = ConvNet.random(bands=2).save(tmp_path / "net.onnx", notes={"geopatcher:margin": "6"})
    result = run("plan", path, "--model", net, "--bands", "1,4", "--size", 64)
    assert result.exit_code == 0, result.output
    assert "margin 6" in result.output
    result = run("plan", path, "--model", net, "--size", 64)
    assert result.exit_code != 0
    assert "the model takes 2 band(s), and is given 4" in " ".join(result.output.split())
    assert "either --expr or --model" in run("plan", path, "--model", net, "--expr", "b1").output
