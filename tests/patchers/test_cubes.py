"""Fields with an axis of time, whatever they are made of."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.windows import Window

import geopatcher as gp
from geopatcher.fields import XarrayField
from geopatcher.fields.open import as_field
from geopatcher.patchers.cubes import cube_of, domain_of

xr = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")

CUBE = np.random.default_rng(3).normal(size=(6, 8, 10))
DAYS = np.datetime64("2026-01-01") + np.arange(6)
LABELLED = xr.DataArray(
    CUBE, {"time": DAYS, "y": 80.0 - 10 * np.arange(8), "x": 10.0 * np.arange(10)}, ("time", "y", "x")
)


class Own:
    """A field of somebody's own, which gives all steps of a window."""

    def __init__(self, cells, shape=None):
        self.cells, self.shape = cells, shape or cells.shape[-2:]

    @property
    def domain(self):
        return gp.RasterDomain(self.shape, dtype=self.cells.dtype)

    def select(self, window):
        row, col = int(window.row_off), int(window.col_off)
        return self.cells[..., row : row + int(window.height), col : col + int(window.width)]

    def with_data(self, array):
        return Own(array)


def kinds(tmp_path):
    return {
        "ndarray": CUBE,
        "zarr": zarr.create_array(tmp_path / "c.zarr", data=CUBE, chunks=(4, 5, 5)),
        "DataArray": LABELLED,
        "XarrayField": XarrayField(LABELLED),
        "RasterField": gp.RasterField.from_array(CUBE),
        "own": Own(CUBE),
    }


@pytest.mark.parametrize("kind", ["ndarray", "zarr", "DataArray", "XarrayField", "RasterField", "own"])
def test_every_kind_gives_the_field_of_some_steps(tmp_path, kind):
    cube = cube_of(kinds(tmp_path)[kind])
    assert cube.n_steps == 6
    steps = slice(2, 5)
    data = cube.dress(as_field(cube.at(steps)).select(Window(3, 1, 4, 5)), steps)
    assert np.array_equal(data, CUBE[2:5, 1:6, 3:7])
    assert np.array_equal(cube.read(steps), CUBE[2:5])
    assert domain_of(cube).shape == (8, 10)
    assert cube.name


@pytest.mark.parametrize("axis", [0, 1, 2, -3])
@pytest.mark.parametrize("kind", [np.asarray, zarr.array, xr.DataArray])
def test_time_may_be_any_axis_before_rows_and_columns(axis, kind):
    cells = np.random.default_rng(1).normal(size=(2, 3, 4, 8, 10))
    cube = cube_of(kind(cells), axis)
    assert cube.n_steps == cells.shape[axis]
    steps = slice(1, 2)
    data = cube.dress(as_field(cube.at(steps)).select(Window(3, 1, 4, 5)), steps)
    assert np.array_equal(data, np.take(cells, [1], axis)[..., 1:6, 3:7])


def test_labels_and_masks_are_kept():
    cube = cube_of(LABELLED, "time")
    assert np.array_equal(cube.labels(), DAYS)
    assert cube.at(slice(1, 3)).equals(LABELLED.isel(time=slice(1, 3)))
    masked = np.ma.masked_less(CUBE, 0)
    assert np.array_equal(cube_of(masked).at(slice(1, 3)).mask, masked.mask[1:3])


def test_georeference_and_nodata_are_those_of_the_field():
    field = gp.RasterField.from_array(CUBE, crs="EPSG:32725", nodata=-1.0)
    domain = domain_of(cube_of(field))
    assert (domain.crs, domain.nodata) == (field.domain.crs, -1.0)


def test_a_raster_on_disk_has_its_bands_for_steps(tmp_path):
    import rasterio

    path = tmp_path / "steps.tif"
    with rasterio.open(path, "w", driver="GTiff", height=8, width=10, count=6, dtype="float64") as out:
        out.write(CUBE)
    cube = cube_of(path)
    assert cube.n_steps == 6
    assert np.array_equal(as_field(cube.at(slice(4, 6))).select(Window(0, 0, 10, 8)), CUBE[4:6])


def test_time_is_neither_rows_nor_columns():
    for field in (CUBE, LABELLED, gp.RasterField.from_array(CUBE), Own(CUBE)):
        for axis in (1, 2, -1):
            with pytest.raises(ValueError, match="is one of rows or columns"):
                cube_of(field, axis)
    with pytest.raises(ValueError, match="no axis"):
        cube_of(CUBE, 3)
    with pytest.raises(TypeError, match="is a name"):
        cube_of(CUBE, "time")
    with pytest.raises(TypeError, match="a source is"):
        cube_of(3)
