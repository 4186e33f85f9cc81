"""Stores of other people, against xarray and rioxarray reading the same store."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import zarr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields import XarrayField
from geopatcher.fields.zarr_field import zarr_source
from labelled_stores import QUIET, opened, pyramid, read_whole, same_crs, scene, stored

pyproj = pytest.importorskip("pyproj")
xarray = pytest.importorskip("xarray")
pytestmark = QUIET

NAMES = [("y", "x"), ("lat", "lon"), ("latitude", "longitude"), ("northing", "easting"), ("row", "col")]


@st.composite
def stores(draw):
    names = draw(st.sampled_from(NAMES))
    dtype = draw(st.sampled_from(["uint8", "int8", "uint16", "int32", "uint64", "float32", "float64", ">i2"]))
    bands = draw(st.sampled_from([(), (1,), (3,)]))
    shape = (*bands, draw(st.integers(3, 9)), draw(st.integers(3, 9)))
    step = (draw(st.sampled_from([10.0, 0.1, 1 / 3])), draw(st.sampled_from([-10.0, 10.0, -0.1])))
    array = scene(shape, dtype, names, step, draw(st.integers(0, 5)))
    if draw(st.booleans()):
        array = array.astype(dtype).rio.set_spatial_dims(names[1], names[0])
        array = array.rio.write_crs(draw(st.sampled_from([32633, 4326, 3035])))
        if draw(st.booleans()):
            array = array.rio.write_transform()
        array.encoding["grid_mapping"] = "spatial_ref"
        if draw(st.booleans()):  # what says it in other words only
            for key in ("crs_wkt", "spatial_ref"):
                array.spatial_ref.attrs.pop(key)
    if draw(st.booleans()):
        array = array.isel({names[0]: slice(1, None), names[1]: slice(None, -1)})
    array = array.transpose(*draw(st.permutations(array.dims)))
    encoding = {"chunks": tuple(max(1, n // 2) for n in array.shape)}
    encoding |= {key: array.encoding[key] for key in ("grid_mapping",) if key in array.encoding}
    if draw(st.booleans()):
        encoding["_FillValue"] = draw(st.sampled_from([0, 7, 99]))
    for name in names:
        if draw(st.booleans()):
            array[name].attrs.update({"axis": "Y" if name == names[0] else "X"})
    return array, {
        "zarr_format": draw(st.sampled_from([2, 3])),
        "consolidated": draw(st.booleans()),
        "encoding": {"scene": encoding},
    }


@settings(max_examples=60, deadline=None)
@given(stores())
def test_a_store_is_what_xarray_and_rioxarray_say(known):
    array, options = known
    with tempfile.TemporaryDirectory() as folder:
        place = stored(array, Path(folder) / "a.zarr", **options)
        source = zarr_source(place)
        oracle = opened(place)
        rows = next(dim for dim in oracle.dims if dim in dict(NAMES))
        cols = dict(NAMES)[rows]
        if min(oracle.sizes[rows], oracle.sizes[cols]) > 1:  # of one row rioxarray knows nothing
            transform = oracle.rio.set_spatial_dims(cols, rows).rio.transform()
            np.testing.assert_allclose(source.domain.transform[:6], transform[:6], rtol=1e-9, atol=1e-9)
        assert same_crs(source.domain.crs, oracle.rio.crs)
        wanted = oracle.transpose(..., rows, cols).values
        wanted = wanted.reshape(source.domain.n_bands, *source.domain.grid_shape)
        np.testing.assert_array_equal(read_whole(source), wanted)
        assert source.domain.dtype == array.dtype.newbyteorder("=")
        lazy = XarrayField(opened(place, mask_and_scale=False)).domain
        assert lazy.transform == source.domain.transform
        assert (lazy.shape, lazy.dtype) == (source.domain.shape, source.domain.dtype)
        np.testing.assert_equal(lazy.nodata, source.domain.nodata)
        assert same_crs(lazy.crs, source.domain.crs)


@pytest.mark.parametrize(
    "order", [("y", "x", "band"), ("x", "y", "band"), ("band", "x", "y"), ("x", "band", "y")], ids="-".join
)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_windows_of_transposed_arrays(tmp_path, order, zarr_format):
    array = scene()
    place = stored(
        array.transpose(*order),
        tmp_path / "a.zarr",
        zarr_format=zarr_format,
        encoding={"scene": {"chunks": tuple({"band": 2, "y": 5, "x": 4}[dim] for dim in order)}},
    )
    source = zarr_source(place)
    assert source.block_shape == (5, 4)
    np.testing.assert_array_equal(source.read(Box(3, 11, 2, 13)), array.values[:, 3:11, 2:13])
    result = gp.reconstruct(place, np.copy, tmp_path / "r.zarr", size=8)
    np.testing.assert_array_equal(result.array[...], array.values)
    assert result.domain.transform == Affine(10, 0, 5e5, 0, -10, 4.6e6)
    gp.export(place, tmp_path / "e.tif", bands=[3, 1], region=Box(2, 9, 1, 16))
    with rasterio.open(tmp_path / "e.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), array.values[[2, 0], 2:9, 1:16])
        assert dataset.transform == Affine(10, 0, 5e5 + 10, 0, -10, 4.6e6 - 20)


@pytest.mark.parametrize("steps", [["2024-05-01"], ["2024-05-01T10:30", "2024-05-06T10:31"]])
def test_times_before_bands(tmp_path, steps):
    array = scene().expand_dims(time=np.array(steps, "datetime64[ns]"))
    domain = zarr_source(stored(array, tmp_path / "x.zarr")).domain
    assert (domain.lengths, domain.shape) == ((len(steps), 3), (3 * len(steps), 12, 17))
    time = domain.leading[0]
    coded = xarray.Dataset(coords={"time": ("time", time.labels(), dict(time.attributes))})
    np.testing.assert_array_equal(xarray.decode_cf(coded)["time"].values, array["time"].values)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("coordinate", ["dates", "times", "texts", "wavelengths"])
def test_labels_of_bands_stay_labels(tmp_path, zarr_format, coordinate):
    labels = {
        "dates": np.array(["2024-01-01", "2024-02-29", "2025-01-01"], "datetime64[ns]"),
        "times": np.array(["2024-01-01T10:30", "2024-01-01T10:30:07.25", "2024-01-02"], "datetime64[ns]"),
        "texts": np.array(["red", "nir", "swir"]),
        "wavelengths": np.array([0.665, 0.842, 1.61]),
    }[coordinate]
    array = scene().rename(band="t").assign_coords(t=labels)
    wanted = {
        "dates": ("2024-01-01", "2024-02-29", "2025-01-01"),
        "times": ("2024-01-01T10:30:00", "2024-01-01T10:30:07.25", "2024-01-02"),
        "texts": ("red", "nir", "swir"),
        "wavelengths": ("0.665", "0.842", "1.61"),
    }[coordinate]
    place = stored(array, tmp_path / "a.zarr", zarr_format=zarr_format)
    assert zarr_source(place).domain.band_names == wanted
    assert XarrayField(array).domain.band_names == wanted
    assert XarrayField(opened(place)).domain.band_names == wanted
    assert XarrayField(opened(place, decode_times=False)).domain.band_names == wanted
    result = gp.reconstruct(place, np.copy, tmp_path / "r.tif", size=8)
    with rasterio.open(result.path) as dataset:
        assert dataset.descriptions == wanted


def test_stale_transforms_of_a_crop_are_not_believed(tmp_path):
    whole = scene().rio.write_crs(32633).rio.write_transform()
    part = whole.isel(y=slice(4, 10), x=slice(3, 9))
    place = stored(part, tmp_path / "a.zarr")
    group = zarr.open_group(place, mode="r+")
    group.attrs["spatial:transform"], group.attrs["spatial:shape"] = [10, 0, 5e5, 0, -10, 4.6e6], [12, 17]
    assert zarr_source(place).domain.transform == Affine(10, 0, 5e5 + 30, 0, -10, 4.6e6 - 40)
    for name in ("x", "y", "spatial_ref"):
        del group[name]
    with pytest.raises(SourceError, match=r"spatial:transform is said of 12x17 pixels .* the array has 6x6"):
        zarr_source(place)


@pytest.mark.parametrize("cut", [{"y": [4]}, {"x": [3]}, {"y": [4], "x": [3]}], ids="-".join)
@pytest.mark.parametrize("says", ["GeoTransform", "coordinates"])
def test_one_row_or_column_keeps_its_pixel_size(tmp_path, cut, says):
    array = scene((12, 17)).rio.write_crs(32633)
    array = (array.rio.write_transform() if says == "GeoTransform" else array).isel(cut)
    place = stored(array, tmp_path / "a.zarr")
    if says == "coordinates" and len(cut) == 2:
        for source in (place, array):
            with pytest.raises((SourceError, ValueError), match="single pixel do not tell how large it is"):
                gp.plan(source, size=1)
        return
    row, col = cut.get("y", [0])[0], cut.get("x", [0])[0]
    wanted = Affine(10, 0, 5e5 + 10 * col, 0, -10, 4.6e6 - 10 * row)
    assert XarrayField(array).domain.transform == wanted
    assert zarr_source(place).domain.transform == wanted
    for name in ("r.tif", "r.zarr"):
        result = gp.reconstruct(place, np.copy, tmp_path / name, size=4)
        assert gp.RasterField(result.path).domain.transform == wanted
        assert result.to_xarray().rio.transform() == wanted
        assert XarrayField(result.to_xarray()).domain.transform == wanted
    memory = gp.reconstruct(array, np.copy, size=4).to_xarray()
    assert memory.rio.transform() == wanted
    assert XarrayField(memory).domain.transform == wanted


CRS = pyproj.CRS.from_epsg(32633)


@pytest.mark.parametrize(
    "attributes",
    [
        {"proj:code": "EPSG:32633"},
        {"proj:wkt2": CRS.to_wkt()},
        {"proj:projjson": CRS.to_json_dict()},
        {"proj:projjson": CRS.to_json()},
        {"proj:epsg": 32633},
        {"_CRS": {"wkt": CRS.to_wkt(), "projjson": CRS.to_json_dict()}},
        {"_CRS": {"projjson": CRS.to_json_dict()}},
        {"crs": "EPSG:32633"},
        {"crs": "+init=epsg:32633"},
        {"crs_wkt": CRS.to_wkt()},
        {"proj:code": None, "proj:wkt2": CRS.to_wkt()},
    ],
    ids="+".join,
)
@pytest.mark.parametrize("at", ["group", "array"])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_ways_to_say_a_crs(tmp_path, attributes, at):
    group = zarr.create_group(tmp_path / "a.zarr")
    array = group.create_array("ndvi", shape=(6, 8), dtype="f4", chunks=(6, 8), dimension_names=("y", "x"))
    (group if at == "group" else array).attrs.update(attributes)
    assert same_crs(zarr_source(tmp_path / "a.zarr").domain.crs, 32633)
    assert same_crs(gp.RasterField(tmp_path / "a.zarr" / "ndvi").domain.crs, 32633)


@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [
        ({"proj:code": "EPSG:999999"}, "the CRS in proj:code is not understood"),
        ({"proj:projjson": {"type": "ProjectedCRS"}}, "the CRS in proj:projjson is not understood"),
        ({"crs_wkt": "rubbish"}, "the CRS in crs_wkt is not understood"),
        ({"proj:code": [1.5, {}]}, "the CRS in proj:code is not understood"),
        ({"GeoTransform": "1 2 3"}, "GeoTransform is '1 2 3': it must be 6 numbers"),
        ({"spatial:transform": "here"}, "spatial:transform is 'here': it must be 6 numbers"),
        ({"spatial:transform": [1, 2, {}, 4, 5, 6]}, "spatial:transform is .*: it must be 6 numbers"),
        ({"spatial:transform": 7}, "spatial:transform is 7: it must be 6 numbers"),
        ({"scale_factor": "big"}, "scales or scale_factor is 'big', which is no number"),
        ({"scales": [1, 2, 3]}, r"scales has 3 values for 1 band\(s\)"),
        ({"grid_mapping_name": "moon"}, "the grid mapping 'moon' makes no CRS"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_makes_no_sense_is_named(tmp_path, attributes, complaint):
    group = zarr.create_group(tmp_path / "a.zarr", attributes=attributes)
    group.create_array("ndvi", shape=(6, 8), dtype="f4", chunks=(6, 8), dimension_names=("y", "x"))
    with pytest.raises(SourceError, match=f"a.zarr cannot be used: {complaint}"):
        gp.plan(tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("attributes", "transform"),
    [
        ({"spatial:transform": [10, 0, 100, 0, -10, 900]}, Affine(10, 0, 100, 0, -10, 900)),
        (
            {"spatial:transform": [10, 0, 100, 0, -10, 900], "spatial:registration": "node"},
            Affine(10, 0, 95, 0, -10, 905),
        ),
        (
            {"spatial:transform": [8, 6, 100, 6, -8, 900], "spatial:registration": "node"},
            Affine(8, 6, 93, 6, -8, 901),
        ),
        ({"spatial:bbox": [100, 840, 180, 900]}, Affine(10, 0, 100, 0, -10, 900)),
        (
            {"spatial:bbox": [105, 845, 175, 895], "spatial:registration": "node"},
            Affine(10, 0, 100, 0, -10, 900),
        ),
        ({"proj:transform": [10, 0, 100, 0, -10, 900]}, Affine(10, 0, 100, 0, -10, 900)),
        ({"GeoTransform": "100 10 0 900 0 -10 "}, Affine(10, 0, 100, 0, -10, 900)),
        ({"transform": [10, 0, 100, 0, -10, 900, 0, 0, 1]}, Affine(10, 0, 100, 0, -10, 900)),
        ({"spatial:transform": [1, 2, 3, 4, 5, 6], "spatial:transform_type": "rpc"}, Affine.identity()),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_ways_to_say_a_transform(tmp_path, attributes, transform):
    group = zarr.create_group(tmp_path / "a.zarr", attributes=attributes)
    group.create_array("ndvi", shape=(6, 8), dtype="f4", chunks=(6, 8), dimension_names=("y", "x"))
    np.testing.assert_allclose(zarr_source(tmp_path / "a.zarr").domain.transform[:6], transform[:6])


def test_spatial_dimensions_stand_above_names(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr", attributes={"spatial:dimensions": ["v", "u"]})
    cells = np.arange(60).reshape(3, 4, 5)
    group.create_array("ndvi", data=cells, chunks=(3, 4, 5), dimension_names=("u", "v", "t"))
    source = zarr_source(tmp_path / "a.zarr")
    np.testing.assert_array_equal(source.read(Box(0, 4, 0, 3)), cells.transpose(2, 1, 0))


@pytest.mark.parametrize("inside", ["groups", "arrays"])
def test_levels_of_a_pyramid_lie_where_its_root_says(tmp_path, inside):
    place = pyramid(tmp_path / "a.zarr", inside)
    for path, step, level in [("", 10, 0), ("r10m", 10, 0), ("r20m", 20, 1), ("r20m/b02", 20, 1)]:
        source = zarr_source(place / path)
        assert source.domain.transform == Affine(step, 0, 5e5, 0, -step, 4.6e6)
        assert same_crs(source.domain.crs, 32633)
        assert (source.read(Box(0, 8, 0, 8)) == level).all()


def test_of_several_variables_one_is_named_by_its_path(tmp_path):
    data = scene((12, 17)).to_dataset(name="ndvi")
    data["evi"] = scene((12, 17), seed=1)
    data["lat2d"] = (("y", "x"), np.zeros((12, 17)))
    data = data.set_coords("lat2d").rio.write_crs(32633)
    data.to_zarr(tmp_path / "a.zarr")
    with pytest.raises(SourceError, match=r"holds 2 rasters, evi, ndvi: name one .* such as .*a.zarr/evi"):
        gp.plan(tmp_path / "a.zarr")
    source = gp.RasterField(tmp_path / "a.zarr" / "evi").source
    assert source.domain.transform == Affine(10, 0, 5e5, 0, -10, 4.6e6)
    assert same_crs(source.domain.crs, 32633)
    np.testing.assert_array_equal(source.read(Box(0, 12, 0, 17))[0], data["evi"])
    result = gp.reconstruct(tmp_path / "a.zarr" / "evi", np.copy, tmp_path / "r.zarr", size=8)
    np.testing.assert_array_equal(result.array[...], data["evi"].values)
    gp.export(tmp_path / "a.zarr", tmp_path / "e.tif", layer="ndvi")
    with rasterio.open(tmp_path / "e.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), data["ndvi"])


def test_groups_without_rasters_name_their_groups(tmp_path):
    root = zarr.create_group(tmp_path / "a.zarr")
    for name in ("r10m", "r20m"):
        root.create_group(name).create_array("b", shape=(4, 4), dtype="u1", chunks=(4, 4))
    with pytest.raises(SourceError, match=r"its arrays: none .*which has a path of its own: r10m, r20m"):
        gp.plan(tmp_path / "a.zarr")
    assert gp.RasterField(tmp_path / "a.zarr" / "r20m").domain.shape == (4, 4)
