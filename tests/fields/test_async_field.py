"""Windows that are awaited."""

from __future__ import annotations

import asyncio
import pickle
import threading
import time

import numpy as np
import pytest
from affine import Affine
from rasterio.windows import Window

import geopatcher as gp
from geopatcher.core.protocols import SourceField
from geopatcher.fields import AsyncField, AsyncRasterField
from geopatcher.fields.array_source import ArraySource

IMAGE = np.random.default_rng(0).random((2, 20, 30))
WINDOW = Window(4, 2, 8, 6)


class Busy(ArraySource):
    """A source that cannot stand two reads at once."""

    def read(self, box):
        assert self.lock.acquire(blocking=False), "read by two threads at once"
        try:
            time.sleep(0.001)
            return super().read(box)
        finally:
            self.lock.release()

    lock = threading.Lock()
    reads_concurrently = False


def test_a_raster_is_awaited_and_read():
    field = AsyncRasterField(ArraySource.of(IMAGE))
    assert isinstance(field, AsyncField)
    assert isinstance(field, SourceField)
    np.testing.assert_array_equal(asyncio.run(field.aselect(WINDOW)), IMAGE[:, 2:8, 4:12])
    np.testing.assert_array_equal(field.select(WINDOW), IMAGE[:, 2:8, 4:12])
    copy = pickle.loads(pickle.dumps(field))  # noqa: S301
    np.testing.assert_array_equal(asyncio.run(copy.aselect(WINDOW)), IMAGE[:, 2:8, 4:12])


def test_a_source_that_bears_one_reader_has_one():
    source = Busy(IMAGE, ArraySource.of(IMAGE).domain)
    field = AsyncRasterField(source)

    async def run():
        return await asyncio.gather(*(field.aselect(WINDOW) for _ in range(12)))

    for data in asyncio.run(run()):
        np.testing.assert_array_equal(data, IMAGE[:, 2:8, 4:12])


def test_a_reader_that_is_awaited():
    class Data:
        values = IMAGE[:, 2:8, 4:12]

        def load(self):
            return self.values

    class Reader:
        shape, transform, crs, dtype, fill_value_default = IMAGE.shape, Affine.identity(), None, "float64", 0
        bounds = (0, 0, 30, 20)
        values = IMAGE
        in_loop = False

        async def read_from_window(self, window, boundless):
            Reader.in_loop = asyncio.get_running_loop() is not None
            await asyncio.sleep(0)
            return Data()

    try:
        field = AsyncRasterField(Reader())
    except TypeError as error:
        pytest.fail(str(error))
    np.testing.assert_array_equal(asyncio.run(field.aselect(WINDOW)), IMAGE[:, 2:8, 4:12])
    assert Reader.in_loop


def test_a_reader_of_a_file_is_loaded(tmp_path):
    rasterio_reader = pytest.importorskip("georeader.rasterio_reader")
    path = tmp_path / "a.tif"
    gp.reconstruct(IMAGE.astype("float32"), np.copy, path, size=16)
    field = AsyncRasterField(rasterio_reader.RasterioReader(str(path)))
    data = asyncio.run(field.aselect(WINDOW))
    np.testing.assert_allclose(data.values, IMAGE[:, 2:8, 4:12], rtol=1e-6)
    assert isinstance(data.values, np.ndarray)
