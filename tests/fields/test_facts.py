"""What a raster is, in words."""

from __future__ import annotations

import numpy as np

from geopatcher.core.domain import RasterDomain
from geopatcher.core.metadata import BandMetadata, Metadata
from geopatcher.fields.facts import MAX_BANDS, facts_about, field_card
from geopatcher.fields.raster import RasterField
from pages import Page


def test_facts_are_those_of_the_raster():
    domain = RasterDomain((2, 20, 30), crs="EPSG:32633", nodata=-1, band_names=("red", "nir"))
    facts = dict(facts_about(domain))
    assert facts["raster"] == "20 x 30 pixels, 2 x float32"
    assert facts["crs"] == "EPSG:32633 (WGS 84 / UTM zone 33N)"
    assert facts["resolution"] == "1 x 1 metre"
    assert facts["nodata"] == "-1"
    assert facts["bands"] == "1 red, 2 nir"
    assert dict(facts_about(domain, "a mask"))["nodata"] == "a mask"


def test_many_bands_are_counted():
    names = tuple(f"n{number}" for number in range(MAX_BANDS + 3))
    said = dict(facts_about(RasterDomain((len(names), 2, 2), band_names=names)))["bands"]
    assert said.endswith("16 n15, and 3 more")
    bands = tuple(BandMetadata(scale=number) for number in range(1, MAX_BANDS + 3))
    scales = dict(facts_about(RasterDomain((len(bands), 2, 2), metadata=Metadata(bands))))["scale"]
    assert scales.startswith("1 1 * value + 0, 2 2 * value + 0, ")
    assert scales.endswith("16 16 * value + 0, and 2 more")


def test_a_field_is_shown_by_its_class_its_source_and_its_raster():
    page = Page(field_card(RasterField.from_array(np.zeros((2, 2))), "<a>.tif", RasterDomain((4, 5))))
    assert page.texts[:3] == ["RasterField", "source", "<a>.tif"]
    assert "4 x 5 pixels, 1 x float32" in page.texts
