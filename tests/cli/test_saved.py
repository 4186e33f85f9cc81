"""A run that is kept in a file, and done again from it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

from geopatcher.cli import main


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "scene.tif"
    pixels = np.random.default_rng(3).integers(1, 4000, (4, 50, 60)).astype("uint16")
    profile = {"driver": "GTiff", "count": 4, "height": 50, "width": 60, "dtype": "uint16"}
    with rasterio.open(path, "w", **profile) as out:
        out.write(pixels)
    return path


def run(*words):
    return CliRunner().invoke(main, ["run", *map(str, words)])


def pixels(path):
    with rasterio.open(path) as found:
        return found.read()


pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def test_a_run_is_kept_and_done_again(scene, tmp_path):
    out, kept = tmp_path / "out.tif", tmp_path / "run.json"
    words = (scene, out, "--expr", "(b4-b3)/(b4+b3)", "--size", "16x24", "--step", 8, "--no-resume")
    done = run(
        *words, "--layers", "weight,count", "--on-error", "skip", "--no-progress", "--save-config", kept
    )
    assert done.exit_code == 0, done.output
    assert json.loads(kept.read_text()) == {
        "sources": [str(scene)],
        "target": str(out),
        "expr": "(b4-b3)/(b4+b3)",
        "size": "16x24",
        "step": "8",
        "resume": False,
        "layers": "weight,count",
        "on_error": "skip",
        "no_progress": True,
    }
    first = pixels(out)
    again = run("--config", kept, "--overwrite")
    assert again.exit_code == 0, again.output
    assert pixels(out).tobytes() == first.tobytes()
    other = run(
        scene, tmp_path / "other.tif", "--config", kept, "--expr", "b1", "--save-config", tmp_path / "2.json"
    )
    assert other.exit_code == 0, other.output
    np.testing.assert_array_equal(pixels(tmp_path / "other.tif")[0], pixels(scene)[0])
    said = json.loads((tmp_path / "2.json").read_text())
    assert (said["expr"], said["target"], said["size"]) == ("b1", str(tmp_path / "other.tif"), "16x24")


def test_numbers_and_lists_may_be_written_as_such(scene, tmp_path):
    kept = tmp_path / "run.json"
    kept.write_text(
        json.dumps(
            {
                "sources": [str(scene)],
                "target": str(tmp_path / "x.tif"),
                "expr": "b1",
                "size": 16,
                "batch_size": 2,
            }
        )
    )
    done = run("--config", kept)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "x.tif").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"sise": 3}', "'sise', which is no option. Did you mean 'size'"),
        ('{"xyzzy": 3}', "'xyzzy', which is no option. There are aggregation,"),
        ('{"config": "other.json"}', "'config', which is no option"),
        ("[1]", "is not a JSON object of options by name"),
        ("{", "cannot be read"),
        ('{"size": "many"}', "neither pixels such as 256 nor a size"),
        ("[" * 100_000, "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path, text, message):
    kept = tmp_path / "run.json"
    if text is not None:
        kept.write_text(text)
    done = run("a.tif", "b.tif", "--config", kept)
    assert done.exit_code == 2
    assert message in " ".join(done.output.replace("│", " ").split())


def test_a_file_that_cannot_be_written_is_told_before_the_run(scene, tmp_path):
    done = run(scene, tmp_path / "x.tif", "--expr", "b1", "--save-config", tmp_path / "no" / "run.json")
    assert done.exit_code == 2
    assert "cannot be written" in done.output
    assert not (tmp_path / "x.tif").exists()
