from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.fields.array_source import ArraySource
from geopatcher.report import trials
from geopatcher.report.trials import Manner, Measured, Remembered, areas_of, reference_of


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).random((240, 260), dtype="float32")


def test_samples_hold_data_and_lie_inside():
    holed = np.full((1000, 900), np.nan, "float32")
    holed[400:, :500] = 1.0
    source = ArraySource.of(holed)
    areas = list(areas_of(source, (96, 96), 5))
    assert len(areas) == 5
    for area in areas:
        assert area.domain.grid_shape == (96, 96)
        assert np.isfinite(area.source.array).any()


def test_a_small_raster_is_its_own_only_sample():
    areas = list(areas_of(ArraySource.of(np.ones((20, 30))), (32, 32), 4))
    assert [area.domain.grid_shape for area in areas] == [(20, 30)]


def test_the_reference_lies_on_the_same_grid_and_begins_further_in(image):
    (area,) = areas_of(ArraySource.of(image), (192, 192), 1)
    cells = reference_of(area, lambda x: x + 1, Manner((64, 64)))
    inside = cells[0, 8:, 8:]
    assert np.isnan(cells[0, :8]).all()
    assert np.isnan(cells[0, :, :8]).all()
    assert np.allclose(inside, area.source.array[8:, 8:] + 1)


def test_remembered_results_are_not_shared_and_are_bounded(monkeypatch):
    monkeypatch.setattr(trials, "KEPT_BYTES", 100)
    remembered = Remembered(lambda x: x * 2)
    first = remembered(np.ones(10))
    first[:] = 99
    assert remembered(np.ones(10)).tolist() == [2.0] * 10
    remembered(np.zeros(10))  # does not fit any more
    assert len(remembered._kept) == 1


def test_shape_and_dtype_tell_patches_apart():
    remembered = Remembered(lambda x: x.shape[0] * np.ones(1))
    assert remembered(np.zeros((2, 3)))[0] == 2
    assert remembered(np.zeros((3, 2)))[0] == 3


def test_seams_are_those_of_the_band_that_shows_them_most(image):
    shown = np.stack([image, np.zeros_like(image)])

    def uneven(patch):
        return np.stack([patch[0], patch[0] + 50 * patch[0, 0, 0]])

    result = gp.reconstruct(shown, uneven, size=40, step=40, window="boxcar")
    measured = Measured()
    measured.take(result, np.stack([image, image]))
    assert measured.patches == result.stats.patches == 6 * 7
    assert sorted(measured.samples) == [0, 1]
    seams = measured.seams()
    assert seams.band == "band 2"
    assert seams.strongest.verdict == "visible"
