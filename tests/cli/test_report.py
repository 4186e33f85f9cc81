from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from geopatcher.cli import main
from geotiffs import write_geotiff


@pytest.fixture
def scene(tmp_path):
    image = np.random.default_rng(0).random((2, 120, 130), dtype="float32")
    return write_geotiff(tmp_path / "scene.tif", image)


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
