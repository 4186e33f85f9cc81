import asyncio
import pickle
import threading

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from geopatcher import (
    ObstoreCogField,
    RasterField,
    SourceError,
    SpatialBoxcar,
    SpatialMean,
    SpatialPatcher,
    SpatialRectangular,
    SpatialRegularStride,
    _optional,
    reconstruct,
)
from range_cogs import noise, ranges, write_cog

WINDOWS = [Window(0, 0, 10, 10), Window(60, 60, 10, 9), Window(130, 100, 70, 50), Window(5, 140, 195, 10)]


def gdal(path, window):
    with rasterio.open(path) as dataset:
        return dataset.read(window=window)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64"])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_pixels_and_place_are_those_of_gdal(tmp_path, dtype, interleave):
    path = write_cog(tmp_path / "a.tif", noise(dtype=dtype), interleave=interleave)
    field, other = ObstoreCogField.from_url(path), RasterField(path)
    assert field.domain.shape == other.domain.shape
    assert field.domain.transform == other.domain.transform
    assert field.domain.dtype == np.dtype(dtype)
    assert rasterio.crs.CRS.from_wkt(field.domain.crs) == rasterio.crs.CRS.from_epsg(32633)
    assert field.source.block_shape == (64, 64)
    for window, read in zip(WINDOWS, field.select_many(WINDOWS), strict=True):
        assert read.dtype == np.dtype(dtype)
        assert np.array_equal(read, gdal(path, window))
        assert np.array_equal(field.select(window), read)


@pytest.mark.parametrize(("dtype", "nodata"), [("uint8", 7), ("float32", -9999.0), ("float32", np.nan)])
def test_missing_pixels(tmp_path, dtype, nodata):
    array = noise(dtype=dtype)
    array[:, 10:30, 20:90] = nodata
    path = write_cog(tmp_path / "a.tif", array, nodata=nodata)
    field, other = ObstoreCogField.from_url(str(path)), RasterField(path)
    for window in WINDOWS:
        assert np.array_equal(field.select(window), other.select(window), equal_nan=dtype == "float32")
    doubled = [
        reconstruct(source, lambda x: x * 1.0, size=32, window="boxcar").array[:] for source in (field, path)
    ]
    assert np.array_equal(*doubled, equal_nan=True)
    assert np.isnan(doubled[0]).any()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_masks(tmp_path, dtype):
    mask = np.full((150, 200), 255, "uint8")
    mask[20:70, 50:100] = 0
    path = write_cog(tmp_path / "a.tif", noise(dtype=dtype), mask=mask, photometric="minisblack")
    field = ObstoreCogField.from_url(path)
    assert field.source.has_nodata
    made = reconstruct(field, lambda x: x * 1.0, size=32, window="boxcar").array[:]
    assert np.array_equal(np.isnan(made), np.broadcast_to(mask == 0, made.shape))


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("nodata", [None, 9])
def test_tiles_that_are_not_stored(tmp_path, interleave, nodata):
    path = write_cog(
        tmp_path / "a.tif", noise(), nodata=nodata, empty=[(0, 0), (1, 2), (2, 3)], interleave=interleave
    )
    field = ObstoreCogField.from_url(path)
    for window in [Window(0, 0, 200, 150), Window(3, 3, 5, 5), Window(60, 60, 100, 20)]:
        assert np.array_equal(field.select(window), gdal(path, window))


def test_overviews(tmp_path):
    path = write_cog(tmp_path / "a.tif", noise(), overviews=(2, 4))
    field = ObstoreCogField.from_url(path, ifd_index=1)
    with rasterio.open(path, overview_level=0) as level:
        assert field.domain.grid_shape == level.shape
        assert np.array_equal(field.select(Window(0, 0, 100, 75)), level.read())
        assert field.domain.transform.almost_equals(level.transform)
    with pytest.raises(SourceError, match="has 3 images, counted from 0: there is no ifd_index=5"):
        ObstoreCogField.from_url(path, ifd_index=5)


