"""Mosaics over one remote tile, read and opened in several threads: none waits for ever or mixes pixels.

What a thread says to the interpreter while GDAL fetches for it, and who holds the interpreter meanwhile, is
made to clash: threads change late, answers are slow, and one thread never lets go by itself.
"""

from __future__ import annotations

import sys
import threading
import time
from functools import partial

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

import geopatcher as gp
from faulty import Faulty
from geopatcher.formats.dataset_pool import POOL

pytestmark = pytest.mark.timeout(120)

SHAPE = (2, 600, 1100)
PIXELS = np.random.default_rng(0).integers(1, 4000, SHAPE).astype("uint16")
PIXELS[0, 40:90, 30:700] = 0
#: Times that each thread opens, looks and reads.
ROUNDS = 5


def mosaic(path, url, note):
    """Write a VRT of a tile and its mask."""
    of_tile = f'<SimpleSource><SourceFilename relativeToVRT="0">/vsicurl/{url}</SourceFilename><SourceBand>'
    end = "</SourceBand></SimpleSource></VRTRasterBand>"
    bands = "".join(f'<VRTRasterBand dataType="UInt16" band="{band}">{of_tile}{band}{end}' for band in (1, 2))
    mask = f'<MaskBand><VRTRasterBand dataType="Byte">{of_tile}mask,1{end}</MaskBand>'
    size = f'rasterXSize="{SHAPE[2]}" rasterYSize="{SHAPE[1]}"'
    place = "<SRS>EPSG:32633</SRS><GeoTransform>500000,10,0,5000000,0,-10</GeoTransform>"
    path.write_text(f"<VRTDataset {size}>{place}{bands}{mask}<!-- {note} --></VRTDataset>")
    return str(path)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    known = {"driver": "GTiff", "count": 2, "height": SHAPE[1], "width": SHAPE[2], "dtype": "uint16"}
    tiles = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate"}
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        with rasterio.open(folder / "a.tif", "w", **known, **tiles, **place) as out:
            out.write(PIXELS)
            out.write_mask(PIXELS[0] > 0)
        with rasterio.open(folder / "a.tif", "r+") as out:
            out.build_overviews([2, 4])
    with Faulty(folder) as server:
        url = f"{server.url}/a.tif"
        yield server, [mosaic(folder / f"{name}.vrt", url, name) for name in "ab"], url


@pytest.fixture
def names(served):
    server, mosaics, url = served
    before, stop = sys.getswitchinterval(), threading.Event()
    POOL.close()
    server.fails(latency=0.02)

    def spin():
        while not stop.is_set():
            sum(range(200))

    spinning = threading.Thread(target=spin, daemon=True)
    spinning.start()
    sys.setswitchinterval(0.005)
    yield [*mosaics, url]
    sys.setswitchinterval(before)
    stop.set()
    spinning.join()
    server.fails()
    POOL.close()


def all_of(works):
    """Carry out works in a thread each; return what went wrong."""
    wrong = []

    def carried(work):
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the test says it
            wrong.append(error)

    threads = [threading.Thread(target=carried, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 90
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    assert not any(thread.is_alive() for thread in threads), "they wait for each other"
    return wrong


def reads(path):
    window = Window(0, 0, SHAPE[2], 100)
    for _ in range(ROUNDS):
        with POOL.borrow(path) as dataset:
            pixels, masks = dataset.read(window=window), dataset.read_masks(1, window=window)
        np.testing.assert_array_equal(pixels, PIXELS[:, :100])
        np.testing.assert_array_equal(masks > 0, PIXELS[0, :100] > 0)
        POOL.drop(path)


def looks(path):
    for _ in range(ROUNDS):
        with POOL.look_at(path) as dataset:
            _ = dataset.files, dataset.mask_flag_enums, dataset.nodatavals, dataset.overviews(1)
        with POOL.borrow(path) as dataset:
            pixels = dataset.read(1, window=Window(700, 300, 200, 150))
        np.testing.assert_array_equal(pixels, PIXELS[0, 300:450, 700:900])
        POOL.drop(path)


def test_who_looks_at_one_and_who_reads_of_another_do_not_wait_for_each_other(names):
    first, second, url = names
    works = [partial(reads, name) for name in (first, first, url)]
    assert all_of([*works, *(partial(looks, name) for name in (second, second, url))]) == []


def test_runs_over_two_mosaics_side_by_side(names):
    def run(path):
        for _ in range(2):
            found = gp.reconstruct(path, np.copy, size=256, step=256, window="boxcar", progress=False)
            held = PIXELS[0] > 0
            np.testing.assert_array_equal(np.asarray(found.array)[:, held], PIXELS[:, held])
            POOL.drop(path)

    assert all_of([partial(run, name) for name in names[:2]]) == []
