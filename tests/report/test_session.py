from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from encoded import decoded
from geopatcher.errors import MissingExtraError
from geopatcher.report.session import PAGES, Session
from geotiffs import write_geotiff


def test_without_rio_tiler_there_is_no_empty_page(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rio_tiler.io", None)  # as where it is not installed
    path = write_geotiff(tmp_path / "x.tif", np.ones((1, 20, 20), "uint8"))
    with pytest.raises(MissingExtraError, match=r"pip install 'geopatcher\[view\]'"):
        Session.of(path)


@pytest.mark.parametrize(
    ("transform", "crs"),
    [
        (rasterio.Affine.identity(), None),
        (rasterio.Affine(8, 5, 3e5, 5, -8, 4e6), "EPSG:32610"),
        (rasterio.Affine(0.5, 0, -120, 0, 0.5, -10), "EPSG:4326"),
    ],
)
def test_rasters_without_a_map_rotated_and_upside_down_are_shown(tmp_path, transform, crs):
    cells = np.arange(30 * 40, dtype="int16").reshape(30, 40)
    profile = {"driver": "GTiff", "height": 30, "width": 40, "count": 1, "dtype": "int16", "nodata": 5}
    with rasterio.open(tmp_path / "x.tif", "w", crs=crs, transform=transform, **profile) as dataset:
        dataset.write(cells, 1)
    session = Session.of(tmp_path / "x.tif")
    picture = decoded(session.answer("/tile/0/0/0/0?span=0,1200&ramp=grey").content)
    assert picture.shape == (4, 30, 40)
    assert np.abs(picture[0] - cells / 1200 * 255).max() <= 255 / 1200 * 5 + 1
    assert np.flatnonzero(picture[3].ravel() == 0).tolist() == [5]
    found = json.loads(session.answer("/value/0?row=2&col=3").content)
    assert found["values"] == ["83"]
    assert (found["lonlat"] is None) == (crs is None)
    assert json.loads(session.answer("/value/0?row=0&col=5").content)["values"] == [None]


def test_large_integers_keep_all_their_digits():
    array = np.full((4, 4), 2**60 + 1, "int64")
    session = Session.of(gp.reconstruct(array, lambda x: x, size=4, dtype="int64"))
    assert json.loads(session.answer("/value/0?row=0&col=0").content)["values"] == [str(2**60 + 1)]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A result of whole numbers, with a layer, beside the raster it was made from."""
    image = np.arange(2 * 40 * 60, dtype="int16").reshape(2, 40, 60)
    path = write_geotiff(tmp_path_factory.mktemp("session") / "scene.tif", image)
    result = gp.reconstruct(path, lambda x: x + 1, size=16, dtype="int16", layers=("weight",))
    return Session.of(result, path)


def told(session, target):
    answer = session.answer(target)
    assert answer.status == 200, answer.content
    return json.loads(answer.content)


def test_it_describes_layers_patches_and_the_grid(session):
    found = told(session, "/session")
    assert (found["height"], found["width"], found["crs"]) == (40, 60, "WGS 84 / UTM zone 10N")
    assert found["transform"] == [30.0, 0.0, 500_000.0, 0.0, -30.0, 4_000_000.0]
    assert [(layer["name"], layer["dtype"]) for layer in found["layers"]] == [
        ("result", "int16"),
        ("weight", "float32"),
        ("input", "int16"),
    ]
    assert found["patches"]["rows"] == {"size": 16, "step": 8, "count": 4, "first": 0, "last": 24}
    assert found["patches"]["count"] == 4 * 7


def test_a_value_and_where_it_is(session):
    found = told(session, "/value/0?row=2&col=3")
    assert found["values"] == [str(2 * 60 + 3 + 1), str(2400 + 2 * 60 + 3 + 1)]
    x, y = 500_000 + 30 * 3.5, 4_000_000 - 30 * 2.5
    expected = rasterio.warp.transform("EPSG:32610", "EPSG:4326", [x], [y])
    assert found["lonlat"] == pytest.approx([expected[0][0], expected[1][0]], abs=1e-6)
    assert told(session, "/value/2?row=2&col=3")["values"] == ["123", "2523"]


@pytest.mark.parametrize(
    ("target", "status", "words"),
    [
        ("/value/0?row=-1&col=0", 400, "row is a whole number"),
        ("/value/0?row=1", 400, "col is a whole number"),
        ("/value/0?row=40&col=0", 404, "not found"),
        ("/value/9?row=0&col=0", 404, "not found"),
        ("/tile/0/0/0/0?bands=3", 400, "bands are one or three numbers from 1 to 2"),
        ("/tile/0/0/0/0?bands=1,2", 400, "bands are one or three numbers from 1 to 2"),
        ("/tile/0/0/0/0?span=5,5", 400, "span is a lowest and a higher highest value for each band"),
        ("/tile/0/0/0/0?span=nan,5", 400, "span is a lowest"),
        ("/tile/0/0/0/0?ramp=nope", 400, "there is no colour ramp 'nope'"),
        ("/tile/0/9/0/0", 404, "not found"),
        ("/difference/0/9/0/0/0?first=1&second=1&span=-1,1", 404, "not found"),
        ("/difference/0/2/0/0/0?first=1&second=9&span=-1,1", 400, "second is a number from 1 to 2"),
        ("/difference/0/2/0/0/0?first=1&second=1", 400, "could not convert"),
        ("/histogram/0?band=0", 400, "band is a number from 1 to 2"),
        ("/histogram/9?band=1", 404, "not found"),
        ("/../pyproject.toml", 404, "not found"),
        ("//example.org/", 404, "not found"),
    ],
)
def test_other_questions_have_other_answers(session, target, status, words):
    answer = session.answer(target)
    assert answer.status == status
    assert words in answer.content.decode()


def test_classes_are_told_and_hidden(tmp_path):
    codes = np.repeat(np.array([[10, 20, 200]], "uint8"), 30, axis=0).repeat([20, 10, 10], axis=1)
    style = gp.Style(classes={10: ("Tree", "#006400"), 20: "Shrub"})
    session = Session.of(gp.reconstruct(codes, np.copy, size=8, aggregation="mode", style=style))
    (legend,) = told(session, "/session")["layers"][0]["classes"]
    assert [(each["value"], each["name"], each["share"]) for each in legend] == [
        (10, "Tree", 0.5),
        (20, "Shrub", 0.25),
        (200, "200", 0.25),
    ]
    picture = decoded(session.answer("/tile/0/0/0/0").content)
    assert picture[:, 0, 0].tolist() == [0, 100, 0, 255]
    assert "#{:02x}{:02x}{:02x}".format(*picture[:3, 0, 35]) == legend[2]["color"]
    hidden = decoded(session.answer("/tile/0/0/0/0?hide=10,200").content)
    np.testing.assert_array_equal(hidden[3] != 0, codes == 20)
    plain = decoded(session.answer("/tile/0/0/0/0?ramp=grey&span=0,255").content)
    np.testing.assert_array_equal(plain[0], codes)


def test_layers_beside_a_geotiff_are_opened(tmp_path):
    image = np.random.default_rng(0).random((64, 64))
    gp.reconstruct(image, np.copy, tmp_path / "r.tif", size=32, layers=("weight", "spread"))
    described = Session.of(tmp_path / "r.tif").describe()
    assert [layer["name"] for layer in described["layers"]] == ["result", "weight", "spread"]


def test_pages_are_files_of_the_package(session):
    assert session.answer("/viewer.js").kind.startswith("text/javascript")
    assert all(session.answer(address).status == 200 for address in PAGES)


def test_closing_stops_what_reads_in_the_background():
    session = Session.of(gp.reconstruct(np.zeros((8, 8)), np.copy, size=4))
    assert told(session, "/progress") == {"share": 1.0, "settled": 0}
    session.close()
    assert all(layer.stop.is_set() for layer in session.layers)


def test_a_difference_is_of_the_values(session):
    picture = decoded(session.answer("/difference/0/2/0/0/0?first=1&second=1&span=-1,1").content)
    assert np.unique(picture.reshape(4, -1), axis=1).T.tolist() == [[168, 22, 44, 255]]  # one everywhere
    halfway = decoded(session.answer("/difference/2/0/0/0/0?first=1&second=1&span=-3,1").content)
    assert np.abs(halfway[:3, 0, 0].astype(int) - 244).max() <= 4
    found = told(session, "/histogram/0/2?first=1&second=1")
    assert (sum(found["counts"]), found["ends"]) == (40 * 60, [0.5, 1.5])


def test_values_are_counted(session):
    found = told(session, "/histogram/2?band=2")
    cells = np.arange(2400, 4800)
    assert found["counts"] == np.histogram(cells, 64)[0].tolist()
    assert found["ends"] == [2400, 4799]
    assert found["middle"] == pytest.approx(np.quantile(cells, (0.02, 0.98)).tolist())


@pytest.mark.parametrize(
    ("crs", "metres"), [("EPSG:32610", 1.0), ("EPSG:2263", 0.3048), ("EPSG:4326", "degrees")]
)
def test_the_unit_of_the_map_is_told(tmp_path, crs, metres):
    profile = {"driver": "GTiff", "height": 4, "width": 4, "count": 1, "dtype": "uint8"}
    with rasterio.open(
        tmp_path / "x.tif", "w", crs=crs, transform=rasterio.Affine(1, 0, 5, 0, -1, 40), **profile
    ) as to:
        to.write(np.zeros((1, 4, 4), "uint8"))
    found = Session.of(tmp_path / "x.tif").describe()["metres"]
    assert found == (metres if metres == "degrees" else pytest.approx(metres, rel=1e-5))


def test_what_stored_numbers_stand_for_is_told(session):
    assert [layer["scales"] for layer in told(session, "/session")["layers"]] == [[], [], []]
    image = np.random.default_rng(0).random((20, 30))
    scaled = gp.reconstruct(image, np.copy, size=8, scale_to=gp.ScaleTo("uint8", (0, 2.54)))
    session = Session.of(scaled, image)
    layer, _ = session.describe()["layers"]
    assert layer["scales"] == [[pytest.approx(0.01), 0]]
    assert layer["spans"] == [pytest.approx([0, 2.54])]
    assert told(session, "/value/0?row=0&col=0")["values"] == [repr(round(image[0, 0] * 100))]
    less = told(session, "/histogram/0/1?first=1&second=1")["ends"]  # of the quantities
    assert less == pytest.approx([-0.005, 0.005], abs=0.0005)


def test_three_bands_less_three_are_drawn_color_by_color():
    image = np.zeros((3, 20, 30), "uint8")
    session = Session.of(gp.reconstruct(image, lambda x: x + np.uint8([[[4]], [[0]], [[2]]]), size=20), image)
    picture = decoded(session.answer("/difference/0/1/0/0/0?first=1,2,3&second=1,2,3&span=-4,4").content)
    assert np.abs(picture[:3, 0, 0].astype(int) - [255, 127, 191]).max() <= 1
    assert told(session, "/histogram/0/1?first=1,2,3&second=1,2,3")["ends"] == [0, 4]
    assert session.answer("/difference/0/1/0/0/0?first=1,2,3&second=1&span=-4,4").status == 400
