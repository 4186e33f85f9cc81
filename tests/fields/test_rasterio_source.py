"""Rasters read strip by strip: the pixels and the gaps rasterio's own masked reading shows."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields.rasterio_source import RasterioSource
from places import SHARED

SCENES = SHARED / "data"
WHOLE = Box(0, 40, 0, 50)
UTM = {"crs": "EPSG:32633", "transform": Affine(10, 0, 5e5, 0, -10, 4.6e6)}


def make(path, pixels, *, mask=None, units=(), descriptions=(), **profile):
    bands, height, width = pixels.shape
    known = {"driver": "GTiff", "height": height, "width": width, "count": bands, "dtype": pixels.dtype}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **known, **UTM, **profile) as dataset,
    ):
        dataset.write(pixels)
        if mask is not None:
            dataset.write_mask(mask)
        for band, name in enumerate(descriptions, 1):
            dataset.set_band_description(band, name)
        for band, unit in enumerate(units, 1):
            dataset.set_band_unit(band, unit)
    return str(path)


def image(dtype, bands=2):
    return np.random.default_rng(0).integers(0, 9, (bands, 40, 50)).astype(dtype)


def known(source, box):
    """Where a source says there is data."""
    pixels = source.read(box)
    valid = source.valid(box, pixels)
    if pixels.dtype.kind == "f":
        assert valid is None
        return ~np.isnan(pixels)
    return np.ones(pixels.shape, bool) if valid is None else valid


def truth(path, box):
    with rasterio.open(path) as dataset:
        window = rasterio.windows.Window(box.col0, box.row0, box.width, box.height)
        pixels = dataset.read(masked=True, window=window)
    return np.ma.getdata(pixels), ~np.ma.getmaskarray(pixels)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "float32", "float64"])
@pytest.mark.parametrize("kind", ["none", "nodata", "mask", "mask and nodata"])
def test_pixels_and_gaps_are_rasterios(tmp_path, dtype, kind):
    pixels = image(dtype)
    mask = np.random.default_rng(1).random((40, 50)) < 0.7 if "mask" in kind else None
    path = make(tmp_path / "a.tif", pixels, mask=mask, nodata=3 if "nodata" in kind else None)
    source = RasterioSource(path)
    for box in (WHOLE, Box(7, 23, 11, 50)):
        wanted, valid = truth(path, box)
        got = known(source, box)
        np.testing.assert_array_equal(got, valid)
        np.testing.assert_array_equal(source.read(box)[got], wanted[got])
    assert source.has_nodata == (kind != "none")
    # GDAL has it that a mask stands above a nodata value, which then means nothing.
    assert source.domain.nodata == (3 if kind == "nodata" else None)


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        *(("int64", 2**60 + 1), ("int64", -(2**53) - 1), ("int64", -(2**63))),
        *(("uint64", 2**63 + 8), ("uint64", 2**64 - 1)),
    ],
)
def test_a_nodata_value_that_no_float_holds_is_missing_alone(tmp_path, dtype, nodata):
    """rasterio gives it as a float, which is another integer: that one is data."""
    limits = np.iinfo(dtype)
    values = [value for value in range(nodata - 6, nodata + 6) if limits.min <= value <= limits.max]
    pixels = np.array(values, dtype=dtype).reshape(1, 1, -1)
    make(tmp_path / "a.tif", pixels)
    kind = {"int64": "Int64", "uint64": "UInt64"}[dtype]
    (tmp_path / "a.vrt").write_text(
        f'<VRTDataset rasterXSize="{len(values)}" rasterYSize="1"><VRTRasterBand dataType="{kind}" band="1">'
        f"<NoDataValue>{nodata}</NoDataValue><SimpleSource>"
        '<SourceFilename relativeToVRT="1">a.tif</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    source = RasterioSource(str(tmp_path / "a.vrt"))
    whole = Box(0, 1, 0, len(values))
    np.testing.assert_array_equal(known(source, whole).ravel(), [value != nodata for value in values])
    np.testing.assert_array_equal(source.read(whole), pixels)
    assert source.has_nodata


def test_nan_is_missing_and_infinity_is_not(tmp_path):
    pixels = image("float32")
    pixels[0, 1, 2], pixels[1, 3, 4] = np.nan, np.inf
    source = RasterioSource(make(tmp_path / "a.tif", pixels, nodata=np.nan))
    np.testing.assert_array_equal(known(source, WHOLE), ~np.isnan(pixels))
    assert source.read(WHOLE)[1, 3, 4] == np.inf
    assert np.isnan(source.domain.nodata)


def test_alpha_masks_the_other_bands(tmp_path):
    pixels = image("uint8", 4)
    pixels[3] = np.where(pixels[3] > 4, 255, 0)
    path = make(tmp_path / "a.tif", pixels, photometric="RGB", alpha="YES")
    source = RasterioSource(path)
    got = known(source, WHOLE)
    assert source.has_nodata
    for band in range(3):
        np.testing.assert_array_equal(got[band], pixels[3] > 0)
    assert got[3].all()  # the alpha band itself is data
    three = RasterioSource(path, bands=(1, 3))
    np.testing.assert_array_equal(known(three, WHOLE), np.stack([pixels[3] > 0] * 2))


def test_nodata_that_is_not_exactly_a_float32_is_found(tmp_path):
    pixels = image("float32")
    pixels[0, 0, 0] = 0.1
    source = RasterioSource(make(tmp_path / "a.tif", pixels, nodata=0.1))
    assert np.isnan(source.read(WHOLE)[0, 0, 0])
    assert np.isnan(source.read(WHOLE)).sum() == 1


def vrt(path, bands):
    """A virtual raster of one band per line: dtype, nodata or None, file."""
    body = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{n}">'
        + ("" if nodata is None else f"<NoDataValue>{nodata}</NoDataValue>")
        + f"<SimpleSource><SourceFilename>{file}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
        "</VRTRasterBand>"
        for n, (kind, nodata, file) in enumerate(bands, 1)
    )
    path.write_text(f'<VRTDataset rasterXSize="50" rasterYSize="40">{body}</VRTDataset>')
    return str(path)


def test_bands_may_differ_in_nodata(tmp_path):
    one = make(tmp_path / "one.tif", image("int16", 1))
    source = RasterioSource(
        vrt(tmp_path / "a.vrt", [("Int16", 3, one), ("Int16", 5, one), ("Int16", None, one)])
    )
    plain = image("int16", 1)[0]
    got = known(source, WHOLE)
    np.testing.assert_array_equal(got[0], plain != 3)
    np.testing.assert_array_equal(got[1], plain != 5)
    assert got[2].all()
    assert source.domain.nodata is None  # there is no one value for all
    assert source.has_nodata


def test_bands_may_differ_in_dtype(tmp_path):
    one = make(tmp_path / "one.tif", image("uint16", 1))
    two = make(tmp_path / "two.tif", image("float32", 1) + np.float32(0.5))
    source = RasterioSource(vrt(tmp_path / "a.vrt", [("UInt16", 3, one), ("Float32", None, two)]))
    assert source.domain.dtype == np.float32
    pixels = source.read(WHOLE)
    assert pixels.dtype == np.float32
    plain = image("float32", 1)[0]
    np.testing.assert_array_equal(pixels[0], np.where(plain == 3, np.nan, plain))
    np.testing.assert_array_equal(pixels[1], plain + np.float32(0.5))


@given(st.integers(0, 39), st.integers(0, 49), st.data())
def test_a_window_of_a_file_is_a_raster_of_its_own(tmp_path_factory, row, col, data):
    path = tmp_path_factory.getbasetemp() / "windowed.tif"
    pixels = image("uint8")
    if not path.exists():
        make(path, pixels, nodata=1)
    window = Box(row, data.draw(st.integers(row + 1, 40)), col, data.draw(st.integers(col + 1, 50)))
    source = RasterioSource(str(path), bands=(2,), window=window)
    inner = Box(0, window.height, 0, window.width)
    wanted = pixels[1:, *window.slices()]
    np.testing.assert_array_equal(source.read(inner), wanted)
    np.testing.assert_array_equal(known(source, inner), wanted != 1)
    assert source.domain.shape == wanted.shape
    assert source.domain.transform == Affine(10, 0, 5e5 + 10 * col, 0, -10, 4.6e6 - 10 * row)


def test_the_header_arrives(tmp_path):
    path = make(
        tmp_path / "a.tif",
        image("uint16"),
        descriptions=("red", ""),
        units=("m", ""),
        tiled=True,
        blockxsize=32,
        blockysize=16,
    )
    source = RasterioSource(path)
    domain = source.domain
    assert domain.band_names == ("red", "b2")
    assert domain.units == ("m", "")
    assert domain.transform == UTM["transform"]
    assert "UTM zone 33N" in domain.crs
    assert (source.block_shape, source.shape, source.indexes) == ((16, 32), (2, 40, 50), (1, 2))
    assert source.name == path


@pytest.mark.parametrize(
    ("bands", "complaint"),
    [((3,), r"has bands 1 to 2; asked for \[3\]"), ((0, 1), r"asked for \[0\]"), ((), "asked for none")],
)
def test_bands_that_are_not_there(tmp_path, bands, complaint):
    path = make(tmp_path / "a.tif", image("uint8"))
    with pytest.raises(SourceError, match=complaint):
        RasterioSource(path, bands=bands)


@pytest.mark.parametrize("window", [Box(-1, 5, 0, 5), Box(0, 41, 0, 5), Box(5, 5, 0, 5), Box(0, 5, 50, 60)])
def test_windows_that_are_not_inside(tmp_path, window):
    path = make(tmp_path / "a.tif", image("uint8"))
    with pytest.raises(SourceError, match=r"is not inside the raster of \(40, 50\) pixels"):
        RasterioSource(path, window=window)


def test_a_torn_file_is_an_error_that_names_file_and_window(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (1, 512, 512)).astype("uint8")
    path = Path(make(tmp_path / "torn one.tif", pixels, compress="deflate", tiled=True))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    source = RasterioSource(str(path))
    with pytest.raises(
        SourceError, match=r"cannot read .*torn one\.tif, rows 256:512, columns 0:512: "
    ) as caught:
        source.read(Box(256, 512, 0, 512))
    assert "See previous exception" not in str(caught.value)
    assert isinstance(caught.value, OSError)


@pytest.mark.parametrize("values", ["nan, 10, 0, 0, 0, -10", "0, inf, 0, 0, 0, -10"])
def test_a_transform_that_is_not_finite_is_refused(tmp_path, values):
    path = tmp_path / "a.vrt"
    text = f'<VRTDataset rasterXSize="5" rasterYSize="4"><GeoTransform>{values}</GeoTransform>'
    path.write_text(text + '<VRTRasterBand dataType="Byte" band="1"/></VRTDataset>')
    with pytest.raises(SourceError, match="cannot be used: the transform has values that are not finite"):
        RasterioSource(str(path))


def test_complex_integers_are_refused_by_name(tmp_path):
    path = tmp_path / "a.vrt"
    band = '<VRTRasterBand dataType="CInt16" band="1"/>'
    path.write_text(f'<VRTDataset rasterXSize="5" rasterYSize="4">{band}</VRTDataset>')
    with pytest.raises(SourceError, match=r"a.vrt cannot be used: .*complex_int16"):
        RasterioSource(str(path))


def test_a_file_of_many_rasters_names_them(tmp_path):
    netcdf = tmp_path / "a.nc"
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("scipy")
    data = np.zeros((4, 5), "float32")
    xarray.Dataset(dict.fromkeys(("red", "nir"), (("y", "x"), data))).to_netcdf(netcdf, engine="scipy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "netCDF" not in rasterio.drivers.raster_driver_extensions().values():
            pytest.skip("no netCDF driver")
    with pytest.raises(SourceError, match="open one of its subdatasets: .*red"):
        RasterioSource(str(netcdf))


@pytest.mark.parametrize("prefix", ["http://", "/vsicurl/http://"])
def test_a_url_is_named_without_its_query(prefix):
    url = f"{prefix}127.0.0.1:9/a.tif?token=secret"
    with pytest.raises(SourceError) as caught:
        RasterioSource(url)
    assert f"cannot open {prefix}127.0.0.1:9/a.tif as a raster" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_local_name_may_hold_a_question_mark(tmp_path):
    path = make(tmp_path / "what?.tif", image("uint8"))
    assert RasterioSource(path).name == path


def test_identity_changes_with_the_file(tmp_path):
    path = make(tmp_path / "a.tif", image("uint8"))
    first = RasterioSource(path).identity()
    assert first == RasterioSource(path).identity()
    assert first != RasterioSource(path, bands=(1,)).identity()
    assert first != RasterioSource(path, window=Box(0, 9, 0, 9)).identity()
    make(tmp_path / "a.tif", image("uint8"))
    assert first != RasterioSource(path).identity()


def test_a_source_pickles_without_its_handles(tmp_path):
    source = RasterioSource(make(tmp_path / "a.tif", image("uint8")), bands=(2,))
    source.read(WHOLE)
    copy = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own bytes
    assert copy == source
    np.testing.assert_array_equal(copy.read(WHOLE), source.read(WHOLE))


@pytest.mark.skipif(not SCENES.exists(), reason="real scenes lie beside the checkout, not in it")
@pytest.mark.parametrize("name", ["L7_ETMs.tif", "olinda_dem_utm25s.tif"])
def test_real_scenes_come_back_as_they_are(name):
    with rasterio.open(SCENES / name) as dataset:
        wanted = dataset.read()
    result = gp.reconstruct(SCENES / name, lambda x: x, size=64, step=32)
    np.testing.assert_allclose(result.array, wanted, rtol=5e-7)
    assert result.array.dtype == wanted.dtype
