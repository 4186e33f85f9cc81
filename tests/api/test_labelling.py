"""Cells with coordinates, as rioxarray reads them."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint

import geopatcher as gp
from geopatcher.api.labelling import labelled_array
from geopatcher.core.metadata import Ground
from geopatcher.fields.open import as_field
from geopatcher.formats.attributes import metadata_of

pytest.importorskip("rioxarray")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


@pytest.mark.parametrize("shape", [(4, 6), (3, 4, 6)])
@pytest.mark.parametrize("turned", [0.0, 2.0])
def test_cells_lie_where_the_domain_says(shape, turned):
    transform = Affine(10, turned, 5e5, turned, -10, 4.6e6)
    domain = gp.RasterDomain(
        shape,
        transform,
        "EPSG:32633",
        -9,
        np.dtype("float32"),
        band_names=("a", "b", "c")[: len(shape) * 3 - 6],
    )
    array = labelled_array(np.zeros(shape, "float32"), domain)
    assert array.rio.transform() == transform
    assert (array.rio.crs.to_epsg(), array.rio.nodata) == (32633, -9)
    assert ("x" in array.coords) == (turned == 0)
    if len(shape) == 3:
        assert array.attrs["long_name"] == ("a", "b", "c")
        assert array.band.values.tolist() == [1, 2, 3]


def test_a_mask_is_a_coordinate():
    domain = gp.RasterDomain((2, 2))
    array = labelled_array(np.ones((2, 2)), domain, np.array([[True, False], [True, True]]))
    assert array.valid.values.tolist() == [[1, 0], [1, 1]]
    assert array.attrs["ancillary_variables"] == "valid"


@pytest.mark.parametrize("target", [None, "r.zarr", "r.tif"])
def test_units_and_ties_to_the_ground_come_back_from_what_xarray_has(tmp_path, target):
    """A result is a source again: with the unit of each band, and without a transform with control points."""
    cells = np.arange(40, dtype="uint8").reshape(2, 4, 5)
    points = [
        GroundControlPoint(0, 0, 5, 47),
        GroundControlPoint(0, 5, 6, 47),
        GroundControlPoint(4, 0, 5, 46),
    ]
    with rasterio.open(tmp_path / "a.tif", "w", "GTiff", 5, 4, 2, dtype="uint8") as dataset:
        dataset.write(cells)
        dataset.gcps = (points, rasterio.CRS.from_epsg(4326))
        dataset.units = ("m", "K")
        dataset.set_band_description(1, "depth")
    result = gp.reconstruct(tmp_path / "a.tif", np.copy, target and tmp_path / target, size=16)
    again = as_field(result.to_xarray()).source.domain
    assert again.units == ("m", "K")
    assert [(p.row, p.col, p.x, p.y) for p in again.metadata.ground.points] == [
        (0, 0, 5, 47),
        (0, 5, 6, 47),
        (4, 0, 5, 46),
    ]
    plain = labelled_array(np.zeros((4, 5)), gp.RasterDomain((4, 5), band_names=("depth",), units=("m",)))
    assert (plain.attrs["long_name"], plain.attrs["units"]) == ("depth", "m")


@pytest.mark.parametrize("target", [None, "r.zarr", "r.tif"])
@pytest.mark.parametrize("kind", ["classes", "range", "tags"])
def test_what_xarray_has_of_a_result_it_can_write_as_netcdf(tmp_path, target, kind):
    """With the names and colors of classes, the range of a style, and the tags of a band."""
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4")
    values = np.random.default_rng(0).integers(0, 2, (1, 60, 70)).astype("uint8")
    transform = Affine(10, 0, 5e5, 0, -10, 4.6e6)
    profile = {"driver": "GTiff", "height": 60, "width": 70, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", crs="EPSG:32633", transform=transform, **profile) as dataset:
        dataset.write(values)
        if kind == "tags":
            dataset.update_tags(1, SENSOR="one")
    style = {
        "classes": gp.Style(classes={0: ("Bare", "#c8b48c"), 1: ("Plants", "#006400")}),
        "range": gp.Style(range=(0, 1)),
        "tags": None,
    }[kind]
    where = None if target is None else tmp_path / target
    asked = {"size": 32, "aggregation": "mode", "style": style}
    result = gp.reconstruct(tmp_path / "a.tif", np.copy, where, **asked)
    array = result.to_xarray()
    array.to_dataset(name="cells").to_netcdf(tmp_path / "r.nc", engine="netcdf4")
    with xarray.open_dataset(tmp_path / "r.nc", engine="netcdf4") as read:
        np.testing.assert_array_equal(np.squeeze(read["cells"].values), values[0])
        known = metadata_of(read["cells"].attrs, 1, Ground())
    assert known.bands == metadata_of(array.attrs, 1, Ground()).bands != ()
