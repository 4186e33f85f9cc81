"""Zarr stores in buckets and on web servers: right cells or a plain error, and no credentials anywhere."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import zarr
from affine import Affine

import geopatcher as gp
from buckets import KEY, SECRET, keys, moto, upload, variables
from geopatcher.core.box import Box
from geopatcher.errors import SourceAccessError, SourceError
from geopatcher.fields.zarr_field import zarr_source
from geopatcher.fields.zarr_places import Address, Folder, is_store_elsewhere, place_of

IMAGE = np.random.default_rng(0).integers(1, 99, (2, 60, 80)).astype("int16")
IMAGE[:, :20, :20] = 7  # a whole chunk of nodata, which is not written
WHOLE = Box(0, 60, 0, 80)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Return a folder with ``data/x.zarr``, as our results are, and one of two variables."""
    folder = tmp_path_factory.mktemp("bucket")
    (folder / "data").mkdir()
    field = gp.RasterField.from_array(
        IMAGE,
        transform=Affine(10, 0, 5e5, 0, -10, 4.6e6),
        crs="EPSG:32633",
        nodata=7,
        band_names=("red", "nir"),
    )
    gp.reconstruct(field, np.copy, folder / "data/x.zarr", size=16, step=16, window="boxcar", chunks=20)
    group = zarr.open_group(folder / "data/two.zarr", mode="w")
    for number, name in enumerate(["b2", "b3"]):
        array = group.create_array(
            name, shape=(60, 80), chunks=(20, 20), dtype="int16", dimension_names=["y", "x"]
        )
        array[:] = IMAGE[number]
    for name, length in (("y", 60), ("x", 80)):
        group.create_array(name, shape=(length,), dtype="f8", dimension_names=[name])[:] = np.arange(length)
    return folder


@pytest.fixture(scope="module")
def port(stored):
    with moto() as port:
        upload(stored, port, "bucket", "deep")
        yield port


@pytest.fixture
def s3(port, gdal_variables):
    gdal_variables(**variables(port))
    return "s3://bucket/deep/data"


@pytest.fixture
def server(stored):
    with keys(stored) as server:
        server.url = f"http://127.0.0.1:{server.server_port}/data"
        yield server


def test_a_store_in_a_bucket_is_what_the_folder_is(stored, s3):
    here, there = zarr_source(stored / "data/x.zarr"), zarr_source(f"{s3}/x.zarr")
    assert there.domain == here.domain
    np.testing.assert_array_equal(there.read(WHOLE), IMAGE)
    assert there.files() == ()
    result = gp.reconstruct(f"{s3}/x.zarr", lambda x: x * 2, size=16)
    np.testing.assert_array_equal(result.array, np.where(IMAGE == 7, 7, IMAGE * 2))
    np.testing.assert_array_equal(zarr_source(f"{s3}/two.zarr/b3").read(WHOLE)[0], IMAGE[1])
    with pytest.raises(SourceError, match="holds 2 rasters, b2, b3: name one of them by variable='b2'"):
        zarr_source(f"{s3}/two.zarr")


def test_a_web_server_that_lists_nothing(server, stored):
    there = zarr_source(f"{server.url}/x.zarr")  # by its consolidated metadata
    assert there.domain == zarr_source(stored / "data/x.zarr").domain
    np.testing.assert_array_equal(there.read(WHOLE), IMAGE)
    named = zarr_source(f"{server.url}/two.zarr", "b3")  # without
    assert named.domain == zarr_source(stored / "data/two.zarr", "b3").domain
    np.testing.assert_array_equal(named.read(WHOLE)[0], IMAGE[1])
    with pytest.raises(SourceError, match="two.zarr has no array 'b9' to read as a raster"):
        zarr_source(f"{server.url}/two.zarr", "b9")
    assert {method for method, *_ in server.log} <= {"GET", "HEAD"}


@pytest.mark.parametrize("status", [403, 401, 500, 503])
def test_a_chunk_that_cannot_be_read_is_no_fill_value(server, status, monkeypatch):
    source = zarr_source(f"{server.url}/x.zarr")
    server.faults[r"data/c/0/1/1"] = [status, 99]
    error = SourceAccessError if status < 500 else SourceError
    with pytest.raises(error, match=r"x.zarr, rows 0:60, columns 0:80: cannot read .*x.zarr/data/c/0/1/1"):
        source.read(WHOLE)
    server.faults.clear()
    np.testing.assert_array_equal(source.read(WHOLE), IMAGE)


