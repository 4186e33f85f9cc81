"""Mutations of JSON and XML that stay JSON and XML."""

from __future__ import annotations

import copy
import json
import re
from xml.etree import ElementTree as ET

NAMES = ("y", "x", "band", "time", "lat", "lon", "data", "spatial_ref", "")
#: Values a reader may not expect where it asks for another kind.
HOSTILE = (
    None, True, False, 0, -1, 1, 2, 7, 96, 2**31, 2**63, -(2**63), 10**30, 10**400, 0.5, -0.0, 1e-300,
    1e308, float("nan"), float("inf"), float("-inf"), "", "x", "NaN", "Infinity", "-1", "0", "1e999", "é\0",
    "\ud800", "x" * 5000, "../../etc/passwd", "/dev/zero", "EPSG:4326", "EPSG:0", "float32", "<f8", "|O",
    "datetime64[ns]", [], [[]], [None], [0], [-1, 0], [1, 1], [96, 96], [2, 96, 96], [2**40, 2**40],
    [10**9, 96, 96], [1e308] * 6, ["y", "x"], ["x", "y", "band"], ["a", "a", "a"], [0.5] * 3, {}, {"a": {}},
    {"name": "x", "configuration": []},
)  # fmt: skip


#: Stands for a list in a list, so many times, until a tree is written.
DEEP = "@deep {}@"


def dumped(tree):
    """Return a tree as JSON, with what `DEEP` stands for."""
    return re.sub(
        r'"@deep (\d+)@"', lambda found: nested(int(found[1])), json.dumps(tree, separators=(",", ":"))
    )


def nested(depth):
    """Return the text of a list in a list, so many times."""
    return "[" * depth + "1" + "]" * depth


def places(tree, so_far=()):
    """Yield the path of every value of a JSON tree, the whole first."""
    yield so_far
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from places(value, (*so_far, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree[:50]):
            yield from places(value, (*so_far, index))


def at(tree, path):
    """Return the value at a path."""
    for key in path:
        tree = tree[key]
    return tree


def changed(value, chance):
    """Return another value of the same kind, near or far."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return chance.choice([value + 1, value - 1, -value, value * 2, value * 10**9, str(value), [value]])
    if isinstance(value, str):
        return chance.choice([value[:-1], value + "x", value.upper(), value * 300, [value], "\0" + value])
    if isinstance(value, list):
        return chance.choice([value[::-1], value[:-1], value + value, value[:1] * len(value), [value]])
    return chance.choice([list(value.items()), list(value), {}, dict.fromkeys(value, value)])


def mutated_json(text, chance):
    """Return a JSON text with one to three values changed, and what was done."""
    tree = json.loads(text)
    done = []
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        tree, what = mutated_tree(tree, chance)
        done.append(what)
    if chance.random() < 0.03:
        return nested(100_000).encode(), "a deep text"
    if chance.random() < 0.02:
        return dumped(tree).replace(":", ":" + "9" * 6000, 1).encode(), "a long number"
    return dumped(tree).encode(), "; ".join(done)


def mutated_tree(tree, chance):
    """Return a copy of a tree with one value changed, and what was done."""
    tree = copy.deepcopy(tree)
    known = list(places(tree))
    path = chance.choice(known[1:] or known)
    if not path:
        return chance.choice(HOSTILE), "another whole"
    above, key, where = at(tree, path[:-1]), path[-1], ".".join(map(str, path))
    kind = chance.choice(
        ["hostile", "hostile", "hostile", "changed", "changed", "gone", "moved", "renamed", "deep"]
    )
    if kind == "gone":
        del above[key]
    elif kind == "moved":
        above[key] = copy.deepcopy(at(tree, chance.choice(known)))
    elif kind == "renamed" and isinstance(above, dict):
        above[chance.choice([*NAMES, key.upper()])] = above.pop(key)
    elif kind == "deep":
        above[key] = DEEP.format(chance.choice([3, 60, 900, 20_000]))
    elif kind == "changed":
        above[key] = changed(above[key], chance)
    else:
        above[key] = copy.deepcopy(chance.choice(HOSTILE))
    return tree, f"{kind} {where}"


TEXTS = (
    "", "0", "-1", "1", "2", "999999999", "99999999999999999999", "1e308", "nan", "inf", "-0.5", "x", "é",
    "x" * 3000, "0, 0, 0, 0, 0, 0", "1,2", "Byte", "CFloat64", "Int64", "UInt16", "Float16", "String",
    "Average", "EPSG:4326", "a.tif", "b.tif", "scene.vrt", "gone.tif", "/dev/zero", "/etc/passwd",
    "/vsizip/a.tif/b", "/vsimem/x", "..", ".", "/vsistdin/", "PIXEL", "Gamma", "ComplexSource",
    "VRTDerivedRasterBand", "VRTWarpedDataset", "lambda: 1",
)  # fmt: skip


def mutated_xml(text, chance):
    """Return an XML text with one to three parts changed, and what was done."""
    root = ET.fromstring(text)  # noqa: S314 - written by ourselves
    done = [_change_element(root, chance) for _ in range(chance.choice([1, 1, 1, 2, 3]))]
    if chance.random() < 0.02:
        return b"<a>" * 20_000 + b"</a>" * 20_000, "a deep text"
    if chance.random() < 0.02:
        entities = (
            '<!DOCTYPE VRTDataset [<!ENTITY a "' + "x" * 1000 + '"><!ENTITY b "' + "&a;" * 1000 + '">]>'
        )
        return entities.encode() + ET.tostring(root).replace(b"Byte", b"&b;"), "entities"
    return ET.tostring(root), "; ".join(done)


def _change_element(root, chance):
    """Change one element of a tree; return what was done."""
    everything = list(root.iter())
    parents = {child: parent for parent in everything for child in parent}
    one, other = chance.choice(everything), chance.choice(everything)
    kind = chance.choice(
        ["text", "text", "attribute", "attribute", "attribute", "gone", "twice", "moved", "tag"]
    )
    if kind == "text":
        one.text = chance.choice([*TEXTS, other.text])
    elif kind == "attribute":
        named = [key for element in everything for key in element.attrib]
        key = chance.choice([*one.attrib] or named or ["band"])
        one.set(key, chance.choice([*TEXTS, *other.attrib.values()]))
    elif kind == "tag":
        one.tag = chance.choice(
            [other.tag, "ComplexSource", "AveragedSource", "KernelFilteredSource", "MaskBand"]
        )
    elif one in parents and kind == "gone":
        parents[one].remove(one)
    elif one in parents and kind == "twice":
        parents[one].extend([copy.deepcopy(one)] * chance.choice([1, 2, 200]))
    elif one in parents:
        other.append(copy.deepcopy(one))
    return f"{kind} {one.tag}"
