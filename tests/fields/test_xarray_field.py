"""DataArrays and Dask arrays as fields, read strip by strip."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.core.protocols import SourceField
from geopatcher.fields import DaskField, RioXarrayField, XarrayField
from geopatcher.fields.labelled_grid import grid_of
from geopatcher.fields.open import as_field

xarray = pytest.importorskip("xarray")
pytest.importorskip("rioxarray")
# rioxarray multiplies affines
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

IMAGE = np.random.default_rng(0).random((3, 40, 50)).astype("float32")
NORTH_UP = Affine(10, 0, 5e5, 0, -10, 4.6e6)


def labelled(image=IMAGE, transform=NORTH_UP, dims=("band", "y", "x"), **attrs):
    height, width = image.shape[-2:]
    coords = {
        dims[-1]: transform.c + transform.a * (np.arange(width) + 0.5),
        dims[-2]: transform.f + transform.e * (np.arange(height) + 0.5),
    }
    return xarray.DataArray(image, coords, dims[-image.ndim :], attrs=attrs)


@pytest.mark.parametrize("order", [("band", "y", "x"), ("y", "x", "band"), ("x", "band", "y")])
def test_dimensions_may_come_in_any_order(order):
    array = labelled().transpose(*order)
    field = XarrayField(array)
    assert isinstance(field, SourceField)
    assert field.domain.shape == (3, 40, 50)
    np.testing.assert_array_equal(field.source.read(Box(5, 20, 30, 50)), IMAGE[:, 5:20, 30:])
    result = gp.reconstruct(array, lambda x: x[:2], size=16)
    np.testing.assert_allclose(result.array, IMAGE[:2], rtol=5e-7)
    assert result.domain.transform == NORTH_UP


@pytest.mark.parametrize(
    "names",
    [("y", "x"), ("lat", "lon"), ("latitude", "longitude"), ("northing", "easting"), ("Y", "X"), ("a", "b")],
)
def test_dimensions_may_have_many_names(names):
    field = XarrayField(labelled(IMAGE[0], dims=names))
    assert field.domain.shape == (40, 50)
    assert field.domain.transform == NORTH_UP
    np.testing.assert_array_equal(field.source.read(Box(0, 40, 0, 50))[0], IMAGE[0])


def test_cf_attributes_name_dimensions():
    array = labelled(IMAGE[0], dims=("n", "m")).transpose("m", "n")
    array.n.attrs["axis"], array.m.attrs["standard_name"] = "Y", "projection_x_coordinate"
    assert XarrayField(array).domain.shape == (40, 50)


def test_any_leading_dimensions_are_read_as_they_are():
    array = labelled().expand_dims(level=1).expand_dims(time=np.array(["2024-01-03", "2024-01-08"], "M8[ns]"))
    field = XarrayField(array)
    assert (field.domain.lengths, field.domain.shape) == ((2, 1, 3), (6, 40, 50))
    assert [one.name for one in field.domain.leading] == ["time", "level", "band"]
    part = field.select(Window(3, 4, 10, 20))
    xarray.testing.assert_equal(
        part.drop_vars("spatial_ref", errors="ignore"),
        array.isel(y=slice(4, 24), x=slice(3, 13)).drop_vars("spatial_ref", errors="ignore"),
    )
    back = field.with_data(array.values + 1)
    assert back.da.sizes == array.sizes
    np.testing.assert_array_equal(back.da["time"], array["time"])
    assert field.with_data(array.values[0]).da.dims == ("dim_0", "band", "y", "x")
    assert field.with_data(array.values[0, 0, :2]).da.dims == ("band", "y", "x")


def test_a_mask_may_lack_leading_dimensions():
    flag = {"standard_name": "status_flag", "flag_values": [0, 1], "flag_meanings": "missing valid"}
    array = labelled().expand_dims(time=2).assign_attrs(ancillary_variables="ok")
    seen = np.zeros((2, 40, 50), "uint8")
    seen[1, 5:] = 1
    array = array.assign_coords(ok=(("time", "y", "x"), seen, flag))
    source = XarrayField(array.astype("int16")).source
    box = Box(0, 40, 0, 50)
    np.testing.assert_array_equal(source.valid(box, source.read(box)), np.repeat(seen, 3, axis=0) != 0)


def test_rows_and_columns_there_must_be():
    with pytest.raises(ValueError, match="has no rows and columns"):
        XarrayField(xarray.DataArray(np.zeros(5), dims="x"))


@pytest.mark.parametrize(
    "transform",
    [NORTH_UP, Affine(0.1, 0, -180, 0, 0.1, -90), Affine(30, 0, 1e6 + 1 / 3, 0, -30, 7e6 + 1 / 7)],
    ids=["metres", "south up degrees", "thirds"],
)
def test_the_transform_comes_from_the_coordinates(transform):
    got = XarrayField(labelled(transform=transform)).domain.transform
    np.testing.assert_allclose(got[:6], transform[:6], rtol=1e-9, atol=1e-7)


def test_coordinates_in_single_precision_are_even_enough():
    array = labelled(transform=Affine(0.01, 0, 170, 0, -0.01, 60))
    array = array.assign_coords(x=array.x.astype("float32"), y=array.y.astype("float32"))
    np.testing.assert_allclose(
        XarrayField(array).domain.transform[:6], (0.01, 0, 170, 0, -0.01, 60), rtol=1e-3
    )


def test_coordinates_that_are_not_even_are_refused():
    array = labelled()
    array = array.assign_coords(y=array.y + 4.0 * (np.arange(40) == 10))
    with pytest.raises(ValueError, match="coordinate 'y' is not evenly spaced: one of its 40 values is"):
        XarrayField(array)


@pytest.mark.parametrize("scene", ["north up", "rotated"])
def test_what_rioxarray_opens_is_as_on_disk(tmp_path, scene):
    import rioxarray

    transform = NORTH_UP if scene == "north up" else Affine(8, 6, 5e5, 6, -8, 4.6e6)
    profile = {"driver": "GTiff", "height": 40, "width": 50, "count": 3, "dtype": "float32", "nodata": -1}
    path = tmp_path / "a.tif"
    with rasterio.open(path, "w", crs="EPSG:32633", transform=transform, **profile) as dataset:
        dataset.write(np.where(IMAGE > 0.5, IMAGE, -1))
        dataset.descriptions = ("a", "b", "c")
    array = rioxarray.open_rasterio(path)
    field = RioXarrayField(array)
    assert field.domain.transform == transform
    assert field.domain.nodata == -1
    assert field.domain.band_names == ("a", "b", "c")
    assert rasterio.CRS.from_string(field.domain.crs) == rasterio.CRS.from_epsg(32633)
    np.testing.assert_array_equal(np.isnan(field.source.read(Box(0, 40, 0, 50))), IMAGE <= 0.5)
    assert field.source.identity()["path"] == str(path)
    assert field.source.identity()["size"] == path.stat().st_size


def test_a_part_of_an_array_lies_where_it_lies():
    """A grid mapping is not changed by slicing: it may still tell of the whole."""
    whole = labelled().rio.write_crs("EPSG:32633").rio.write_transform(NORTH_UP)
    part = whole.isel(x=slice(7, 30), y=slice(4, 20))
    assert part.spatial_ref.attrs["GeoTransform"].startswith("500000.0 ")  # the whole's
    domain = XarrayField(part).domain
    np.testing.assert_allclose(domain.transform[:6], (10, 0, 5e5 + 70, 0, -10, 4.6e6 - 40))
    one = XarrayField(whole.isel(x=[7], y=[4])).domain
    np.testing.assert_allclose(one.transform[:6], (10, 0, 5e5 + 70, 0, -10, 4.6e6 - 40))


def test_windows_are_arrays_of_their_own_with_their_place():
    array = labelled().rio.write_crs("EPSG:32633").rio.write_transform(NORTH_UP)
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(16), gp.SpatialRegularStride(16), gp.SpatialBoxcar(), gp.SpatialOverlapAdd()
    )
    patches = list(patcher.split(array))
    assert all(isinstance(patch.data, xarray.DataArray) for patch in patches)
    for patch in patches:
        row, col = patch.anchor
        assert patch.data.rio.transform() == Affine(10, 0, 5e5 + 10 * col, 0, -10, 4.6e6 - 10 * row)
        np.testing.assert_array_equal(patch.data.values, IMAGE[:, row : row + 16, col : col + 16])
        patch.data[:] = 0
    np.testing.assert_array_equal(array.values, IMAGE)  # writing into a patch harms no one
    fresh = list(patcher.split(array))
    np.testing.assert_array_equal(patcher.merge(fresh, array), IMAGE)


@pytest.mark.parametrize(
    "transform", [NORTH_UP, Affine(8, 6, 5e5, 6, -8, 4.6e6)], ids=["north up", "rotated"]
)
def test_patches_that_overhang_have_coordinates_that_go_on(transform):
    array = xarray.DataArray(IMAGE, dims=("band", "y", "x"), coords={"band": ["r", "g", "b"]})
    array = array.rio.write_crs("EPSG:32633").rio.write_transform(transform)
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(32, boundary="reflect"),
        gp.SpatialRegularStride(32),
        gp.SpatialBoxcar(),
        gp.SpatialOverlapAdd(),
    )
    last = list(patcher.split(array))[-1].data
    assert last.shape == (3, 32, 32)
    a, b, c, d, e, f = transform[:6]
    assert last.rio.transform() == Affine(a, b, c + 32 * a + 32 * b, d, e, f + 32 * d + 32 * e)
    assert last.band.values.tolist() == ["r", "g", "b"]
    assert last.rio.crs == array.rio.crs
    np.testing.assert_array_equal(last.values[:, 8:, :18], IMAGE[:, 15:39, 32:][:, ::-1])


class Counting:
    """Stands in for a lazy backend: notes what is computed."""

    def __init__(self, image):
        self.image, self.cells = image, 0

    def __call__(self, block_info=None):
        where = tuple(slice(*pair) for pair in block_info[None]["array-location"])
        self.cells += self.image[where].size
        return self.image[where]


def lazy(image, chunks):
    dask = pytest.importorskip("dask.array")
    counting = Counting(image)
    sizes = tuple(
        tuple(min(step, n - at) for at in range(0, n, step))
        for n, step in zip(image.shape, chunks, strict=True)
    )
    return counting, dask.map_blocks(
        counting, chunks=sizes, dtype=image.dtype, meta=np.empty((0,) * image.ndim)
    )


@pytest.mark.parametrize("kind", ["DataArray", "Dask array"])
def test_lazy_arrays_are_computed_strip_by_strip_each_cell_once(kind):
    image = np.random.default_rng(0).random((2, 600, 40))
    counting, array = lazy(image, (2, 300, 20))
    source = xarray.DataArray(array, dims=("band", "y", "x")) if kind == "DataArray" else array
    field = as_field(source)
    assert field.source.block_shape == (300, 20)
    assert isinstance(field, XarrayField if kind == "DataArray" else DaskField)
    plan = gp.plan(field, size=32)
    field.source.identity()
    assert counting.cells == 0
    result = gp.reconstruct(field, lambda x: x, size=32)
    np.testing.assert_allclose(result.array, image, rtol=1e-14)
    assert counting.cells == image.size
    assert replace(result.plan, model=plan.model) == plan  # the run learnt that results are float64


def test_lazy_windows_stay_lazy():
    counting, array = lazy(IMAGE, (3, 20, 25))
    field = XarrayField(xarray.DataArray(array, dims=("band", "y", "x")))
    window = field.select(Window(0, 0, 10, 10))
    assert counting.cells == 0
    np.testing.assert_array_equal(window.values, IMAGE[:, :10, :10])


def test_identity_tells_lazy_arrays_apart():
    dask = pytest.importorskip("dask.array")
    one, two = dask.from_array(IMAGE, chunks=20), dask.from_array(IMAGE + 1, chunks=20)
    assert DaskField(one).source.identity() == DaskField(dask.from_array(IMAGE, chunks=20)).source.identity()
    assert DaskField(one).source.identity() != DaskField(two).source.identity()
    first, second = (XarrayField(xarray.DataArray(a, dims=("b", "y", "x"))) for a in (one, two))
    assert first.source.identity() != second.source.identity()


def test_a_dask_array_says_where_it_lies():
    dask = pytest.importorskip("dask.array")
    field = DaskField(
        dask.from_array(IMAGE, chunks=20),
        transform=NORTH_UP,
        crs="EPSG:32633",
        nodata=0,
        band_names=("a", "b", "c"),
    )
    assert field.domain.transform == NORTH_UP
    assert (field.domain.crs, field.domain.nodata) == ("EPSG:32633", 0)
    assert field.select(Window(1, 2, 3, 4)).shape == (3, 4, 3)


def test_a_zarr_array_is_a_source(tmp_path):
    import zarr

    array = zarr.create_array(tmp_path / "a.zarr", data=IMAGE, chunks=(1, 20, 25))
    field = as_field(array)
    assert field.source.block_shape == (20, 25)
    np.testing.assert_allclose(gp.reconstruct(array, lambda x: x, size=16).array, IMAGE, rtol=5e-7)


def test_other_data_on_the_same_grid():
    field = XarrayField(labelled(units="m"))
    assert field.domain.units == ("m",) * 3
    other = field.with_data(np.ones((5, 40, 50)))
    assert other.domain.shape == (5, 40, 50)
    assert other.domain.transform == NORTH_UP
    assert field.with_data(np.ones((40, 50))).domain.shape == (40, 50)
    with pytest.raises(ValueError, match="does not lie on the grid"):
        field.with_data(np.ones((4, 5)))


@pytest.mark.parametrize(
    ("coords", "attrs", "wanted"),
    [
        ({}, {}, ("b1", "b2", "b3")),
        ({"band": ["r", "g", "b"]}, {}, ("r", "g", "b")),
        ({"band": [1, 2, 3]}, {"long_name": ("x", "y", "z")}, ("x", "y", "z")),
        ({"band": [1, 2, 3]}, {"long_name": "reflectance"}, ("b1", "b2", "b3")),
    ],
)
def test_band_names(coords, attrs, wanted):
    array = labelled(**attrs).assign_coords(coords)
    assert XarrayField(array).domain.band_names == wanted


def test_a_dataset_is_refused_with_the_way_out():
    with pytest.raises(TypeError, match=r"of a Dataset one variable, as in ds\['red'\]"):
        gp.plan(labelled().to_dataset(name="a"))


def test_without_rioxarray_the_grid_mapping_is_read(monkeypatch):
    array = labelled().rio.write_crs("EPSG:32633").rio.write_transform(NORTH_UP)
    array.attrs["_FillValue"] = np.float32(-1)
    from geopatcher.errors import MissingExtraError
    from geopatcher.fields import labelled_grid

    def missing(name):
        raise MissingExtraError(name)

    with_rio = grid_of(array).domain
    monkeypatch.setattr(labelled_grid, "load", missing)
    domain = grid_of(array).domain
    assert domain.transform == with_rio.transform == NORTH_UP
    assert rasterio.CRS.from_string(domain.crs) == rasterio.CRS.from_string(with_rio.crs)
    assert domain.nodata == with_rio.nodata == -1
    turned = xarray.DataArray(IMAGE[0], dims=("y", "x")).rio.write_transform(Affine(8, 6, 0, 6, -8, 0))
    assert grid_of(turned).domain.transform == Affine(8, 6, 0, 6, -8, 0)
    assert grid_of(xarray.DataArray(IMAGE[0], dims=("y", "x"))).domain.transform == Affine.identity()


def test_fields_do_not_import_xarray_until_it_is_used():
    code = "import sys, geopatcher.fields; print(sorted({'xarray', 'rioxarray', 'dask'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_pieces_that_hold_nothing_are_read_all_the_same():
    array = labelled()
    array.encoding["preferred_chunks"] = {"band": 3, "y": 0, "x": 0}
    assert XarrayField(array).source.block_shape == (1, 1)
    np.testing.assert_array_equal(gp.reconstruct(array, np.copy, size=16).array, IMAGE)


def test_every_patch_has_the_name_and_what_is_true_of_the_whole(tmp_path):
    xr = pytest.importorskip("xarray")
    coords = {"time": np.datetime64("2026-01-01", "ns"), "y": np.arange(7.0)[::-1], "x": np.arange(9.0)}
    array = xr.DataArray(
        np.arange(63.0).reshape(7, 9), coords, ("y", "x"), name="rain", attrs={"units": "mm"}
    )
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(4, boundary="pad"),
        gp.SpatialRegularStride(4),
        gp.SpatialHann(),
        gp.SpatialOverlapAdd(),
    )
    cache = gp.PatchCache(tmp_path)
    for patches in (
        patcher.split(array),
        patcher.split(array, cache=cache),
        patcher.split(array, cache=cache),
    ):
        for patch in patches:
            assert patch.data.name == "rain"
            assert patch.data.attrs["units"] == "mm"
            assert patch.data.coords["time"].values == coords["time"]
