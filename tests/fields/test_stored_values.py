"""What stored cells stand for: as netCDF4 takes them, which heeds all of CF, in files and in zarr stores."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

import geopatcher as gp
from geopatcher.errors import SourceError
from geopatcher.fields.stored_values import StoredValues, taken_for

netcdf = pytest.importorskip("netCDF4")
xarray = pytest.importorskip("xarray")

RNG = np.random.default_rng(3)
CELLS = RNG.integers(0, 10, (20, 24)).astype("int16")
FLOATS = CELLS.astype("float32")
PLACES = np.arange(20)[::-1] * 10.0, np.arange(24) * 10.0


def shorts(*values):
    return np.array(values, "int16")


CASES = {
    "one value": (CELLS, {"missing_value": shorts(4)[0]}, 3),
    "several values": (CELLS, {"missing_value": shorts(4, 5)}, None),
    "several values of floats": (FLOATS, {"missing_value": np.float32([4, 5])}, np.float32(3)),
    "a valid range": (CELLS, {"valid_range": shorts(2, 7)}, None),
    "a valid range and a fill value": (CELLS, {"valid_range": shorts(2, 7)}, 0),
    "a lowest value": (CELLS, {"valid_min": shorts(2)[0]}, None),
    "a highest value": (CELLS, {"valid_max": shorts(7)[0]}, 0),
    "a valid range of floats": (FLOATS, {"valid_range": np.float32([2, 7])}, None),
    "a valid range and a scale": (CELLS, {"valid_range": shorts(2, 7), "scale_factor": 0.5}, 3),
    "all may be": (CELLS, {"valid_range": shorts(-(2**15), 2**15 - 1)}, None),
    "no range": (CELLS, {}, 3),
}
#: Those that GDAL does not take as they are meant.
BEYOND_GDAL = {"one value", "several values", "several values of floats", "a lowest value", "a highest value"}
FORMATS = ("NETCDF4", "NETCDF3_CLASSIC")


def written(path, cells, attributes, fill, kind="NETCDF4"):
    with netcdf.Dataset(path, "w", format=kind) as dataset:
        for name, values in zip("yx", PLACES, strict=True):
            dataset.createDimension(name, len(values))
            dataset.createVariable(name, "f8", (name,))[:] = values
        variable = dataset.createVariable("v", cells.dtype, ("y", "x"), fill_value=fill)
        variable.set_auto_maskandscale(False)
        variable.setncatts(attributes)
        variable[:] = cells
    return path


def expected(path):
    """Return stored values, masked as netCDF4 does it."""
    with netcdf.Dataset(path) as dataset:
        dataset["v"].set_auto_scale(False)
        return np.ma.array(dataset["v"][:])


def same(result, wanted):
    held = ~np.ma.getmaskarray(wanted)
    np.testing.assert_array_equal(np.asarray(result.valid[:]).reshape(held.shape), held)
    np.testing.assert_array_equal(np.asarray(result.array[:]).reshape(held.shape)[held], wanted.data[held])


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", CASES)
def test_variables_of_files(tmp_path, name, kind):
    path = written(tmp_path / "a.nc", *CASES[name], kind)
    same(gp.reconstruct(path, np.copy, size=8, variable="v"), expected(path))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("version", [2, 3])
def test_arrays_of_stores(tmp_path, name, version):
    cells, attributes, fill = CASES[name]
    array = zarr.create_array(
        tmp_path / "a.zarr", data=cells, chunks=(8, 8), zarr_format=version, fill_value=None
    )
    plain = {key: value.tolist() for key, value in attributes.items() if key != "scale_factor"}
    array.attrs.update(plain | ({} if fill is None else {"_FillValue": np.asarray(fill).item()}))
    wanted = expected(written(tmp_path / "a.nc", cells, attributes, fill))
    same(gp.reconstruct(tmp_path / "a.zarr", np.copy, size=8), wanted)
    same(gp.reconstruct(zarr.open_array(tmp_path / "a.zarr", mode="r"), np.copy, size=8), wanted)


@pytest.mark.parametrize("kind", FORMATS)
def test_bytes_that_are_unsigned(tmp_path, kind):
    cells = (CELLS * 25).astype("uint8")
    said = {"_Unsigned": "true", "scale_factor": 0.5, "valid_max": np.uint8(200).view("int8")}
    path = written(tmp_path / "a.nc", cells.view("int8"), said, np.uint8(150).view("int8"), kind)
    wanted = np.ma.masked_where((cells == 150) | (cells > 200), cells)
    same(gp.reconstruct(path, np.copy, size=8, variable="v"), wanted)
    same(gp.reconstruct(path, np.copy, size=8, variable="v", scale_offset=True), wanted * np.float32(0.5))


def test_a_range_in_units_of_scaled_values(tmp_path):
    """The NetCDF User's Guide has it in those of what is stored; floats over scaled integers are not."""
    said = {"scale_factor": -0.1, "add_offset": 1.0, "valid_range": [0.3, 0.8]}
    path = written(tmp_path / "a.nc", CELLS, said, None)
    wanted = np.ma.masked_outside(CELLS, 2, 7)
    same(gp.reconstruct(path, np.copy, size=8, variable="v"), wanted)


