"""What is printed for people and for programs, and how loudly, as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner

from geopatcher.cli import main
from geopatcher.cli.output import plain

SCRIPT = """
def some(patch, limit=0.5, *, text=""):
    assert isinstance(limit, (int, float)) and isinstance(text, str)
    if patch[0, 0, 0] > limit:
        raise ValueError("too bright " + text)
    return patch[:1]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    pixels = np.random.default_rng(3).random((3, 150, 170), dtype="float32")
    profile = {"driver": "GTiff", "count": 3, "height": 150, "width": 170, "dtype": "float32"}
    transform = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    with rasterio.open("scene.tif", "w", crs="EPSG:32633", transform=transform, **profile) as out:
        out.write(pixels)
        out.descriptions = ("red", "near infrared", "B8A")
    (tmp_path / "script.py").write_text(SCRIPT)
    return pixels


def run(*arguments, env=None):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], env=env)


def of_json(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# ---------------------------------------------------------------- JSON


def test_info_for_programs(folder):
    told = of_json(run("info", "scene.tif", "--json"))
    assert (told["height"], told["width"], told["dtype"]) == (150, 170, "float32")
    assert told["bands"] == ["red", "near infrared", "B8A"]
    assert told["transform"][:3] == [10.0, 0.0, 500_000.0]
    assert told["nodata"] is None


def test_a_run_its_plan_and_its_report_for_programs(folder):
    asked = ("scene.tif", "out.zarr", "--expr", "B8A - red", "--size", 64)
    planned = of_json(run("run", *asked, "--dry-run", "--json"))
    assert not os.path.exists("out.zarr")  # noqa: PTH110
    assert planned["size"] == [64, 64]
    done = of_json(run("run", *asked, "--json"))
    assert done["stats"]["patches"] == planned["patches"]
    assert done["failed"] == []
    assert done["result"].endswith("out.zarr")
    assert of_json(run("plan", "scene.tif", "--expr", "b1", "--size", 64, "--json"))["patches"] > 0
    report = of_json(run("report", "out.zarr", "--json"))
    assert report["report"] == "out.zarr.report.html"
    assert report["seams"][0]["verdict"] in ("not visible", "unsure")
    assert report["seams"][0]["both"]["input"] == pytest.approx(1, abs=0.3)


def test_tune_for_programs(folder):
    asked = ("tune", "scene.tif", "--expr", "b1 + 1", "--size", 64, "--samples", 1, "--json")
    told = of_json(run(*asked))
    assert told["recommended"]["step"] == [64, 64]
    assert len(told["choices"]) == 10
    margin = of_json(run(*asked, "--measure", "margin"))
    assert margin["recommended"] == 0


def test_numbers_that_are_none_are_null():
    assert plain({"a": [float("inf"), 1.5, np.float64(2)], 3: {None}}) == {
        "a": [None, 1.5, 2.0],
        "3": "{None}",
    }


# ---------------------------------------------------------------- bands by name


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("B8A - red", lambda p: p[2] - p[0]),
        ("near_infrared / (red + b3)", lambda p: p[1] / (p[0] + p[2])),
        ("where(red > 0.5, B8A, 0)", lambda p: np.where(p[0] > 0.5, p[2], 0)),
    ],
)
def test_bands_are_named_in_expressions(folder, text, value):
    result = run("run", "scene.tif", "out.tif", "--expr", text, "--size", 64)
    assert result.exit_code == 0, result.output
    with rasterio.open("out.tif") as dataset:
        np.testing.assert_allclose(dataset.read(1), value(folder.astype("float64")), rtol=1e-5)


def test_a_name_that_is_none_is_told_what_is_near(folder):
    result = run("run", "scene.tif", "out.tif", "--expr", "B8B - red")
    assert result.exit_code == 2
    words = " ".join(result.output.split())
    assert "did you mean B8A for B8B?" in words
    assert "; bands are b1 red, b2 near_infrared, b3 B8A" in words


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        (["info", "gone.tif"], 1, "cannot open gone.tif"),
        (["report", "gone.tif"], 1, "there is no result gone.tif"),
        (["plan", "scene.tif", "--size", "wide"], 2, "'wide' is neither pixels"),
        (["run", "scene.tif", "out.tif", "--exp", "b1"], 2, "--expr"),
        (["run", "scene.tif", "out.tif", "--expr", "c1"], 2, "'c1' at position 1"),
        (["tune", "scene.tif", "--expr", "b1", "--windows", "hann,tuky"], 2, "Did you mean 'tukey'?"),
    ],
)
def test_errors_for_programs(folder, asked, code, message):
    result = run(*asked, "--json")
    assert result.exit_code == code
    told = json.loads(result.stdout)
    assert message in told["error"]
    assert told["exit_code"] == code
    assert "Error: " in result.stderr
    assert run(*asked).stdout == ""
    assert json.loads(run(*asked, "--json", "--debug").stdout) == told


def test_a_result_with_failed_patches_is_one_object(folder):
    asked = ("run", "scene.tif", "out.tif", "--operator", "script.py:some", "--size", 64, "--step", 64)
    result = run(*asked, "--on-error", "skip", "--json")
    assert result.exit_code == 3
    assert "too bright" in json.loads(result.stdout)["failed"][0]["error"]
    assert "too bright" in result.stderr


