"""Samples of whole bands: bounded, complete, and the same cells."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.fields.array_source import ArraySource
from geopatcher.inspect import thumbnail as sampled
from geopatcher.inspect.levels import ArrayRaster, raster_of
from geopatcher.inspect.thumbnail import SCAN_BYTES, Sampled, overview


class Endless:
    """A raster too large for any memory, that counts what is asked of it."""

    dtype = np.dtype("float32")

    def __init__(self, shape):
        self.shape, self.cells = shape, 0

    def __getitem__(self, index):
        rows, cols = (range(*part.indices(length)) for part, length in zip(index, self.shape, strict=True))
        self.cells += len(rows) * len(cols)
        return np.add.outer(np.asarray(rows, float) * 1e-3, np.asarray(cols, float)).astype("float32")


def test_a_small_band_is_itself():
    image = np.random.default_rng(0).random((30, 40), dtype="float32")
    assert np.array_equal(overview(raster_of(ArraySource.of(image)), 0, 100), image)


@pytest.mark.parametrize(("height", "width", "longest"), [(1000, 37, 64), (63, 1025, 128), (512, 512, 512)])
def test_every_cell_of_a_sample_lies_in_its_square(height, width, longest):
    rows, cols = np.mgrid[:height, :width].astype("float32")
    raster = raster_of(ArraySource.of(np.stack([rows, cols])))
    band = Sampled(raster, 0, longest)
    band.fill()
    assert max(band.cells.shape) <= longest
    assert band.share == 1.0
    for number, length in ((0, height), (1, width)):
        found = overview(raster, number, longest)
        at = np.arange(found.shape[number]) * band.step
        line = found[:, 0] if number == 0 else found[0]
        assert (line >= at).all()
        assert (line < np.minimum(at + band.step, length)).all()


def test_pieces_are_joined_without_gaps(monkeypatch):
    monkeypatch.setattr(sampled, "PIECE_PX", 64)
    image = np.random.default_rng(0).random((300, 200), dtype="float32")
    whole = overview(raster_of(ArraySource.of(image)), 0, 75)
    assert whole.shape == (75, 50)
    assert np.isin(whole, image).all()


def test_a_raster_of_any_size_makes_a_sample_of_bounded_size_and_cost():
    array = Endless((4_000_000, 2_000_000))
    raster = ArrayRaster(array, ArraySource.of(array).domain, (512, 512))
    band = Sampled(raster, 0)
    assert band.cells.size <= sampled.SAMPLE_PX**2
    assert band.cells.size * 512 * 512 * 4 <= SCAN_BYTES
    band.fill()
    assert array.cells == band.cells.size
    assert np.isfinite(band.cells).all()


def test_what_is_read_so_far_can_be_seen_and_reading_can_be_stopped(monkeypatch):
    monkeypatch.setattr(sampled, "PIECE_PX", 256)
    stop = threading.Event()
    array = Endless((1024, 1024))

    class Stopping(ArrayRaster):
        def read(self, box, bands, step=1):
            cells = super().read(box, bands, step)
            if array.cells > 16 * 64 * 64 / 3:
                stop.set()
            return cells

    band = Sampled(Stopping(array, ArraySource.of(array).domain, (64, 64)), 0, 256)
    assert band.share == 0.0
    band.fill(stop)
    assert 0.2 < band.share < 0.6
    assert 0.2 < np.isfinite(band.cells).mean() < 0.6


def test_reading_a_sample_gives_the_cells_of_a_box_at_any_step():
    image = np.random.default_rng(0).random((64, 64), dtype="float32")
    band = Sampled(raster_of(ArraySource.of(image)), 0, 16)
    band.fill()
    assert band.step == 4
    assert np.array_equal(band.read(Box(0, 64, 0, 64), 4), band.cells)
    assert np.array_equal(band.read(Box(8, 24, 16, 48), 8), band.cells[2:6:2, 4:12:2])
    assert np.array_equal(band.read(Box(0, 8, 0, 8), 1), np.kron(band.cells[:2, :2], np.ones((4, 4))))
