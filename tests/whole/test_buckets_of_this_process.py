"""A bucket served by a thread of the process that uses it: nobody waits for it and keeps the interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("obstore")

SCRIPT = """
import os, sys
import boto3
import numpy as np
import rasterio
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
server.start()
address = "http://127.0.0.1:{}".format(server.get_host_and_port()[1])
os.environ["AWS_ENDPOINT_URL"] = address
import geopatcher as gp

client = boto3.client("s3", endpoint_url=address)
client.create_bucket(Bucket="bucket")
pixels = np.random.default_rng(0).random((2, 300, 350)).astype("float32")
profile = {"driver": "GTiff", "count": 2, "height": 300, "width": 350, "dtype": "float32", "tiled": True}
with rasterio.open("a.tif", "w", crs="EPSG:32633", blockxsize=128, blockysize=128, **profile) as dataset:
    dataset.write(pixels)
client.upload_file("a.tif", "bucket", "a.tif")
source, target = sys.argv[1:]
result = gp.reconstruct(source, np.copy, None if target == "memory" else target, size=128, chunks=128)
np.testing.assert_array_equal(np.asarray(result.array[...]), pixels)
if target.startswith("s3://"):
    body = client.get_object(Bucket="bucket", Key="out.tif")["Body"].read()
    with rasterio.MemoryFile(body) as file, file.open() as dataset:
        np.testing.assert_array_equal(dataset.read(), pixels)
print("right", flush=True)
os._exit(0)
"""


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("s3://bucket/a.tif", "memory"),
        ("/vsis3/bucket/a.tif", "out.zarr"),
        ("a.tif", "s3://bucket/out.tif"),
        ("s3://bucket/a.tif", "s3://bucket/out.tif"),
    ],
)
def test_it_is_read_and_written(source, target, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, source, target],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert "right" in ended.stdout, ended.stderr[-2000:]
