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
    image = np.zeros((40, 40), "uint8")
    image[:10], image[10:15] = 1, 2
    found = look_into(
        gp.reconstruct(image, np.copy, size=20, window="boxcar", aggregation="mode", dtype="uint8")
    )
    titles = re.findall(r"<title>(.*?)</title>", charts.histogram(found.looks[0]))
    assert titles == ["0: 1,000", "1: 400", "2: 200"]
    heights = re.findall(r'height="([\d.]+)" fill', charts.histogram(found.looks[0]))
    assert [float(height) / float(heights[0]) for height in heights] == pytest.approx([1, 0.4, 0.2])
    assert Page(charts.scale(found.looks[0])).tags.count("rect") == 64


def test_a_detail_has_ticks_where_borders_fall():
    image = np.random.default_rng(0).random((40, 60), dtype="float32")
    found = look_into(gp.reconstruct(image, np.copy, size=20, step=20)).detail
    read = Page(charts.detail(found))
    assert len(read.values("d")) == len(found.rows) + len(found.columns) == 1 + 2
    assert read.values("href") == [found.uri]
