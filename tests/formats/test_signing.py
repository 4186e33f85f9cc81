"""Signed addresses: renewed while a run goes on, and nowhere but in memory."""

from __future__ import annotations

import logging
import pickle
import threading
from functools import partial

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

import geopatcher as gp
from faulty import Faulty
from geopatcher.cli import main
from geopatcher.errors import SourceAccessError, SourceError
from geopatcher.fields.choices import Choices, sign_by_planetary_computer, signer
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.formats.dataset_pool import POOL
from geopatcher.formats.signing import SIGNED, Signatures, renewing

IMAGE = np.random.default_rng(0).integers(1, 1000, (1, 256, 256)).astype("uint16")
SECRET = "signed-by-hunter2"  # noqa: S105 - of nothing


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    profile = {"driver": "GTiff", "count": 1, "height": 256, "width": 256, "dtype": "uint16"}
    profile |= {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}
    for name in "abcd":
        with rasterio.open(
            folder / f"{name}.tif", "w", **profile, tiled=True, blockxsize=64, blockysize=64
        ) as dataset:
            dataset.write(IMAGE)
    with Faulty(folder) as server:
        yield server


class Signer:
    """Signs with a number that grows with each signature of a raster."""

    def __init__(self):
        self.calls = 0

    def __call__(self, url):
        self.calls += url.endswith(".tif")
        return f"{url}?sig={SECRET}{self.calls}"

    def fingerprint(self):
        return "signer"


def sign(url):
    return f"{url}?sig={SECRET}1"


def test_a_signature_is_renewed_when_it_has_expired(server):
    signs = Signer()
    source = RasterioSource(f"{server.url}/a.tif", sign=signs)
    assert source.version()  # as it was when it was opened
    server.fails(need=f"{SECRET}2")
    np.testing.assert_array_equal(source.read(gp.Box(0, 256, 0, 256)), IMAGE)
    assert signs.calls == 2
    server.fails(need=f"{SECRET}3")
    assert source.version()
    assert signs.calls == 3
    server.fails(need=f"{SECRET}4")
    np.testing.assert_array_equal(source.read(gp.Box(0, 64, 0, 256)), IMAGE[:, :64])
    assert signs.calls == 4
    server.fails()


class Watching:
    """Changes nothing, and has the server want a new signature before some calls; ends at another."""

    def __init__(self, server=None, signs=None, ends=0):
        self.server, self.signs, self.ends, self.calls = server, signs, ends, 0

    def fingerprint(self):
        return "watching"

    def __call__(self, patch):
        self.calls += 1
        if self.server and self.calls in (2, 9):
            self.server.fails(need=f"{SECRET}{self.signs.calls + 1}")
        if self.calls == self.ends:
            raise KeyboardInterrupt
        return patch


