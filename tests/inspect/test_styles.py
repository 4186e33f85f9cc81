"""How bands look: in every place the same."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import rasterio
import zarr

import geopatcher as gp
from geopatcher.core.domain import RasterDomain
from geopatcher.core.metadata import BandMetadata, ClassLabel, Metadata, of_classes
from geopatcher.core.palette import PALETTE
from geopatcher.core.statistics import Statistics
from geopatcher.inspect.levels import ArrayRaster
from geopatcher.inspect.png import LABELS, USUAL
from geopatcher.inspect.styles import BandStyle, is_labels, is_seen_soon, seen, style_of
from geopatcher.report.findings import look_into
from geopatcher.report.session import Session

COVER = {10: ("Tree", "#006400"), 80: ("Water", "#0064c8"), 200: ("Snow", "#f0f0f0")}


def domain(dtype="uint8", **said):
    bands = (BandMetadata(**said),) if said else ()
    return RasterDomain((4, 4), dtype=np.dtype(dtype), metadata=Metadata(bands))


def raster(dtype="uint8", statistics=(), **said):
    known = domain(dtype, **said)
    return ArrayRaster(np.zeros(known.shape, dtype), known, (4, 4), statistics=statistics)


@pytest.mark.parametrize(
    ("domain", "known", "labels"),
    [
        (domain(), [10, 100, 255], True),
        (domain("uint16"), [5000, 5001], False),
        (domain("uint16", classes=((5000, "a"),)), [5000, 5001], True),
        (domain(colormap=((1, (0, 0, 0, 255)),)), range(200), True),
        (domain(color="palette"), range(200), True),
        (domain(), range(200), False),
        (domain("float32"), [1, 2], False),
    ],
)
def test_labels_are_known_by_what_the_raster_says_or_by_few_values(domain, known, labels):
    assert is_labels(domain, np.array([*known], float)) is labels


def test_what_is_given_counts_more_than_what_is_seen():
    cells = np.array([[1.0, 2.0], [2.0, np.nan]])
    assert style_of(raster(), 0, cells, labels=False).ramp == USUAL
    assert style_of(raster("float32"), 0, cells, labels=True).ramp == LABELS
    assert style_of(raster("float32"), 0, cells + 0.5, labels=True).ramp == USUAL  # these are no names


@pytest.mark.parametrize(
    ("cells", "span"),
    [
        (np.full((4, 4), np.nan), (-2.0, 8.0)),
        (np.full((4, 4), 3.0), (-2.0, 8.0)),
        (np.linspace(0, 1, 101), (0.02, 0.98)),
    ],
    ids=["none seen", "all alike", "several"],
)
def test_where_too_little_is_seen_the_range_of_all_cells_is_shown(cells, span):
    known = raster("float32", [Statistics(-2.0, 8.0, 3.0, 0.1)])
    assert style_of(known, 0, cells).span == pytest.approx(span)
    alike = raster("float32", [Statistics(3.0, 3.0, 3.0, 0.0)])
    assert style_of(alike, 0, np.full((4, 4), np.nan)).span == (2.5, 3.5)


def test_shares_are_of_the_cells_that_hold_a_value():
    cells = np.array([[1.0, 2.0], [2.0, np.nan]])
    found = style_of(raster(classes=((3, "c"),)), 0, cells)
    assert {one.name: share for one, share in zip(found.classes, found.shares, strict=True)} == {
        "1": pytest.approx(1 / 3),
        "2": pytest.approx(2 / 3),
        "c": 0.0,
    }


def test_a_class_that_was_not_seen_is_painted_all_the_same():
    style = BandStyle(LABELS, (0.0, 255.0), (ClassLabel(1, "a", (9, 8, 7, 255)),))
    picture = style.painted(np.array([[1.0, 5.0, np.nan]]))
    assert picture.tolist() == [[[9, 8, 7, 255], [*PALETTE[5], 255], [0, 0, 0, 0]]]


def test_what_is_seen_is_bounded():
    array = np.zeros((3000, 10), "float32")
    raster = ArrayRaster(array, RasterDomain(array.shape, dtype=array.dtype), (512, 10))
    assert max(seen(raster, 0).shape) <= 1024
    assert is_seen_soon(raster, array.nbytes)
    assert not is_seen_soon(raster, 1000)


# ---------------------------------------------------------------- one style in every place


@pytest.fixture(params=[None, ".zarr", ".tif"])
def target(request, tmp_path):
    return None if request.param is None else tmp_path / f"result{request.param}"


def test_a_range_and_a_ramp_are_the_same_everywhere(target):
    image = np.random.default_rng(0).random((80, 90))
    result = gp.reconstruct(image, np.copy, target, size=32, style=gp.Style(range=(-1, 1), ramp="vegetation"))
    place = result if target is None else target
    (found,) = look_into(place).looks
    described = Session.of(place).describe()["layers"][0]
    plotted = result.plot().get_images()[0]
    assert (found.style.ramp, found.style.span) == ("vegetation", (-1.0, 1.0))
    assert (described["ramp"], described["spans"]) == ("vegetation", [[-1.0, 1.0]])
    assert (plotted.get_cmap().name, plotted.get_clim()) == ("vegetation", (-1.0, 1.0))


def test_without_a_style_the_range_is_still_one(target):
    image = np.random.default_rng(0).normal(size=(80, 90))
    result = gp.reconstruct(image, np.copy, target, size=32)
    place = result if target is None else target
    (found,) = look_into(place).looks
    (span,) = Session.of(place).describe()["layers"][0]["spans"]
    assert tuple(span) == found.style.span == result.plot().get_images()[0].get_clim()


def test_classes_have_their_names_and_colors_everywhere(target):
    codes = np.random.default_rng(0).choice([10, 80, 200], (80, 90)).astype("uint8")
    style = gp.Style(classes=COVER)
    result = gp.reconstruct(codes, np.copy, target, size=32, aggregation="mode", style=style)
    place = result if target is None else target
    named = dict(COVER.values())
    (found,) = look_into(place).looks
    assert {one.name: "#{:02x}{:02x}{:02x}".format(*one.color) for one in found.style.classes} == named
    (legend,) = Session.of(place).describe()["layers"][0]["classes"]
    assert {each["name"]: each["color"] for each in legend} == named
    assert sum(each["share"] for each in legend) == pytest.approx(1, abs=1e-5)
    assert [text.get_text() for text in result.plot().get_legend().get_texts()] == [*named]
    card = re.findall(r"background:(#\w{6})", result._repr_html_())
    assert card == [*named.values()]


def test_other_programs_find_the_classes(tmp_path):
    codes = np.random.default_rng(0).choice([10, 80, 200], (80, 90)).astype("uint8")
    for name in ("cover.tif", "cover.zarr"):
        gp.reconstruct(codes, np.copy, tmp_path / name, aggregation="mode", style=gp.Style(classes=COVER))
    with rasterio.open(tmp_path / "cover.tif") as dataset:
        assert dataset.colormap(1)[80] == (0, 100, 200, 255)
        assert json.loads(dataset.tags(1)["flag_values"]) == [10, 80, 200]
        assert dataset.tags(1)["flag_meanings"] == "Tree Water Snow"
        # Averages of names would mean nothing.
        assert set(np.unique(dataset.read(1, out_shape=(20, 22)))) <= {10, 80, 200}
    attributes = zarr.open_group(tmp_path / "cover.zarr", mode="r")["data"].attrs
    assert attributes["flag_meanings"] == "Tree Water Snow"
    assert attributes["flag_colors"] == "#006400 #0064c8 #f0f0f0"


def test_a_run_with_another_style_is_another_run(tmp_path):
    image = np.random.default_rng(0).random((80, 90))
    target = tmp_path / "r.zarr"
    gp.reconstruct(image, np.copy, target, size=32, style=gp.Style(range=(0, 1)))
    gp.reconstruct(image, np.copy, target, size=32, style=gp.Style(range=(0, 1)))
    with pytest.raises(gp.TargetExistsError, match="style"):
        gp.reconstruct(image, np.copy, target, size=32, style=gp.Style(range=(0, 2)))


def test_the_color_table_of_a_source_is_kept_where_its_values_are(tmp_path):
    codes = np.random.default_rng(0).integers(0, 3, (80, 90)).astype("uint8")
    said = of_classes([ClassLabel(value, f"c{value}", (value, 50, 60, 255)) for value in range(3)])
    profile = {"driver": "GTiff", "height": 80, "width": 90, "count": 1, "dtype": "uint8"}
    with rasterio.open(tmp_path / "in.tif", "w", **profile) as dataset:
        dataset.write(codes, 1)
        dataset.write_colormap(1, dict(said.bands[0].colormap))
    result = gp.reconstruct(tmp_path / "in.tif", np.copy, tmp_path / "out.tif", size=32, aggregation="mode")
    (found,) = look_into(result).looks
    assert [one.color for one in found.style.classes] == [(value, 50, 60, 255) for value in range(3)]