# ---------------------------------------------------------------- operators of files


def test_a_function_of_a_file_with_arguments(folder):
    asked = ("run", "scene.tif", "out.tif", "--operator", "script.py:some", "--size", 64)
    result = run(*asked, "--operator-args", "limit=2", "--operator-args", "text=a=b")
    assert result.exit_code == 0, result.output
    with rasterio.open("out.tif") as dataset:
        np.testing.assert_allclose(dataset.read(1), folder[0], rtol=1e-6)


@pytest.mark.parametrize("given", ["limit", "=2", "2=a"])
def test_what_is_no_argument_is_wrong_usage(folder, given):
    result = run("run", "scene.tif", "o.tif", "--operator", "script.py:some", "--operator-args", given)
    assert result.exit_code == 2
    assert "is not name=value" in result.output


def test_patches_that_fail_are_code_3_with_the_first_reason(folder):
    asked = ("run", "scene.tif", "out.zarr", "--operator", "script.py:some", "--size", 32, "--step", 32)
    result = run(*asked, "--on-error", "skip", "--operator-args", "text=here")
    assert result.exit_code == 3
    assert "patches of 30 failed; the first, at row 0, column " in result.stderr
    assert "ValueError: too bright here" in result.stderr
    assert "result     out.zarr" in result.stdout.replace(os.getcwd() + "/", "")  # noqa: PTH109


# ---------------------------------------------------------------- how loudly


@pytest.mark.parametrize("place", ["before", "after"])
def test_quiet_prints_nothing_and_verbose_what_is_done(folder, place):
    asked = ("run", "scene.tif", "out.tif", "--expr", "b1", "--size", 64, "--overwrite")

    def loudly(flag):
        return run(flag, *asked) if place == "before" else run(*asked, flag)

    quiet = loudly("-q")
    assert (quiet.exit_code, quiet.output) == (0, "")
    assert "b1 over scene.tif: " in loudly("-v").stderr
    assert "'peak_bytes'" in loudly("-vv").stderr
    assert run(*asked).stderr == ""


def test_errors_are_heard_though_it_is_quiet(folder):
    result = run("-q", "info", "nowhere.tif")
    assert result.exit_code == 1
    assert "nowhere.tif" in result.stderr


def test_debug_may_stand_behind_the_command(folder):
    result = run("info", "nowhere.tif", "--debug")
    assert result.exception is not None
    assert not isinstance(result.exception, SystemExit)


def test_variables_of_the_environment_are_options(folder):
    result = run(
        "run", "scene.tif", "out.tif", "--expr", "b1", "--dry-run", env={"GEOPATCHER_RUN_SIZE": "50"}
    )
    assert "of 50x50" in result.output


@pytest.mark.parametrize(
    ("words", "hint"),
    [(("rnu",), "Did you mean 'run'?"), (("run", "a", "b", "--exrp", "b1"), "--expr"), (("xyz",), "No such")],
)
def test_near_misses_are_told_and_wrong_usage_is_code_2(words, hint):
    result = run(*words)
    assert result.exit_code == 2
    assert hint in result.output


# ---------------------------------------------------------------- looks


def test_classes_are_named_on_the_command_line(folder):
    asked = ("run", "scene.tif", "map.tif", "--expr", "b1 > 0.5", "--size", 64, "--aggregation", "mode")
    result = run(*asked, "--class", "0=Dark:#101010", "--class", "1=Bright: land:#f0f0f0")
    assert result.exit_code == 0, result.output
    with rasterio.open("map.tif") as dataset:
        assert dataset.tags(1)["flag_meanings"] == "Dark Bright:_land"
        assert dataset.colormap(1)[1] == (240, 240, 240, 255)
    assert run(*asked, "--class", "Dark").exit_code == 2


def test_a_ramp_and_a_range_are_kept(folder):
    result = run("run", "scene.tif", "o.tif", "--expr", "b1", "--ramp", "vegetation", "--range", "-1,1")
    assert result.exit_code == 0, result.output
    with rasterio.open("o.tif") as dataset:
        assert dataset.tags(1)["display_range"] == "-1.0 1.0"
    assert run("run", "scene.tif", "p.tif", "--expr", "b1", "--range", "1").exit_code == 2


def test_a_dtype_that_leaves_only_ones_is_warned_of(folder):
    asked = ("run", "scene.tif", "o.tif", "--overwrite", "--size", 64)
    assert "leaves only 0 and 1" in run(*asked, "--expr", "b1", "--dtype", "uint8").stderr
    assert "leaves only" not in run(*asked, "--expr", "100 * b1", "--dtype", "uint8").stderr
    assert "leaves only" not in run(*asked, "--expr", "b1 > 0.5").stderr


def test_a_run_without_a_terminal_says_a_line_a_minute(folder):
    program = (
        "import sys; from geopatcher.engine import progress; progress.LINE_S = 0.0\n"
        "from geopatcher.cli import main; main(sys.argv[1:])"
    )
    asked = ["run", "scene.tif", "o.tif", "--expr", "b1", "--size", "64"]
    words = [sys.executable, "-c", program, *asked]
    out = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "patches, 100 %" in out.stderr
    for flag in ("--no-progress", "-q"):
        again = subprocess.run([*words, "--overwrite", flag], capture_output=True, text=True, check=True)
        assert again.stderr == ""