def test_windows_over_the_edge(tmp_path):
    array = noise()
    field = ObstoreCogField.from_url(write_cog(tmp_path / "a.tif", array, nodata=9))
    beyond, outside = field.select_many([Window(-5, -5, 10, 10), Window(500, 500, 4, 3)])
    assert (beyond[:, :5] == 9).all()
    assert np.array_equal(beyond[:, 5:, 5:], array[:, :5, :5])
    assert np.array_equal(outside, np.full((2, 3, 4), 9))
    assert field.select_many([]) == []


def test_over_http(tmp_path):
    array = noise()
    write_cog(tmp_path / "a b.tif", array)
    with ranges(tmp_path) as server:
        field = ObstoreCogField.from_url(f"{server.url}/a%20b.tif")
        for window, read in zip(WINDOWS, field.select_many(WINDOWS), strict=True):
            assert np.array_equal(read, gdal(tmp_path / "a b.tif", window))
        assert "etag" in field.source.identity()
        assert field.source.version() == field.source.version()


def test_windows_are_on_their_way_at_once(tmp_path):
    write_cog(tmp_path / "a.tif", noise())
    with ranges(tmp_path) as server:
        field = ObstoreCogField.from_url(f"{server.url}/a.tif")
        server.barrier = threading.Barrier(
            3
        )  # answers when three have asked: one after the other would be stuck
        read = field.select_many([Window(0, 0, 9, 9), Window(70, 70, 9, 9), Window(135, 70, 9, 9)])
        assert len(read) == 3


def test_a_signed_address_stays_signed_and_out_of_messages(tmp_path):
    write_cog(tmp_path / "a.tif", noise())
    with ranges(tmp_path, signature="hunter2") as server:
        field = ObstoreCogField.from_url(f"{server.url}/a.tif?sig=hunter2")
        assert field.select(WINDOWS[0]).shape == (2, 10, 10)
        with pytest.raises(SourceError) as caught:
            ObstoreCogField.from_url(f"{server.url}/a.tif?sig=hunter3")
        with pytest.raises(SourceError) as gone:
            ObstoreCogField.from_url(f"{server.url}/b.tif?sig=hunter2")
        sent = pickle.dumps(field)
        for text in (
            str(caught.value),
            str(gone.value),
            repr(field),
            str(field.source.identity()),
            repr(sent),
        ):
            assert "hunter" not in text
        with pytest.raises(SourceError, match="secrets are not sent to other processes"):
            pickle.loads(sent).select(WINDOWS[0])  # noqa: S301


def test_options_that_are_secret_stay_here(tmp_path):
    path = write_cog(tmp_path / "a.tif", noise())
    field = ObstoreCogField.from_url(
        path, storage_options={"aws_secret_access_key": "hunter2", "region": "x"}
    )
    sent = pickle.dumps(field)
    assert b"hunter2" not in sent
    other = pickle.loads(sent)  # noqa: S301
    assert np.array_equal(other.select(WINDOWS[1]), field.select(WINDOWS[1]))
    assert other.source.access.withheld


def test_a_server_that_does_not_answer(tmp_path):
    write_cog(tmp_path / "a.tif", noise())
    with ranges(tmp_path) as server:
        field = ObstoreCogField.from_url(f"{server.url}/a.tif", timeout=0.5)
        server.hangs.set()
        with pytest.raises(SourceError, match=r"cannot read rows 0:10, columns 0:10 of http.*a.tif: "):
            field.select(WINDOWS[0])
        server.released.set()


def test_one_of_several_that_fails_is_named(tmp_path):
    path = write_cog(tmp_path / "a.tif", noise())
    path.write_bytes(path.read_bytes()[:2000])
    field = ObstoreCogField.from_url(path)
    with pytest.raises(SourceError, match=r"cannot read 4 windows of file://.*a.tif: "):
        field.select_many(WINDOWS)


