"""What notebooks show."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
import xarray

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.core.html_cards import card, corner_of, facts_of, plain_card, thumbnail
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.raster import RasterField
from pages import Page

NASTY = "<script>alert('x')</script>\"&"


def test_text_is_escaped_everywhere():
    html = card(NASTY, [(NASTY, NASTY)], thumbnail("data:,x", NASTY))
    page = Page(html)
    assert page.texts == [NASTY] * 3
    assert page.values("alt") == [NASTY]
    assert "script" not in page.tags


def test_facts_are_the_lines_of_a_summary():
    assert facts_of("pixels     12 (3 x 4)\nresult     in memory\n\n") == [
        ("pixels", "12 (3 x 4)"),
        ("result", "in memory"),
    ]


def test_a_plan_shows_its_facts_and_its_first_patches():
    plan = gp.plan(np.zeros((100, 100), "uint8"), size=32)
    html = plan._repr_html_()
    assert "36 of 32x32" in html
    assert Page(html).tags.count("rect") == 4 * 6 + 1
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")


def test_a_plan_over_a_planet_is_shown_at_once():
    class Planet:
        shape, dtype = (4_000_000, 2_000_000), np.dtype("float32")

        def __getitem__(self, index):
            raise AssertionError("pixels were read")

    html = gp.plan(RasterField(ArraySource.of(Planet())), size=256)._repr_html_()
    assert "488,234,376 of 256x256" in html  # 31,249 rows of 15,624


def test_a_sketch_is_as_large_as_its_patches_and_shows_the_edge_of_the_raster():
    svg = Page(corner_of([[Box(0, 10, 0, 10), Box(0, 10, 5, 15)]], (12, 12)))
    assert (svg.values("width")[0], svg.values("height")[0]) == ("184", "124")
    assert corner_of([], (1, 1)) == ""


def test_a_result_shows_its_summary_and_a_thumbnail():
    result = gp.reconstruct(np.random.default_rng(0).random((3, 700, 90)), lambda x: x, size=64)
    html = result._repr_html_()
    assert "63,000 (700 x 90)" in html
    assert html.count("data:image/png;base64,") == 1
    assert len(html) < 200_000


def test_a_card_folds_and_a_table_keeps_its_columns():
    page = Page(plain_card(NASTY, f"a  b\n{NASTY}"))
    assert page.tags[:2] == ["details", "summary"]
    assert page.texts == [NASTY, f"a  b\n{NASTY}"]


class Wet:
    classes_ = ("land", "water")

    def predict_proba(self, rows):
        raise AssertionError("it was run")


@pytest.fixture
def shown(tmp_path):
    """What a cell of a notebook may end with, by name; and a text that its card must hold."""
    array = np.random.default_rng(0).random((96, 96)).astype("float32")
    labelled = xarray.DataArray(array, dims=("y", "x"))
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular((32, 32)), gp.SpatialRegularStride((16, 16)), gp.SpatialHann(), gp.SpatialMean()
    )
    stream = patcher.split(array)
    path = tmp_path / "made.zarr"
    result = gp.reconstruct(array, np.copy, path, size=32)
    field = gp.RasterField(str(path))
    return {
        "plan": (gp.plan(array, size=32), "25 of 32x32, overlap 50%"),
        "result": (result, str(path)),
        "field": (field, "96 x 96 pixels, 1 x float32"),
        "xarray": (gp.XarrayField(labelled), "96 x 96 pixels, 1 x float32"),
        "mosaic": (gp.Mosaic([str(path), str(path)]), "96 x 96 pixels, 1 x float32"),
        "patcher": (patcher, repr(gp.SpatialHann())),
        "patch": (next(stream), "row 0, column 0"),
        "window": (gp.SpatialTukey(alpha=0.3), "0.3"),
        "temporal": (gp.TemporalFixedLookback(3), "3"),
        "model": (gp.Model(Wet(), bands=[2], scale=2), "Wet"),
        "seams": (gp.measure_seams(path)[0], "borders"),
        "tuning": (gp.tune(array, np.copy, size=32, samples=1), "recommended"),
        "verified": (gp.verify(path), "was compared with its ledger"),
    }


KINDS = ["plan", "result", "field", "xarray", "mosaic", "patcher", "patch", "window", "temporal"]
KINDS += ["model", "seams", "tuning", "verified"]


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_a_cell_ends_with_is_a_card(shown, kind):
    thing, text = shown[kind]
    page = Page(thing._repr_html_())
    assert page.tags[:2] == ["details", "summary"]
    assert any(text in each for each in page.texts)


def test_a_card_is_short_whatever_the_thing_holds():
    many = [shapely.Point(place, place).buffer(1) for place in range(2000)]
    assert len(gp.VectorDomain(many)._repr_html_()) < 5000


def test_patches_are_counted_as_they_are_taken():
    stream = gp.SpatialPatcher(
        gp.SpatialRectangular((32, 32)), gp.SpatialRegularStride((32, 32)), gp.SpatialHann(), gp.SpatialMean()
    ).split(np.zeros((64, 64)))
    assert "patches left" in repr(stream)
    assert "4 patches" in stream._repr_html_()
