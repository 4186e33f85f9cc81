"""A raster that is another one by now: opened again it is read as it is, held on to it is refused.

What a process keeps of a path, open datasets, headers and bytes of a server, is of the file that was there.
"""

from __future__ import annotations

import os
import pickle
import shutil

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from clouds import ACCOUNT, BUCKET, KEY, objects
from faulty import Faulty
from geopatcher.fields.cog_field import ObstoreCogField
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.formats.dataset_pool import POOL

RNG = np.random.default_rng(0)
FIRST = RNG.integers(1, 99, (200, 250)).astype("uint16")
OTHER = RNG.integers(1, 99, (300, 200)).astype("uint16")
SIZES = {"size": 64, "step": 64, "window": "boxcar", "progress": False}
#: What replaces `FIRST`, how far east of it, and what else is another.
CASES = {
    "shape": (OTHER, 1000, {}),
    "place": (FIRST, 1000, {}),
    "system": (FIRST, 0, {"crs": "EPSG:32632"}),
    "dtype": (FIRST.astype("float32"), 0, {}),
    "nodata": (FIRST, 0, {"nodata": 5}),
}


def tiff(path, array, east=0, **more):
    height, width = array.shape
    profile = {"driver": "GTiff", "count": 1, "height": height, "width": width, "dtype": array.dtype}
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5 + east, 0, -10, 5e6)}
    tiles = {"tiled": True, "blockxsize": 64, "blockysize": 64}
    with rasterio.open(path, "w", **{**profile, **place, **tiles, **more}) as out:
        out.write(array, 1)


def store(path, array, east=0, **more):
    shutil.rmtree(path, ignore_errors=True)
    tiff(path.with_suffix(".src"), array, east, **more)
    gp.reconstruct(path.with_suffix(".src"), np.copy, path, chunks=64, **SIZES)


def copied(source):
    return gp.reconstruct(source, np.copy, **SIZES)


