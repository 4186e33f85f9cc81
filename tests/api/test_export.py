"""`export`, against rasterio's own windows of the same file."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import rasterio
import zarr
from affine import Affine
from rasterio.windows import Window

import geopatcher as gp
from geopatcher.errors import TargetError, TargetExistsError
from geopatcher.fields.array_source import ArraySource
from geopatcher.targets.work_folder import WorkFolder
from geotiffs import write_described
from places import SHARED
from stored import tree

UP = Affine(10, 0, 500_000, 0, -10, 8_000_000)

IMAGE = np.random.default_rng(0).integers(0, 200, (4, 150, 170)).astype("uint8")

REAL = sorted((SHARED / "data").glob("*.tif"))


def tiff(path, image=IMAGE, **profile):
    return write_described(path, image, **{"crs": "EPSG:32725", "transform": UP, **profile})


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32", "float64"])
@pytest.mark.parametrize("nodata", [None, 7])
def test_there_and_back_is_the_same_raster(tmp_path, dtype, nodata):
    source = tiff(tmp_path / "a.tif", IMAGE.astype(dtype), nodata=nodata)
    assert gp.export(source, tmp_path / "b.zarr", chunks=64) == tmp_path / "b.zarr"
    gp.export(tmp_path / "b.zarr", tmp_path / "c.tif")
    with rasterio.open(source) as before, rasterio.open(tmp_path / "c.tif") as after:
        np.testing.assert_array_equal(after.read(), before.read())
        for name in ("transform", "crs", "descriptions", "units", "dtypes", "shape"):
            assert getattr(after, name) == getattr(before, name), name
        np.testing.assert_equal(after.nodata, np.nan if nodata is None and "float" in dtype else nodata)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "b.zarr", "c.tif"]


@pytest.mark.parametrize("ending", ["zarr", "tif"])
@pytest.mark.parametrize(
    "how", [{"region": gp.Box(33, 120, 7, 99)}, {"bounds": (500_070, 7_998_800, 500_990, 7_999_670)}]
)
@pytest.mark.parametrize("by", ["file", "store", "array"])
def test_a_window_and_bands_are_what_rasterio_reads(tmp_path, ending, how, by):
    source = tiff(tmp_path / "a.tif")
    given = source
    if by == "store":
        given = gp.export(source, tmp_path / "s.zarr", chunks=(32, 64))
    elif by == "array":
        given = gp.RasterField(ArraySource.of(IMAGE, transform=UP, crs="EPSG:32725"))
    path = gp.export(given, tmp_path / f"out.{ending}", bands=(4, 2), chunks=32, **how)
    with rasterio.open(source) as dataset:
        window = Window(7, 33, 92, 87)
        wanted, transform = dataset.read([4, 2], window=window), dataset.window_transform(window)
    field = gp.RasterField(path)
    np.testing.assert_array_equal(field.source.read(gp.Box.of_shape(field.domain.grid_shape)), wanted)
    assert field.domain.transform == transform
    assert field.domain.band_names == (("b4", "b2") if by == "array" else ("name 4", "name 2"))


def test_missing_pixels_become_another_nodata_value(tmp_path):
    image = IMAGE.copy()
    image[:, :20] = 255
    path = gp.export(tiff(tmp_path / "a.tif", image, nodata=255), tmp_path / "b.tif", nodata=0)
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), np.where(image == 255, 0, image))
        np.testing.assert_array_equal(dataset.read_masks(1) > 0, (image != 255).any(axis=0))
        assert dataset.nodata is None  # pixels that hold data are 0 too


@pytest.mark.parametrize("missing", [-9999.0, np.nan])
def test_missing_floats_stay_missing(tmp_path, missing):
    image = IMAGE.astype("float32")
    image[:, 5] = missing
    image[:, 6] = np.nan
    for name in ("b.zarr", "b.tif"):
        path = gp.export(tiff(tmp_path / "a.tif", image, nodata=missing), tmp_path / name)
        field = gp.RasterField(path)
        np.testing.assert_equal(field.domain.nodata, missing)
        pixels = field.source.read(gp.Box(0, 150, 0, 170))
        assert np.isnan(pixels[:, 5:7]).all()
        assert not np.isnan(pixels[:, 7:]).any()


@pytest.mark.parametrize("ending", ["zarr", "tif"])
def test_a_mask_goes_along(tmp_path, ending):
    source = tmp_path / "a.tif"
    mask = np.full((150, 170), 255, "uint8")
    mask[:50] = 0
    pixels = IMAGE[:1] + 56  # some are 255
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(source, "w", "GTiff", 170, 150, 1, dtype="uint8", transform=UP) as dataset,
    ):
        dataset.write(pixels)
        dataset.write_mask(mask)
    copy = gp.RasterField(gp.export(source, tmp_path / f"b.{ending}")).source
    box = gp.Box(0, 150, 0, 170)
    np.testing.assert_array_equal(copy.read(box)[0], pixels[0])
    np.testing.assert_array_equal(copy.valid(box, copy.read(box))[0], mask > 0)
    assert copy.domain.nodata is None
    copy = gp.RasterField(gp.export(source, tmp_path / f"c.{ending}", nodata=255)).source
    np.testing.assert_array_equal(copy.read(box)[0], np.where(mask > 0, pixels[0], 255))
    np.testing.assert_array_equal(copy.valid(box, copy.read(box))[0], mask > 0)
    assert copy.domain.nodata is None  # pixels that hold data are 255 too


@pytest.mark.parametrize("ending", ["zarr", "tif"])
def test_an_alpha_band_is_copied_like_any_other(tmp_path, ending):
    image = IMAGE.copy()
    image[3] = np.where(IMAGE[3] > 100, 255, 0)
    source = tiff(tmp_path / "a.tif", image, photometric="RGB", alpha="YES")
    path = gp.export(source, tmp_path / f"b.{ending}")
    if ending == "tif":
        with rasterio.open(source) as before, rasterio.open(path) as after:
            np.testing.assert_array_equal(after.read(), image)
            np.testing.assert_array_equal(after.read_masks(), before.read_masks())
    else:
        np.testing.assert_array_equal(zarr.open_group(path, mode="r")["data"][:], image)
    box = gp.Box(0, 150, 0, 170)
    colors = gp.RasterField(gp.export(source, tmp_path / f"c.{ending}", bands=[1, 2, 3])).source
    np.testing.assert_array_equal(colors.valid(box, colors.read(box)), (image[[3] * 3] > 0))


@pytest.mark.parametrize("nodata", [None, 0, 255])
@pytest.mark.parametrize(
    "bands", [[4, 1], [1, 4], [2, 4, 1], [4, 3, 2, 1], [1, 2, 3, 4], [4], [4, 4], [1, 2, 3, 4, 1], [1, 2]]
)
def test_pixels_that_alpha_hides_stay_hidden_wherever_that_band_goes(tmp_path, bands, nodata):
    """GDAL takes the last of two or four bands for alpha, and a nodata value before it."""
    image = IMAGE.copy()
    image[3] = np.where(IMAGE[3] > 100, 255, 0)
    held = np.stack([image[3] > 0] * 3 + [np.ones((150, 170), bool)])
    source = tiff(tmp_path / "a.tif", image, photometric="RGB", alpha="YES")
    picked, box = [band - 1 for band in bands], gp.Box(0, 150, 0, 170)
    for at, start in enumerate((source, gp.export(source, tmp_path / "a.zarr"))):
        copy = gp.RasterField(gp.export(start, tmp_path / f"{at}.tif", bands=bands, nodata=nodata)).source
        pixels = copy.read(box)
        known = copy.valid(box, pixels)
        known = np.ones(pixels.shape, bool) if known is None else known
        np.testing.assert_array_equal(known, held[picked])
        np.testing.assert_array_equal(pixels[known], image[picked][known])


@pytest.mark.parametrize("ending", ["zarr", "tif"])
def test_bands_called_alpha_under_a_mask_hide_nothing(tmp_path, ending):
    """GDAL calls the fourth band of bytes alpha itself: where there is a mask, that says what is missing."""
    held = np.random.default_rng(1).random((150, 170)) > 0.5
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        profile = {"driver": "GTiff", "count": 4, "height": 150, "width": 170, "dtype": "uint8"}
        with rasterio.open(tmp_path / "a.tif", "w", transform=UP, **profile) as dataset:
            dataset.write(IMAGE)
            dataset.write_mask(held)
            assert dataset.colorinterp[3].name == "alpha"
    copy = gp.RasterField(gp.export(tmp_path / "a.tif", tmp_path / f"b.{ending}")).source
    box = gp.Box(0, 150, 0, 170)
    np.testing.assert_array_equal(copy.valid(box, copy.read(box)), np.stack([held] * 4))


@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_bands_that_are_missing_in_places_of_their_own_stay_so(tmp_path, dtype):
    """What lies under a mask is not what comes to stand for missing in the copy."""
    rng = np.random.default_rng(1)
    cells, held = rng.integers(1, 100, (2, 40, 50)).astype(dtype), rng.random((2, 40, 50)) > 0.4
    field = gp.RasterField.from_array(np.ma.array(cells, mask=~held))
    box = gp.Box(0, 40, 0, 50)
    for start in (field, gp.export(field, tmp_path / "a.zarr")):
        copy = gp.RasterField(gp.export(start, tmp_path / "b.tif", overwrite=True)).source
        pixels = copy.read(box)
        np.testing.assert_array_equal(copy.valid(box, pixels), held)
        np.testing.assert_array_equal(pixels[held], cells[held])
        assert copy.domain.nodata == 0  # which no cell with data has


def test_colors_go_along(tmp_path):
    source = tmp_path / "a.tif"
    labels = (IMAGE[:1] % 3).astype("uint8")
    colors = {0: (0, 0, 0, 255), 1: (255, 0, 0, 255), 2: (0, 9, 255, 255)}
    with rasterio.open(source, "w", "GTiff", 170, 150, 1, dtype="uint8", transform=UP) as dataset:
        dataset.write_colormap(1, colors)
        dataset.write(labels)
    path = gp.export(source, tmp_path / "b.tif", storage=gp.CogStorage(blocksize=64))
    with rasterio.open(path) as dataset:
        assert {key: dataset.colormap(1)[key] for key in colors} == colors
        assert set(np.unique(dataset.read(1, out_shape=(75, 85)))) <= {0, 1, 2}
    with rasterio.open(path, overview_level=0) as dataset:
        assert set(np.unique(dataset.read())) <= {0, 1, 2}  # the mode: a mean of labels is another label


def test_a_layer_of_a_result_can_be_copied(tmp_path):
    result = gp.reconstruct(IMAGE, lambda x: x, tmp_path / "r.zarr", size=64, layers=["weight"])
    path = gp.export(result.path, tmp_path / "w.tif", layer="weight")
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), result.layers["weight"][:])
    with pytest.raises(OSError, match="has no array 'height'"):
        gp.export(result.path, tmp_path / "h.tif", layer="height")
    with pytest.raises(ValueError, match=r"layer 'weight' is for a \.zarr result"):
        gp.export(path, tmp_path / "x.tif", layer="weight")


def test_shards_codecs_and_levels(tmp_path):
    source = tiff(tmp_path / "a.tif")
    path = gp.export(
        source, tmp_path / "b.zarr", chunks=16, storage=gp.ZarrStorage("blosc-lz4", 64, multiscales=True)
    )
    group = zarr.open_group(path, mode="r")
    assert (group["data"].shards, group["data"].chunks) == ((1, 64, 64), (1, 16, 16))
    np.testing.assert_array_equal(group["data"][:], IMAGE)
    assert group["1/data"].shape == (4, 75, 85)
    assert [type(codec).__name__ for codec in group["data"].compressors] == ["BloscCodec"]


def test_the_same_copy_has_the_same_bytes_whatever_is_held_at_once(tmp_path):
    source = tiff(tmp_path / "a.tif")
    gp.export(source, tmp_path / "b.zarr", chunks=32, storage=gp.ZarrStorage(multiscales=True))
    gp.export(
        source, tmp_path / "c.zarr", chunks=32, storage=gp.ZarrStorage(multiscales=True), memory_limit="1kB"
    )
    assert tree(tmp_path / "b.zarr") == tree(tmp_path / "c.zarr")


def test_memory_does_not_grow_with_the_raster(tmp_path):
    class Wide:
        shape, dtype = (6000, 6000), np.dtype("float32")

        def __getitem__(self, index):
            return np.zeros([part.stop - part.start for part in index[-2:]], "float32")

    tracemalloc.start()
    gp.export(gp.RasterField(ArraySource.of(Wide())), tmp_path / "b.zarr", chunks=256, memory_limit="8MiB")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24 << 20  # the raster has 144 MB


@pytest.mark.parametrize("ending", ["zarr", "tif"])
def test_a_source_that_fails_leaves_nothing(tmp_path, ending):
    class Broken:
        shape, dtype = (100, 100), np.dtype("float32")

        def __getitem__(self, index):
            if index[-2].start >= 32:
                raise OSError("the cable was pulled")
            return np.ones([part.stop - part.start for part in index[-2:]], "float32")

    field = gp.RasterField(ArraySource.of(Broken()))
    with pytest.raises(OSError, match="cable was pulled"):
        gp.export(
            field,
            tmp_path / f"b.{ending}",
            chunks=32,
            storage=gp.CogStorage(blocksize=32) if ending == "tif" else None,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["zarr", "tif"])
def test_what_is_there_is_kept_unless_told_otherwise(tmp_path, ending):
    source, target = tiff(tmp_path / "a.tif"), tmp_path / f"b.{ending}"
    gp.export(source, target, bands=[1])
    with pytest.raises(TargetExistsError, match=r"exists: choose another target, or pass overwrite=True"):
        gp.export(source, target)
    gp.export(source, target, bands=[1, 2], overwrite=True)
    assert gp.RasterField(target).domain.n_bands == 2
    other = tmp_path / f"c.{ending}"
    begun = WorkFolder(other.with_name(other.name + ".partial"))
    begun.begin()
    (begun.own / "ledger.jsonl").touch()
    with pytest.raises(TargetExistsError, match="holds what an interrupted run finished"):
        gp.export(source, other)
    gp.export(source, other, overwrite=True)
    with pytest.raises(TargetError, match="does not exist: create it"):
        gp.export(source, tmp_path / "nowhere" / f"b.{ending}")


@pytest.mark.parametrize("ending", ["zarr", "tif"])
def test_what_a_killed_copy_left_is_not_in_the_way_of_the_same_again(tmp_path, ending):
    source, target = tiff(tmp_path / "a.tif"), tmp_path / f"b.{ending}"
    killed = WorkFolder(tmp_path / f"b.{ending}.partial")
    killed.begin()
    (killed.own / "result.zarr").mkdir()
    gp.export(source, target)
    assert {path.name for path in tmp_path.iterdir()} == {"a.tif", target.name}
    assert gp.RasterField(target).domain.n_bands == 4


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"region": gp.Box(0, 9, 0, 9), "bounds": (0, 0, 1, 1)}, "region and bounds were both given"),
        ({"region": gp.Box(0, 999, 0, 9)}, "is not inside the raster of 150 rows"),
        ({"bands": [9]}, r"has bands 1 to 4; asked for \[9\]"),
        ({"nodata": 999}, "nodata=999 does not fit pixels of uint8"),
        ({"storage": gp.ZarrStorage(shards=700)}, "do not hold whole chunks"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(tmp_path, options, complaint):
    source = tiff(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=complaint):
        gp.export(source, tmp_path / "b.zarr", **options)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.skipif(not REAL, reason="the real rasters are not here")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_rasters_go_there_and_back(tmp_path, path):
    gp.export(path, tmp_path / "b.zarr", chunks=128, storage=gp.ZarrStorage(multiscales=True))
    gp.export(tmp_path / "b.zarr", tmp_path / "c.tif")
    with rasterio.open(path) as before, rasterio.open(tmp_path / "c.tif") as after:
        np.testing.assert_array_equal(before.read(masked=True).filled(0), after.read(masked=True).filled(0))
        assert (before.transform, before.crs) == (after.transform, after.crs)
