"""Requests are counted as their server counts them, and nothing of them is printed."""

from __future__ import annotations

import json

import numpy as np
import pytest

import geopatcher as gp
from faulty import Faulty
from geopatcher.formats.dataset_pool import POOL
from geopatcher.formats.traffic import Traffic, TrafficCounter
from geotiffs import write_geotiff

IMAGE = np.random.default_rng(0).integers(1, 1000, (1, 512, 512)).astype("uint16")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    write_geotiff(folder / "a.tif", IMAGE, tiled=True, blockxsize=128, blockysize=128)
    with Faulty(folder) as server:
        yield server


@pytest.fixture(autouse=True)
def _nothing_is_open_yet():
    POOL.close()


def run(server, **more):
    options = {"size": 64, "window": "boxcar", "step": 64, "progress": False}
    return gp.reconstruct(f"{server.url}/a.tif", np.copy, **options, **more)


def test_a_run_counts_what_the_server_counts(server, capfd):
    server.fails()
    result = run(server)
    np.testing.assert_array_equal(result.array, IMAGE)
    spans, asked = server.spans(), server.paths()
    assert result.stats.requests == len(asked)
    assert result.stats.bytes_fetched == sum(last - first + 1 for first, last in spans)
    assert result.stats.retries == 0
    assert f"network    {len(asked)} requests, " in str(result)
    assert capfd.readouterr().err == ""


def test_another_try_is_counted_and_not_printed(server, capfd):
    server.fails(503, count=1, only="a.tif", least=1000)  # not one of the questions that have no range
    result = run(server)
    np.testing.assert_array_equal(result.array, IMAGE)
    assert result.stats.retries == 1
    # GDAL tells twice of a range that it asks for again, and once of any other request.
    assert result.stats.requests == len(server.paths()) + 1
    assert "127.0.0.1" not in capfd.readouterr().err


def test_workers_count_their_own(server, tmp_path):
    server.fails()
    result = run(server, target=tmp_path / "x.zarr", chunks=128, workers=2)
    np.testing.assert_array_equal(result.array, IMAGE)
    assert 0 < result.stats.requests <= len(server.paths())


def test_the_log_has_them(server, tmp_path):
    server.fails()
    result = run(server, log_json=tmp_path / "log")
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert lines[-1]["requests"] == result.stats.requests
    assert sum(line["requests"] for line in lines if line["event"] == "strip") > 0


def test_what_is_here_asks_nobody(tmp_path):
    result = gp.reconstruct(IMAGE, np.copy, size=64)
    assert result.stats.requests == result.stats.bytes_fetched == 0
    assert "network" not in str(result)


def test_a_count_is_taken_once():
    counter = TrafficCounter()
    counter.hear("VSICURL: Downloading 0-16383, ..., 32768-49151 (http://host/a.tif)...")
    counter.hear("S3: GetFileSize(https://b.s3/a.tif)=5  response_code=200")
    counter.hear("HTTP error code: 503 - http://host/a.tif. Retrying again in 0.5 secs")
    counter.hear("VSICURL: Got response_code=206")
    assert counter.take().requests == 3
    assert counter.take() == Traffic()
