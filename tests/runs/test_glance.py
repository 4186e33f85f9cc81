from __future__ import annotations

import os

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.runs.glance import account_at, disk_target, glance
from geotiffs import write_geotiff


@pytest.fixture
def result(tmp_path):
    image = np.random.default_rng(0).random((64, 96))
    return gp.reconstruct(image, np.copy, tmp_path / "x.zarr", size=32, chunks=32).path


def test_a_result_that_is_whole_shows_nothing(result, tmp_path):
    assert glance(result) == ""
    assert glance(tmp_path / "no.zarr") == ""
    assert glance(tmp_path / "no result.png") == ""


def test_a_file_that_is_gone_or_of_another_size_shows(result):
    chunk = result / "data" / "c" / "1" / "2"
    held = chunk.read_bytes()
    chunk.write_bytes(held + b"x")
    assert f"has {len(held) + 1:,} bytes, and had {len(held):,}" in glance(result)
    chunk.unlink()
    assert "is missing" in glance(result)
    chunk.write_bytes(held)  # at another time
    assert glance(result) == "perhaps: files were changed or copied since they were written"


def test_no_file_is_read(result):
    chunk = result / "data" / "c" / "1" / "2"
    held, status = chunk.read_bytes(), chunk.stat()
    chunk.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
    os.utime(chunk, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert glance(result) == ""


def test_a_ledger_that_cannot_be_used_shows(result):
    result.with_name("x.zarr.ledger.jsonl").write_text("rubbish\n")
    assert glance(result).startswith("its ledger cannot be used: ")


def test_only_names_of_results_have_a_target(tmp_path):
    assert disk_target(tmp_path / "x.zarr").path == tmp_path / "x.zarr"
    assert disk_target(tmp_path / "x.tif").path == tmp_path / "x.tif"
    assert disk_target(tmp_path / "x.png") is None


def test_a_raster_whose_name_leaves_no_room_for_a_ledger_is_whole(tmp_path):
    path = write_geotiff(tmp_path / f"{'x' * 245}.tif", np.ones((1, 8, 8), "uint8"))
    assert glance(path) == ""
    assert account_at(path) is None
