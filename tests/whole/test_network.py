"""Rasters behind a server that fails: right values or a plain error, never others, and never for ever."""

from __future__ import annotations

import logging
import pickle
import socket
import traceback

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

import geopatcher as gp
from faulty import Faulty
from geopatcher.cli import main
from geopatcher.core.box import Box
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.formats.dataset_pool import POOL
from geopatcher.inspect.info import describe
from geopatcher.report.html import write_report
from geopatcher.report.session import Session
from mosaics import mosaic

pytestmark = pytest.mark.timeout(120)

SIDE = 512
ROUGH = np.random.default_rng(0).integers(1, 250, (1, SIDE, SIDE)).astype("uint8")
TRANSIENT = ("429", "500", "502", "503", "504", "reset")
SECRETS = ("hunter2", "s3cr3t", "t0ken", "usr:")
QUERY = "?X-Amz-Signature=s3cr3t&sig=t0ken"


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


def test_a_signature_that_expires_midway_is_named_and_not_shown(server, tmp_path):
    url = f"{server.url}/plain.tif?sig=s3cr3t&X-Amz-Security-Token={'t0ken' * 200}"
    expired = "not authorised.*signature of the address has expired"
    gp.plan(url)
    server.fails(403, least=30_000)
    with pytest.raises(gp.SourceAccessError, match=expired) as caught:
        gp.reconstruct(url, np.copy, tmp_path / "r.zarr", size=64, chunks=64, workers=2)
    hidden(str(caught.value), *files(tmp_path), *messages(caught.value))


def test_a_signature_that_expires_between_two_windows_is_named(server):
    source = RasterioSource(f"{server.url}/plain.tif?sig=s3cr3t")
    source.read(Box(0, 16, 0, 16))
    server.fails(403)
    with pytest.raises(
        gp.SourceAccessError, match="rows 400:512.*not authorised.*signature of the address has expired"
    ) as caught:
        source.read(Box(400, 512, 400, 512))
    hidden(*messages(caught.value))


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


# -- secrets --------------------------------------------------------------------------------------


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


def addresses(server):
    host = server.url.removeprefix("http://")
    signed = f"http://usr:hunter2@{host}/plain.tif{QUERY}"
    return {
        "http": signed,
        "vsicurl": f"/vsicurl/{signed}",
        "long": f"{signed}&X-Amz-Security-Token={'t0ken' * 300}",
        "vrt": f"vrt:///vsicurl/http://usr:hunter2@{host}/plain.tif?bands=1",
    }


def boom(pixels):
    raise ValueError("no")


@pytest.mark.parametrize("kind", ["http", "vsicurl", "long", "vrt"])
def test_secrets_of_an_address_reach_no_output(server, kind, tmp_path, caplog):
    address = addresses(server)[kind]
    with caplog.at_level(logging.DEBUG):
        result = gp.reconstruct(
            address, np.copy, tmp_path / "r.zarr", size=128, step=64, log_json=tmp_path / "log.jsonl"
        )
        np.testing.assert_array_equal(result.array[:], ROUGH)
        write_report(result, tmp_path / "report.html", source=address)
        page = (
            Session.of(address).answer("/").content.decode()
            + Session.of(result, address).answer("/").content.decode()
        )
        field = gp.RasterField(address)
        texts = [result, result.plan, gp.plan(address), describe(address), field, field.source, page]
        for broken in (address, address.replace("plain.tif", "none.tif")):
            with pytest.raises(gp.GeopatcherError) as caught:
                gp.reconstruct(broken, boom, tmp_path / "q.zarr", size=128)
            texts += messages(caught.value)
        heard = []

        class Hook:
            def on_error(self, anchor, exc):
                heard.extend(messages(exc))

        POOL.close()
        gp.plan(address)  # which asks what lies beside it, as long as that is answered
        server.fails("503", least=30_000)
        with (
            rasterio.Env(GDAL_HTTP_MAX_RETRY=1, GDAL_HTTP_RETRY_DELAY=0.05),
            pytest.raises(gp.GeopatcherError, match="all 49 patches of .* failed") as caught,
        ):  # by the server, and where pieces could be read after all, by the operator
            gp.reconstruct(address, boom, size=128, on_error="mask", dtype="float32", hooks=Hook())
        assert heard
        texts += [*heard, *messages(caught.value)]
        POOL.close()
    hidden(*map(str, texts), *map(repr, texts), caplog.text, *files(tmp_path))
    assert "plain.tif" in (tmp_path / "r.zarr.ledger.jsonl").read_text()
    assert pickle.loads(pickle.dumps(field.source)).path == address  # noqa: S301 - workers need all of it


