"""``geopatcher detect``."""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
from click.testing import CliRunner

from geopatcher.cli import main
from geotiffs import write_geotiff
from networks import CELL, save_detector
from objects import scene


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    ended = CliRunner().invoke(main, ["detect", *map(str, arguments), "--no-progress"])
    return ended.exit_code, ended.output


def test_a_network_is_run(folder):
    raster = np.where(np.random.default_rng(3).random((1, 64, 96)) > 0.995, 255, 0).astype("uint8")
    write_geotiff("scene.tif", raster)
    save_detector("net.onnx", 32, names={0: "bright", 1: "other"})
    given = ["scene.tif", "o.gpkg", "--model", "net.onnx", "--scale", 1 / 255, "--size", 32, "--step", 16]
    code, said = run(*given)
    n = np.count_nonzero(raster[0].reshape(8, CELL, 12, CELL).max(axis=(1, 3)))
    assert code == 0, said
    assert f"objects    {n} of " in said
    assert f"(bright {n})" in said
    table = geopandas.read_file("o.gpkg")
    assert (len(table), set(table["name"])) == (n, {"bright"})
    code, said = run(*given)
    assert (code, "o.gpkg exists" in said) == (1, True)
    assert run(*given, "--overwrite")[0] == 0


def test_a_function_is_called_and_a_region_is_searched(folder):
    raster = scene(5, 80, 80, 20, 6)
    write_geotiff("scene.tif", np.concatenate([raster * 0, raster]))
    (folder / "finder.py").write_text(
        "import numpy as np\n"
        "def find(patches):\n"
        "    return [[[10, 10, 14, 14, 0.9, 0]] if patch.any() else [] for patch in patches]\n"
    )
    given = ["scene.tif", "o.fgb", "--detector", "finder:find", "--bands", "2", "--batch-size", 2]
    code, said = run(*given, "--size", 40, "--merge", "center", "--classes", "ship,buoy", "--score", 0.5)
    assert code == 0, said
    assert "(ship " in said
    assert set(geopandas.read_file("o.fgb")["name"]) == {"ship"}


REFUSED = [
    (["scene.tif"], "give SOURCE and OUT"),
    (["scene.tif", "o.gpkg"], "either --model FILE or --detector"),
    (["scene.tif", "o.gpkg", "--model", "a.onnx", "--detector", "a:b"], "either --model FILE or --detector"),
    (["scene.tif", "o.gpkg", "--detector", "math:sqrt", "--scale", 2], "are for a --model"),
    (["scene.tif", "o.gpkg", "--detector", "math:sqrt", "--crop"], "--crop is for rasters"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_what_makes_no_sense_is_refused(folder, given, message):
    write_geotiff("scene.tif", scene(5, 32, 32, 3, 6))
    code, said = run(*given)
    assert code == 2
    assert message in said
