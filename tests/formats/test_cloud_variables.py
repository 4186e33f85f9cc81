"""One environment for GDAL and obstore, whichever of the two it was made for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import urllib.request
from email.utils import formatdate

import numpy as np
import pytest

import geopatcher as gp
from clouds import ACCOUNT, BUCKET, KEY, azurite, objects
from geopatcher.errors.redaction import environment_secrets
from geopatcher.formats import cloud_variables
from geopatcher.formats.buckets import Bucket
from geopatcher.formats.cloud_variables import connection_parts, for_gdal, for_obstore
from geotiffs import write_geotiff

PIXELS = np.random.default_rng(0).integers(1, 4000, (2, 300, 350)).astype("uint16")
SIZES = {"size": 128, "step": 128, "window": "boxcar"}


def connection(port):
    where = f"http://127.0.0.1:{port}/{ACCOUNT}"
    text = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={where};"
    return {"AZURE_STORAGE_CONNECTION_STRING": text}


def named(port):
    where = f"http://127.0.0.1:{port}/{ACCOUNT}"
    known = {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": KEY}
    return {**known, "AZURE_STORAGE_ENDPOINT": where}


def emulated(port):
    known = {"AZURE_STORAGE_ACCOUNT": ACCOUNT, "AZURE_STORAGE_KEY": KEY, "AZURE_STORAGE_USE_EMULATOR": "true"}
    return {**known, "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{port}"}


AZURE = {"connection": connection, "named": named, "emulated": emulated}
GOOGLE = {
    "gdal": lambda port: {"CPL_GS_ENDPOINT": f"http://127.0.0.1:{port}/", "GS_NO_SIGN_REQUEST": "YES"},
    "emulator": lambda port: {"STORAGE_EMULATOR_HOST": f"127.0.0.1:{port}"},
    "obstore": lambda port: {"GOOGLE_BASE_URL": f"http://127.0.0.1:{port}", "GOOGLE_SKIP_SIGNATURE": "true"},
}
KINDS = [("az", kind) for kind in AZURE] + [("gs", kind) for kind in GOOGLE]


class Asked(dict):
    def __init__(self):
        self.names = set()

    def __contains__(self, name):
        self.names.add(name)
        return False

    def get(self, name, default=None):
        self.names.add(name)
        return default


def test_gdal_is_told_something_only_where_one_of_these_is_set():
    asked = Asked()
    assert cloud_variables._for_gdal(asked) == {}
    assert asked.names == cloud_variables.TELLING


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cloud")
    write_geotiff(folder / "a.tif", PIXELS, tiled=True, blockxsize=128, blockysize=128)
    gp.reconstruct(folder / "a.tif", np.copy, folder / "a.zarr", chunks=128, **SIZES)
    with objects(folder) as port:
        yield port


@pytest.fixture
def environment(monkeypatch):
    def put(variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put


@pytest.mark.parametrize(("scheme", "kind"), KINDS)
@pytest.mark.parametrize("name", ["a.tif", "a.zarr"])
def test_rasters_and_stores_are_read_by_the_same_environment(port, environment, scheme, kind, name):
    environment((AZURE if scheme == "az" else GOOGLE)[kind](port))
    found = gp.reconstruct(f"{scheme}://{BUCKET}/{name}", np.copy, **SIZES)
    np.testing.assert_array_equal(np.asarray(found.array), PIXELS)


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
def test_results_go_to_a_bucket_of_google(port, environment, name):
    environment(GOOGLE["emulator"](port))
    target = f"gs://{BUCKET}/{name}"
    gp.reconstruct(PIXELS, np.negative, target, chunks=128, **SIZES)
    found = gp.reconstruct(target, np.copy, **SIZES)
    np.testing.assert_array_equal(np.asarray(found.array), np.negative(PIXELS))


def test_an_object_of_google_is_swapped_for_the_one_it_was(port, environment):
    environment(GOOGLE["emulator"](port))
    bucket = Bucket(f"gs://{BUCKET}")
    first = bucket.put("lock", b"first")
    second = bucket.swap("lock", b"second", first)
    assert second not in (None, first)
    assert bucket.swap("lock", b"third", first) is None
    assert bucket.swap("none", b"third", first) is None
    assert bucket.get("lock") == b"second"


@pytest.fixture(scope="module")
def azure():
    with azurite() as where:
        if where is None:
            pytest.skip("Azurite is not installed (npm install azurite, azurite-blob on the PATH)")
        stamp, version = formatdate(usegmt=True), "2021-08-06"
        said = f"x-ms-date:{stamp}\nx-ms-version:{version}\n/{ACCOUNT}/{ACCOUNT}/{BUCKET}\nrestype:container"
        signed = hmac.new(base64.b64decode(KEY), f"PUT{12 * chr(10)}{said}".encode(), hashlib.sha256).digest()
        headers = {"x-ms-date": stamp, "x-ms-version": version, "Content-Length": "0"}
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signed).decode()}"
        address = f"http://127.0.0.1:{where}/{ACCOUNT}/{BUCKET}?restype=container"
        urllib.request.urlopen(urllib.request.Request(address, method="PUT", headers=headers)).close()
        yield where


@pytest.mark.parametrize("kind", AZURE)
@pytest.mark.parametrize("ending", ["zarr", "tif"])
def test_results_go_to_azurite_and_come_from_it(azure, environment, kind, ending):
    environment(AZURE[kind](azure))
    target = f"az://{BUCKET}/{kind}.{ending}"
    gp.reconstruct(PIXELS, np.copy, target, chunks=128, **SIZES)
    found = gp.reconstruct(target, np.negative, **SIZES)
    np.testing.assert_array_equal(np.asarray(found.array), np.negative(PIXELS))


def test_what_gdal_alone_knows_of_buckets_obstore_is_told():
    given = {"AWS_NO_SIGN_REQUEST": "YES", "AWS_VIRTUAL_HOSTING": "FALSE", "AWS_S3_ENDPOINT": "host:9000"}
    wanted = {"skip_signature": "true", "virtual_hosted_style_request": "false"}
    assert for_obstore(given, "s3") == {**wanted, "endpoint": "https://host:9000"}
    assert for_obstore({**given, "AWS_ENDPOINT_URL": "http://other"}, "s3") == {
        **wanted,
        "endpoint": "http://other",
    }
    assert for_obstore(given, "gs") == for_obstore({}, "az") == {}


def test_an_account_of_azure_is_known_by_each_of_its_names():
    plain = {"AZURE_STORAGE_ACCOUNT_NAME": "me", "AZURE_STORAGE_ACCOUNT_KEY": "a+b=="}
    assert for_gdal(plain) == {"AZURE_STORAGE_ACCOUNT": "me", "AZURE_STORAGE_ACCESS_KEY": "a+b=="}
    text = "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=a+b==;EndpointSuffix=core.cn"
    assert for_gdal({"AZURE_STORAGE_CONNECTION_STRING": text}) == {}
    told = for_obstore({"AZURE_STORAGE_CONNECTION_STRING": text}, "az")
    assert told == {"account_name": "me", "account_key": "a+b==", "endpoint": "https://me.blob.core.cn"}
    shared = "BlobEndpoint=https://x/;AccountName=me;SharedAccessSignature=sv=1&sig=2"
    told = for_obstore({"AZURE_STORAGE_CONNECTION_STRING": shared}, "az")
    assert told == {"account_name": "me", "sas_key": "sv=1&sig=2", "endpoint": "https://x"}


def test_what_gdal_is_told_itself_is_left():
    given = {"STORAGE_EMULATOR_HOST": "http://a", "CPL_GS_ENDPOINT": "http://b/", "GS_NO_SIGN_REQUEST": "NO"}
    assert for_gdal(given) == {}
    assert for_gdal({"GOOGLE_SERVICE_ACCOUNT": "/a.json"}) == {"GOOGLE_APPLICATION_CREDENTIALS": "/a.json"}
    assert json.loads(for_obstore(given, "gs")["service_account_key"])["gcs_base_url"] == "http://a"


def test_the_parts_of_a_connection_string_are_secrets():
    text = connection(1)["AZURE_STORAGE_CONNECTION_STRING"]
    assert connection_parts(text)["accountkey"] == KEY
    assert KEY in environment_secrets({"AZURE_STORAGE_CONNECTION_STRING": text})
    for name in ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_KEY"):
        assert KEY in environment_secrets({name: KEY})