def require(made, array, east, more):
    missing = array == more.get("nodata", 0)
    np.testing.assert_array_equal(np.asarray(made.array)[0][~missing], array[~missing])
    if made.valid is not None:
        np.testing.assert_array_equal(np.asarray(made.valid)[0], ~missing)
    assert (missing.any() and made.valid is not None) or not missing.any()
    assert made.array.dtype == array.dtype
    assert made.domain.transform.c == 5e5 + east
    assert rasterio.CRS.from_user_input(made.domain.crs) == rasterio.CRS.from_string(
        more.get("crs", "EPSG:32633")
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Faulty(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture(params=["file", "zarr", "http", "mosaic"])
def kept(request, tmp_path, server):
    """How to write a raster, and its address."""
    if request.param == "zarr":
        return (lambda *given, **more: store(tmp_path / "a.zarr", *given, **more)), tmp_path / "a.zarr"
    folder = server.folder if request.param == "http" else tmp_path
    address = f"{server.url}/a.tif" if request.param == "http" else folder / "a.tif"
    opened = gp.Mosaic([address]) if request.param == "mosaic" and address.exists() else address
    return (lambda *given, **more: tiff(folder / "a.tif", *given, **more)), opened


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("first", [gp.RasterField, copied])
def test_what_is_opened_again_is_read_as_it_is(kept, case, first):
    write, address = kept
    array, east, more = CASES[case]
    write(FIRST)
    first(address)
    write(array, east, **more)
    require(copied(address), array, east, more)
    write(FIRST)  # back to what it was: nothing of the other one is left
    require(copied(address), FIRST, 0, {})


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("is_read_before", [False, True])
def test_what_is_held_on_to_is_refused(kept, case, is_read_before):
    write, address = kept
    array, east, more = CASES[case]
    write(FIRST)
    held = gp.RasterField(address)
    if is_read_before:
        copied(held)
    write(array, east, **more)
    for policy in ({}, {"on_error": "mask"}, {"on_error": "skip"}):
        with pytest.raises(gp.SourceChangedError, match=r"a\.(tif|zarr).* changed (since|while) it was"):
            gp.reconstruct(held, np.copy, **SIZES, **policy)
    require(copied(address), array, east, more)


def test_a_window_and_bands_are_of_the_file_that_was_opened(tmp_path):
    path = tmp_path / "a.tif"
    tiff(path, FIRST)
    source = RasterioSource(str(path))
    tiff(path, OTHER)
    with pytest.raises(gp.SourceChangedError, match=r"a\.tif has changed since it was opened"):
        source.select_bands([0])


def test_a_source_in_another_process_is_refused_too(tmp_path):
    path = tmp_path / "a.tif"
    tiff(path, FIRST)
    sent = pickle.dumps(RasterioSource(str(path)))
    POOL.close()
    tiff(path, OTHER)
    with pytest.raises(gp.SourceChangedError, match=r"cannot read .*a\.tif, .*changed since it was opened"):
        pickle.loads(sent).read(gp.Box(0, 64, 0, 64))  # noqa: S301


def test_pixels_that_are_new_under_the_same_header_are_read(kept):
    write, address = kept
    write(FIRST)
    held = gp.RasterField(address)
    copied(held)
    write(FIRST + 1)
    np.testing.assert_array_equal(np.asarray(copied(held).array)[0], FIRST + 1)


@pytest.mark.parametrize("what", [".msk", ".aux.xml"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_comes_and_goes_beside_a_raster_is_seen(tmp_path, server, what, elsewhere):
    folder = server.folder if elsewhere else tmp_path
    path, beside = folder / "beside.tif", folder / f"beside.tif{what}"
    address = f"{server.url}/beside.tif" if elsewhere else str(path)
    tiff(path, FIRST)
    assert not RasterioSource(address).has_nodata
    copied(address)
    if what == ".msk":
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as out:
            out.write_mask(FIRST > 9)
        missing = FIRST <= 9
    else:
        said = "<PAMRasterBand band='1'><NoDataValue>7</NoDataValue></PAMRasterBand>"
        beside.write_text(f"<PAMDataset>{said}</PAMDataset>")
        missing = FIRST == 7
    assert beside.exists()
    if elsewhere:  # a server is not asked again for what was not there, unless the raster is another one
        tiff(folder / "new.tif", FIRST)
        (folder / "new.tif").replace(path)
    assert RasterioSource(address).has_nodata
    np.testing.assert_array_equal(np.asarray(copied(address).valid)[0], ~missing)
    beside.unlink()
    if elsewhere:  # or a server does not give it for a moment
        with pytest.raises(
            gp.SourceError, match=rf"\{what} beside it was there and is there no more: open it"
        ):
            RasterioSource(address)
    assert not RasterioSource(address).has_nodata
    np.testing.assert_array_equal(np.asarray(copied(address).array)[0], FIRST)


def test_a_raster_that_is_lent_while_another_takes_its_place_is_not_kept(tmp_path):
    path = str(tmp_path / "a.tif")
    tiff(path, FIRST)
    with POOL.borrow(path) as dataset:
        POOL.drop(path)
    assert dataset.closed
    with POOL.borrow(path) as dataset:
        pass
    assert not dataset.closed
    POOL.drop(path)
    assert dataset.closed


@pytest.mark.parametrize("case", [*CASES, "pixels"])
def test_tiles_of_a_file_that_was_replaced_are_not_looked_for_where_they_were(tmp_path, case):
    path = tmp_path / "a.tif"
    array, east, more = CASES.get(case, (FIRST + 1, 0, {}))
    tiff(path, FIRST)
    held = ObstoreCogField.from_url(str(path))
    sent = pickle.dumps(held)
    copied(held)
    (tmp_path / "b").mkdir()
    tiff(tmp_path / "b" / "a.tif", array, east, **more)
    (tmp_path / "b" / "a.tif").replace(path)
    for field in (held, pickle.loads(sent)):  # noqa: S301
        with pytest.raises(gp.SourceChangedError, match=r"a\.tif has changed since it was opened"):
            copied(field)
        with pytest.raises(gp.SourceChangedError, match=r"a\.tif has changed since it was opened"):
            field.source.read(gp.Box(0, 64, 0, 64))
    require(copied(ObstoreCogField.from_url(str(path))), array, east, more)


@pytest.mark.parametrize("scheme", ["gs", "az"])
def test_the_same_address_under_other_credentials_is_another_file(tmp_path, gdal_variables, scheme):
    def go_to(port):
        where = f"http://127.0.0.1:{port}/{ACCOUNT}"
        azure = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={where};"
        google = {"STORAGE_EMULATOR_HOST": f"127.0.0.1:{port}"}
        gdal_variables(**(google if scheme == "gs" else {"AZURE_STORAGE_CONNECTION_STRING": azure}))

    for name, array, east in (("one", FIRST, 0), ("two", OTHER, 1000)):
        (tmp_path / name).mkdir()
        tiff(tmp_path / name / "a.tif", array, east)
    address = f"{scheme}://{BUCKET}/a.tif"
    with objects(tmp_path / "one") as one, objects(tmp_path / "two") as two:
        for port, array, east in ((one, FIRST, 0), (two, OTHER, 1000), (one, FIRST, 0)):
            go_to(port)
            require(copied(address), array, east, {})


def test_a_chunk_of_the_same_size_and_time_makes_another_run(tmp_path):
    source, target = tmp_path / "a.zarr", tmp_path / "out.zarr"
    tiff(tmp_path / "a.src", FIRST)
    gp.reconstruct(
        tmp_path / "a.src", np.copy, source, storage=gp.ZarrStorage(codec="none"), chunks=64, **SIZES
    )
    gp.reconstruct(source, np.copy, target, **SIZES)
    gp.reconstruct(source, np.copy, target, **SIZES)  # which is the same run
    chunk = source / "data" / "c" / "0" / "0" / "0"
    found, cells = chunk.stat(), np.frombuffer(chunk.read_bytes(), "uint16")
    chunk.write_bytes((cells + 1).tobytes())
    os.utime(chunk, ns=(found.st_atime_ns, found.st_mtime_ns))
    with pytest.raises(gp.TargetExistsError, match=r"source\.sample"):
        gp.reconstruct(source, np.copy, target, **SIZES)
