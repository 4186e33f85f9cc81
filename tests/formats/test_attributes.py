from __future__ import annotations

import json

import numpy as np
import pytest

from geopatcher.core.metadata import BandMetadata, ControlPoint, Ground, Metadata
from geopatcher.formats.attributes import (
    classes_of,
    ground_attributes,
    ground_of,
    metadata_attributes,
    metadata_of,
    tags_of,
)

NOWHERE = Ground()


def test_one_scale_for_all_bands_is_that_of_cf_and_several_are_lists():
    same, other = BandMetadata(0.5, 1.0), BandMetadata(0.25, 1.0)
    assert metadata_attributes(Metadata((same, same))) == {"scale_factor": 0.5, "add_offset": 1.0}
    assert metadata_attributes(Metadata((same, other))) == {"scales": [0.5, 0.25], "offsets": [1.0, 1.0]}
    assert metadata_attributes(Metadata((BandMetadata(), BandMetadata()))) == {}


FULL = Metadata(
    (
        BandMetadata(0.5, 1.0, "red", (), (("wavelength", 0.66),)),
        BandMetadata(0.25, 0.0, "palette", ((3, (1, 2, 3, 255)),), ()),
    ),
    (("ACQUIRED", "2024-05-01"), ("LEVELS", (1, 2))),
)


def test_what_is_written_is_what_is_read_through_json():
    attributes = json.loads(json.dumps(metadata_attributes(FULL)))
    assert json.loads(attributes["color_tables"]) == [[], [[3, 1, 2, 3, 255]]]
    assert metadata_of(attributes, 2, NOWHERE) == FULL
    earlier = {name: json.loads(attributes[name]) for name in ("band_tags", "color_tables")}
    assert metadata_of(attributes | earlier, 2, NOWHERE) == FULL


@pytest.mark.parametrize("text", ["{", "7", "[1", "[]", "[" * 100_000])
def test_texts_that_are_no_lists_say_nothing(text):
    assert metadata_of({"band_tags": text, "color_tables": text}, 2, NOWHERE) == Metadata()


def test_attributes_that_say_nothing_say_the_same_as_none():
    assert metadata_of({"scale_factor": 1.0, "units": "m"}, 3, NOWHERE) == Metadata()


@pytest.mark.parametrize("name", ["_FillValue", "units", "GeoTransform", "proj:code", "grid_mapping_name"])
def test_what_means_something_by_itself_is_no_tag(name):
    assert metadata_of({name: "x", "mine": "y"}, 1, NOWHERE).tags == (("mine", "y"),)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"scale_factor": "much"}, "scale_factor is 'much', which is no number"),
        ({"scales": [1, 2, 3]}, r"scales has 3 values for 2 band\(s\): there must be one for each"),
        ({"color_tables": [[], [[1, 2]]]}, r"\[1, 2\] in color_tables is no value with red, green"),
    ],
)
def test_what_cannot_be_understood_is_refused(attributes, words):
    with pytest.raises(ValueError, match=words):
        metadata_of(attributes, 2, NOWHERE)


def test_tags_are_texts_numbers_and_lists_of_them():
    given = {"a": np.float32(0.5), "b": [1, "x", {}], "c": {}, 7: "seven", "": "empty", "d": np.arange(2)}
    assert dict(tags_of(given)) == {"a": 0.5, "b": (1, "x"), "d": (0, 1)}
    assert dict(tags_of({"nan": float("nan")})) == {"nan": "nan"}
    assert tags_of(["a"]) == ()


def test_control_points_are_geojson():
    ground = Ground(
        (ControlPoint(1.5, 2.0, 10.0, 20.0, 3.0, "p", "corner"),), "EPSG:4326", (("LINE_OFF", "7"),)
    )
    attributes = ground_attributes(ground)
    feature = json.loads(attributes["gcps"])["features"][0]
    assert feature["geometry"] == {"type": "Point", "coordinates": [10.0, 20.0, 3.0]}
    assert feature["properties"] == {"id": "p", "info": "corner", "row": 1.5, "col": 2.0}
    assert json.loads(attributes["rpcs"]) == {"LINE_OFF": "7"}
    assert ground_of(attributes, None) == ground
    assert ground_of(attributes | {"rpcs": {"LINE_OFF": "7"}}, None) == ground
    assert ground_attributes(NOWHERE) == {}


def test_control_points_without_a_crs_have_that_of_the_raster():
    text = '{"features": [{"properties": {"row": 0, "col": 1}, "geometry": {"coordinates": [5, 6]}}]}'
    found = ground_of({"gcps": text}, "EPSG:32633")
    assert found == Ground((ControlPoint(0.0, 1.0, 5.0, 6.0, 0.0, "", ""),), "EPSG:32633", ())
    assert ground_of({}, "EPSG:32633") == NOWHERE


@pytest.mark.parametrize("text", ["{", "{}", '{"features": [{}]}', '{"features": 7}', "[" * 100_000])
def test_control_points_that_are_none(text):
    with pytest.raises(ValueError, match=r"the ground control points \(gcps\) are no GeoJSON"):
        ground_of({"gcps": text}, None)


def test_lists_within_lists_without_end_are_no_tags():
    deep = []
    for _ in range(5000):
        deep = [deep]
    assert len(str(tags_of({"standard_name": deep}))) < 200


def test_flags_that_are_no_flat_list_of_whole_numbers_name_no_classes():
    for values in ([[0], [1, 2]], [0, [1]], "01", 1.5, [0.5, 1], {"a": 1}, None):
        assert classes_of({"flag_values": values, "flag_meanings": "a b"}) == ()
    assert classes_of({"flag_values": np.array([1, 2]), "flag_meanings": "a b"}) == ((1, "a"), (2, "b"))
