from __future__ import annotations

import os

import numpy as np
import pytest
import zarr

import geopatcher as gp
from doubling import begun_ledger, names
from geopatcher.errors import OperatorError, TargetError, TargetExistsError

IMAGE = np.random.default_rng(0).random((64, 48)).astype("float32")
SIZES = {"size": 16, "step": 16, "chunks": 16, "window": "boxcar"}


class Looks:
    """Notes what is in a folder each time it is called; fails behind a number of calls."""

    def __init__(self, folder, fails_after=1000):
        self.folder, self.fails_after, self.seen = folder, fails_after, []

    def fingerprint(self):
        return "looks"

    def __call__(self, patch):
        self.seen.append(names(self.folder))
        if len(self.seen) > self.fails_after:
            raise ArithmeticError("no more")
        return patch


@pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
def test_a_result_is_built_beside_its_place_and_appears_when_it_is_complete(tmp_path, name):
    operator = Looks(tmp_path)
    gp.reconstruct(IMAGE, operator, tmp_path / name, **SIZES)
    assert {name for seen in operator.seen for name in seen} == {f"{name}.partial", f"{name}.lock"}
    assert names(tmp_path) == [name, f"{name}.ledger.jsonl"]


@pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
def test_what_an_earlier_run_finished_is_not_done_again(tmp_path, name):
    with pytest.raises(OperatorError):
        gp.reconstruct(IMAGE, Looks(tmp_path, 7), tmp_path / name, **SIZES)
    assert begun_ledger(tmp_path / name).is_file()
    again = Looks(tmp_path)
    result = gp.reconstruct(IMAGE, again, tmp_path / name, **SIZES)
    np.testing.assert_array_equal(result.array[...], IMAGE)
    assert 3 <= len(again.seen) <= 12 - 3
    anew = Looks(tmp_path)
    gp.reconstruct(IMAGE, anew, tmp_path / name, overwrite=True, resume=False, **SIZES)
    assert len(anew.seen) == 12


def test_a_link_stands_for_what_it_points_to(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "x.zarr").symlink_to(tmp_path / "far" / "y.zarr")
    gp.reconstruct(IMAGE, np.copy, tmp_path / "x.zarr", **SIZES)
    assert (tmp_path / "x.zarr").is_symlink()
    assert zarr.open_group(tmp_path / "far" / "y.zarr", mode="r")["data"].shape == (64, 48)


def test_what_appears_meanwhile_is_kept_and_so_is_the_result(tmp_path):
    def appears(patch):
        (tmp_path / "x.tif").write_text("mine")
        return patch

    with pytest.raises(TargetExistsError, match="was not there when the run began, and is now") as caught:
        gp.reconstruct(IMAGE, appears, tmp_path / "x.tif", **SIZES)
    assert (tmp_path / "x.tif").read_text() == "mine"
    assert os.fspath(tmp_path / "x.tif.partial") in str(caught.value)


def test_a_folder_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(
        TargetError, match=r"the folder .*gone does not exist: create it, or choose another target"
    ):
        gp.reconstruct(IMAGE, np.copy, tmp_path / "gone" / "x.zarr", **SIZES)
    assert names(tmp_path) == []
