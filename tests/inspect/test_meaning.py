"""Quantities in the place of stored numbers, wherever a raster is looked at."""

from __future__ import annotations

import re

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.core.metadata import BandMetadata, Metadata
from geopatcher.core.styles import Style, band_of, declared
from geopatcher.inspect.levels import ArrayRaster
from geopatcher.inspect.meaning import MeantRaster, all_meant, meant
from geopatcher.inspect.styles import is_labels, style_of
from geopatcher.report.findings import look_into
from geopatcher.report.session import Session

CELLS = np.array([[[0, 10], [200, 255]], [[1, 2], [2, 1]]], "uint8")
CLASSES = BandMetadata(7.0, classes=((1, "a"), (2, "b")))


def raster(*bands):
    domain = RasterDomain(
        CELLS.shape, dtype=CELLS.dtype, nodata=255, metadata=Metadata(tuple(bands) if bands else ())
    )
    return ArrayRaster(CELLS, domain, (2, 2))


def test_numbers_are_read_as_what_they_stand_for_but_those_of_classes():
    found = meant(raster(BandMetadata(0.01, -1.0), CLASSES))
    cells = found.read(Box(0, 2, 0, 2), (1, 0))
    assert cells.dtype == np.float32
    assert cells[0].tolist() == CELLS[1].tolist()
    assert cells[1] == pytest.approx(np.array([[-1, -0.9], [1, np.nan]]), abs=1e-7, nan_ok=True)
    assert found.exact(1, 0) == [200, 2]
    assert (found.block_shape, found.levels) == ((2, 2), ())


def test_numbers_that_mean_themselves_are_left_alone():
    for plain in (raster(), raster(BandMetadata(), CLASSES)):
        assert meant(plain) is plain
    scaled = raster(BandMetadata(2.0), BandMetadata())
    both = all_meant({"a": raster(), "b": scaled})
    assert (type(both["a"]), type(both["b"])) == (ArrayRaster, MeantRaster)


def test_a_range_that_the_raster_names_is_of_quantities():
    said = band_of(Style(range=(0, 200), ramp="magma"))
    for scale, wanted in ((0.01, (-1.0, 1.0)), (-0.01, (-3.0, -1.0))):
        band = BandMetadata(scale, -1.0, tags=said.tags)
        assert declared(meant(raster(band, CLASSES)).domain.metadata, 0) == Style(wanted, "magma")


def test_a_quantity_of_few_numbers_is_no_map_of_classes():
    known = np.array([1.0, 2.0])
    assert is_labels(raster().domain, known)
    assert not is_labels(raster(BandMetadata(0.5), BandMetadata()).domain, known)
    assert style_of(raster(BandMetadata(0.5), CLASSES), 1, known).classes


def test_viewer_report_plot_and_card_show_the_same_quantities(tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    image = np.random.default_rng(0).random((40, 50)) * 2 - 1
    for name in ("x.tif", "x.zarr"):
        result = gp.reconstruct(
            image,
            np.copy,
            tmp_path / name,
            size=16,
            scale_to=gp.ScaleTo("int16", (-1, 1)),
            style=Style(range=(-0.5, 0.5)),
        )
        (viewed,) = Session.of(tmp_path / name).describe()["layers"]
        reported = look_into(tmp_path / name).looks[0]
        drawn = result.plot().images[0]
        plt.close("all")
        assert [viewed["spans"][0], [*reported.style.span], [*drawn.get_clim()]] == [
            pytest.approx([-0.5, 0.5], abs=1e-4)
        ] * 3
        assert reported.statistics.mean == pytest.approx(image.mean(), abs=1e-4)
        assert np.asarray(drawn.get_array()) == pytest.approx(image, abs=1e-4)
        plain = gp.reconstruct(image, np.copy, size=16, style=Style(range=(-0.5, 0.5)))
        pictures = [re.search('base64,([^"]*)', each._repr_html_())[1] for each in (result, plain)]
        assert pictures[0][:40] == pictures[1][:40]
