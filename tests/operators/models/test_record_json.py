"""Records as JSON, in the words of the STAC MLM extension."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from geopatcher.operators.models.record import CHANNELS_LAST, ModelClass, ModelRecord
from geopatcher.operators.models.record_json import (
    read_record,
    record_beside,
    record_from_json,
    record_in_notes,
    record_to_json,
)
from geopatcher.operators.models.scaling import Scaling

FULL = ModelRecord(
    bands=("B04", "B08"),
    steps=(
        (Scaling("scale", value=10000),),
        (Scaling("z-score", mean=0.1, stddev=0.2), Scaling("z-score", mean=0.3, stddev=0.1)),
    ),
    activation="softmax",
    classes=(ModelClass(4, "land", "00FF00"), ModelClass(6, "water")),
    margin=16,
    multiple=32,
    size=(256, 128),
    batch=4,
    nodata=-1.5,
    output_scale=Fraction(1, 16),
    dim_order=CHANNELS_LAST,
    result_order=CHANNELS_LAST,
    sha256="ab" * 32,
)
ITEM = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "properties": {
        "datetime": None,
        "file:size": 12,
        "mlm:name": "clouds",
        "mlm:architecture": "U-Net",
        "mlm:input": [
            {
                "name": "reflectance",
                "bands": [{"name": "B04"}, {"name": "B08"}],
                "input": {
                    "shape": [-1, 2, 64, 64],
                    "dim_order": ["batch", "channel", "height", "width"],
                    "data_type": "float32",
                },
                "value_scaling": [{"type": "clip", "minimum": 0, "maximum": 1}],
                "resize_type": None,
            }
        ],
        "mlm:output": [
            {
                "name": "classes",
                "tasks": ["semantic-segmentation"],
                "result": {"shape": [-1, 2, 64, 64], "dim_order": ["batch", "channel", "height", "width"]},
                "classes": [{"value": 0, "name": "clear"}, {"value": 1, "name": "cloud"}],
            }
        ],
    },
}


@pytest.mark.parametrize("record", [FULL, ModelRecord(), ModelRecord(bands=(3, 1), steps=FULL.steps[1:])])
def test_what_is_written_is_read(record):
    text = json.dumps(record_to_json(record))
    read = record_from_json(json.loads(text))
    order = {"dim_order": read.dim_order, "result_order": read.result_order}  # written out where not told
    assert read == ModelRecord(**{**vars(record), **order})
    assert record.dim_order in (None, read.dim_order)


def test_an_item_of_the_extension_is_read(tmp_path):
    path = record_beside(tmp_path / "clouds.onnx")
    path.write_text(json.dumps(ITEM))
    record = read_record(path)
    assert (record.bands, record.size, record.batch) == (("B04", "B08"), (64, 64), None)
    assert record.steps == ((Scaling("clip", minimum=0, maximum=1),),)
    assert [one.name for one in record.classes] == ["clear", "cloud"]


def changed(**entry):
    return {"mlm:input": [{**ITEM["properties"]["mlm:input"][0], **entry}]}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mlm:inputs": []}, "there is no key 'mlm:inputs': is 'mlm:input' meant"),
        ({"geopatcher:multipl": 2}, "is 'geopatcher:multiple' meant"),
        ({"margin": 2}, "there is no key 'margin'"),
        (changed(band=[]), "no key 'band' in mlm:input.0.: is 'bands' meant"),
        (
            changed(value_scaling=[{"type": "scale", "val": 2}]),
            "no key 'val' in value_scaling.0.: is 'value'",
        ),
        (
            changed(value_scaling=[{"type": "processing", "expression": "A"}]),
            "is an expression, which is not run",
        ),
        (changed(value_scaling=[{"type": "scale", "value": "2"}]), "it must be a number"),
        (changed(bands=[{"name": "x", "expression": "a+b"}]), "band 'x' is an expression"),
        (changed(bands="B04"), "it must be a list"),
        (changed(bands=["B04"]), "names 1 bands, and its shape has 2"),
        (changed(pre_processing_function={"format": "python"}), "pre_processing_function"),
        (changed(input={"shape": [1, 2]}), "has not the axes batch, channel, height, width"),
        ({"mlm:input": [{}, {}]}, "an input of a model has the name ''"),
        ({"mlm:output": [{"classes": [{"value": "1", "name": "a"}]}]}, "it must be a whole number"),
        ({"mlm:output": [{"classes": [{"value": 1, "nam": "a"}]}]}, "no key 'nam' in classes.0.: is 'name'"),
        ({"mlm:output": [{"post_processing_function": {}}]}, "name an activation"),
        ({"geopatcher:output_scale": "1/0"}, "give 4, or 1/16"),
        ({"geopatcher:output_scale": "1e999999999"}, "give 4, or 1/16"),  # a billion digits
        ({"geopatcher:output_scale": 1e99}, "give 4, or 1/16|whole number"),
        ({"geopatcher:margin": True}, "it must be a whole number"),
        ({"geopatcher:activation": 3}, "it must be a text"),
        ([1], "it must be an object with names"),
    ],
)
def test_what_is_wrong_is_named(given, message):
    with pytest.raises(ValueError, match=message):
        record_from_json(given)


@pytest.mark.parametrize("text", ["{", '{"geopatcher:margin": -1}', "[" * 99_999])
def test_a_wrong_file_is_named(tmp_path, text):
    path = tmp_path / "net.mlm.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="the record .*net.mlm.json: "):
        read_record(path)


def test_a_byte_order_mark_is_no_part_of_a_record(tmp_path):
    path = tmp_path / "net.mlm.json"
    path.write_text('{"geopatcher:margin": 3}', encoding="utf-8-sig")
    assert read_record(path).margin == 3


@pytest.mark.parametrize(("given", "scale"), [(4, 4), ("1/16", "1/16"), (0.25, "1/4"), (0.0625, "1/16")])
def test_a_ratio_is_read(given, scale):
    assert record_from_json({"geopatcher:output_scale": given}).output_scale == Fraction(scale)


def test_notes_hold_a_record_whole_or_by_its_keys():
    whole = {"geopatcher:record": json.dumps(record_to_json(FULL))}
    assert record_in_notes(whole) == FULL
    by_key = {name: json.dumps(value) for name, value in record_to_json(FULL).items()}
    assert record_in_notes({**by_key, "author": "somebody"}) == FULL
    assert record_in_notes({"geopatcher:activation": "sigmoid"}).activation == "sigmoid"
    assert record_in_notes({"author": "somebody"}) is None
    with pytest.raises(ValueError, match="the record inside the model: there is no key 'geopatcher:x'"):
        record_in_notes({"geopatcher:x": "1"})
