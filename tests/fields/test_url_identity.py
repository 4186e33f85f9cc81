# ruff: noqa: E501 - messages and markup on one line
"""What servers say of a file: which version it is, asked without a secret in any word."""

from __future__ import annotations

import base64
from http.server import BaseHTTPRequestHandler

import numpy as np
import pytest
import rasterio

import geopatcher
from geopatcher.core.digests import digest_of
from geopatcher.errors import SourceError, TargetExistsError
from geopatcher.fields import url_identity
from geopatcher.fields.file_identity import SourceFiles
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.fields.url_identity import Answer, ask, query_digest, url_of
from loopback import serving, serving_files


class Talks(BaseHTTPRequestHandler):
    """Answers as it is told: `headers` of a file, `statuses` it gives first, methods it `refuses`."""

    def log_message(self, *_):
        """Keep the test's output clean."""

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        self.server.log.append(
            (self.command, self.path, self.headers["Authorization"], self.headers["Range"])
        )
        if self.command in self.server.refuses:
            return self.reply(self.server.refuses[self.command], {})
        if self.server.statuses:
            return self.reply(self.server.statuses.pop(0), {})
        if self.path == "/moved":
            return self.reply(302, {"Location": f"http://localhost:{self.server.server_port}/a.tif"})
        partial = self.headers["Range"] is not None
        size = {"Content-Range": "bytes 0-0/1234"} if partial else {"Content-Length": "1234"}
        return self.reply(206 if partial else 200, {**size, **self.server.headers})

    def reply(self, status, headers):
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()


#: The digest of a sample of nothing.
EMPTY = digest_of(b"")


def talking(headers=None, statuses=(), refuses=None):
    return serving(Talks, headers=headers or {}, statuses=list(statuses), refuses=refuses or {}, log=[])


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({"ETag": '"1"', "Last-Modified": "x"}, {"etag": '"1"', "bytes": "1234"}),
        (
            {"ETag": 'W/"1"', "Last-Modified": "x"},
            {"etag": 'W/"1"', "last_modified": "x", "sample": EMPTY, "bytes": "1234"},
        ),
        ({"Last-Modified": "x"}, {"last_modified": "x", "sample": EMPTY, "bytes": "1234"}),
        (
            {},
            {"unknown": "its server gives neither ETag nor Last-Modified", "sample": EMPTY, "bytes": "1234"},
        ),
    ],
)
@pytest.mark.parametrize("refuses", [{}, {"HEAD": 405}, {"HEAD": 403}])
def test_what_a_server_says(headers, known, refuses):
    with talking(headers, refuses=refuses) as server:
        assert ask(f"{server.url}/a.tif").known == known
        asked = [(entry[0], entry[3]) for entry in server.log]
        sample = [] if known.get("etag") == '"1"' else [("GET", "bytes=0-65535")]
        assert asked == [("HEAD", None), *([("GET", "bytes=0-0")] if refuses else []), *sample]


def test_a_server_that_is_busy_is_asked_again():
    with talking({"ETag": "1"}, statuses=[503, 503, 429]) as server:
        assert ask(f"{server.url}/a.tif").etag == "1"


@pytest.mark.parametrize(("status", "times"), [(404, 1), (401, 1), (500, url_identity.TRIES)])
def test_an_answer_that_is_none_is_told_without_the_address(status, times):
    with talking(refuses={"HEAD": status, "GET": status}) as server:
        answer = ask(f"{server.url.replace('//', '//user:hunter2@')}/a.tif?sig=hunter2")
        assert answer == Answer(trouble=f"its server answered {status}")
        assert len(server.log) == 2 * times


def test_no_server_at_all():
    with talking() as server:
        url = server.url
    assert ask(f"{url}/a.tif?sig=hunter2").known == {"unknown": "its server could not be asked (URLError)"}


def test_who_asks_is_told_to_the_server_and_to_nobody_it_points_to():
    with talking({"ETag": "1"}) as server:
        url = server.url.replace("//", "//us%40er:pa%3Ass@")
        assert ask(f"{url}/a.tif").etag == "1"
        assert base64.b64decode(server.log[0][2].removeprefix("Basic ")) == b"us@er:pa:ss"
        assert ask(f"{url}/moved").etag == "1"
        assert [entry[1:3] for entry in server.log[-1:]] == [("/a.tif", None)]


