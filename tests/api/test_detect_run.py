"""A run of a detector and the file it makes: what ends it, and what is left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import rasterio

import geopatcher
from geopatcher.api.detect_run import Wanted
from geopatcher.errors import SourceError, TargetError, TargetLockedError, UnsupportedTargetError
from objects import detect_one, scene
from places import ROOT

RASTER = scene(3, 120, 90, 40, 8)


def detect(raster, path, detector=detect_one, **options):
    return geopatcher.detect(
        raster, detector, path, **({"size": 32, "step": 16, "progress": False} | options)
    )


def test_what_is_wanted_is_checked(tmp_path):
    with pytest.raises(ValueError, match="merge='x'"):
        Wanted(tmp_path / "a.gpkg", 0.5, 0.25, "x")
    with pytest.raises(ValueError, match="iou=nan"):
        Wanted(tmp_path / "a.gpkg", float("nan"), 0.25, "nms")


def test_objects_of_several_kinds_are_refused(tmp_path):
    def mixed(patch):
        if patch[0, :16].any():
            return detect_one(patch)
        return {"points": [[1, 1]], "scores": [0.9], "labels": [0]}

    raster = np.zeros((1, 64, 32), "uint8")
    raster[0, 40:45, 2:5] = 1
    with pytest.raises(ValueError, match=r"objects of several kinds \(box, point\): let it give one"):
        detect(raster, tmp_path / "a.gpkg", mixed, merge="center")


def test_a_source_that_changes_is_refused_and_nothing_of_it_is_kept(tmp_path):
    path = tmp_path / "scene.tif"

    def write(raster):
        profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "crs": "EPSG:32633"}
        with rasterio.open(
            path, "w", height=120, width=90, transform=rasterio.Affine(1, 0, 0, 0, -1, 0), **profile
        ) as file:
            file.write(raster)

    write(RASTER)
    calls = []

    def changing(patch):
        calls.append(1)
        if len(calls) == 20:
            time.sleep(0.02)
            write(RASTER + 1)
        return detect_one(patch)

    with pytest.raises(SourceError, match="changed while it was read"):
        detect(path, tmp_path / "a.gpkg", changing)
    assert not (tmp_path / "a.gpkg").exists()


def test_a_target_that_is_the_source_is_refused(tmp_path):
    path = tmp_path / "scene.gpkg"
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "height": 120, "width": 90}
    with rasterio.open(path, "w", crs="EPSG:32633", **profile) as file:  # told by what is in it
        file.write(RASTER)
    with pytest.raises(TargetError, match="would be written over"):
        detect(path, path, overwrite=True)


def test_geojson_of_a_crs_without_a_code_is_refused_before_the_search(tmp_path):
    field = geopatcher.RasterField.from_array(
        RASTER, transform=rasterio.Affine(10, 0, 500, 0, -10, 9_000), crs="+proj=laea +lat_0=45 +lon_0=10"
    )
    with pytest.raises(UnsupportedTargetError, match=r"a\.geojson: GeoJSON names a CRS by its code"):
        detect(field, tmp_path / "a.geojson", pytest.fail)
    assert [*tmp_path.iterdir()] == []
    found = detect(field, tmp_path / "a.gpkg").to_geodataframe()
    assert found.crs.coordinate_operation.method_code == "9820"  # Lambert azimuthal equal area


def test_one_run_at_a_time(tmp_path):
    def nested(patch):
        detect(RASTER, tmp_path / "a.gpkg")
        return []

    with pytest.raises(geopatcher.OperatorError, match="is being written by process") as caught:
        detect(RASTER, tmp_path / "a.gpkg", nested)
    assert isinstance(caught.value.__cause__, TargetLockedError)
    assert [*tmp_path.iterdir()] == []


def test_progress_counts_all_patches(tmp_path):
    seen = []
    detect(RASTER, tmp_path / "a.gpkg", progress=seen.append)
    assert sum(seen) == 35


def test_a_disk_that_is_full_leaves_the_rows_that_were_done(tmp_path, monkeypatch):
    def full(*arguments, **keywords):
        raise TargetError("cannot write a.gpkg: no space left")

    with monkeypatch.context() as patched:
        patched.setattr("geopatcher.api.detect_run.write_features", full)
        with pytest.raises(TargetError, match="no space left") as caught:
            detect(RASTER, tmp_path / "a.gpkg")
    assert "7 rows of patches are kept" in caught.value.__notes__[0]
    made = detect(RASTER, tmp_path / "a.gpkg")
    assert made.stats.patches == 0
    assert made.n > 10


SLOW = """
import sys, time
from pathlib import Path
sys.path[:0] = [{support!r}]
import geopatcher
from objects import detect_one, scene

def slow(patch):
    Path({flag!r}).touch()
    time.sleep(0.1)
    return detect_one(patch)

geopatcher.detect(scene(3, 120, 90, 40, 8), slow, {out!r}, size=32, step=16, progress=False)
"""


def test_a_signal_stops_it_between_rows(tmp_path):
    flag, out = tmp_path / "flag", tmp_path / "a.fgb"
    code = SLOW.format(support=str(ROOT / "tests" / "support"), flag=str(flag), out=str(out))
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while not flag.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert "InterruptedRunError: stopped by SIGTERM; 1 rows of patches are kept" in said
    assert not out.exists()
