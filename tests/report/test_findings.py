from __future__ import annotations

import numpy as np
import pytest

import geopatcher
import geopatcher as gp
from geopatcher.core.domain import RasterDomain
from geopatcher.fields.array_source import ArraySource
from geopatcher.inspect.levels import ArrayRaster
from geopatcher.inspect.styles import is_labels
from geopatcher.report.findings import BINS, band_numbers, look, look_into, name_of
from geopatcher.report.html import page
from geotiffs import write_geotiff
from pages import Page


def test_classes_have_a_histogram_of_their_own(tmp_path):
    classes = np.random.default_rng(0).integers(0, 3, (1, 128, 128)).astype("uint8")
    findings = look_into(write_geotiff(tmp_path / "c.tif", classes), size=64)
    (look,) = findings.looks
    assert look.style.ramp == "labels"
    assert look.counts.tolist() == np.bincount(classes.ravel()).tolist()
    Page(page(findings))


def test_holes_are_counted(tmp_path):
    holed = np.ones((1, 100, 100), "float32")
    holed[0, :25] = -9
    findings = look_into(write_geotiff(tmp_path / "h.tif", holed, nodata=-9))
    assert findings.looks[0].valid == 0.75


@pytest.mark.parametrize(
    "cells",
    [
        np.uint64(2**63) + np.arange(4096, dtype="uint64").reshape(64, 64),
        np.int64(-(2**60)) + np.arange(4096).reshape(64, 64),
        np.full((64, 64), 2**60),
        np.float32(2**40) + np.float32(2**17) * (np.arange(4096, dtype="float32").reshape(64, 64) % 20),
        np.where(np.arange(4096).reshape(64, 64) % 2, 1e100, -1e100),
        np.where(np.arange(4096).reshape(64, 64) % 2, 5e-324, 0.0),
    ],
    ids=["uint64", "int64", "one value", "few floats", "beyond float32", "denormal"],
)
def test_numbers_of_which_few_lie_in_the_range_have_a_histogram(tmp_path, cells):
    findings = look_into(write_geotiff(tmp_path / "n.tif", cells[np.newaxis]), size=32)
    (look,) = findings.looks
    assert look.counts.sum() >= 0.95 * cells.size  # the range leaves out 2 % at either end
    assert np.isfinite(look.edges).all()
    Page(page(findings))


def test_a_large_raster_is_thinned_in_pictures_and_sampled_for_seams(tmp_path):
    wide = np.random.default_rng(0).random((1, 64, 5000), dtype="float32")
    findings = look_into(write_geotiff(tmp_path / "w.tif", wide), size=32)
    assert max(findings.looks[0].shape) <= 900
    assert findings.looks[0].step == 8
    assert "1 pixel in 8 a side" in page(findings)


def test_a_result_is_measured_from_its_own_plan():
    image = np.random.default_rng(0).random((2, 384, 384), dtype="float32")

    def shifted(patch):
        return patch + 10 * patch[:, :1, :1]

    seamy = geopatcher.reconstruct(image, shifted, size=64, step=64, window="boxcar")
    smooth = geopatcher.reconstruct(image, lambda patch: patch * 2, size=64)
    assert [seams.visible for seams in geopatcher.measure_seams(seamy)] == [True, True]
    assert not any(seams.visible for seams in geopatcher.measure_seams(smooth))
    assert [seams.band for seams in geopatcher.measure_seams(seamy, bands=[2])] == ["band 2"]


def test_a_result_on_disk_is_measured_from_its_ledger(tmp_path):
    image = np.random.default_rng(0).random((256, 256), dtype="float32")
    target = tmp_path / "result.zarr"
    geopatcher.reconstruct(image, lambda patch: patch + 9 * patch[0, 0], target, size=64, step=64)
    (seams,) = geopatcher.measure_seams(target)
    assert seams.visible
    assert seams.rows.borders == 3