def test_of_an_array_in_memory_the_range_may_be_that_of_something_else(tmp_path):
    """xarray keeps it while values are unpacked and computed with."""
    said = {"valid_range": [2.0, 7.0], "missing_value": [4.0, 5.0]}
    array = xarray.DataArray(FLOATS, dims=("y", "x"), attrs=said)
    result = gp.reconstruct(array, np.copy, tmp_path / "a.zarr", size=8)
    same(result, np.ma.masked_where((FLOATS == 4) | (FLOATS == 5), FLOATS))
    assert "valid_range" not in zarr.open_group(tmp_path / "a.zarr", mode="r")["data"].attrs


def test_what_xarray_has_decoded_is_taken_as_it_is(tmp_path):
    path = written(tmp_path / "a.nc", CELLS, {"missing_value": shorts(4)[0], "scale_factor": 2.0}, 3)
    with xarray.open_dataset(path) as dataset:
        same(gp.reconstruct(dataset["v"], np.copy, size=8), np.ma.masked_invalid(dataset["v"].values))


@pytest.mark.parametrize(
    "said", [[7, 2], [2], ["a", "b"], [float("nan"), float("nan")], "2 7", None, [True, False]]
)
def test_a_range_that_is_none_says_nothing(said):
    for dtype in (np.dtype("int16"), np.dtype("float32")):
        assert StoredValues.of({"valid_range": said}, dtype, ranged=True) == StoredValues()


def test_whole_numbers_say_nothing_of_floats():
    """They are those of integers which were unpacked into these."""
    assert StoredValues.of({"valid_range": [0, 10_000]}, np.dtype("float32"), ranged=True) == StoredValues()


def test_a_value_beyond_the_range_stands_for_missing():
    for valid, value in (([0, 32767], -32768), ([-32768, 5], 32767), ([0, 5], 32767)):
        assert StoredValues.of({"valid_range": valid}, np.dtype("int16"), ranged=True).missing == (value,)


def test_signs():
    assert taken_for({"_Unsigned": "false"}, np.dtype(">u2")) == np.dtype(">i2")
    assert StoredValues.of({"_Unsigned": "true", "_FillValue": -1}, np.dtype("int8"), ranged=False) == (
        StoredValues(np.dtype("uint8"), (255,))
    )


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", FORMATS)
def test_by_gdal_a_file_is_the_same_or_refused(tmp_path, name, kind):
    """It takes one value for missing, and one end of a valid range for none."""
    path = written(tmp_path / "a.nc", *CASES[name], kind)
    if name in BEYOND_GDAL:
        with pytest.raises(SourceError, match=r"a.nc says that .* missing, and GDAL .* variable='v' \("):
            gp.reconstruct(path, np.copy, size=8)
        return
    result, wanted = gp.reconstruct(path, np.copy, size=8), expected(path)
    down = result.domain.transform.e > 0  # GDAL has rows of a file without a CRS from the bottom up
    assert result.valid[0].sum() == wanted.count()
    np.testing.assert_array_equal(
        result.valid[0][::-1] if down else result.valid[0], ~np.ma.getmaskarray(wanted)
    )


def test_gdal_is_asked_where_it_says_the_same_twice(tmp_path):
    path = written(tmp_path / "a.nc", FLOATS, {"missing_value": np.float32(3)}, np.float32(3))
    assert gp.reconstruct(path, np.copy, size=8).valid[0].sum() == expected(path).count()
