"""``geopatcher run`` and ``geopatcher plan``, as a user types them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import zarr
from affine import Affine
from click.testing import CliRunner

from geopatcher.cli import main
from geotiffs import write_geotiff

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


def ndvi(pixels):
    red, infrared = pixels[2].astype("float64"), pixels[3].astype("float64")
    with np.errstate(invalid="ignore"):
        return np.where(pixels[2] == 0, np.nan, (infrared - red) / (infrared + red))


@pytest.mark.parametrize("ending", ["tif", "zarr"])
def test_an_expression_to_disk(scene, tmp_path, ending):
    path, pixels = scene
    target = tmp_path / f"ndvi.{ending}"
    result = run("run", path, target, "--expr", "(b4-b3)/(b4+b3)", "--size", 64)
    assert result.exit_code == 0, result.output
    if ending == "tif":
        with rasterio.open(target) as written:
            found = written.read(1)
            assert written.crs.to_epsg() == 32633
            assert written.transform == Affine(10, 0, 500_000, 0, -10, 5_000_000)
            assert np.isnan(written.nodata)
    else:
        found = zarr.open_group(target, mode="r")["data"][0]
    np.testing.assert_allclose(found, ndvi(pixels), rtol=1e-6, atol=1e-6)


def test_the_summary_says_what_was_done(scene, tmp_path):
    path, _ = scene
    target = tmp_path / "out.zarr"
    lines = run("run", path, target, "--expr", "b4 - b3", "--size", 64, "--step", 32).output.splitlines()
    summary = {line.split()[0]: line for line in lines}
    assert "25,500 (150 x 170), 1 x float32" in summary["pixels"]
    assert "20, overlap 50%" in summary["patches"]  # 4 rows of 5 patches
    for stage in ("read", "operate", "accumulate", "finalise", "write"):
        assert stage in summary["seconds"]
    assert "peak" in summary["memory"]
    assert str(target) in summary["result"]


def test_an_operator_of_the_working_directory(scene, tmp_path, monkeypatch):
    path, pixels = scene
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("ops_of_run.py").write_text("def half(patch):\n    return patch // 2\n")
    arguments = ("--operator", "ops_of_run:half", "--bands", "4,1", "--size", "64x32", "--step", "16x32")
    result = run(
        "run", path, "out.tif", *arguments, "--dtype", "int32", "--nodata", "-1", "--window", "boxcar"
    )
    assert result.exit_code == 0, result.output
    with rasterio.open("out.tif") as written:
        assert written.nodata == -1
        found = written.read()
    chosen = pixels[[3, 0]].astype("int32")
    expected = np.where(chosen == 0, -1, chosen // 2)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.int32


def test_a_condition_keeps_nodata_apart_from_false(scene, tmp_path):
    path, pixels = scene
    target = tmp_path / "mask.tif"
    assert run("run", path, target, "--expr", "b1 > 2000", "--size", 64, "--step", 64).exit_code == 0
    with rasterio.open(target) as written:
        assert (written.dtypes, written.nodata) == (("uint8",), 255)
        found = written.read(1)
    np.testing.assert_array_equal(found, np.where(pixels[0] == 0, 255, pixels[0] > 2000))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nothing.tif", "out.tif", "--expr", "b1"], 1, "there is no file nothing.tif"),
        (["SCENE", "out.tif", "--expr", "b9"], 2, "has bands 1 to 4; asked for [9]"),
        (["SCENE", "out.tif", "--expr", "b1 +* 2"], 2, "position 5"),
        (["SCENE", "out.png", "--expr", "b1"], 2, "must end in .zarr or .tif"),
        (["SCENE", "gone/out.tif", "--expr", "b1"], 1, "gone does not exist"),
        (["SCENE", "out.tif", "--expr", "b1", "--size", "32", "--step", "40"], 1, "are left out"),
        (["SCENE", "out.tif", "--expr", "b1", "--memory-limit", "1MB"], 1, "memory_limit is"),
        (["SCENE", "out.tif", "--expr", "b1", "--memory-limit", "much"], 2, "'much' is not a size in bytes"),
        (["SCENE", "out.tif", "--expr", "b1", "--window", "han"], 2, "Did you mean 'hann'"),
        (["SCENE", "out.tif", "--expr", "b1", "--aggregation", "best"], 2, "'best' is none of"),
        (["SCENE", "out.zarr", "--expr", "b1", "--codec", "rar"], 2, "codec 'rar' is none of"),
        (["SCENE", "out.tif", "--expr", "b1", "--codec", "zstd-9"], 2, "--codec is for a .zarr target, not"),
        (["SCENE", "out.tif", "--expr", "b1", "--shards", "1024"], 2, "--shards is for a .zarr target, not"),
        (["SCENE", "out.tif", "--expr", "b1", "--checksum"], 2, "--checksum is for a .zarr target, not"),
        (["SCENE", "out.tif", "--operator", "numpy:nothing"], 2, "module numpy has"),
        (["SCENE", "out.tif", "--operator", "numpy:ravel"], 1, "ravel returned an array of shape"),
        (["SCENE", "out.tif"], 2, "either --operator module:function, --expr TEXT or --model FILE"),
        (["SCENE", "out.tif", "--expr", "b1", "--size", "wide"], 2, "'wide' is neither pixels"),
    ],
)
def test_mistakes_get_a_line_and_leave_nothing_behind(scene, monkeypatch, arguments, code, message):
    path, _ = scene
    monkeypatch.chdir(path.parent)
    result = run("run", *(path if argument == "SCENE" else argument for argument in arguments))
    assert result.exit_code == code, result.output
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output
    if code == 1:
        assert len(result.output.splitlines()) == 1
        assert result.output.startswith("Error: ")
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["scene.tif"]


def test_a_target_that_exists_is_kept_unless_told(scene, tmp_path):
    path, _ = scene
    target = tmp_path / "out.tif"
    target.write_text("precious")
    refused = run("run", path, target, "--expr", "b1", "--size", 64)
    assert refused.exit_code == 1
    assert "--overwrite" in refused.output
    assert target.read_text() == "precious"
    assert run("run", path, target, "--expr", "b1", "--size", 64, "--overwrite").exit_code == 0
    with rasterio.open(target) as written:
        assert written.count == 1


def test_gaps_are_left_when_allowed(scene, tmp_path):
    path, _ = scene
    target = tmp_path / "out.tif"
    arguments = ("--size", 32, "--step", 64, "--allow-gaps", "--expr", "b1 * 1")
    assert run("run", path, target, *arguments).exit_code == 0
    with rasterio.open(target) as written:
        found = written.read(1)
    assert np.isnan(found[40:60, 40:60]).all()
    assert np.isfinite(found[70:90, 70:90]).all()


def test_a_real_process_is_quiet_when_nobody_looks_and_errors_go_to_stderr(scene, tmp_path):
    path, _ = scene
    command = [sys.executable, "-m", "geopatcher", "run", str(path), str(tmp_path / "out.tif"), "--expr"]
    first = subprocess.run([*command, "b1 / b2"], capture_output=True, text=True, check=False)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("pixels")
    command[4] = "gone.tif"
    second = subprocess.run([*command, "b1"], capture_output=True, text=True, check=False)
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr.startswith("Error: ")
    assert second.stderr.count("\n") == 1


STOPS = """
import os
import signal