def test_a_run_goes_on_and_what_it_leaves_has_no_signature(server, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    signs = Signer()
    watching = Watching(server, signs)
    options = {"size": 32, "step": 32, "window": "boxcar", "chunks": 32, "memory_limit": "64MiB"}
    result = gp.reconstruct(
        f"{server.url}/b.tif", watching, tmp_path / "x.zarr", sign=signs, log_json=tmp_path / "log", **options
    )
    np.testing.assert_array_equal(result.array, IMAGE)
    assert signs.calls > 1
    server.fails()
    assert SECRET not in caplog.text
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()


def test_an_interrupted_run_goes_on_under_another_signature(server, tmp_path):
    options = {"size": 32, "step": 32, "window": "boxcar", "chunks": 32}
    stops, goes_on = Watching(ends=40), Watching()
    with pytest.raises(KeyboardInterrupt):
        gp.reconstruct(f"{server.url}/c.tif", stops, tmp_path / "x.zarr", sign=Signer(), **options)
    other = Signer()
    other.calls = 40
    result = gp.reconstruct(f"{server.url}/c.tif", goes_on, tmp_path / "x.zarr", sign=other, **options)
    np.testing.assert_array_equal(result.array, IMAGE)
    assert goes_on.calls < 64


def test_a_refusal_that_stays_is_one_and_says_no_signature(server):
    server.fails(need="never")
    with pytest.raises(SourceAccessError, match=r"d.tif as a raster: not authorised") as caught:
        gp.plan(f"{server.url}/d.tif", size=32, sign=Signer())
    server.fails()
    text = str(caught.value) + repr(caught.value) + repr(caught.value.__cause__)
    assert SECRET not in text
    assert SECRET not in repr(RasterioSource(f"{server.url}/d.tif", sign=Signer()))


def test_it_travels_without_a_signature(server):
    source = RasterioSource(f"{server.url}/d.tif", sign=sign)
    source.read(gp.Box(0, 8, 0, 8))
    sent = pickle.dumps(source)
    assert SECRET.encode() not in sent
    arrived = pickle.loads(sent)  # noqa: S301 - our own
    np.testing.assert_array_equal(arrived.read(gp.Box(0, 8, 0, 8)), IMAGE[:, :8, :8])
    assert arrived.identity() == source.identity()
    assert SECRET not in str(source.identity())
    assert "etag" in source.identity()
    assert "unknown" not in source.identity()


def test_workers_sign_for_themselves(server, tmp_path):
    POOL.drop(f"{server.url}/d.tif")
    server.fails(need=SECRET)
    result = gp.reconstruct(
        f"{server.url}/d.tif", np.copy, tmp_path / "x.zarr", size=64, window="boxcar", workers=2, sign=sign
    )
    np.testing.assert_array_equal(result.array, IMAGE)
    server.fails()


def test_a_raster_on_another_grid_is_signed_too(server):
    signs = Signer()
    result = gp.reconstruct(
        f"{server.url}/a.tif", np.copy, size=64, window="boxcar", resolution=20, sign=signs
    )
    server.fails(need=f"{SECRET}{signs.calls + 1}")
    POOL.close()
    again = gp.reconstruct(
        f"{server.url}/a.tif", np.copy, size=64, window="boxcar", resolution=20, sign=signs
    )
    server.fails()
    np.testing.assert_array_equal(again.array, result.array)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (
            lambda url: url.no,
            r"cannot sign https://host/a.tif: AttributeError: 'str' object has no attribute 'no'",
        ),
        (lambda url: None, "sign= is a function that returns an address, and returned NoneType"),
    ],
)
def test_what_signs_nothing_is_named(function, words):
    with pytest.raises(SourceError, match=words):
        RasterioSource("https://host/a.tif", sign=function)


def test_what_signs_is_a_function_or_its_name():
    assert signer("urllib.parse:quote")("a b") == "a%20b"
    pytest.importorskip("planetary_computer")
    assert signer("planetary-computer") is sign_by_planetary_computer
    assert sign_by_planetary_computer("https://host/a.tif") == "https://host/a.tif"
    with pytest.raises(ValueError, match='is to be "planetary-computer", or "module:function"'):
        signer("urllib.parse:nothing")
    with pytest.raises(TypeError, match="not int"):
        Choices(sign=3).source("https://host/a.tif")
    with pytest.raises(
        ValueError, match="sign= is for addresses of rasters and of files with variables, not for ndarray"
    ):
        gp.plan(IMAGE, size=8, sign=sign)


def test_many_that_are_refused_at_once_sign_once():
    known, calls, lock = Signatures(), [], threading.Lock()

    def slow(url):
        with lock:
            calls.append(url)
        return f"{url}?{len(calls)}"

    known.note("a", slow)
    assert known.of("a") == "a?1"
    threads = [threading.Thread(target=known.renew, args=("a", 1)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (known.of("a"), known.count("a"), len(calls)) == ("a?2", 2, 2)
    assert (known.of("b"), known.count("b"), known.renew("b", 0)) == ("b", 0, False)


def test_a_call_is_made_twice_at_most():
    SIGNED.note("signed twice", lambda path: f"{path}?")
    calls = []

    def refused(times):
        calls.append(1)
        if len(calls) <= times:
            raise SourceAccessError("no")
        return "yes"

    assert renewing("signed twice", partial(refused, 1)) == "yes"
    calls.clear()
    with pytest.raises(SourceAccessError):
        renewing("signed twice", partial(refused, 2))
    assert len(calls) == 2
    calls.clear()
    with pytest.raises(SourceAccessError):
        renewing("never signed", partial(refused, 1))
    assert len(calls) == 1


def test_the_command_line_takes_the_name_of_a_function(server):
    server.fails(need=SECRET)
    done = CliRunner().invoke(main, ["plan", f"{server.url}/b.tif", "--sign", f"{__name__}:sign"])
    server.fails()
    assert done.exit_code == 0, done.output
    assert SECRET not in done.output
