"""The settings of GDAL while we open and read, and that they are put back."""

from __future__ import annotations

import multiprocessing
import os
import threading

import numpy as np
import pytest
import rasterio
from rasterio.env import get_gdal_config, getenv, hasenv, set_gdal_config

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.formats.dataset_pool import POOL
from geopatcher.formats.gdal_environment import (
    CACHE_BYTES,
    DEFAULTS,
    PINNED,
    KeptTiles,
    environment,
    opened,
)
from mosaics import mosaic

OTHERS = (
    "GDAL_DISABLE_READDIR_ON_OPEN",
    "GDAL_PAM_ENABLED",
    "CPL_TMPDIR",
    "GDAL_CACHEMAX",
    "PROJ_DATA",
    "GDAL_DATA",
)

NAMES = (*PINNED, *DEFAULTS, *OTHERS)


def settings():
    return {name: get_gdal_config(name, normalize=False) for name in NAMES}


def in_thread(call):
    """Return what a call returns in a thread of its own."""
    found = []

    def run():
        try:
            found.append(call())
        except Exception as error:  # noqa: BLE001 - raised by who asked
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def raster(path, value=7, **profile):
    known = {
        "driver": "GTiff",
        "height": 128,
        "width": 128,
        "count": 1,
        "dtype": "uint8",
        "crs": "EPSG:32633",
    }
    place = rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)
    with rasterio.open(path, "w", **known | {"transform": place} | profile) as dataset:
        dataset.write(np.full((1, 128, 128), value, "uint8"))
    return str(path)


@pytest.mark.parametrize("where", ["main", "thread"])
@pytest.mark.parametrize("how", ["nothing", "variables", "env"])
def test_what_is_pinned_holds_and_is_put_back(monkeypatch, where, how):
    if how == "variables":
        monkeypatch.setenv("VRT_NUM_THREADS", "8")
        monkeypatch.setenv("GDAL_NUM_THREADS", "ALL_CPUS")
        monkeypatch.setenv("GTIFF_IGNORE_READ_ERRORS", "YES")
    options = {"VRT_NUM_THREADS": 4, "GDAL_NUM_THREADS": 2, "GDAL_CACHEMAX": 99 << 20} if how == "env" else {}

    def look():
        before = settings()
        with environment(), environment(CPL_TMPDIR="/nowhere"):
            inside = settings()
        return before, inside, settings()

    with rasterio.Env(**options):
        before, inside, after = look() if where == "main" else in_thread(look)
        known = getenv()
    assert {name: inside[name] for name in PINNED} == PINNED
    assert (inside["CPL_TMPDIR"], int(inside["GDAL_CACHEMAX"])) == ("/nowhere", CACHE_BYTES)
    assert after == before
    assert {name: known[name] for name in options} == options


def test_of_what_lies_here_no_server_is_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    asking = (*DEFAULTS, "AWS_S3_ENDPOINT")
    path = raster(tmp_path / "a.tif")
    link = mosaic(tmp_path / "a.vrt", ["a.tif"], 128)

    def within(name):
        with POOL.borrow(name):
            return {option: get_gdal_config(option, normalize=False) for option in (*asking, *PINNED)}

    plain, of_others = within(path), within(link)
    assert {name: plain[name] for name in PINNED} == PINNED == {name: of_others[name] for name in PINNED}
    assert {plain[name] for name in asking} == {None}
    assert {name: of_others[name] for name in asking} == DEFAULTS | {"AWS_S3_ENDPOINT": "127.0.0.1:9"}


def test_a_variable_does_not_become_an_option(monkeypatch):
    monkeypatch.setenv("VRT_NUM_THREADS", "8")
    with environment():
        pass
    assert get_gdal_config("VRT_NUM_THREADS") == 8
    monkeypatch.delenv("VRT_NUM_THREADS")
    assert get_gdal_config("VRT_NUM_THREADS") is None


def test_a_thread_keeps_nothing_of_what_the_main_thread_was_in_the_middle_of():
    inside, leave, found = threading.Event(), threading.Event(), []

    def read():
        with environment():
            inside.set()
            leave.wait(20)
        found.append({name: get_gdal_config(name) for name in (*PINNED, *DEFAULTS)})

    thread = threading.Thread(target=read)
    with environment():
        thread.start()
        inside.wait(20)
    leave.set()
    thread.join()
    assert set(found[0].values()) == {None}


def test_time_outs_and_retries_are_those_of_the_user_where_there_are_any(monkeypatch):
    with environment():
        assert {name: get_gdal_config(name, normalize=False) for name in DEFAULTS} == DEFAULTS
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    with rasterio.Env(GDAL_HTTP_CONNECTTIMEOUT=77), environment():
        assert get_gdal_config("GDAL_HTTP_MAX_RETRY") == 0
        assert get_gdal_config("GDAL_HTTP_CONNECTTIMEOUT") == 77
        assert get_gdal_config("GDAL_HTTP_LOW_SPEED_TIME") == 30


def test_a_server_of_buckets_that_other_programs_know_is_told(monkeypatch):
    names = ("AWS_S3_ENDPOINT", "AWS_HTTPS", "AWS_VIRTUAL_HOSTING")
    for name in (*names, "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://minio.example:9000/")
    with environment():
        found = [os.fspath(get_gdal_config(name, normalize=False)) for name in names]
    assert found == ["minio.example:9000", "YES", "FALSE"]
    assert [get_gdal_config(name) for name in names] == [None, None, None]
    monkeypatch.setenv("AWS_S3_ENDPOINT", "other:80")
    with environment():
        assert get_gdal_config("AWS_VIRTUAL_HOSTING") is None, "what GDAL is told itself is not added to"