@pytest.mark.parametrize("fault", [503, 429, "cut"])
def test_what_passes_is_tried_again(server, fault):
    source = zarr_source(f"{server.url}/x.zarr")
    server.faults[r"data/c/0/1/1"] = [fault, 1]
    try:
        np.testing.assert_array_equal(source.read(WHOLE), IMAGE)
    except SourceError:
        assert fault != 503


def test_what_is_not_there_is_named(s3, server):
    with pytest.raises(SourceAccessError, match=r"there is no zarr store at s3://bucket/deep/data/no.zarr: "):
        gp.plan(f"{s3}/no.zarr", size=16)
    with pytest.raises(SourceAccessError, match=r"s3://nobody/.*: there is no such bucket"):
        gp.plan("s3://nobody/x.zarr", size=16)
    with pytest.raises(
        SourceAccessError, match=r"there is no zarr store at http://127.0.0.1:\d+/data/no.zarr: "
    ):
        gp.plan(f"{server.url}/no.zarr", size=16)
    server.faults["zarr.json"] = [403, 99]
    with pytest.raises(SourceAccessError, match="not authorised: check the address"):
        gp.plan(f"{server.url}/x.zarr", size=16)


def test_credentials_in_an_address_are_refused_without_showing_them():
    for address in ("https://me:hunter2@host/x.zarr", "https://host/x.zarr?sig=hunter2"):
        assert is_store_elsewhere(address)
        with pytest.raises(ValueError, match="credentials are taken from the environment") as caught:
            place_of(address)
        assert "hunter2" not in str(caught.value)
    with pytest.raises(ValueError, match="are for stores in buckets, and a.zarr is a folder"):
        place_of("a.zarr", "mine:give")


def test_places_have_parents_up_to_the_store():
    place = place_of("s3://bucket/a/x.zarr/level/data/")
    assert [str(each) for each in place.parents] == ["s3://bucket/a/x.zarr/level", "s3://bucket/a/x.zarr"]
    assert (place.name, str(place.child("b"))) == ("data", "s3://bucket/a/x.zarr/level/data/b")
    other = Address("s3://b", "x.zarr", "m:f")
    assert pickle.loads(pickle.dumps(other)) == other  # noqa: S301 - our own
    assert place_of("a.zarr").resolved() == Folder(Folder(place_of("a.zarr").path).path.resolve())


def test_it_travels_without_credentials_and_reads_by_those_of_where_it_arrives(s3, monkeypatch):
    source = zarr_source(f"{s3}/x.zarr")
    source.read(WHOLE)
    sent = pickle.dumps(source)
    assert KEY.encode() not in sent
    assert SECRET.encode() not in sent
    assert KEY not in repr(source) + repr(vars(source)) + str(source.identity())
    np.testing.assert_array_equal(pickle.loads(sent).read(WHOLE), IMAGE)  # noqa: S301 - our own


def test_a_function_gives_credentials_where_it_is_read(server, stored, monkeypatch, gdal_variables):
    gdal_variables(AWS_S3_ENDPOINT=f"127.0.0.1:{server.server_port}", AWS_HTTPS="NO", AWS_REGION="eu-west-1")
    monkeypatch.setenv("THEIR_KEY", "AKID-FIRST")
    monkeypatch.setenv("THEIR_SECRET", SECRET)
    array = Address("s3://data", "x.zarr/data", "buckets:given_here").node()
    np.testing.assert_array_equal(array[:], IMAGE)
    sent = pickle.dumps(array)
    assert SECRET.encode() not in sent
    monkeypatch.setenv("THEIR_KEY", "AKID-SECOND")
    server.log.clear()
    np.testing.assert_array_equal(pickle.loads(sent)[:], IMAGE)  # noqa: S301 - our own
    assert all("Credential=AKID-SECOND/" in said for *_, said in server.log)
    with pytest.raises(ValueError, match='is to be "module:function"'):
        Address("s3://data", "x.zarr", "buckets:nothing").node()


