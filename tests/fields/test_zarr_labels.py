"""Stores of other people, against xarray and rioxarray reading the same store."""

from __future__ import annotations

import json
import tempfile
import warnings
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
from geopatcher.inspect.arrays import stored_rasters
from geopatcher.inspect.info import describe

pyproj = pytest.importorskip("pyproj")
xarray = pytest.importorskip("xarray")
pytest.importorskip("rioxarray")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning"),
    pytest.mark.filterwarnings("ignore::xarray.coding.common.SerializationWarning"),
]

NAMES = [("y", "x"), ("lat", "lon"), ("latitude", "longitude"), ("northing", "easting"), ("row", "col")]


def scene(shape=(3, 12, 17), dtype="int16", names=("y", "x"), step=(10.0, -10.0), seed=0):
    """A DataArray of bands, rows and columns with coordinates of its pixel centres."""
    cells = np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
    coords = {
        names[1]: 5e5 + step[0] * (np.arange(shape[-1]) + 0.5),
        names[0]: 4.6e6 + step[1] * (np.arange(shape[-2]) + 0.5),
    }
    dims = (*("band", "time")[: len(shape) - 2], *names)
    return xarray.DataArray(cells, coords, dims, name="scene")


def stored(array, place, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array.to_dataset().to_zarr(place, **options)
    return place


def opened(place, name="scene", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = {"consolidated": False, "decode_coords": "all", "chunks": None} | options
        return xarray.open_zarr(place, **known)[name]


def same_crs(text, other):
    if text is None or other is None:
        return text is other
    return rasterio.CRS.from_user_input(text) == rasterio.CRS.from_user_input(other)


def read_whole(source):
    """The cells of a source, with what is missing as NaN."""
    box = Box.of_shape(source.domain.grid_shape)
    pixels = source.read(box)
    valid = source.valid(box, pixels)
    return pixels.astype(float) if valid is None else np.where(valid, pixels, np.nan)


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


def pyramid(place, inside):
    """A GeoZarr pyramid: all that is said of places stands at its root."""
    root = zarr.create_group(place)
    layout = []
    for level, name in enumerate(("r10m", "r20m")):
        side, step = 16 >> level, 10 << level
        asset = f"{name}/b02" if inside == "arrays" else name
        entry = {"asset": asset, "spatial:shape": [side, side]}
        entry |= {"spatial:transform": [step, 0, 5e5, 0, -step, 4.6e6]}
        layout.append(entry | ({"derived_from": "r10m/b02"} if level else {}))
        group = root.create_group(name)
        group.create_array("b02", data=np.full((side, side), level, "u1"), dimension_names=("y", "x"))
    layout.reverse()  # the order says nothing
    root.attrs.update({"multiscales": {"layout": layout}, "proj:code": "EPSG:32633"})
    return place


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


def test_more_than_one_value_may_stand_for_missing(tmp_path):
    cells = np.arange(20, dtype="i2").reshape(4, 5)
    group = zarr.create_group(tmp_path / "a.zarr")
    array = group.create_array("a", data=cells, dimension_names=("y", "x"))
    array.attrs.update({"_FillValue": 3, "missing_value": [7, 3, 99_999]})
    source = zarr_source(tmp_path / "a.zarr")
    np.testing.assert_array_equal(read_whole(source)[0], opened(tmp_path / "a.zarr", "a").values)
    assert np.isnan(read_whole(source)).sum() == 2


def test_in_version_3_what_fills_chunks_is_not_missing(tmp_path):
    for version, missing in ((2, 4), (3, 0)):
        place = tmp_path / f"{version}.zarr"
        group = zarr.create_group(place, zarr_format=version)
        named = {
            2: {"attributes": {"_ARRAY_DIMENSIONS": ["y", "x"]}},
            3: {"dimension_names": ("y", "x")},
        }[version]
        array = group.create_array("a", shape=(4, 5), chunks=(4, 5), dtype="i2", fill_value=1, **named)
        array[:] = np.arange(20).reshape(4, 5) // 4
        source = zarr_source(place)
        np.testing.assert_array_equal(read_whole(source)[0], opened(place, "a").values)
        assert np.isnan(read_whole(source)).sum() == missing


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_unsigned_cells_in_signed_arrays(tmp_path, zarr_format):
    array = scene((12, 17), "uint8") + np.uint8(120)
    encoding = {"scene": {"dtype": "i1", "_Unsigned": "true", "_FillValue": 200}}
    place = stored(array, tmp_path / "a.zarr", zarr_format=zarr_format, encoding=encoding)
    source = zarr_source(place)
    assert source.domain.dtype == np.uint8
    np.testing.assert_array_equal(read_whole(source)[0], opened(place).values)


def test_values_are_those_stored_and_the_scale_goes_along(tmp_path):
    array = scene((12, 17), "float64") / 10
    array.attrs |= {"units": "1", "sensor": "S2", "odd": None, "flags": [1, 2]}
    place = stored(
        array,
        tmp_path / "a.zarr",
        encoding={"scene": {"dtype": "i2", "scale_factor": 0.1, "add_offset": 5.0, "_FillValue": -999}},
    )
    source = zarr_source(place)
    metadata = source.domain.metadata
    assert (metadata.bands[0].scale, metadata.bands[0].offset) == (0.1, 5.0)
    assert dict(metadata.tags) == {"sensor": "S2", "flags": (1, 2)}
    assert source.domain.units == ("1",)
    np.testing.assert_allclose(read_whole(source)[0] * 0.1 + 5, array, atol=0.051)
    gp.export(place, tmp_path / "e.tif")
    with rasterio.open(tmp_path / "e.tif") as dataset:
        assert (dataset.scales, dataset.offsets, dataset.units) == ((0.1,), (5.0,), ("1",))
        assert (dataset.tags()["sensor"], dataset.tags()["flags"]) == ("S2", "[1, 2]")
    assert not XarrayField(opened(place)).domain.metadata.scaled  # xarray has applied it


@pytest.mark.parametrize("dtype", ["bool", "float16", "uint64", "complex64"])
def test_rare_dtypes_come_as_they_are(tmp_path, dtype):
    cells = scene((12, 17)).values.astype(dtype)
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("a", data=cells, dimension_names=("y", "x"))
    source = zarr_source(tmp_path / "a.zarr")
    assert source.domain.dtype == cells.dtype
    np.testing.assert_array_equal(source.read(Box(0, 12, 0, 17))[0], cells)


def test_texts_are_no_raster(tmp_path):
    data = xarray.DataArray(np.array([["a", "b"], ["c", "d"]]), dims=("y", "x"), name="scene")
    with pytest.raises(TypeError, match="a raster holds numbers, and this array holds <U1 values"):
        XarrayField(data)
    with pytest.raises(SourceError, match=r"a.zarr cannot be used: a raster holds numbers"):
        zarr_source(stored(data, tmp_path / "a.zarr"))


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
        "valid_range": (0, 9),
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
