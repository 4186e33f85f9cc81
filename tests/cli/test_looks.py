"""Options of looks and of scaled numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

from geopatcher.cli import main
from geotiffs import write_geotiff


@pytest.fixture
def scene(tmp_path):
    image = np.random.default_rng(0).uniform(1, 100, (2, 90, 80)).astype("float32")
    return write_geotiff(tmp_path / "scene.tif", image), image


def invoke(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments], catch_exceptions=False)


EXPR = ("--expr", "b1/(b1+b2)", "--size", "32", "--no-progress")


def test_an_index_is_stored_in_bytes(tmp_path, scene):
    path, image = scene
    answer = invoke("run", path, tmp_path / "r.tif", *EXPR, "--scale-to", "uint8", "--range", "0,1", "--json")
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout)
    assert told["stats"]["clipped"] == 0
    index = image[0] / (image[0] + image[1])
    with rasterio.open(tmp_path / "r.tif") as dataset:
        assert (dataset.dtypes, dataset.nodata) == (("uint8",), 255)
        np.testing.assert_array_equal(dataset.read(1), np.rint(index.astype(float) * 254))
        assert (dataset.scales, dataset.offsets) == (pytest.approx((1 / 254,)), (0,))
        assert dataset.tags(1)["display_range"] == "0.0 254.0"


def test_it_is_said_beforehand_and_saved(tmp_path, scene):
    path, _ = scene
    scaled = ("--scale-to", "uint8", "--range", "0,1")
    plain = json.loads(invoke("run", path, tmp_path / "r.tif", *EXPR, "--dry-run", "--json").stdout)
    told = json.loads(invoke("run", path, tmp_path / "r.tif", *EXPR, *scaled, "--dry-run", "--json").stdout)
    assert 4 * told["disk_bytes"] == plain["disk_bytes"]
    planned = json.loads(invoke("plan", path, tmp_path / "r.tif", *EXPR[:4], *scaled, "--json").stdout)
    assert planned["disk_bytes"] == told["disk_bytes"]
    refused = invoke("run", path, tmp_path / "r.tif", *EXPR, *scaled, "--nodata", "7", "--dry-run")
    assert (refused.exit_code, "nodata=7 lies among the numbers" in refused.output) == (1, True)
    saved = tmp_path / "run.json"
    assert invoke("run", path, tmp_path / "a.tif", *EXPR, *scaled, "--save-config", saved).exit_code == 0
    assert invoke("run", "--config", saved, "--overwrite").exit_code == 0
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.dtypes == ("uint8",)


@pytest.mark.parametrize(
    ("command", "options", "words"),
    [
        ("run", ["--scale-to", "uint8"], "--scale-to uint8 needs --range LOW,HIGH"),
        ("plan", ["--scale-to", "uint8"], "--scale-to uint8 needs --range LOW,HIGH"),
        ("plan", ["--range", "0,1"], "--range says how a result looks"),
        ("run", ["--scale-to", "float32", "--range", "0,1"], "'float32' is not one of 'uint8'"),
        ("run", ["--scale-to", "uint8", "--range", "0"], "'0' is not LOW,HIGH"),
        ("run", ["--scale-to", "uint8", "--range", "1,0"], "the lowest value comes first"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(tmp_path, scene, command, options, words):
    answer = invoke(command, scene[0], tmp_path / "r.tif", "--expr", "b1", *options)
    assert answer.exit_code == 2
    assert words in answer.output


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (["10=Tree:#0640"], "'10=Tree:#0640' ends in no #rrggbb"),
        (["10=Tree", "10=Shrub"], "'10=Shrub' names the class 10 again"),
        (["Tree=10"], "is not VALUE=NAME"),
    ],
)
def test_classes_that_cannot_be_read_are_a_usage_error(tmp_path, scene, classes, words):
    path, _ = scene
    flags = [flag for each in classes for flag in ("--class", each)]
    answer = invoke("run", path, tmp_path / "r.tif", *EXPR, *flags)
    assert answer.exit_code == 2
    assert words in " ".join(answer.output.split())