def test_classes_are_measured_as_labels():
    image = np.random.default_rng(0).integers(0, 4, (256, 256)).astype("uint8")
    result = geopatcher.reconstruct(image, lambda patch: patch, size=64, dtype="uint8")
    (seams,) = geopatcher.measure_seams(result)
    assert seams.both.beside == pytest.approx(0.75, abs=0.02)  # three in four neighbours differ
    (plain,) = geopatcher.measure_seams(result, labels=False)
    assert plain.both.beside == pytest.approx(1.25, abs=0.05)


def test_what_is_not_known_is_asked_for(l7):
    with pytest.raises(ValueError, match=r"not written beside it: pass size= and step= \(--size, --step\)"):
        geopatcher.measure_seams(l7)
    with pytest.raises(ValueError, match="only together with a size"):
        geopatcher.measure_seams(l7, step=32)
    with pytest.raises(ValueError, match="bands go from 1 to 6; asked for"):
        geopatcher.measure_seams(l7, size=64, bands=[7])
    assert len(geopatcher.measure_seams(l7, size=64)) == 4


@pytest.fixture
def l7(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    path = tmp_path / "six.tif"
    profile = {"driver": "GTiff", "height": 128, "width": 128, "count": 6, "dtype": "uint8"}
    with rasterio.open(path, "w", crs="EPSG:31985", **profile) as dataset:
        dataset.write(np.random.default_rng(0).integers(0, 255, (6, 128, 128)).astype("uint8"))
    return path


def raster_of(array):
    domain = ArraySource.of(array).domain
    return ArrayRaster(array, domain, domain.grid_shape)


def test_a_band_seen_from_afar_has_the_statistics_of_its_cells():
    cells = np.random.default_rng(0).normal(size=(1, 60, 80)).astype("float32")
    cells[0, :15] = np.nan
    found = look(raster_of(cells), 0, "b")
    known = cells[np.isfinite(cells)]
    assert found.valid == 0.75
    assert found.statistics.mean == pytest.approx(known.mean(dtype=float))
    assert found.statistics.deviation == pytest.approx(known.std(dtype=float))
    assert (found.statistics.minimum, found.statistics.maximum) == (known.min(), known.max())
    assert not found.exact
    assert (found.shape, found.step, found.sampled) == ((60, 80), 1, 4800)
    assert found.counts.sum() == np.count_nonzero((known >= found.edges[0]) & (known <= found.edges[-1]))
    assert len(found.counts) == BINS


@pytest.mark.parametrize(("bands", "wanted"), [(None, [0, 1, 2, 3]), ([2], [1]), ([6, 1], [5, 0])])
def test_bands_are_counted_from_one(bands, wanted):
    assert band_numbers(RasterDomain((6, 4, 4)), bands) == wanted


@pytest.mark.parametrize(
    ("bands", "words"), [([7], r"bands go from 1 to 6; asked for \[7\]"), ([], "none"), ([0], r"\[0\]")]
)
def test_bands_that_are_not_there(bands, words):
    with pytest.raises(ValueError, match=words):
        band_numbers(RasterDomain((6, 4, 4)), bands)


def test_floats_and_numbers_beyond_the_palette_are_no_labels():
    few = np.array([0, 1, 2, 1, 0])
    assert is_labels(RasterDomain((4, 4), dtype=np.dtype("uint8")), few)
    assert not is_labels(RasterDomain((4, 4), dtype=np.dtype("float32")), few)
    assert not is_labels(RasterDomain((4, 4), dtype=np.dtype("uint16")), few + 5000)
    assert not is_labels(RasterDomain((4, 4), dtype=np.dtype("uint8")), few[:0])


def test_bands_have_their_name_or_their_number():
    domain = RasterDomain((2, 4, 4), band_names=("red", "blue"))
    assert (name_of(domain, 1), name_of(RasterDomain((2, 4, 4)), 1)) == ("blue", "band 2")


def test_a_detail_lies_where_borders_cross_nearest_to_the_middle():
    image = np.random.default_rng(0).random((400, 500), dtype="float32")
    result = gp.reconstruct(image, np.copy, size=100, step=100)
    found = look_into(result, source=image)
    assert str(found.detail.box) == "rows 120:280, columns 120:280"
    assert (found.detail.rows, found.detail.columns) == ((80,), (80,))
    assert found.control is not None
    assert found.worst in found.seams
