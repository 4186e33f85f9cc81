"""Polygons as the target of a run."""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
from affine import Affine

import geopatcher as gp
from geopatcher.errors import UnsupportedTargetError

CELLS = np.kron(np.random.default_rng(0).integers(0, 3, (6, 7)), np.ones((8, 8), int)).astype("uint8")
PLACE = Affine(10, 0, 500_000, 0, -10, 5_300_000)


def run(target, **more):
    source = gp.RasterField.from_array(CELLS[None], transform=PLACE, crs="EPSG:32633")
    return gp.reconstruct(source, np.copy, target, aggregation="mode", size=16, **more)


def test_a_run_draws_polygons_and_leaves_its_raster(tmp_path):
    target = tmp_path / "fields.gpkg"
    result = run(target)
    assert result.path == tmp_path / "fields.zarr"
    assert np.array_equal(result.array[:], CELLS[None])
    frame = geopandas.read_file(target)
    assert {*frame["class"]} == {0, 1, 2}
    assert frame.area.sum() == CELLS.size * 100
    before = [shape.wkb for shape in frame.geometry]
    again = run(str(target))
    assert again.path == result.path
    assert [shape.wkb for shape in geopandas.read_file(target).geometry] == before


def test_another_run_is_refused_and_a_file_of_somebody_else_stays(tmp_path):
    target = tmp_path / "fields.fgb"
    target.write_text("mine")
    with pytest.raises(gp.TargetExistsError, match=r"fields\.fgb exists, and .*fields\.zarr, of which"):
        run(target)
    assert target.read_text() == "mine"
    assert len(geopandas.read_file(run(target, overwrite=True).path.with_suffix(".fgb")))
    with pytest.raises(gp.TargetExistsError):
        run(target, dtype="uint16")
    run(target, dtype="uint16", overwrite=True)


def test_what_has_several_bands_is_no_map_of_classes(tmp_path):
    with pytest.raises(gp.SourceError, match="has 2 bands; a map of classes has one"):
        gp.reconstruct(np.ones((2, 16, 16), "uint8"), np.copy, tmp_path / "x.gpkg", size=8)
    assert not (tmp_path / "x.gpkg").exists()


def test_a_plan_is_that_of_the_raster(tmp_path):
    assert (
        gp.plan(CELLS, target=tmp_path / "x.gpkg").disk_bytes
        == gp.plan(CELLS, target=tmp_path / "x.zarr").disk_bytes
    )


def test_geojson_of_a_crs_without_a_code_is_refused_before_the_run(tmp_path):
    source = gp.RasterField.from_array(CELLS[None], transform=PLACE, crs="+proj=laea +lat_0=45 +lon_0=10")
    refused = pytest.raises(UnsupportedTargetError, match=r"x\.geojson: GeoJSON names a CRS by its code")
    with refused:
        gp.reconstruct(source, np.copy, tmp_path / "x.geojson", aggregation="mode", size=16)
    with refused:
        gp.plan(source, operator=np.copy, target=tmp_path / "x.geojson", aggregation="mode", size=16)
    assert not [*tmp_path.iterdir()]
