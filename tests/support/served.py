"""Rasters behind a server that fails when told to, and what errors of it must not say."""

from __future__ import annotations

import traceback

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from faulty import Faulty
from geopatcher.formats.dataset_pool import POOL
from mosaics import mosaic

SIDE = 512
ROUGH = np.random.default_rng(0).integers(1, 250, (1, SIDE, SIDE)).astype("uint8")
SECRETS = ("hunter2", "s3cr3t", "t0ken", "usr:")


def write(path, pixels=ROUGH, **profile):
    bands, height, width = pixels.shape
    known = {"driver": "GTiff", "height": height, "width": width, "count": bands, "dtype": pixels.dtype}
    known |= {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}
    tiles = {"tiled": True, "blockxsize": 128, "blockysize": 128}
    with rasterio.open(path, "w", **known, **tiles | profile) as dataset:
        dataset.write(pixels)


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    write(folder / "plain.tif")
    write(folder / "deflate.tif", compress="deflate")
    for at in range(4):
        rows, cols = slice(at // 2 * 256, at // 2 * 256 + 256), slice(at % 2 * 256, at % 2 * 256 + 256)
        write(folder / f"t{at}.tif", ROUGH[:, rows, cols])
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False):
        write(folder / "masked.tif")
        with rasterio.open(folder / "masked.tif", "r+") as dataset:
            dataset.write_mask(ROUGH[0] > 100)
    with Faulty(folder) as server:
        yield server


@pytest.fixture
def server(serving, monkeypatch, gdal_variables):
    """The server in good health; GDAL's pauses are short."""
    POOL.close()
    serving.fails()
    gdal_variables(GDAL_HTTP_RETRY_DELAY="0.05")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return serving


def run(source, **options):
    """Copy a raster; without overlap and taper, so that the values are its own."""
    result = gp.reconstruct(source, np.copy, size=128, step=128, window="boxcar", **options)
    return np.asarray(result.array)


def tiles(server, tmp_path):
    return mosaic(tmp_path / "m.vrt", [f"/vsicurl/{server.url}/t{at}.tif" for at in range(4)], 256)


@pytest.fixture(params=["plain.tif", "deflate.tif", "m.vrt"])
def source(request, server, tmp_path):
    return tiles(server, tmp_path) if request.param == "m.vrt" else f"{server.url}/{request.param}"


def hidden(*texts):
    for text in texts:
        for secret in SECRETS:
            assert secret not in text, text[max(0, text.find(secret) - 80) :][:200]


def messages(error):
    """Return the messages of an error and of what it came of, and what a traceback prints of them."""
    found = []
    while error is not None:
        found += [str(error), repr(error), *traceback.format_exception_only(error)]
        error = error.__cause__ or error.__context__
    return found


def files(folder):
    return [
        path.read_text(errors="replace")
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in (".json", ".jsonl", ".html", ".xml", ".txt", ".vrt")
    ]
