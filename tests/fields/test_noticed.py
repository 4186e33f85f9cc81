"""What a server says of a file while that is opened may be of a newer one than was opened."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from faulty import Faulty
from geopatcher.fields import noticed
from geopatcher.fields.noticed import AskedAhead
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.fields.url_identity import Answer, ask

RNG = np.random.default_rng(0)
#: Two rasters of one header, of which the tiles lie elsewhere in the file, and one of another header.
FIRST = RNG.integers(1, 9, (200, 250)).astype("uint16")
ALIKE = RNG.integers(1, 6000, (200, 250)).astype("uint16")
OTHER = RNG.integers(1, 99, (300, 200)).astype("uint16")
SIZES = {"size": 64, "step": 64, "window": "boxcar", "progress": False}
HOUR = 3600


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Faulty(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture
def raster(server, request):
    """How to write a raster, so long ago, and its address, which no other test has."""
    name = f"{abs(hash(request.node.name))}.tif"
    path = server.folder / name

    def write(array, ago=0):
        height, width = array.shape
        profile = {"driver": "GTiff", "count": 1, "height": height, "width": width, "dtype": array.dtype}
        place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}
        tiles = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}
        with rasterio.open(path, "w", **profile, **place, **tiles) as out:
            out.write(array, 1)
        now = time.time_ns() - ago * 10**9
        os.utime(path, ns=(now, now))

    return write, f"{server.url}/{name}"


@pytest.fixture
def late(monkeypatch):
    """Servers that are asked while a file is opened say nothing until this is set."""
    may_answer, asks = threading.Event(), noticed.ask_for

    def waiting(name):
        assert may_answer.wait(60)
        return asks(name)

    monkeypatch.setattr(noticed, "ask_for", waiting)
    yield may_answer
    may_answer.set()


def copied(source):
    return np.asarray(gp.reconstruct(source, np.copy, **SIZES).array)[0]


@pytest.mark.parametrize("other", [ALIKE, OTHER], ids=["alike", "other"])
def test_a_file_that_is_replaced_before_its_server_answers_is_opened_anew(raster, late, other):
    write, address = raster
    write(FIRST)
    gp.RasterField(address)
    write(other)
    late.set()
    np.testing.assert_array_equal(copied(address), other)


def test_one_that_is_held_has_the_new_pixels_or_is_refused(raster, late):
    write, address = raster
    write(FIRST)
    held = gp.RasterField(address)
    write(OTHER)
    late.set()
    with pytest.raises(gp.SourceChangedError, match=r"\.tif has changed since it was opened: open it again"):
        copied(held)
    write(FIRST)
    late.clear()
    held = gp.RasterField(address)
    write(ALIKE)
    late.set()
    np.testing.assert_array_equal(copied(held), ALIKE)


def test_so_has_one_that_is_held_for_longer_than_the_answer_counts(raster, monkeypatch):
    write, address = raster
    write(FIRST, ago=HOUR)
    held = gp.RasterField(address)
    monkeypatch.setattr(noticed, "FRESH_S", -1.0)
    write(ALIKE)
    np.testing.assert_array_equal(copied(held), ALIKE)


def test_one_that_was_written_long_ago_is_opened_once(raster, server):
    write, address = raster
    write(FIRST, ago=HOUR)
    server.fails()  # begins to count
    source = RasterioSource(address)
    source.version()
    RasterioSource(address).version()
    assert [first for first, _ in server.spans()] == [0]


def test_one_that_was_written_just_now_is_opened_again_unless_its_server_answered_before(raster):
    write, address = raster
    write(FIRST)
    asked = AskedAhead.of(address)
    assert not AskedAhead(asked.name, asked.began, asked.said, opened=asked.began).is_of_the_opened
    assert AskedAhead(asked.name, asked.began, asked.said, opened=time.monotonic()).is_of_the_opened
    write(FIRST, ago=HOUR)
    asked = AskedAhead.of(address)
    assert AskedAhead(asked.name, asked.began, asked.said, opened=asked.began).is_of_the_opened


def test_how_long_a_file_has_been_as_it_is_goes_by_the_clock_of_its_server(raster):
    write, address = raster
    write(FIRST, ago=HOUR)
    assert HOUR - 2 <= ask(address).unchanged_s <= HOUR + 60
    write(FIRST, ago=-HOUR)
    assert ask(address).unchanged_s == 0


def test_it_is_no_part_of_what_tells_versions_apart():
    assert Answer("a", unchanged_s=1) == Answer("a", unchanged_s=2)
    assert Answer("a", unchanged_s=1).known == Answer("a").known
