"""Stores of other people whose labels are odd, damaged or not there at all."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from affine import Affine

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields import XarrayField
from geopatcher.fields.zarr_field import zarr_source
from geopatcher.inspect.arrays import stored_rasters
from geopatcher.inspect.info import describe
from labelled_stores import QUIET, opened, pyramid, same_crs, scene, stored

pyproj = pytest.importorskip("pyproj")
xarray = pytest.importorskip("xarray")
pytestmark = QUIET

CRS = pyproj.CRS.from_epsg(32633)


@pytest.mark.parametrize(
    ("coordinate", "complaint"),
    [
        (np.array([1.0, 2.0, np.nan, 4.0]), "the coordinate 'y' has values that are not finite"),
        (np.array([1.0, 2.0, 4.0, 8.0]), "the coordinate 'y' is not evenly spaced"),
        (np.array([5.0, 5.0, 5.0, 5.0]), "the coordinate 'y' is not evenly spaced"),
        (np.array([358.0, 359.0, 0.0, 1.0]), "the coordinate 'y' is not evenly spaced"),
    ],
)
def test_coordinates_that_make_no_grid(tmp_path, coordinate, complaint):
    array = scene((4, 5)).assign_coords(y=coordinate)
    with pytest.raises(ValueError, match=complaint):
        XarrayField(array)
    with pytest.raises(SourceError, match=f"a.zarr cannot be used: {complaint}"):
        zarr_source(stored(array, tmp_path / "a.zarr"))


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("length", [3, 5, 4 * 10**9, 2**50])
def test_coordinates_of_another_length_than_their_dimension_are_not_read(tmp_path, zarr_format, length):
    place = stored(scene((4, 7)), tmp_path / "a.zarr", zarr_format=zarr_format, consolidated=False)
    metadata = place / "y" / ("zarr.json" if zarr_format == 3 else ".zarray")
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | {"shape": [length]}))
    complaint = rf"the coordinate 'y' has the shape \({length},\), and its dimension 'y' is 4 long"
    with pytest.raises(SourceError, match=f"a.zarr cannot be used: {complaint}"):
        zarr_source(place)


@pytest.mark.parametrize("length", [2, 4, 10**10])
def test_labels_of_another_number_of_bands_are_not_read(tmp_path, length):
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("data", data=np.zeros((3, 4, 5)), dimension_names=("band", "y", "x"))
    group.create_array("band", shape=(length,), chunks=(2,), dtype="int64", dimension_names=("band",))
    with pytest.raises(
        SourceError, match=rf"coordinate 'band' has the shape \({length},\).*'band' is 3 long"
    ):
        zarr_source(tmp_path / "a.zarr")


def test_a_coordinate_as_long_as_a_damaged_header_says_is_not_read(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("data", shape=(4, 10**11), chunks=(4, 5), dtype="u1", dimension_names=("y", "x"))
    group.create_array("x", shape=(10**11,), chunks=(5,), dtype="float64", dimension_names=("x",))
    with pytest.raises(
        SourceError, match="'x' has 100,000,000,000 values, and more than .* are not read: give"
    ):
        zarr_source(tmp_path / "a.zarr")


def test_coordinates_may_be_packed_and_have_other_names_than_their_dimensions(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("a", data=np.zeros((4, 5)), dimension_names=("j", "i"))
    for name, dim, count, step in (("y", "j", 4, -3), ("x", "i", 5, 3)):
        axis = group.create_array(name, data=(step * np.arange(count)).astype("i2"), dimension_names=(dim,))
        axis.attrs.update({"scale_factor": 0.5, "add_offset": 100.0})
    wanted = Affine(1.5, 0, 99.25, 0, -1.5, 100.75)
    assert zarr_source(tmp_path / "a.zarr").domain.transform == wanted
    assert (
        XarrayField(
            opened(tmp_path / "a.zarr", "a", decode_coords=True).assign_coords(
                {name: opened(tmp_path / "a.zarr", name) for name in ("x", "y")}
            )
        ).domain.transform
        == wanted
    )


def test_coarse_coordinates_are_even_as_far_as_their_dtype_can_say(tmp_path):
    array = scene((300, 400), step=(0.0001, -0.0001))
    x, y = 170 + 0.0001 * np.arange(400), 60 - 0.0001 * np.arange(300)
    array = array.assign_coords(x=x.astype("float32"), y=y.astype("float32"))
    got = zarr_source(stored(array, tmp_path / "a.zarr")).domain.transform
    np.testing.assert_allclose(got[:6], (0.0001, 0, 170 - 5e-5, 0, -0.0001, 60 + 5e-5), rtol=2e-3)


@pytest.mark.parametrize(
    ("dims", "rows", "cols"),
    [
        (("station", "x"), "station", "x"),
        (("x", "station"), "station", "x"),
        (("y", "b"), "y", "b"),
        (("lat", "y", "x"), "y", "x"),
        (("a", "b", "c"), "b", "c"),
    ],
)
def test_what_is_known_of_dimensions_decides(dims, rows, cols):
    sizes = {dim: 3 + at for at, dim in enumerate(dims)}
    array = xarray.DataArray(np.zeros(tuple(sizes.values())), dims=dims)
    assert XarrayField(array).domain.grid_shape == (sizes[rows], sizes[cols])


@pytest.mark.parametrize("kind", ["memory", "zarr"])
def test_no_pixels_is_said(tmp_path, kind):
    array = scene((4, 5)).isel(y=slice(0, 0))
    source = array if kind == "memory" else stored(array, tmp_path / "a.zarr")
    with pytest.raises((ValueError, SourceError), match="has no pixels"):
        gp.plan(source)


def test_as_many_bands_as_a_damaged_header_says_are_not_named_one_by_one(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", shape=(10**9, 4, 5), chunks=(1, 4, 5), dtype="uint8")
    with pytest.raises(SourceError, match=r"a\.zarr.* has 1,000,000,000 bands.* select some of them first"):
        gp.plan(tmp_path / "a.zarr")


def test_arrays_in_a_folder_that_is_no_group_stand_alone(tmp_path):
    (tmp_path / "zarr.json").write_text(json.dumps({"node_type": "something"}))
    zarr.create_array(tmp_path / "sub" / "a.zarr", data=np.zeros((4, 5)))
    assert zarr_source(tmp_path / "sub" / "a.zarr").domain.shape == (4, 5)


def test_metadata_of_odd_types_do_no_harm():
    array = scene((4, 5))
    array.attrs = {
        "none": None,
        "dict": {"a": 1},
        "array": np.arange(3),
        "text": "x",
        "number": np.float32(0.5),
        "nan": np.nan,
        "bytes": b"x",
        "flag": True,
        "scale_factor": np.float64(2),
        "long_name": 7,
        "units": None,
        "grid_mapping": 5,
        "valid_range": (0, 9),
    }
    array = array.assign_coords(height=2.0, label="here")
    domain = XarrayField(array).domain
    assert dict(domain.metadata.tags) == {
        "array": (0, 1, 2),
        "text": "x",
        "number": 0.5,
        "nan": "nan",
        "flag": True,
    }
    assert domain.metadata.bands[0].scale == 2
    result = gp.reconstruct(array, np.copy, size=4)
    assert result.to_xarray().attrs["array"] == [0, 1, 2]


def test_pixels_with_coordinates_of_their_own_are_named(tmp_path):
    lat, lon = np.meshgrid(np.linspace(40, 41, 12), np.linspace(5, 6, 17), indexing="ij")
    array = xarray.DataArray(scene((12, 17)).values, dims=("y", "x"), name="scene")
    array = array.assign_coords(lat=(("y", "x"), lat), lon=(("y", "x"), lon + lat / 10))
    place = stored(array, tmp_path / "a.zarr")
    for source in (array, place):
        with pytest.warns(UserWarning, match="has geolocation arrays and no transform: a result does not"):
            gp.plan(source, size=8)
        with pytest.warns(UserWarning, match="has geolocation arrays"):
            gp.export(source, tmp_path / "e.tif", overwrite=True)
    assert "has geolocation arrays" in str(describe(place))


def test_a_transposed_store_is_shown_and_described_as_a_raster(tmp_path):
    array = scene((3, 12, 20))
    place = stored(
        array.transpose("x", "y", "band"), tmp_path / "a.zarr", encoding={"scene": {"chunks": (4, 6, 3)}}
    )
    rasters = stored_rasters(place)
    assert list(rasters) == ["result"]
    np.testing.assert_array_equal(rasters["result"].read(Box(2, 9, 3, 18), [2]), array.values[[2], 2:9, 3:18])
    assert rasters["result"].exact(4, 7) == array.values[:, 4, 7].tolist()
    text = str(describe(place))
    assert "12 x 20 pixels, 3 x int16" in text
    assert "blocks     6x4" in text
    root = pyramid(tmp_path / "p.zarr", "groups")
    assert (stored_rasters(root)["result"].read(Box(0, 16, 0, 16), [0]) == 0).all()
    assert "resolution 10 x 10 metre" in str(describe(root))


def test_nothing_but_a_dataarray_makes_an_xarray_field():
    with pytest.raises(TypeError, match=r"made of a xarray.DataArray, not Dataset"):
        XarrayField(scene().to_dataset())


@pytest.mark.parametrize("dtype", ["float16", "longdouble", "bool"])
def test_what_no_store_holds_is_copied_into_the_next_that_does(tmp_path, dtype):
    image = scene((12, 17)).values.astype(dtype)
    wanted = {"float16": "float32", "longdouble": "float64", "bool": "uint8"}[dtype]
    for name in ("e.zarr", "e.tif"):
        source = gp.RasterField(gp.export(image, tmp_path / name)).source
        assert source.domain.dtype == wanted
        np.testing.assert_array_equal(source.read(Box(0, 12, 0, 17))[0], image.astype(wanted))


def test_an_array_stands_above_its_group_in_whatever_words(tmp_path):
    said = {"proj:wkt2": CRS.to_wkt(), "spatial:transform": [1, 0, 0, 0, -1, 0], "spatial:shape": [9, 9]}
    group = zarr.create_group(tmp_path / "a.zarr", attributes=said)
    array = group.create_array("b", shape=(6, 8), dtype="f4", chunks=(6, 8), dimension_names=("y", "x"))
    array.attrs.update({"proj:code": "EPSG:31985", "spatial:bbox": [100, 840, 180, 900]})
    domain = zarr_source(tmp_path / "a.zarr").domain
    assert domain.crs == "EPSG:31985"
    assert domain.transform == Affine(10, 0, 100, 0, -10, 900)


def test_paths_may_be_relative_or_links(tmp_path, monkeypatch):
    place = stored(scene((12, 17)).rio.write_crs(32633), tmp_path / "a.zarr")
    (tmp_path / "link").symlink_to(place / "scene")
    monkeypatch.chdir(place)
    for path in (".", "scene", "../a.zarr", tmp_path / "link"):
        domain = zarr_source(path).domain
        assert domain.transform == Affine(10, 0, 5e5, 0, -10, 4.6e6)
        assert same_crs(domain.crs, 32633)


@pytest.mark.parametrize("said", [[1], "x", 3, True])
@pytest.mark.parametrize("which", ["data", "valid", ""])
@pytest.mark.parametrize("version", [2, 3])
def test_attributes_that_are_no_object_are_refused(tmp_path, version, which, said):
    place = tmp_path / "a.zarr"
    group = zarr.open_group(place, mode="w", zarr_format=version)
    for name in ("data", "valid"):
        group.create_array(name, shape=(8, 8), dtype="uint8", chunks=(8, 8))
    group["data"].attrs["ancillary_variables"] = "valid"
    if version == 3:
        file = place / which / "zarr.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"attributes": said}))
    else:
        (place / which / ".zattrs").write_text(json.dumps(said))
    for path in (place, place / "data"):  # newer releases of zarr say so themselves
        with pytest.raises(SourceError, match=r"cannot open .*a\.zarr.* as a zarr store: \w+Error: "):
            zarr_source(path)
