"""Where results come from: found again by what their ledger says."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.report.findings import look_into
from geopatcher.report.inputs import Input, input_for
from geopatcher.report.results import open_result
from geopatcher.report.session import Session
from geotiffs import write_geotiff


@pytest.fixture
def run(tmp_path):
    image = np.random.default_rng(0).random((5, 200, 240), dtype="float32")
    folders = tmp_path / "data", tmp_path / "out"
    for folder in folders:
        folder.mkdir()
    scene = write_geotiff(folders[0] / "scene.tif", image)
    gp.reconstruct(scene, gp.Expression("b2 - b4"), folders[1] / "r.zarr", size=64)
    return tmp_path


def found_of(place):
    opened = open_result(place)
    return input_for(None, opened.origin, opened.domain)


@pytest.mark.parametrize("kind", ["str", "relative"])
def test_an_input_in_another_folder_is_found(run, monkeypatch, kind):
    monkeypatch.chdir(run if kind == "str" else run / "out")
    place = "out/r.zarr" if kind == "str" else "r.zarr"
    found, why = found_of(place)
    assert why == ""
    assert found.bands == (1, 3), "those that the expression uses"
    names = [layer["name"] for layer in Session.of(place).describe()["layers"]]
    assert names == ["result", "input"]
    assert look_into(place).control is not None


def test_folders_that_move_together_stay_together(run, tmp_path):
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for folder in ("data", "out"):
        shutil.copytree(run / folder, moved / folder)
    shutil.rmtree(run / "data")
    found, _ = found_of(moved / "out" / "r.zarr")
    assert str(moved) in found.raster.source.path


def test_an_input_beside_its_result_is_found(run):
    shutil.move(run / "data" / "scene.tif", run / "out" / "scene.tif")
    assert found_of(run / "out" / "r.zarr")[0] is not None


def test_an_input_that_is_gone_or_changed_is_told_and_not_taken(run):
    scene = run / "data" / "scene.tif"
    os.utime(scene, ns=(0, 0))
    found, why = found_of(run / "out" / "r.zarr")
    assert found is None
    assert "has changed since" in why
    findings = look_into(run / "out" / "r.zarr")
    assert findings.control is None
    assert findings.compared == why
    scene.unlink()
    assert "is not where it was: give it (--input)" in found_of(run / "out" / "r.zarr")[1]


def test_an_input_that_is_given_counts_whatever_the_ledger_says(run):
    image = np.zeros((200, 240))
    opened = open_result(run / "out" / "r.zarr")
    found, _ = input_for(image, opened.origin, opened.domain)
    assert found.raster.domain.n_bands == 1
    with pytest.raises(SourceError, match="the input has 3 x 3 pixels"):
        input_for(np.zeros((3, 3)), opened.origin, opened.domain)


def test_a_result_on_another_grid_is_shown_without(run):
    scene, out = run / "data" / "scene.tif", run / "out" / "part.zarr"
    gp.reconstruct(scene, np.copy, out, size=64, region=Box(0, 100, 0, 100), crop=True)
    found, why = found_of(out)
    assert found is None
    assert "not compared with the input" in why
    Session.of(out)


def test_arrays_have_no_input_to_be_found(tmp_path):
    gp.reconstruct(np.zeros((64, 64)), np.copy, tmp_path / "a.zarr", size=32)
    assert found_of(tmp_path / "a.zarr") == (None, "")


def test_of_many_bands_a_few_are_read(run):
    found, _ = found_of(run / "out" / "r.zarr")
    assert found.control().read(Box(0, 4, 0, 5)).shape == (2, 4, 5)
    assert Input(found.raster, tuple(range(5))).control().read(Box(0, 4, 0, 5)).shape == (4, 4, 5)


def test_where_an_input_lies_says_nothing_of_what_a_run_is(run, monkeypatch):
    """The ledger tells the place as seen from the result; it is no part of the fingerprint."""
    text = (run / "out" / "r.zarr.ledger.jsonl").read_text().splitlines()[0]
    assert '"source":"../data/scene.tif"' in text
    assert str(run) not in text
