"""Secrets of a server's address, and of the environment, reach no output whatever fails."""

from __future__ import annotations

import logging
import pickle
import traceback

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

import geopatcher as gp
from geopatcher.cli import main
from geopatcher.core.box import Box
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.formats.dataset_pool import POOL
from geopatcher.inspect.info import describe
from geopatcher.report.html import write_report
from geopatcher.report.session import Session
from served import ROUGH, files, hidden, messages, run, server, serving, source, write

__all__ = ["server", "serving", "source"]  # fixtures

pytestmark = [pytest.mark.once, pytest.mark.timeout(120)]
QUERY = "?X-Amz-Signature=s3cr3t&sig=t0ken"


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
