from __future__ import annotations

import json
import math

import pytest

from geopatcher.core.metadata import BandMetadata, Metadata
from geopatcher.core.metadata_json import metadata_from_json, metadata_to_json
from ledgers import SPEC


def through_json(metadata):
    return metadata_from_json(json.loads(json.dumps(metadata_to_json(metadata), allow_nan=False)))


def test_everything_comes_back_through_json():
    assert through_json(SPEC.domain.metadata) == SPEC.domain.metadata
    assert through_json(Metadata()) == Metadata()
    assert metadata_to_json(Metadata()) == {}
    (band,) = through_json(Metadata((BandMetadata(math.inf),))).bands
    assert band.scale == math.inf


@pytest.mark.parametrize("key", ["bands", "tags", "points", "rpcs"])
@pytest.mark.parametrize("value", ["text", 3, [3], [[1, 2]], [["a"]], {"a": [1]}])
def test_what_is_of_another_kind_is_refused_or_is_something_else(key, value):
    record = {**metadata_to_json(SPEC.domain.metadata), key: value}
    try:
        back = metadata_from_json(record)
    except ValueError:
        return
    assert back != SPEC.domain.metadata


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (
            "bands",
            [{"scale": None, "offset": 0, "color": "", "colormap": [], "tags": []}],
            "a number is missing",
        ),
        (
            "bands",
            [{"scale": 1, "offset": 0, "color": "", "colormap": [[1, 2]], "tags": []}],
            "no color of a value",
        ),
        ("points", [[1, 2, 3]], "no ground control point"),
        ("tags", [["a", {"b": 1}]], "is not a list"),
        ("tags", [[1, 2]], "is no tag"),
    ],
)
def test_what_is_damaged_is_named(key, value, words):
    with pytest.raises(ValueError, match=words):
        metadata_from_json({**metadata_to_json(SPEC.domain.metadata), key: value})