def test_a_store_that_is_open(tmp_path):
    from obstore.store import LocalStore, MemoryStore

    array = noise()
    path = write_cog(tmp_path / "a.tif", array)
    memory = MemoryStore()
    memory.put("deep/a.tif", path.read_bytes())
    for store, where in [(memory, {"path": "deep/a.tif"}), (LocalStore(tmp_path), {"path": "a.tif"})]:
        field = ObstoreCogField.from_url("memory:///x.tif", store=store, **where)
        assert np.array_equal(field.select(Window(0, 0, 200, 150)), array)
        with pytest.raises(TypeError, match="an open store is not sent to other processes"):
            pickle.dumps(field)
    assert ObstoreCogField.from_url("memory:///deep/a.tif", store=memory).domain.shape == array.shape
    with pytest.raises(ValueError, match="store= is one already"):
        ObstoreCogField.from_url("memory:///deep/a.tif", store=memory, storage_options={"a": 1})


def test_inside_a_running_event_loop(tmp_path):
    array = noise()
    field = ObstoreCogField.from_url(write_cog(tmp_path / "a.tif", array))

    async def both():
        return field.select(Window(0, 0, 9, 9)), await field.aselect(Window(-1, 0, 10, 9))

    one, other = asyncio.run(both())
    assert np.array_equal(one, array[:, :9, :9])
    assert np.array_equal(other[:, :, 1:], one)
    assert (other[:, :, 0] == 0).all()


def test_split_and_merge(tmp_path):
    array = noise()
    field = ObstoreCogField.from_url(write_cog(tmp_path / "a.tif", array))
    patcher = SpatialPatcher(SpatialRectangular(50), SpatialRegularStride(40), SpatialBoxcar(), SpatialMean())
    assert np.array_equal(patcher.merge(patcher.split(field), field.domain), array)


def test_no_thread_stays(tmp_path):
    path = write_cog(tmp_path / "a.tif", noise())
    before = threading.active_count()
    ObstoreCogField.from_url(path).select_many(WINDOWS * 4)
    assert threading.active_count() <= before  # those of others may end


@pytest.mark.filterwarnings("ignore:Striped")
def test_what_is_no_tiled_geotiff_is_refused(tmp_path):
    (tmp_path / "no.tif").write_bytes(b"no raster")
    with pytest.raises(SourceError, match="cannot open file://"):
        ObstoreCogField.from_url(tmp_path / "no.tif")
    with pytest.raises(SourceError, match="cannot open file://"):
        ObstoreCogField.from_url(tmp_path / "not there.tif")
    profile = {"driver": "GTiff", "height": 90, "width": 9, "count": 1, "dtype": "uint8", "crs": "EPSG:32633"}
    with rasterio.open(
        tmp_path / "strips.tif", "w", transform=rasterio.Affine(1, 0, 0, 0, -1, 0), blockysize=8, **profile
    ) as dataset:
        dataset.write(np.ones((1, 90, 9), "uint8"))
    with pytest.raises(SourceError, match="stored in strips, not in tiles: take RasterField"):
        ObstoreCogField.from_url(tmp_path / "strips.tif")
    with pytest.raises(ValueError, match="names no file"):
        ObstoreCogField.from_url("s3://bucket/folder/")
    with pytest.raises(ValueError, match="timeout is a number of seconds"):
        ObstoreCogField.from_url(tmp_path / "no.tif", timeout=0)


def test_a_library_that_is_missing_is_named(tmp_path, monkeypatch):
    path = write_cog(tmp_path / "a.tif", noise())

    def missing(module):
        raise ImportError(module)

    monkeypatch.setattr(_optional, "import_quickly", missing)
    with pytest.raises(ImportError, match=r"pip install 'geopatcher\[cloud\]'"):
        ObstoreCogField.from_url(path)