def test_a_rewritten_store_is_another_source(tmp_path):
    gp.reconstruct(
        gp.RasterField.from_array(IMAGE, nodata=7), np.copy, tmp_path / "x.zarr", size=16, chunks=20
    )
    with moto() as port, pytest.MonkeyPatch.context() as patch:
        for name, value in variables(port).items():
            patch.setenv(name, value)
        store = upload(tmp_path, port, "bucket", "a")
        source = zarr_source("s3://bucket/a/x.zarr")
        first, version = source.identity(), source.version()
        assert zarr_source("s3://bucket/a/x.zarr").identity() == first
        chunk = store.get("a/x.zarr/data/c/0/1/1").bytes().to_bytes()
        store.put("a/x.zarr/data/c/0/1/1", chunk[:-1] + b"x")
        assert source.identity() != first
        assert source.version() == version  # documents only: it is asked for again and again
        store.put("a/x.zarr/data/zarr.json", store.get("a/x.zarr/data/zarr.json").bytes().to_bytes() + b" ")
        assert source.version() != version
        for entries in store.list("a/x.zarr/data"):
            store.delete([entry["path"] for entry in entries])
        with pytest.raises(SourceError, match="is gone: there is no zarr store at this address any more"):
            source.version()


@pytest.mark.parametrize("name", ["x.zarr/ndvi", "x.zarr"])
def test_an_array_of_a_folder_that_was_rewritten_is_another_source(tmp_path, name):
    group = zarr.open_group(tmp_path / "x.zarr", mode="w")
    array = group.create_array("ndvi", shape=(60, 80), chunks=(20, 20), dtype="int16")
    array[:] = IMAGE[0]
    source = zarr_source(tmp_path / name)
    before = source.identity()
    array[0, 0] += 1
    assert source.identity() != before


def test_a_run_that_failed_goes_on(server, tmp_path):
    server.faults[r"data/c/1/2/3"] = [403, 10**6]
    arguments = {"size": 16, "step": 16, "window": "boxcar", "chunks": 20}
    with pytest.raises(SourceAccessError, match=r"data/c/1/2/3"):
        gp.reconstruct(f"{server.url}/x.zarr", np.negative, tmp_path / "out.zarr", **arguments)
    assert not (tmp_path / "out.zarr").exists()
    server.faults.clear()
    result = gp.reconstruct(f"{server.url}/x.zarr", np.negative, tmp_path / "out.zarr", **arguments)
    np.testing.assert_array_equal(result.array, np.where(IMAGE == 7, 7, -IMAGE))


def test_dask_workers_read_with_the_credentials_of_their_environment(server, tmp_path, gdal_variables):
    distributed = pytest.importorskip("distributed")
    gdal_variables(**variables(server.server_port))
    theirs = {"AWS_ACCESS_KEY_ID": "AKIDOFAWORKER0", "AWS_SECRET_ACCESS_KEY": "another-secret"}
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**options, env=theirs, silence_logs=50) as cluster:
        server.log.clear()
        with distributed.Client(cluster) as client:
            executor = gp.executors.DaskExecutor(client)
            result = gp.reconstruct(
                "s3://data/x.zarr/data",
                np.negative,
                tmp_path / "out.zarr",
                size=16,
                chunks=20,
                executor=executor,
            )
    np.testing.assert_array_equal(result.array, np.where(IMAGE == 7, 7, -IMAGE))
    chunks = [said for _, path, said in server.log if "/c/" in path]
    by_workers = [said for said in chunks if "Credential=AKIDOFAWORKER0/" in said]
    assert len(by_workers) >= 24
    assert all(f"Credential={KEY}/" in said for said in chunks if said not in by_workers)  # what came first


def test_workers_read_with_the_credentials_of_their_environment(s3, tmp_path):
    result = gp.reconstruct(f"{s3}/x.zarr", np.negative, tmp_path / "out.zarr", size=16, chunks=20, workers=2)
    np.testing.assert_array_equal(result.array, np.where(IMAGE == 7, 7, -IMAGE))
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes()
            assert KEY.encode() not in file.read_bytes()
