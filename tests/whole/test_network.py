"""Rasters behind a server that fails: right values or a plain error, never others, and never for ever."""

from __future__ import annotations

import socket

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.formats.dataset_pool import POOL
from mosaics import mosaic
from served import ROUGH, SIDE, hidden, messages, run, server, serving, source, write

__all__ = ["server", "serving", "source"]  # fixtures

pytestmark = [pytest.mark.once, pytest.mark.timeout(120)]
TRANSIENT = ("429", "500", "502", "503", "504", "reset")


@pytest.mark.parametrize("fault", TRANSIENT)
@pytest.mark.parametrize("threads", [{}, {"GDAL_NUM_THREADS": "4", "VRT_NUM_THREADS": "4"}])
def test_a_few_failures_are_waited_out(server, source, fault, threads):
    server.fails(fault, count=2)
    with rasterio.Env(**threads):
        np.testing.assert_array_equal(run(source), ROUGH)


@pytest.mark.parametrize("fault", [*TRANSIENT, "truncate"])
@pytest.mark.parametrize("threads", [{}, {"GDAL_NUM_THREADS": "4", "VRT_NUM_THREADS": "4"}])
def test_a_server_that_goes_on_failing_is_an_error(server, source, fault, threads, gdal_variables):
    gdal_variables(GDAL_HTTP_MAX_RETRY="1")
    gp.plan(source)
    # Not of headers; of a span that comes in half GDAL asks for the blocks one by one, so all come in half.
    server.fails(fault, least=0 if fault == "truncate" else 30_000)
    if source.endswith("vrt"):
        server.fails(fault)
    with rasterio.Env(**threads), pytest.raises(gp.SourceError, match=r"cannot (read|open) .*(\.tif|m\.vrt)"):
        run(source)


@pytest.mark.parametrize("fault", ["503", "reset", "truncate", "stall", "midstall"])
def test_retries_of_the_run_read_what_was_lost(server, source, fault, gdal_variables):
    gdal_variables(GDAL_HTTP_MAX_RETRY="0", GDAL_HTTP_LOW_SPEED_TIME="1")
    gp.plan(source)
    server.fails(
        fault, count=4 if fault in ("503", "reset") else 1, least=0 if source.endswith("vrt") else 30_000
    )
    np.testing.assert_array_equal(run(source, max_retries=6), ROUGH)


@pytest.mark.parametrize("fault", ["503", "reset"])
def test_opening_is_tried_again_as_reading_is(server, source, fault, gdal_variables):
    gdal_variables(GDAL_HTTP_MAX_RETRY="0")
    least = (
        1000 if source.endswith("vrt") else 0
    )  # its tiles' headers, not the question which version they are
    # Meanwhile three are asked whether anything lies beside it, and, six times, which version it is.
    count = 3 if source.endswith("vrt") else 14
    server.fails(fault, count=count, least=least)
    with pytest.raises(gp.SourceError, match=r"cannot (open|read) "):
        run(source)
    POOL.close()
    server.fails(fault, count=count, least=least)
    np.testing.assert_array_equal(run(source, max_retries=5), ROUGH)
    POOL.close()
    server.fails(fault, count=count, least=least)
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(128),
        gp.SpatialRegularStride(128),
        gp.SpatialBoxcar(),
        gp.SpatialOverlapAdd(),
        max_retries=5,
    )
    assert len(list(patcher.split(source))) == 16


def test_what_does_not_answer_is_not_waited_for(server, gdal_variables):
    gdal_variables(GDAL_HTTP_MAX_RETRY="0", GDAL_HTTP_LOW_SPEED_TIME="1")
    server.fails("stall")
    with pytest.raises(gp.SourceError, match=r"cannot open .*plain\.tif as a raster: .*(too slow|timed out)"):
        gp.plan(f"{server.url}/plain.tif")
    with socket.socket() as silent:  # takes connections and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(gp.SourceError, match="cannot open"):
            gp.plan(f"http://127.0.0.1:{silent.getsockname()[1]}/a.tif")


@pytest.mark.parametrize(
    ("code", "meaning"), [(401, "not authorised"), (403, "not authorised"), (404, "is not there")]
)
def test_an_answer_that_will_not_change_is_not_asked_for_again(server, code, meaning):
    server.fails(code)
    with pytest.raises(gp.SourceAccessError, match=rf"plain\.tif as a raster: .*{meaning}.*{code}"):
        run(f"{server.url}/plain.tif", on_error="retry", max_retries=5, retry_on=(Exception,))
    asked = len(server.asked("plain.tif"))
    POOL.close()
    server.fails(code)
    with pytest.raises(gp.SourceAccessError):
        gp.plan(f"{server.url}/plain.tif")
    assert asked < 2 * len(server.asked("plain.tif")), "six tries ask six times as much"


def test_a_tile_of_a_mosaic_that_is_gone_is_an_error_or_a_hole(server, tmp_path):
    source = mosaic(
        tmp_path / "m.vrt", [f"/vsicurl/{server.url}/t{at}.tif?sig=s3cr3t" for at in (0, 1, 2, 9)], 256
    )
    with pytest.raises(gp.SourceAccessError, match=r"m\.vrt, rows .*is not there.*404") as caught:
        run(source)
    hidden(*messages(caught.value))
    result = gp.reconstruct(
        source, np.copy, size=128, step=128, window="boxcar", on_error="skip", dtype="float32"
    )
    assert np.isnan(result.array[:, 256:, 256:]).all()
    np.testing.assert_array_equal(result.array[:, :256], ROUGH[:, :256])
    hidden(*(f"{each} {each.traceback}" for each in result.errors))


def test_a_mask_beside_a_remote_file_counts(server):
    source = RasterioSource(f"{server.url}/masked.tif")
    box = Box(0, SIDE, 0, SIDE)
    np.testing.assert_array_equal(source.valid(box, source.read(box)), ROUGH > 100)


@pytest.mark.parametrize("fault", ["503", "429", "reset"])
def test_a_mask_that_may_be_there_is_not_left_out(server, fault, gdal_variables):
    gdal_variables(GDAL_HTTP_MAX_RETRY="1")
    server.fails(fault, only=".msk")
    with pytest.raises(
        gp.SourceError, match=r"cannot .*masked\.tif.*whether .*masked\.tif\.msk: (HTTP|the conn)"
    ):
        RasterioSource(f"{server.url}/masked.tif")
    server.fails(fault, only=".msk", count=1)
    assert RasterioSource(f"{server.url}/masked.tif").has_nodata


@pytest.mark.parametrize("code", [403, 404])
def test_a_mask_that_is_not_there_is_none(server, code):
    server.fails(code, only=".msk")
    assert not RasterioSource(f"{server.url}/plain.tif").has_nodata


def test_what_came_to_be_there_or_was_replaced_is_read_as_it_is(server):
    place = server.folder / "new.tif"
    place.unlink(missing_ok=True)
    with pytest.raises(gp.SourceAccessError, match="is not there"):
        run(f"{server.url}/new.tif")
    write(place)
    np.testing.assert_array_equal(run(f"{server.url}/new.tif"), ROUGH)
    POOL.close()
    write(place, 250 - ROUGH)
    np.testing.assert_array_equal(run(f"{server.url}/new.tif"), 250 - ROUGH)