def on(number, who):
    calls = []
    def operator(patch):
        calls.append(1)
        if len(calls) == 29 and not os.path.exists("done"):
            open("done", "w").close()
            os.kill(who(), number)
        return patch
    return operator

interrupted = on(signal.SIGINT, os.getpid)
terminated = on(signal.SIGTERM, os.getpid)
parent_interrupted = on(signal.SIGINT, os.getppid)
"""


@pytest.mark.parametrize(
    ("operator", "workers", "said", "code"),
    [
        ("interrupted", "1", "Error: stopped by SIGINT; 1 finished rows of blocks are kept in ", 130),
        ("terminated", "1", "Error: stopped by SIGTERM; 1 finished rows of blocks are kept in ", 143),
        ("parent_interrupted", "2", "Error: stopped by SIGINT; ", 130),
    ],
)
def test_a_signal_is_a_line_and_the_code_of_the_shell(scene, tmp_path, operator, workers, said, code):
    (tmp_path / "stops.py").write_text(STOPS)
    arguments = ("--operator", f"stops:{operator}", "--size", "32", "--step", "16", "--chunks", "32")
    done = subprocess.run(
        [sys.executable, "-m", "geopatcher", "run", scene[0], "x.zarr", *arguments, "--workers", workers],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_a_run_that_is_watched_says_where_the_page_is(scene, tmp_path):
    path, _ = scene
    result = run("run", path, tmp_path / "a.zarr", "--expr", "b1", "--size", 64, "--watch")
    assert result.exit_code == 0, result.output
    assert "  follows the run" in result.output
    assert "http://127.0.0.1:" in result.output
    log = tmp_path / "own.jsonl"
    again = run("run", path, tmp_path / "b.zarr", "--expr", "b1", "--size", 64, "--watch", "--log-json", log)
    assert again.exit_code == 0, again.output
    assert log.read_text().count('"event": "end"') == 1
