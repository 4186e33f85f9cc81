"""The report: well-formed, complete in itself, escaped, and saying what is so."""

from __future__ import annotations

import re

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from geopatcher.errors import SourceError, TargetError
from geopatcher.report.findings import look_into
from geopatcher.report.html import page
from geotiffs import write_geotiff
from moody import image, moody_run, scene
from pages import Page

NASTY = "<script>alert(1)<" + "/script>&'\"x"


__all__ = ["image", "scene"]  # fixtures


@pytest.fixture(scope="module")
def run(tmp_path_factory, scene):
    """A run to disk with layers, some of whose patches failed, and its report."""
    return moody_run(scene, tmp_path_factory.mktemp("run") / "result.zarr", f"no luck with {NASTY}")


@pytest.fixture(scope="module")
def text(run, scene):
    path = gp.write_report(run.path, source=scene)
    assert path == run.path.with_name("result.zarr.report.html")
    return path.read_text(encoding="utf-8")


def test_it_is_well_formed(text):
    read = Page(text)
    assert read.tags.count("h1") == 1
    headings = re.findall(r"<h2>(.*?)</h2>", text)
    assert headings == [
        *("Result", "Seams", "Layers", "Coverage", "Seconds by stage", "Errors", "How it was made"),
    ]


def test_it_asks_the_network_for_nothing(text):
    read = Page(text)
    assert not re.search(r"https?:|//[a-z]", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text))
    assert not {"script", "link", "iframe", "object", "base", "form"} & set(read.tags)
    for name in ("src", "href", "srcset", "data", "action"):
        assert all(value.startswith("data:image/png;base64,") for value in read.values(name))
    assert "url(" not in text
    assert "@import" not in text
    policy = next(value for value in read.values("content") if "default-src" in value)
    assert "default-src 'none'" in policy


def test_it_says_what_the_run_did(text, run):
    read = Page(text).text
    assert f"{run.stats.patches:,}" in read
    assert f"{len(run.errors):,} failed patches" in read
    assert "48,000" in read
    assert "32 x 32" in read
    assert "moody" in read
    assert "EPSG:32610" in read
    for stage in run.stats.seconds:
        assert stage in read


def test_it_says_that_seams_are_visible_and_those_of_the_input_are_not(text):
    read = Page(text).text
    assert "Seams are visible (ratio" in read
    assert "input itself, b1" in read
    assert "over those of the same places in the input" in read
    assert "across rows" in read


def test_errors_are_listed_and_escaped(text):
    read = Page(text)
    assert f"no luck with {NASTY}" in read.text
    assert NASTY not in text


def test_every_picture_has_a_description(text):
    read = Page(text)
    assert all(read.values("alt"))
    assert len(read.values("alt")) == read.tags.count("img") == 4
    roles = [value for tag, name, value in read.attributes if (tag, name) == ("svg", "role")]
    assert len(roles) == read.tags.count("svg") == len(read.values("aria-label"))


def test_names_are_escaped(tmp_path, image):
    path = write_geotiff(tmp_path / "<b>&amp;<i>.tif", image)
    with rasterio.open(path, "r+") as dataset:
        dataset.set_band_description(1, NASTY)
    text = gp.write_report(path, tmp_path / "r.html", size=64).read_text(encoding="utf-8")
    read = Page(text)
    assert "<b>&amp;<i>.tif" in read.text
    assert NASTY in read.text
    assert "script" not in read.tags
    assert "i" not in read.tags


def test_a_raster_without_a_record_says_what_is_missing(tmp_path, scene):
    read = Page(gp.write_report(scene, tmp_path / "r.html").read_text(encoding="utf-8")).text
    assert "No record of the run" in read
    assert "it is not known where the patches lie" in read
    assert "(--size, --step)" in read


def test_a_result_in_memory_has_a_report_where_it_is_told_to(tmp_path, image):
    result = gp.reconstruct(image, lambda x: x * 2, size=64)
    with pytest.raises(ValueError, match="the result is in memory: say where the report goes"):
        gp.write_report(result)
    read = Page(gp.write_report(result, tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "ndarray float32 (2, 200, 240)" in read.text
    assert "All 48,000 pixels lie under a patch." in read.text


def test_a_raster_of_nothing_is_no_error(tmp_path):
    empty = write_geotiff(tmp_path / "e.tif", np.full((1, 80, 80), np.nan, "float32"), nodata=float("nan"))
    read = Page(page(look_into(empty, size=32)))
    assert "0.00%" in read.text
    assert "Seams were not measured" in read.text


def test_the_input_must_lie_on_the_same_grid(run, tmp_path):
    other = write_geotiff(tmp_path / "o.tif", np.zeros((1, 10, 10), "uint8"))
    with pytest.raises(SourceError, match=r"input has 10 x 10 pixels and the result 200 x 240"):
        gp.write_report(run.path, tmp_path / "r.html", source=other)


def test_what_cannot_be_written_or_found_says_so(scene, tmp_path):
    with pytest.raises(TargetError, match=r"cannot write the report .*missing"):
        gp.write_report(scene, tmp_path / "missing" / "r.html")
    with pytest.raises(SourceError, match=r"there is no result .*nowhere\.zarr"):
        gp.write_report(tmp_path / "nowhere.zarr")


# ---------------------------------------------------------------- charts


def test_a_report_is_not_written_over_what_is_no_report(tmp_path):
    result = gp.reconstruct(np.ones((64, 64), "float32"), np.copy, tmp_path / "x.tif", size=32)
    before = (tmp_path / "x.tif").read_bytes()
    with pytest.raises(TargetError, match=r"x.tif is there and is not a report: choose another place"):
        gp.write_report(result, tmp_path / "x.tif")
    assert (tmp_path / "x.tif").read_bytes() == before
    assert gp.write_report(result, tmp_path / "r.html") == gp.write_report(result, tmp_path / "r.html")