@pytest.mark.parametrize(
    "signed",
    [
        "sv=2021-08-06&se=2026-01-01T00%3A00%3A00Z&sr=b&sp=r&sig=abc%2F%3D",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA&X-Amz-Date=1&X-Amz-Signature=f&X-Amz-Security-Token=t",
        "X-Goog-Algorithm=GOOG4&X-Goog-Credential=a%40b&X-Goog-Signature=00",
        "GoogleAccessId=a@b&Expires=1&Signature=x",
        "Expires=1&Signature=x&Key-Pair-Id=K",
        "AWSAccessKeyId=AKIA&Signature=x&Expires=1",
        "skoid=1&sktid=2&skt=3&ske=4&sks=b&skv=5&st=6&spr=https",
        "token=t",
        "access_token=t&api_key=k",
    ],
)
def test_signatures_are_no_part_of_what_is_asked_for(signed):
    assert query_digest(f"https://host/a.tif?{signed}") == ""
    assert query_digest(f"https://host/a.tif?{signed}&scene=7&b=") == query_digest(
        "https://host/a.tif?b=&scene=7"
    )
    assert query_digest("https://host/a.tif?scene=7") != query_digest("https://host/a.tif?scene=8") != ""


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("http://host/a.tif", "http://host/a.tif"),
        ("HTTPS://host/a.tif?x=1", "HTTPS://host/a.tif?x=1"),
        ("/vsicurl/http://host/a.tif?x=1", "http://host/a.tif?x=1"),
        ("/vsicurl_streaming/http://host/a.tif", "http://host/a.tif"),
        ("/vsicurl?empty_dir=yes&url=http%3A%2F%2Fhost%2Fa.tif%3Fx%3D1", "http://host/a.tif?x=1"),
        ("/vsizip//vsicurl/http://host/a.zip/in/a.tif", "http://host/a.zip"),
        ("/vsizip/{/vsicurl/http://host/a.zip}/in/a.tif", "http://host/a.zip"),
        ("zip+https://host/a.zip!a.tif", "https://host/a.zip"),
        ("/vsitar/vsigzip/a.tar/b.tif", None),
        ("/vsis3/bucket/a.tif", "s3://bucket/a.tif"),
        ("s3://bucket/a.tif", "s3://bucket/a.tif"),
        ("file:///a.tif", None),
        ("a.tif", None),
        ("", None),
    ],
)
def test_the_url_a_name_stands_for(name, url):
    assert url_of(name) == url


# -- runs -----------------------------------------------------------------------------------------


def raster(path, value):
    kind = {"driver": "GTiff", "count": 1, "height": 90, "width": 90, "dtype": "uint8", "tiled": True}
    place = {"blockxsize": 16, "blockysize": 16, "transform": rasterio.Affine(10, 0, 0, 0, -10, 0)}
    with rasterio.open(path, "w", **kind, **place) as file:
        file.write(np.full((1, 90, 90), value, "uint8"))
    return path


def double(x):
    return x * 2


SIZES = {"size": 16, "chunks": 32}


def test_a_result_of_a_url_is_that_of_what_was_there(tmp_path):
    (tmp_path / "www").mkdir()
    raster(tmp_path / "www" / "a.tif", 1)
    with serving_files(tmp_path / "www", tmp_path / "log") as address:
        url, target = f"{address}/a.tif", tmp_path / "x.zarr"
        geopatcher.reconstruct(f"{url}?scene=1&sig=one", double, target, **SIZES)
        again = geopatcher.reconstruct(f"{url}?sig=two&scene=1", double, target, **SIZES)
        assert again.stats.notes[0].startswith("complete since")
        with pytest.raises(TargetExistsError, match=r"source.query was \w+ and is \w+") as caught:
            geopatcher.reconstruct(f"{url}?sig=hunter2&scene=2", double, target, **SIZES)
        assert "hunter2" not in str(caught.value)
        assert "sig" not in target.with_name("x.zarr.ledger.jsonl").read_text()
        raster(tmp_path / "www" / "a.tif", 2)
        with pytest.raises(TargetExistsError, match=r"source.(last_modified|sample) was .* and is"):
            geopatcher.reconstruct(f"{url}?sig=one&scene=1", double, target, **SIZES)


def test_what_gdal_looks_for_by_adding_to_a_query_is_no_file(tmp_path):
    (tmp_path / "www").mkdir()
    raster(tmp_path / "www" / "a.tif", 1)
    with serving_files(tmp_path / "www", tmp_path / "log") as address:
        for query in ("?scene=1", ""):
            names = SourceFiles.of(f"{address}/a.tif{query}").names
            assert [name.rpartition("/")[2] for name in names] == [f"a.tif{query}"]


def test_a_tile_of_a_vrt_on_a_server_counts(tmp_path):
    (tmp_path / "www").mkdir()
    raster(tmp_path / "www" / "a.tif", 1)
    with serving_files(tmp_path / "www", tmp_path / "log") as address:
        mosaic = tmp_path / "m.vrt"
        mosaic.write_text(
            f'<VRTDataset rasterXSize="90" rasterYSize="90"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
            f"<SourceFilename>/vsicurl/{address}/a.tif?sig=hunter2</SourceFilename></SimpleSource></VRTRasterBand>"
            f"</VRTDataset>"
        )
        source = RasterioSource(str(mosaic))
        before, version = dict(source.identity()), source.version()
        assert "unknown" not in before
        raster(tmp_path / "www" / "a.tif", 2)
        assert source.identity()["files"] != before["files"]
        assert source.version() != version
        assert "hunter2" not in str(SourceFiles.of(str(mosaic)).identity())


def test_a_url_that_is_replaced_while_it_is_read_ends_the_run(tmp_path, monkeypatch):
    (tmp_path / "www").mkdir()
    raster(tmp_path / "www" / "a.tif", 1)
    calls, reads = [], RasterioSource.read

    def replacing(self, box):
        pixels = reads(self, box)
        calls.append(1)
        if len(calls) == 1:
            raster(tmp_path / "www" / "a.tif", 2)
        return pixels

    monkeypatch.setattr(RasterioSource, "read", replacing)
    with serving_files(tmp_path / "www", tmp_path / "log") as address:
        url = f"{address}/a.tif?sig=hunter2"
        for target in (tmp_path / "x.zarr", None):
            raster(tmp_path / "www" / "a.tif", 1)
            calls.clear()
            with pytest.raises(SourceError, match="a.tif changed while it was read") as caught:
                geopatcher.reconstruct(url, np.copy, target, **SIZES, resume=False)
            assert "hunter2" not in str(caught.value)
        assert not (tmp_path / "x.zarr").exists()
