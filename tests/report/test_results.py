from __future__ import annotations

import json

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.errors import SourceError, TargetError
from geopatcher.report.inputs import input_raster
from geopatcher.report.results import open_result
from geotiffs import write_geotiff
from moody import image, moody_run, scene

__all__ = ["image", "scene"]  # fixtures


@pytest.fixture(scope="module")
def run(tmp_path_factory, scene):
    """A run to disk, some of whose patches failed."""
    return moody_run(scene, tmp_path_factory.mktemp("run") / "result.zarr", "no luck")


def test_a_ledger_tells_the_plan(run):
    opened = open_result(run.path)
    assert opened.anchors == run.plan.anchors
    assert (opened.made["size"], opened.made["step"]) == ("32 x 32", "32 x 32")
    assert opened.stats["patches"] == run.stats.patches
    assert {each.anchor for each in opened.failures} == {each.anchor for each in run.errors}
    assert "finished" in opened.made


def test_sizes_given_by_hand_win(run):
    opened = open_result(run.path, size=(64, 32))
    assert opened.anchors.patch_shape == (64, 32)
    assert (opened.anchors.rows.step, opened.anchors.cols.step) == (32, 16)


def test_a_ledger_of_another_raster_is_not_believed(tmp_path, image, scene):
    target = tmp_path / "x.zarr"
    gp.reconstruct(image[:, :64, :64], lambda x: x, target, size=32)
    ledger = target.with_name("x.zarr.ledger.jsonl")
    scene_copy = write_geotiff(tmp_path / "y.tif", image)
    ledger.rename(tmp_path / "y.tif.ledger.jsonl")
    assert open_result(scene_copy).anchors is None


def test_a_damaged_ledger_is_an_error_that_names_it(tmp_path, image):
    path = write_geotiff(tmp_path / "z.tif", image)
    (tmp_path / "z.tif.ledger.jsonl").write_text(json.dumps({"ledger": 1}) + "\n")
    with pytest.raises(TargetError, match=r"z\.tif\.ledger\.jsonl"):
        open_result(path)


def test_the_input_must_lie_on_the_same_grid(scene):
    domain = open_result(scene).domain
    np.testing.assert_array_equal(input_raster(scene, domain).domain.shape, (2, 200, 240))
    with pytest.raises(SourceError, match="the input has 10 x 12 pixels and the result 200 x 240"):
        input_raster(np.zeros((10, 12)), domain)


def test_what_cannot_be_opened_says_so(scene, tmp_path):
    with pytest.raises(
        ValueError, match=r"step=8 says where patches lie only together with a size: give both"
    ):
        open_result(scene, step=8)
    with pytest.raises(SourceError, match=r"there is no result .*nowhere\.zarr \(working directory: "):
        open_result(tmp_path / "nowhere.zarr")
