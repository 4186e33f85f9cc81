"""Records as JSON: the names of the STAC MLM extension where it has them, ``geopatcher:`` before ours."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from geopatcher.operators.models.json_values import (
    check_keys,
    list_of,
    number_of,
    object_of,
    text_of,
    texts_of,
    whole_of,
)
from geopatcher.operators.models.record import CHANNELS_FIRST, ModelClass, ModelInput, ModelRecord
from geopatcher.operators.models.scaling import NUMBERS, Scaling

if TYPE_CHECKING:
    import os

    from geopatcher.operators.models.json_values import Json
    from geopatcher.operators.models.scaling import Step

#: Scaling of several steps, one after the other, for which the extension has no word.
STEPS = "geopatcher:steps"
_RATIO = re.compile(r"[0-9]{1,20}([./][0-9]{1,20})?")
#: What stands behind the name of the weights, without its ending, in the name of a record.
SUFFIX = ".mlm.json"

_OURS = ("activation", "margin", "multiple", "nodata", "output_scale", "part", "sha256", "steps")
_MLM = tuple(
    f"mlm:{name}"
    for name in (
        *(
            "name",
            "architecture",
            "tasks",
            "framework",
            "framework_version",
            "memory_size",
            "input",
            "output",
        ),
        *("total_parameters", "pretrained", "pretrained_source", "batch_size_suggestion", "accelerator"),
        *("accelerator_constrained", "accelerator_summary", "accelerator_count", "hyperparameters"),
        *("artifact_type", "compile_method", "entrypoint", "training"),
    )
)
#: What any STAC item may have among its properties without a prefix.
_STAC = (
    *("title", "description", "keywords", "roles", "datetime", "created", "updated", "start_datetime"),
    *("end_datetime", "license", "providers", "platform", "instruments", "constellation", "mission", "gsd"),
    *("bands", "data_type", "nodata", "statistics", "unit"),
)
_KNOWN = (*_MLM, *(f"geopatcher:{name}" for name in _OURS))
_INPUT = (
    *("name", "bands", "input", "description", "value_scaling", "resize_type", "pre_processing_function"),
    *("norm_type", "norm_clip", "norm_by_channel", "statistics"),
)
_OUTPUT = ("name", "tasks", "result", "description", "post_processing_function")
_CLASSES = ("classification:classes", "classes")
_ARRAY = ("shape", "dim_order", "data_type")
_CLASS = ("value", "name", "color_hint", "title", "description", "nodata", "percentage", "count")
_SCALING = ("type", *dict.fromkeys(number for numbers in NUMBERS.values() for number in numbers))


def record_beside(weights: Path) -> Path:
    """Return where the record of a file of weights is looked for.

    >>> from pathlib import Path
    >>> record_beside(Path("models/clouds.onnx")).name
    'clouds.mlm.json'
    """
    return weights.with_name(weights.stem + SUFFIX)


def read_record(path: Path) -> ModelRecord:
    """Read the record in a file: a STAC item, or its properties alone.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is no such record; names the file and what is wrong.

    """
    try:
        return record_from_json(json.loads(path.read_text(encoding="utf-8-sig")))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the record {path}: {error}") from error


def record_from_json(given: object) -> ModelRecord:
    """Return a record from a STAC item, or from its properties alone.

    Raises
    ------
    ValueError
        A key is unknown, or a value cannot be.

    Examples
    --------
    >>> record_from_json({"geopatcher:margin": 16}).margin
    16
    >>> record_from_json({"geopatcher:margn": 16})
    Traceback (most recent call last):
    ValueError: there is no key 'geopatcher:margn': is 'geopatcher:margin' meant?

    """
    whole = object_of(given, "a record")
    properties = object_of(whole["properties"], "properties") if "properties" in whole else whole
    others = [name for name in properties if not name.startswith(("mlm:", "geopatcher:")) and ":" in name]
    check_keys(properties, (*_KNOWN, *_STAC, *others), "")
    entries = _entries(properties)
    entry = entries[0] if len(entries) == 1 else {}
    result = _first(properties, "mlm:output", (*_OUTPUT, *_CLASSES))
    taken = object_of(entry.get("input") or {}, "mlm:input.input")
    made = object_of(result.get("result") or {}, "mlm:output.result")
    for array, where in ((taken, "mlm:input[0].input"), (made, "mlm:output[0].result")):
        check_keys(array, _ARRAY, f" in {where}")
    if result.get("post_processing_function") is not None:
        raise ValueError("mlm:output[0].post_processing_function cannot be run: name an activation instead")
    ours = {name: properties.get(f"geopatcher:{name}") for name in _OURS}
    order, shape = texts_of(taken.get("dim_order"), "dim_order"), _shape(taken.get("shape"))
    bands, n_bands = _bands(entry.get("bands")), _fixed(shape, order, "channel")
    if bands is not None and n_bands not in (None, len(bands)):
        raise ValueError(f"mlm:input[0] names {len(bands)} bands, and its shape has {n_bands}")
    steps = _steps(ours["steps"], entry.get("value_scaling"))
    return ModelRecord(
        bands=bands,
        steps=steps,
        activation=text_of(ours["activation"], "geopatcher:activation"),
        classes=_classes(next((result[name] for name in _CLASSES if name in result), None)),
        margin=whole_of(ours["margin"], "geopatcher:margin", 0),
        multiple=whole_of(ours["multiple"], "geopatcher:multiple", 1),
        size=_fixed_size(shape, order),
        batch=_fixed(shape, order, "batch"),
        nodata=None if ours["nodata"] is None else number_of(ours["nodata"], "geopatcher:nodata"),
        output_scale=_fraction(ours["output_scale"]),
        dim_order=order,
        result_order=texts_of(made.get("dim_order"), "dim_order"),
        sha256=text_of(ours["sha256"], "geopatcher:sha256"),
        part=text_of(ours["part"], "geopatcher:part"),
        inputs=tuple(_input(one, n) for n, one in enumerate(entries)) if len(entries) > 1 else (),
        channels=n_bands if bands is None and all(len(step) < 2 for step in steps) else None,
    )


def _entries(properties: Json) -> list[Json]:
    """Return what is said of each input."""
    entries = [
        object_of(one, f"mlm:input[{n}]")
        for n, one in enumerate(list_of(properties.get("mlm:input"), "mlm:input"))
    ]
    for n, entry in enumerate(entries):
        check_keys(entry, _INPUT if len(entries) == 1 else (*_INPUT, STEPS), f" in mlm:input[{n}]")
        for what in ("pre_processing_function", "resize_type"):
            if entry.get(what) is not None:
                raise ValueError(
                    f"mlm:input[{n}].{what} is {entry[what]!r}: do that in the source, or in a wrapper"
                )
    return entries


def _input(entry: Json, n: int) -> ModelInput:
    """Return one of several inputs."""
    where = f"mlm:input[{n}]"
    taken = object_of(entry.get("input") or {}, f"{where}.input")
    check_keys(taken, _ARRAY, f" in {where}.input")
    order, shape = texts_of(taken.get("dim_order"), "dim_order"), _shape(taken.get("shape"))
    return ModelInput(
        text_of(entry.get("name"), f"{where}.name") or "",
        _bands(entry.get("bands")),
        _steps(entry.get(STEPS), entry.get("value_scaling")),
        _fixed(shape, order, "channel"),
        _fixed_size(shape, order),
        order,
    )


def record_to_json(
    record: ModelRecord, name: str = "model", n_bands: int | None = None, n_outputs: int | None = None
) -> dict[str, object]:
    """Return a record as properties of a STAC item: what `record_from_json` reads.

    ``n_bands`` and ``n_outputs`` are those the model knows, where the record does not say them.

    >>> record = ModelRecord(bands=("B04", "B08"), margin=8)
    >>> record_from_json(record_to_json(record)).bands
    ('B04', 'B08')
    """
    order = record.dim_order or CHANNELS_FIRST
    height, width = record.size or (-1, -1)
    sizes = {
        "batch": record.batch or -1,
        "channel": record.n_bands or n_bands or -1,
        "height": height,
        "width": width,
    }
    n_results = {**sizes, "channel": len(record.classes) or n_outputs or -1, "height": -1, "width": -1}
    result_order = record.result_order or order
    properties: dict[str, object] = {
        "mlm:name": name,
        "mlm:input": [_input_json(one, sizes) for one in record.inputs]
        or [
            {
                "name": "patch",
                "bands": list(record.bands or ()),
                "input": _array_json(order, sizes),
                "value_scaling": _scaling_json(record.steps[0]) if len(record.steps) == 1 else None,
            }
        ],
        "mlm:output": [
            {
                "name": "result",
                "tasks": ["semantic-segmentation" if record.classes else "regression"],
                "result": _array_json(result_order, n_results),
                "classification:classes": [
                    {"value": one.value, "name": one.name}
                    | ({"color_hint": one.color_hint} if one.color_hint else {})
                    for one in record.classes
                ],
            }
        ],
        "geopatcher:activation": record.activation,
        "geopatcher:margin": record.margin,
        "geopatcher:multiple": record.multiple,
        "geopatcher:nodata": record.nodata,
        "geopatcher:output_scale": str(record.output_scale),
        "geopatcher:sha256": record.sha256,
        "geopatcher:part": record.part,
    }
    if len(record.steps) > 1:  # the extension has no word for one step after the other
        properties[STEPS] = [_scaling_json(step) for step in record.steps]
    return properties


def _input_json(one: ModelInput, sizes: Mapping[str, int]) -> dict[str, object]:
    """Return one of several inputs as `_input` reads it."""
    height, width = one.size or (-1, -1)
    n_bands = len(one.bands) if one.bands is not None else one.n_bands
    own = {"batch": sizes["batch"], "channel": n_bands or -1, "height": height, "width": width}
    found: dict[str, object] = {
        "name": one.name,
        "bands": list(one.bands or ()),
        "input": _array_json(one.dim_order or CHANNELS_FIRST, own),
        "value_scaling": _scaling_json(one.steps[0]) if len(one.steps) == 1 else None,
    }
    return found | ({STEPS: [_scaling_json(step) for step in one.steps]} if len(one.steps) > 1 else {})


def _array_json(order: tuple[str, ...], lengths: Mapping[str, int]) -> dict[str, object]:
    return {
        "shape": [lengths.get(axis, -1) for axis in order],
        "dim_order": list(order),
        "data_type": "float32",
    }


def record_in_notes(notes: Mapping[str, str]) -> ModelRecord | None:
    """Return the record in the notes of a file, which are texts by name; ``None`` where there is none.

    The whole of it may stand under ``geopatcher:record``, or each of its properties by itself.

    >>> record_in_notes({"geopatcher:margin": "16", "author": "me"}).margin
    16
    """
    try:
        if "geopatcher:record" in notes:
            return record_from_json(json.loads(notes["geopatcher:record"]))
        ours = {
            name: _from_note(text) for name, text in notes.items() if name.startswith(("mlm:", "geopatcher:"))
        }
        return record_from_json(ours) if ours else None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the record inside the model: {error}") from error


def _from_note(text: str) -> object:
    try:
        found: object = json.loads(text)
    except ValueError:
        return text  # plain words need no quotes there
    return found


def _scaling_json(step: Step) -> list[dict[str, object]]:
    return [{"type": one.type, **one.numbers} for one in step]


def _first(properties: Json, name: str, known: tuple[str, ...]) -> Json:
    """Return the first result there is a description of."""
    listed = list_of(properties.get(name), name)
    entry = object_of(listed[0], f"{name}[0]") if listed else {}
    check_keys(entry, known, f" in {name}[0]")
    return entry


def _bands(given: object) -> tuple[int, ...] | tuple[str, ...] | None:
    listed: list[object] = []
    for band in list_of(given, "mlm:input[0].bands"):
        if isinstance(band, dict):
            if "expression" in band:
                raise ValueError(f"band {band.get('name')!r} is an expression: compute it in the source")
            listed.append(band.get("name"))
        else:
            listed.append(band)
    numbers = tuple(band for band in listed if isinstance(band, int) and not isinstance(band, bool))
    names = tuple(band for band in listed if isinstance(band, str))
    if len(listed) not in (len(numbers), len(names)):
        raise ValueError(f"mlm:input[0].bands are {given!r}: give names, or numbers from 1")
    return numbers or names or None


def _steps(chain: object, single: object) -> tuple[Step, ...]:
    if chain is not None and single is not None:
        raise ValueError("there are both value_scaling and geopatcher:steps: give one of them")
    if chain is not None:
        return tuple(_step(step, f"geopatcher:steps[{n}]") for n, step in enumerate(list_of(chain, "steps")))
    step = _step(single, "value_scaling")
    return (step,) if step else ()


def _step(given: object, where: str) -> Step:
    return tuple(_scaling(one, f"{where}[{n}]") for n, one in enumerate(list_of(given, where)))


def _scaling(given: object, where: str) -> Scaling:
    fields = object_of(given, where)
    if fields.get("type") == "processing":
        raise ValueError(f"{where} is an expression, which is not run: use steps of scaling, or a wrapper")
    check_keys(fields, _SCALING, f" in {where}")
    numbers = {name: number_of(value, f"{where}.{name}") for name, value in fields.items() if name != "type"}
    return Scaling(text_of(fields.get("type"), f"{where}.type"), **numbers)


def _classes(given: object) -> tuple[ModelClass, ...]:
    found = []
    for n, listed in enumerate(list_of(given, "classes")):
        one = object_of(listed, f"classes[{n}]")
        check_keys(one, _CLASS, f" in classes[{n}]")
        value = whole_of(one.get("value"), f"classes[{n}].value", None)
        name = one.get("name") or one.get("title") or str(value)
        color = text_of(one.get("color_hint"), f"classes[{n}].color_hint")
        found.append(ModelClass(value, str(name), color))
    return tuple(found)


def _shape(given: object) -> tuple[int, ...]:
    return tuple(whole_of(length, "shape", None) for length in list_of(given, "shape"))


def _fixed(shape: tuple[int, ...], order: tuple[str, ...] | None, axis: str) -> int | None:
    """Return the length of an axis, ``None`` where it may be any."""
    axes = order or CHANNELS_FIRST
    if shape and len(shape) != len(axes):
        raise ValueError(f"the shape {list(shape)} has not the axes {', '.join(axes)}")
    length = dict(zip(axes, shape, strict=False)).get(axis, -1)
    return None if length == -1 else length


def _fixed_size(shape: tuple[int, ...], order: tuple[str, ...] | None) -> tuple[int, int] | None:
    height, width = (_fixed(shape, order, axis) for axis in ("height", "width"))
    return None if height is None or width is None else (height, width)


def _fraction(given: object) -> Fraction:
    if given is None:
        return Fraction(1)
    try:
        text = str(given)
        return Fraction(text if _RATIO.fullmatch(text) else "")  # "1e999999999" would be a billion digits
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"geopatcher:output_scale is {given!r:.40}: give 4, or 1/16") from error


def given_record(
    record: ModelRecord | Mapping[str, object] | str | os.PathLike[str] | None, source: object
) -> ModelRecord | None:
    """Return the record that was given, or lies beside the weights."""
    match record:
        case None:
            beside = record_beside(source) if isinstance(source, Path) else None
            return read_record(beside) if beside is not None and beside.is_file() else None
        case ModelRecord():
            return record
        case Mapping():
            return record_from_json(dict(record))
        case _:
            return read_record(Path(record))
