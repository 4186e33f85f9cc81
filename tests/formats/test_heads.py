"""Rasters on servers that refuse `HEAD`, read and known by their versions; pages in the place of rasters."""

from __future__ import annotations

import traceback

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from faulty import Faulty
from geopatcher.errors import SourceAccessError, SourceError
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.formats.dataset_pool import POOL
from geopatcher.formats.heads import HEADS, WITHOUT_HEAD, Heads

PIXELS = np.random.default_rng(0).integers(1, 4000, (2, 300, 450)).astype("uint16")
SIGNED = [
    "",
    "?X-Amz-Date=1&X-Amz-Signature=hunter2",
    "?Expires=1&Key-Pair-Id=K&Signature=hunter2",
    "?X-Goog-Algorithm=G&X-Goog-Signature=hunter2",
    "?sv=2021&se=2026&sig=hunter2",
]


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    known = {"driver": "GTiff", "count": 2, "height": 300, "width": 450, "dtype": "uint16", "nodata": 7}
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}
    for name in ("a", "masked"):
        how = {"tiled": True, "blockxsize": 128, "blockysize": 128, **known, **place}
        with rasterio.open(folder / f"{name}.tif", "w", **how) as dataset:
            dataset.write(PIXELS)
    with rasterio.open(folder / "packed.tif", "w", **how, compress="deflate") as dataset:
        dataset.write(PIXELS)
    with rasterio.open(folder / "masked.tif", "r+") as dataset, rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False):
        dataset.nodata = None
        dataset.write_mask(PIXELS[0] > 1000)
    with Faulty(folder) as server:
        yield server


@pytest.fixture
def server(serving, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(HEADS, "_refused", type(HEADS._refused)())
    POOL.close()
    serving.fails()
    yield serving
    POOL.close()


STORED = {"size": 64, "step": 64, "window": "boxcar"}


@pytest.mark.parametrize("status", [403, 405, 501, 400])
@pytest.mark.parametrize("query", SIGNED)
def test_pixels_and_versions_where_head_is_refused(server, query, status):
    server.fails(head=status)
    path = f"{server.url}/a.tif{query}"
    np.testing.assert_array_equal(np.asarray(gp.reconstruct(path, np.copy, **STORED).array), PIXELS)
    source = RasterioSource(path)
    assert "unknown" not in source.identity()
    assert {"etag", "bytes"} <= {*source.identity()}
    assert "hunter2" not in str(source.identity())


def test_a_mask_beside_it_is_found_where_head_is_refused(server):
    server.fails(head=403)
    made = gp.reconstruct(f"{server.url}/masked.tif", np.copy, **STORED)
    np.testing.assert_array_equal(np.asarray(made.valid), np.broadcast_to(PIXELS[0] > 1000, PIXELS.shape))


def test_a_run_is_taken_up_again_under_another_signature(server, tmp_path):
    server.fails(head=403)
    target, how = tmp_path / "out.zarr", {**STORED, "chunks": 128}
    gp.reconstruct(f"{server.url}/a.tif?Expires=1&Signature=hunter2", np.copy, target, **how)
    again = gp.reconstruct(f"{server.url}/a.tif?Expires=2&Signature=hunter3", np.copy, target, **how)
    assert again.stats.notes[0].startswith("complete since")
    assert not any(b"hunter" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


@pytest.mark.parametrize(("fault", "words"), [("403", "not authorised"), ("404", "it is not there")])
def test_what_is_refused_altogether_is_refused(server, fault, words):
    server.fails(fault)
    with pytest.raises(SourceAccessError, match=words):
        RasterioSource(f"{server.url}/a.tif?Signature=hunter2")
    assert HEADS.options(f"{server.url}/a.tif?Signature=hunter2") == {}


def test_a_page_in_the_place_of_a_raster_is_told(server):
    server.fails("page")
    with pytest.raises(SourceAccessError, match=r"/a\.tif as a raster: .* sends a web page") as refused:
        RasterioSource(f"{server.url}/a.tif{SIGNED[2]}")
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("fault", ["shift", "whole", "gzip"])
def test_other_bytes_than_were_asked_for_are_an_error_of_packed_tiles(server, fault, gdal_variables):
    """GDAL does not look which bytes come; what is packed, as in a COG, cannot be unpacked then."""
    gdal_variables(GDAL_HTTP_MAX_RETRY="0", GDAL_HTTP_RETRY_DELAY="0.05")
    path = f"{server.url}/packed.tif"
    gp.plan(path, size=64)
    server.fails(fault)
    with pytest.raises(SourceError, match=r"packed\.tif"):
        gp.reconstruct(path, np.copy, **STORED)


def test_what_is_no_raster_and_no_page_is_told_as_before(server):
    (server.folder / "no.tif").write_bytes(b"something else")
    with pytest.raises(SourceError, match="not recognized"):
        RasterioSource(f"{server.url}/no.tif")


def test_a_server_is_asked_once_for_each_file(server):
    heads, path = Heads(), f"{server.url}/a.tif"
    for said, expected in (("HTTP response code: 403", True), ("HTTP response code: 403", False)):
        assert heads.are_refused(path, SourceError(said)) is expected
    assert heads.options(path) == WITHOUT_HEAD
    assert server.asked("a.tif") == [("GET", "none")]
    assert not heads.are_refused(f"{server.url}/b.tif", SourceError("HTTP response code: 503"))
    assert not heads.are_refused("/vsis3/bucket/a.tif", SourceError("HTTP response code: 403"))
