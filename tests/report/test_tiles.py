from __future__ import annotations

import threading

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from encoded import decoded
from geopatcher.core.domain import RasterDomain
from geopatcher.fields.array_source import ArraySource
from geopatcher.inspect.levels import ArrayRaster
from geopatcher.inspect.styles import seen, style_of
from geopatcher.report import tiles
from geopatcher.report.session import Session
from geopatcher.report.tiles import Layer, Style, difference, render


def test_classes_begin_in_the_colours_of_labels():
    classes = np.random.default_rng(0).integers(0, 4, (64, 64)).astype("uint8")
    result = gp.reconstruct(classes, lambda x: x, size=32, dtype="uint8", layers=("count",))
    described = Session.of(result).describe()["layers"]
    assert [layer["ramp"] for layer in described] == ["labels", "magma"]


class Endless:
    """A raster of 8 trillion cells, made up when asked for."""

    shape, dtype = (4_000_000, 2_000_000), np.dtype("float32")
    cells = 0

    def __getitem__(self, index):
        lengths = [len(range(*part.indices(n))) for part, n in zip(index, self.shape, strict=True)]
        self.cells += lengths[0] * lengths[1]
        return np.ones(lengths, "float32")


def test_a_raster_of_any_size_gives_its_tiles_at_once():
    array = Endless()
    layer = Layer.of("result", ArrayRaster(array, ArraySource.of(array).domain, (512, 512)))
    assert layer.max_zoom > 10
    array.cells = 0
    style = Style((0,), ((0.0, 2.0),))
    exact = layer.tile(layer.max_zoom, 3000, 9000, style)
    assert decoded(exact).shape == (4, 256, 256)
    assert array.cells == 256 * 256
    assert layer.share == 1.0  # nothing had to be sampled for that
    far = layer.tile(0, 0, 0, style)  # comes from a sample that another thread has begun to read
    assert decoded(far)[3].shape == decoded(far)[0].shape
    assert list(layer._samples) == [0]
    layer.stop.set()


def test_what_a_sample_does_not_know_yet_is_transparent(monkeypatch):
    monkeypatch.setattr(tiles, "READ_BYTES", 1000)
    monkeypatch.setattr(tiles.Sampled, "fill", lambda self, stop=None: None)
    array = np.ones((600, 600), "float32")
    layer = Layer.of("result", ArrayRaster(array, ArraySource.of(array).domain, (64, 64)))
    assert (decoded(layer.tile(0, 0, 0, Style((0,), ((0.0, 2.0),))))[3] == 0).all()
    assert layer.share == 0.0


def test_samples_are_shown_when_they_are_read(monkeypatch):
    monkeypatch.setattr(tiles, "READ_BYTES", 1000)
    array = np.random.default_rng(0).random((600, 600), dtype="float32")
    layer = Layer.of("result", ArrayRaster(array, ArraySource.of(array).domain, (64, 64)))
    style = Style((0,), ((0.0, 1.0),), "grey")
    layer.tile(0, 0, 0, style)
    for _ in range(500):
        if layer.share == 1.0:
            break
        threading.Event().wait(0.01)
    picture = decoded(layer.tile(layer.max_zoom, 0, 0, style))
    assert np.abs(picture[0] - array[:256, :256] * 255).max() <= 1


def test_missing_in_one_of_three_bands_is_transparent():
    cells = np.ones((3, 2, 2), "float32")
    cells[1, 0, 0] = np.nan
    assert decoded(render(cells, Style((0, 1, 2), ((0.0, 1.0),) * 3)))[3].tolist() == [[0, 255], [255, 255]]


def layer_of(array, name="result"):
    domain = RasterDomain(array.shape, dtype=array.dtype)
    return Layer.of(name, ArrayRaster(array, domain, domain.grid_shape))


def test_levels_halve_until_the_shorter_side_fits_into_a_tile():
    layer = layer_of(np.zeros((1000, 3000), "float32"))
    assert layer.max_zoom == 2
    assert layer.share == 1.0


def test_a_tile_is_a_piece_of_the_raster_and_cut_off_at_its_edge():
    cells = np.arange(300 * 400, dtype="float32").reshape(300, 400) % 200
    layer = layer_of(cells)
    style = Style((0,), ((0.0, 255.0),), "grey")
    picture = decoded(layer.tile(layer.max_zoom, 1, 1, style))
    assert picture.shape == (4, 300 - 256, 400 - 256)
    np.testing.assert_allclose(picture[0], cells[256:, 256:], atol=1)
    assert layer.tile(layer.max_zoom, 2, 0, style) is None
    assert layer.tile(layer.max_zoom + 1, 0, 0, style) is None
    assert layer.tile(-1, 0, 0, style) is None


def test_a_first_look_guesses_the_range_of_each_band():
    cells = np.stack([np.full((50, 60), level, "float32") for level in (1.0, 5.0, 9.0, 77.0)])
    cells[:, :25] += 1
    layer = layer_of(cells)
    assert len(layer.spans) == 4
    assert all(
        low <= level + 0.5 <= high for level, (low, high) in zip((1, 5, 9), layer.spans[:3], strict=True)
    )
    # Of those that were not looked at: the range of all that were.
    assert layer.spans[3] == (min(s[0] for s in layer.spans[:3]), max(s[1] for s in layer.spans[:3]))


def test_a_large_raster_looks_as_in_the_report_once_it_is_read(monkeypatch):
    monkeypatch.setattr(tiles, "SOON_BYTES", 1000)
    monkeypatch.setattr(tiles, "READ_BYTES", 1000)
    cells = np.zeros((3000, 3000), "float32")
    cells[1200:1500, 1200:1500] = np.linspace(-5, 5, 90_000, dtype="float32").reshape(300, 300)
    layer = layer_of(cells)
    guess = layer.styles[0]
    layer.tile(0, 0, 0, Style((0,), ((0.0, 1.0),)))
    for _ in range(500):
        if layer.n_settled:
            break
        threading.Event().wait(0.01)
    exact = style_of(layer.raster, 0, seen(layer.raster, 0))
    assert guess.span != pytest.approx(exact.span, abs=1)  # a few spots see something else
    assert layer.styles[0].span == pytest.approx(exact.span, abs=0.05)
    assert sum(layer.histogram(0).counts) == seen(layer.raster, 0).size


def test_a_difference_from_afar_is_of_single_pixels_and_not_of_overviews():
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 1000, (2100, 2100)).astype("float32")
    domain = RasterDomain(cells.shape, dtype=cells.dtype)
    means = cells.reshape(525, 4, 525, 4).mean(axis=(1, 3))
    coarse = Layer.of("result", ArrayRaster(cells, domain, (512, 512), {4: means}))
    plain = Layer.of("input", ArrayRaster(cells - 1, domain, (512, 512)))
    assert coarse.cells(0, 0, 0, (0,)).std() < 0.5 * plain.cells(0, 0, 0, (0,)).std()  # or this tests nothing
    picture = difference((coarse, plain), ((0,), (0,)), (0, 0, 0), (-1, 1))
    with rasterio.MemoryFile(picture) as file, file.open() as dataset:
        found = dataset.read()
    assert np.unique(found.reshape(4, -1), axis=1).T.tolist() == [[168, 22, 44, 255]]  # one everywhere
    assert coarse.histogram_less((0,), plain, (0,)).ends == (0.5, 1.5)
    assert difference((coarse, plain), ((0,), (0,)), (0, 9, 9), (-1, 1)) is None
