"""From a number to an input, and from an input to what came of it."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

from fuzzing.bases import bases
from fuzzing.blind import blind, bomb
from fuzzing.bundles import Bundle
from fuzzing.ledgers import check_ledger, ledger_bases, mutated_ledger
from fuzzing.sources import check_source
from fuzzing.tiff import mutated_tiff
from fuzzing.trees import mutated_json, mutated_xml

#: GeoJSON is what control points are written in, as an attribute of a store.
KINDS = ("tiff", "zarr3", "vrt", "zarr2", "ledger", "geojson")


@dataclass(frozen=True)
class Case:
    """One mutated input: what it was, what was done to it, and its files."""

    kind: str
    base: str
    how: str
    bundle: Bundle


def prepare(folder):
    """Write the good inputs of every kind, for many processes to start from."""
    for kind in KINDS:
        for name, bundle in dict(ledger_bases()).items() if kind == "ledger" else bases(kind).items():
            place = Path(folder) / kind / name
            bundle.write(place)
            (Path(folder) / kind / f"{name}.entry").write_text(bundle.entry)


def prepared(folder, kind):
    """Return the good inputs of a kind by name."""
    entries = sorted((Path(folder) / kind).glob("*.entry"))
    return {entry.stem: Bundle.read(entry.with_suffix(""), entry.read_text()) for entry in entries}


def case_of(seed, index, known):
    """Return the mutated input of a number: the same one for the same seed and bases."""
    kind = KINDS[index % len(KINDS)]
    chance = random.Random(f"{seed} {index}")  # noqa: S311 - to be drawn again, not to be secret
    base = chance.choice(sorted(known[kind]))
    bundle, how = MUTATIONS[kind](known[kind][base], chance)
    return Case(kind, base, how, bundle), chance


def run_case(case, chance, folder):
    """Write an input, try all ways in, and return the outcomes."""
    target = case.bundle.write(folder)
    if case.kind == "ledger":
        return check_ledger(target, case.how, case.base)
    return check_source(target, folder, chance)


def _tiff(bundle, chance):
    content, how = mutated_tiff(bundle.files[bundle.entry], chance)
    return bundle.having(bundle.entry, content), how


def _vrt(bundle, chance):
    kind = chance.choice(["xml"] * 7 + ["blind", "source", "source"])
    if kind == "source":
        return _file(bundle, chance, [name for name in bundle.files if not name.endswith(".vrt")])
    name = chance.choice([name for name in bundle.files if name.endswith(".vrt")])
    content, how = (mutated_xml if kind == "xml" else blind)(bundle.files[name], chance)
    return bundle.having(name, content), f"{name}: {how}"


def _store(bundle, chance):
    metadata = [
        name
        for name in bundle.files
        if name.endswith(("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"))
    ]
    chunks = [name for name in bundle.files if name not in metadata]
    kind = chance.choice(["json"] * 10 + ["blind"] * 2 + ["chunk"] * 5 + ["bomb"] * 2 + ["files"] * 2)
    if kind in ("json", "blind"):
        name = chance.choice(metadata)
        content, how = (mutated_json if kind == "json" else blind)(bundle.files[name], chance)
        return bundle.having(name, content), f"{name}: {how}"
    if kind == "files":
        return _file(bundle, chance, list(bundle.files))
    name = chance.choice(chunks)
    if kind == "bomb":
        content, how = bomb(bundle.files[name], chance, small=2 * 32 * 32 * 4)
        return bundle.having(name, content), f"{name}: bomb, {how}"
    return _file(bundle, chance, [name])


def _points(bundle, chance):
    name = next(name for name in sorted(bundle.files) if b"gcps" in bundle.files[name])
    tree = json.loads(bundle.files[name])
    attributes = tree["attributes"] if name.endswith("zarr.json") else tree
    content, how = (mutated_json if chance.random() < 0.8 else blind)(attributes["gcps"].encode(), chance)
    attributes["gcps"] = content.decode(errors="replace")
    return bundle.having(name, json.dumps(tree).encode()), f"gcps: {how}"


def _file(bundle, chance, names):
    """Damage a file as a whole, or its bytes."""
    name = chance.choice(names)
    kind = chance.choice(["blind", "blind", "gone", "another", "folder"])
    if kind == "gone":
        return bundle.without(name), f"{name} gone"
    if kind == "another":
        other = chance.choice(sorted(bundle.files))
        return bundle.having(name, bundle.files[other]), f"{name} is {other}"
    if kind == "folder":
        return bundle.having(name, None), f"{name} is a folder"
    content, how = blind(bundle.files[name], chance)
    return bundle.having(name, content), f"{name}: {how}"


MUTATIONS = {
    "tiff": _tiff,
    "vrt": _vrt,
    "zarr2": _store,
    "zarr3": _store,
    "ledger": mutated_ledger,
    "geojson": _points,
}
