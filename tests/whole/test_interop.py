"""Results of whole runs, opened by the tools people have: xarray, rioxarray, rasterio, rio-cogeo."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine

import geopatcher as gp
from geopatcher.errors import TargetExistsError
from geopatcher.fields.array_source import ArraySource
from places import SHARED

xarray = pytest.importorskip("xarray")
pytest.importorskip("rioxarray")
cogeo = pytest.importorskip("rio_cogeo")

GDAL = tuple(map(int, rasterio.__gdal_version__.split(".")[:2]))
needs_gdal_312 = pytest.mark.skipif(GDAL < (3, 12), reason="GDAL opens zarr v3 from 3.12")
REAL = sorted((SHARED / "data").glob("*.tif"))
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # rioxarray multiplies affines
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]
TURNS = {
    "north up": Affine(10, 0, 5e5, 0, -10, 4.6e6),
    "south up": Affine(10, 0, 5e5, 0, 10, 4.6e6),
    "rotated": Affine(8, 6, 5e5, 6, -8, 4.6e6),
}


def image_of(dtype="float32", nodata=None, shape=(2, 90, 110)):
    image = np.random.default_rng(0).integers(1, 200, shape).astype(dtype)
    if nodata is not None:
        image[..., 20:40, 30:70] = nodata
    return image


def run(target, image, nodata=None, turn="north up", crs="EPSG:32633", **options):
    record = (
        {"band_names": ("red", "nir"), "units": ("W", "W")} if len(image) == 2 and image.ndim == 3 else {}
    )
    source = ArraySource.of(image, transform=TURNS[turn], crs=crs, nodata=nodata, **record)
    known = {"size": 32, "step": 32, "window": "boxcar", "chunks": 32, "dtype": image.dtype, "nodata": nodata}
    return gp.reconstruct(gp.RasterField(source), lambda x: x, target, **{**known, **options})


@pytest.mark.parametrize("turn", list(TURNS))
@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326", "EPSG:2263", None])
@pytest.mark.parametrize("multiscales", [False, True])
def test_a_store_opens_in_rioxarray_without_being_told_anything(tmp_path, turn, crs, multiscales):
    image = image_of(nodata=-9999)
    run(tmp_path / "x.zarr", image, -9999, turn, crs, storage=gp.ZarrStorage(multiscales=multiscales))
    array = xarray.open_zarr(tmp_path / "x.zarr")["data"]
    assert (array.rio.crs is None) if crs is None else (array.rio.crs == rasterio.CRS.from_user_input(crs))
    assert array.rio.transform() == TURNS[turn]
    assert array.rio.encoded_nodata == -9999
    np.testing.assert_array_equal(array.values, np.where(image == -9999, np.nan, image))
    assert array.attrs["units"] == "W"
    assert list(array.attrs["long_name"]) == ["red", "nir"]
    assert array.band.values.tolist() == [1, 2]
    assert ("x" in array.coords) == (turn != "rotated")


@pytest.mark.filterwarnings("error")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_neither_the_run_nor_opening_its_store_warns(tmp_path):
    run(tmp_path / "x.zarr", image_of(), storage=gp.ZarrStorage(multiscales=True))
    xarray.open_zarr(tmp_path / "x.zarr").load()  # says so when metadata is not consolidated


@pytest.mark.parametrize(("dtype", "nodata"), [("uint8", 255), ("int16", -1), ("uint16", 0)])
def test_integers_with_nodata_are_masked_and_those_without_are_not(tmp_path, dtype, nodata):
    image = image_of(dtype, nodata)
    run(tmp_path / "a.zarr", image, nodata)
    masked = xarray.open_zarr(tmp_path / "a.zarr")["data"].values
    np.testing.assert_array_equal(np.isnan(masked), image == nodata)
    run(tmp_path / "b.zarr", image)
    plain = xarray.open_zarr(tmp_path / "b.zarr")["data"]
    assert plain.dtype == dtype
    np.testing.assert_array_equal(plain.values, image)


def test_levels_open_like_the_store(tmp_path):
    run(tmp_path / "x.zarr", image_of(), storage=gp.ZarrStorage(multiscales=True))
    for group, scale in (("1", 2), ("2", 4)):
        level = xarray.open_zarr(tmp_path / "x.zarr", group=group)["data"]
        assert level.rio.crs.to_epsg() == 32633
        assert level.rio.transform() == Affine(10 * scale, 0, 5e5, 0, -10 * scale, 4.6e6)
        assert level.rio.shape == (-(-90 // scale), -(-110 // scale))
        np.testing.assert_array_equal(level.x, 5e5 + 10 * scale * (np.arange(level.sizes["x"]) + 0.5))


def test_rioxarray_writes_what_it_opened_with_names_of_bands(tmp_path):
    image = image_of(nodata=-9999)
    run(tmp_path / "x.zarr", image, -9999)
    xarray.open_zarr(tmp_path / "x.zarr")["data"].rio.to_raster(tmp_path / "y.tif")
    with rasterio.open(tmp_path / "y.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), image)
        assert dataset.descriptions == ("red", "nir")
        assert dataset.nodata == -9999


@needs_gdal_312
@pytest.mark.parametrize("turn", ["north up", "south up"])
@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:4326", "EPSG:2263"])
@pytest.mark.parametrize("codec", ["zstd", "blosc-lz4", "gzip-1", "none"])
def test_gdal_opens_a_store(tmp_path, turn, crs, codec):
    image = image_of(nodata=-9999)
    run(tmp_path / "x.zarr", image, -9999, turn, crs, storage=gp.ZarrStorage(codec))
    for name in (str(tmp_path / "x.zarr"), f'ZARR:"{tmp_path / "x.zarr"}":/data'):
        with rasterio.open(name) as dataset:
            np.testing.assert_array_equal(dataset.read(), image)
            assert tuple(dataset.transform) == pytest.approx(tuple(TURNS[turn]))
            assert dataset.crs == rasterio.CRS.from_user_input(crs)
            assert dataset.nodata == -9999
            assert dataset.units == ("W", "W")


@needs_gdal_312
def test_gdal_opens_levels_and_layers(tmp_path):
    run(tmp_path / "x.zarr", image_of(), storage=gp.ZarrStorage(multiscales=True), layers=["weight"])
    for inside, shape, pixel in (
        ("/data", (90, 110), 10),
        ("/1/data", (45, 55), 20),
        ("/weight", (90, 110), 10),
    ):
        with rasterio.open(f'ZARR:"{tmp_path / "x.zarr"}":{inside}') as dataset:
            assert dataset.shape == shape
            assert tuple(dataset.transform) == pytest.approx((pixel, 0, 5e5, 0, -pixel, 4.6e6, 0, 0, 1))
            assert dataset.crs.to_epsg() == 32633


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("bands", [1, 2, 3, 4, 13])
def test_a_geotiff_is_a_valid_cog_with_everything_in_it(tmp_path, dtype, bands):
    image = image_of(dtype, 200, (bands, 700, 1100))
    path = run(tmp_path / "x.tif", image, 200, size=256, step=256, chunks=256).path
    assert cogeo.cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), image)
        assert (dataset.transform, dataset.crs.to_epsg(), dataset.nodata) == (TURNS["north up"], 32633, 200)
        assert dataset.overviews(1)
        valid = image[0][image[0] != 200]
        tags = dataset.tags(1)
        assert float(tags["STATISTICS_MEAN"]) == pytest.approx(valid.mean())
        assert float(tags["STATISTICS_MAXIMUM"]) == valid.max()
        if bands == 2:
            assert dataset.descriptions == ("red", "nir")
            assert dataset.units == ("W", "W")


def test_layers_of_a_geotiff_lie_beside_it(tmp_path):
    image = image_of(shape=(1, 600, 700))
    options = {"size": 128, "step": 64, "window": "hann", "layers": ["weight", "count"], "chunks": 256}
    stored = run(tmp_path / "x.zarr", image, **options)
    result = run(tmp_path / "x.tif", image, **options)
    names = {path.name for path in tmp_path.iterdir() if "ledger" not in path.name}
    assert names == {"x.zarr", "x.tif", "x.weight.tif", "x.count.tif"}
    for name in ("weight", "count"):
        path = tmp_path / f"x.{name}.tif"
        assert cogeo.cog_validate(path, strict=True) == (True, [], [])
        np.testing.assert_array_equal(result.layers[name][:], stored.layers[name][:])
        with rasterio.open(path) as dataset:
            assert dataset.nodata is None  # 0 is a true weight
            assert dataset.descriptions == (name,)
            np.testing.assert_array_equal(dataset.read(1), stored.layers[name][:])


def test_a_layer_that_is_in_the_way_is_not_replaced_unasked(tmp_path):
    (tmp_path / "x.weight.tif").write_text("somebody's")
    with pytest.raises(TargetExistsError, match=r"x\.weight\.tif, where the layer 'weight' goes, exists"):
        run(tmp_path / "x.tif", image_of(), layers=["weight"])
    assert (tmp_path / "x.weight.tif").read_text() == "somebody's"
    run(tmp_path / "x.tif", image_of(), layers=["weight"], overwrite=True)
    with rasterio.open(tmp_path / "x.weight.tif") as dataset:
        assert dataset.count == 1


def test_a_finished_geotiff_is_not_made_again_for_the_same_options_only(tmp_path):
    image = image_of()
    run(tmp_path / "x.tif", image, storage=gp.CogStorage(level=1))
    again = run(tmp_path / "x.tif", image, storage=gp.CogStorage(level=1))
    assert any("nothing was computed" in note for note in again.stats.notes)
    with pytest.raises(TargetExistsError):
        run(tmp_path / "x.tif", image, storage=gp.CogStorage(level=9))


def test_colors_are_those_asked_for(tmp_path):
    labels = np.random.default_rng(0).integers(0, 3, (1, 90, 90)).astype("uint8")
    colors = {0: (0, 0, 0, 255), 1: (255, 0, 0, 255), 2: (0, 255, 0, 255)}
    path = run(tmp_path / "x.tif", labels, storage=gp.CogStorage(colormap=colors)).path
    with rasterio.open(path) as dataset:
        assert {value: dataset.colormap(1)[value] for value in colors} == colors
    with pytest.raises(OSError, match="a GeoTIFF has a color table for one band of uint8 or uint16"):
        run(tmp_path / "y.tif", image_of(), storage=gp.CogStorage(colormap=colors))
    assert not (tmp_path / "y.tif").exists()


@pytest.mark.skipif(not REAL, reason="the real rasters are not here")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_rasters(tmp_path, path):
    options = {"size": 64, "chunks": 128, "dtype": "float32"}
    stored = gp.reconstruct(
        path,
        lambda x: x * np.float32(2),
        tmp_path / "x.zarr",
        storage=gp.ZarrStorage(multiscales=True),
        **options,
    )
    tiff = gp.reconstruct(path, lambda x: x * np.float32(2), tmp_path / "x.tif", **options)
    assert cogeo.cog_validate(tiff.path, strict=True) == (True, [], [])
    with rasterio.open(path) as source, rasterio.open(tiff.path) as dataset:
        array = xarray.open_zarr(stored.path)["data"]
        wanted = source.read(masked=True).astype("float32").filled(np.nan) * 2
        np.testing.assert_allclose(array.values.reshape(wanted.shape), wanted, rtol=1e-5)
        found = dataset.read(masked=True).astype("float32").filled(np.nan)
        np.testing.assert_array_equal(found, array.values.reshape(wanted.shape))
        assert array.rio.transform() == source.transform == dataset.transform
        assert array.rio.crs == source.crs == dataset.crs