def test_the_cache_is_put_back_when_the_last_of_several_threads_is_done():
    before = get_gdal_config("GDAL_CACHEMAX")
    first_in, second_in, first_out = threading.Event(), threading.Event(), threading.Event()

    def first():
        with environment():
            first_in.set()
            second_in.wait(20)
        first_out.set()

    def second():
        first_in.wait(20)
        with environment():
            second_in.set()
            first_out.wait(20)
            assert get_gdal_config("GDAL_CACHEMAX") == CACHE_BYTES

    threads = [threading.Thread(target=call) for call in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert get_gdal_config("GDAL_CACHEMAX") == before


def test_the_cache_is_as_large_as_the_largest_that_is_asked_for():
    before = get_gdal_config("GDAL_CACHEMAX")
    small, large = KeptTiles(2 << 30), KeptTiles(3 << 30)
    for wanted in (3 << 30, 2 << 30):
        with environment():
            assert get_gdal_config("GDAL_CACHEMAX") == wanted
        assert get_gdal_config("GDAL_CACHEMAX") == max(before, wanted)
        large = None
    del small, large
    assert get_gdal_config("GDAL_CACHEMAX") == before
    with environment():
        assert get_gdal_config("GDAL_CACHEMAX") == CACHE_BYTES
    assert get_gdal_config("GDAL_CACHEMAX") == before


def test_what_others_set_while_tiles_are_kept_is_theirs():
    before = get_gdal_config("GDAL_CACHEMAX")
    tiles = KeptTiles(before + 1)
    with environment():
        pass
    set_gdal_config("GDAL_CACHEMAX", before + 2)
    with environment():
        assert get_gdal_config("GDAL_CACHEMAX") == before + 1
    assert get_gdal_config("GDAL_CACHEMAX") == before + 2
    del tiles
    assert get_gdal_config("GDAL_CACHEMAX") == before + 2
    set_gdal_config("GDAL_CACHEMAX", before)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking while threads run
def test_a_forked_child_has_the_cache_of_before():
    before = get_gdal_config("GDAL_CACHEMAX")
    with environment():
        parent, child = multiprocessing.get_context("fork").Pipe()
        process = multiprocessing.get_context("fork").Process(
            target=lambda: child.send(get_gdal_config("GDAL_CACHEMAX"))
        )
        process.start()
        process.join(20)
        assert parent.recv() == before
    assert get_gdal_config("GDAL_CACHEMAX") == before


@pytest.mark.parametrize("kind", ["x.zarr", "x.tif", None])
@pytest.mark.parametrize(
    "within", [{}, {"VRT_NUM_THREADS": 4, "GDAL_HTTP_TIMEOUT": 9, "GDAL_CACHEMAX": 64 << 20}]
)
def test_a_run_leaves_gdal_as_it_was(tmp_path, kind, within):
    for name in ("a.tif", "b.tif"):
        raster(tmp_path / name)
    source = mosaic(tmp_path / "m.vrt", ["a.tif", "b.tif"], 128)
    outside = hasenv()
    with rasterio.Env(**within):
        before, known = settings(), getenv()
        result = gp.reconstruct(source, np.copy, kind and tmp_path / kind, size=32, chunks=64)
        assert np.asarray(result.array[...]).tolist() == [[[7] * 256] * 128]
        gp.export(source, tmp_path / "e.tif")
        with pytest.raises(SourceError):
            gp.reconstruct(mosaic(tmp_path / "n.vrt", ["none.tif"], 128), np.copy, size=32)
        assert (settings(), getenv()) == (before, known)
    assert hasenv() == outside


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("where", ["main", "thread"])
def test_a_users_env_loses_no_error(tmp_path, where, warm):
    raster(tmp_path / "a.tif")
    source = RasterioSource(mosaic(tmp_path / "m.vrt", ["a.tif", "gone.tif"], 128))
    if not warm:
        POOL.close()

    def read():
        with rasterio.Env(VRT_NUM_THREADS=4, GDAL_NUM_THREADS=4):
            return source.read(Box(0, 128, 0, 256))

    with pytest.raises(SourceError, match=r"cannot read .*m\.vrt, rows 0:128, columns 0:256: .*gone\.tif"):
        read() if where == "main" else in_thread(read)


def test_a_reader_of_other_people_reads_in_it_too(tmp_path):
    path = mosaic(tmp_path / "m.vrt", [raster(tmp_path / "a.tif"), "gone.tif"], 128)

    class Field:
        domain = gp.RasterDomain((128, 256), dtype=np.dtype("uint8"))

        def select(self, window):
            with rasterio.Env(), rasterio.open(path) as dataset:
                return dataset.read(1, window=window, out_shape=(window.height, window.width))

        def with_data(self, array):
            return self

    with rasterio.Env(VRT_NUM_THREADS=4), pytest.raises(SourceError, match=r"gone\.tif"):
        gp.reconstruct(Field(), np.copy, size=64)


def test_opened_reads_names_and_closes(tmp_path):
    path = raster(tmp_path / "a.tif", tiled=True, blockxsize=64, blockysize=64)
    with rasterio.Env(VRT_NUM_THREADS=4, GDAL_NUM_THREADS=4), opened(path) as dataset:
        assert get_gdal_config("VRT_NUM_THREADS") == 1
        assert dataset.read(1).max() == 7
    assert dataset.closed
    os.truncate(path, 8000)
    with (
        pytest.raises(SourceError, match=r"^cannot read it: .*a\.tif, band 1"),
        opened(path, "cannot read it") as dataset,
    ):
        dataset.read()
    with (
        pytest.raises(SourceError, match=r"cannot read .*none\.tif: .*No such file"),
        opened(tmp_path / "none.tif"),
    ):
        pass