@pytest.mark.parametrize("kind", ["http", "vsicurl", "long"])
def test_the_command_line_shows_no_secrets(server, kind, tmp_path):
    address = addresses(server)[kind]
    target = str(tmp_path / "r.tif")
    for arguments in (
        ["info", address],
        ["plan", address, "--expr", "b1*2"],
        ["run", address, target, "--expr", "b1*2", "--log-json", str(tmp_path / "log.jsonl")],
        ["export", address, str(tmp_path / "e.zarr")],
        ["report", target, str(tmp_path / "report.html"), "--input", address],
        ["info", address.replace("plain.tif", "none.tif")],
        ["run", address.replace("plain.tif", "none.tif"), target, "--expr", "b1"],
        ["--debug", "info", address.replace("plain.tif", "none.tif")],
        ["run", target, f"s3://usr:hunter2@bucket/x.zarr{QUERY}", "--expr", "b1"],
    ):
        done = CliRunner().invoke(main, arguments)
        refused = any("none.tif" in word or word.startswith("s3://") for word in arguments)
        assert done.exit_code == int(refused), done.output
        hidden(done.output, *([] if done.exception is None else messages(done.exception)))
    hidden(*files(tmp_path))


def test_workers_show_no_secrets(server, tmp_path, capfd):
    address = addresses(server)["http"]
    result = gp.reconstruct(address, np.copy, tmp_path / "r.zarr", size=64, chunks=128, workers=2)
    np.testing.assert_array_equal(result.array[:], ROUGH)
    with pytest.raises(gp.OperatorError) as caught:
        gp.reconstruct(address, boom, tmp_path / "q.zarr", size=64, chunks=128, workers=2)
    printed = "".join(traceback.format_exception(caught.value))
    hidden(*messages(caught.value), printed, *capfd.readouterr(), *files(tmp_path))


def test_credentials_of_the_environment_are_not_shown(server, tmp_path, monkeypatch, caplog):
    for name, value in {
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIK7MDENG",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_S3_ENDPOINT": server.url.removeprefix("http://"),
        "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
        "GDAL_HTTP_HEADERS": "Authorization: Bearer abcdefgh123456",
        "GDAL_HTTP_USERPWD": "someone:hunter2222",
    }.items():
        monkeypatch.setenv(name, value)
    (server.folder / "bucket").mkdir(exist_ok=True)
    write(server.folder / "bucket" / "a.tif")
    with caplog.at_level(logging.DEBUG):
        np.testing.assert_array_equal(run("/vsis3/bucket/a.tif"), ROUGH)
        texts = []
        for path in (
            "/vsis3/bucket/none.tif",
            "s3://AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMIK7MDENG@bucket/none.tif",
        ):
            with pytest.raises(gp.SourceError) as caught:
                run(path)
            texts += messages(caught.value)
        server.fails(403)
        POOL.close()
        with pytest.raises(gp.SourceError) as caught:
            run("/vsis3/bucket/a.tif")
        texts += messages(caught.value)
    for secret in ("wJalrXUtnFEMIK7MDENG", "AKIAIOSFODNN7EXAMPLE", "abcdefgh123456", "hunter2222"):
        assert secret not in caplog.text
        assert not [text for text in texts if secret in text]


def test_an_operator_that_asks_the_network_tells_no_secrets(server, tmp_path):
    address = f"{server.url}/none.tif{QUERY}"

    def operator(pixels):
        with rasterio.open(address) as dataset:
            return dataset.read()

    for on_error in ("raise", "skip"):
        try:
            result = gp.reconstruct(
                ROUGH, operator, tmp_path / f"{on_error}.zarr", size=256, on_error=on_error
            )
        except gp.GeopatcherError as error:
            hidden(*messages(error), *files(tmp_path))
        else:
            hidden(*(f"{each}{each.traceback}" for each in result.errors), *files(tmp_path))
