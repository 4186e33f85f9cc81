from __future__ import annotations

import re

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.report import charts
from geopatcher.report.findings import look_into
from geopatcher.report.seams import Seam
from pages import Page


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (0.5, "0.5"),
        (-0.25, "-0.25"),
        (1234.5, "1,234"),
        (1e15, "1e+15"),
        (3e-7, "3e-07"),
        (float("nan"), "-"),
        (float("inf"), "∞"),
        (100.0, "100"),
    ],
)
def test_numbers_for_people(value, text):
    assert charts.number(value) == text


@pytest.mark.parametrize("ratio", [1.0, 30.0, float("inf"), float("nan")])
def test_charts_of_any_seam_are_well_formed(ratio):
    seam = Seam(
        "rows", "jump", ratio, ratio, ratio, 1.0, 1.0, 3, 9, (1.0,) * 8 + (float("nan"),) + (1.0,) * 8
    )
    for drawn in (charts.forest([("a<b", seam)]), charts.profile(seam)):
        read = Page(drawn)
        assert "nan" not in " ".join(value for _, _, value in read.attributes if value)
    assert charts.profile(Seam("rows", "jump", ratio, ratio, ratio, 1.0, 1.0, 3, 9)) == ""


def test_bars_of_nothing_have_no_length():
    assert "nan" not in charts.bars([("read", 0.0), ("write", 0.0)], "s")
    assert Page(charts.bars([("a&b", 2.0)], "s")).texts == ["a&b", "2.00 s"]


def test_bars_are_as_long_as_their_values():
    drawn = charts.bars([("read", 4.0), ("write", 1.0)], "s")
    ends = [float(x) for x in re.findall(r'class="value" x="([\d.]+)"', drawn)]
    lengths = [end - 110 - 8 for end in ends]
    assert lengths[0] == 4 * lengths[1] == charts.WIDTH - 110 - 90


def test_a_histogram_has_a_bar_for_each_count():
    image = np.random.default_rng(0).normal(size=(40, 40))
    (found,) = look_into(gp.reconstruct(image, np.copy, size=20)).looks
    for width in (charts.WIDTH, charts.NARROW):
        drawn = charts.histogram(found, width)
        titles = re.findall(r"<title>[^<]*: (.*?)</title>", drawn)
        assert [int(count.replace(",", "")) for count in titles] == found.counts.tolist()
        heights = re.findall(r'height="([\d.]+)" fill', drawn)
        tallest = found.counts.max()
        assert [float(height) / 112 for height in heights] == pytest.approx(found.counts / tallest, abs=1e-4)
        assert Page(charts.scale(found, width)).tags.count("rect") == 64


def test_a_legend_has_a_line_for_each_class_most_of_it_first():
    image = np.zeros((40, 40), "uint8")
    image[:10], image[10:15] = 10, 200
    style = gp.Style(classes={0: "sea <salt>", 10: ("Tree", "#006400"), 200: "Snow"})
    result = gp.reconstruct(image, np.copy, size=20, aggregation="mode", dtype="uint8", style=style)
    (found,) = look_into(result).looks
    read = Page(charts.legend(found))
    assert read.texts == ["sea <salt>", "62.5%", "Tree", "25.0%", "Snow", "12.5%"]
    assert "background:#006400" in read.values("style")


def test_ramps_have_ticks_in_the_unit_of_their_band():
    image = np.linspace(0, 1, 1600).reshape(40, 40)
    style = gp.Style(range=(-0.5, 0.5), ramp="vegetation")
    (found,) = look_into(gp.reconstruct(image, np.copy, size=20, style=style)).looks
    assert found.style.span == (-0.5, 0.5)
    assert Page(charts.scale(found)).texts == ["-0.4", "-0.2", "0", "0.2", "0.4"]


def test_a_detail_has_ticks_where_borders_fall():
    image = np.random.default_rng(0).random((40, 60), dtype="float32")
    found = look_into(gp.reconstruct(image, np.copy, size=20, step=20)).detail
    read = Page(charts.detail(found))
    assert len(read.values("d")) == len(found.rows) + len(found.columns) == 1 + 2
    assert read.values("href") == [found.uri]
