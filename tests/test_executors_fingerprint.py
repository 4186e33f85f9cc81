"""What two runs must agree in for one to go on where the other stopped."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from dataclasses import dataclass, field

import numpy as np
import pytest

import geopatcher
from geopatcher.executors.fingerprint import digest, operator_fingerprint
from geopatcher.samplers.scattered import SpatialRandom

SCRIPT = """
import sys
from geopatcher.executors.fingerprint import operator_fingerprint
exec(sys.argv[1])
print(operator_fingerprint(operator))
"""


def elsewhere(code, hash_seed):
    """Return the fingerprint of an operator in another process."""
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, code],
        env={"PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_a_function_is_the_same_in_every_process():
    code = """
def operator(x, scale=0.5, names=("a", {"b"} and "c")):
    kinds = {"forest", "water", "city", "ice"}
    def inner(y):
        return y * scale if "forest" in {"forest", "water", "city"} else y
    return inner(x) + len(kinds)
"""
    assert elsewhere(code, 1) == elsewhere(code, 2) == elsewhere("# moved\\n\\n" + code, 3)


def test_running_a_function_does_not_change_it():
    def operator(x):
        return [value + 1 for value in x]

    before = operator_fingerprint(operator)
    for _ in range(2000):  # the interpreter specialises the code it runs often
        operator([1, 2.0, 3])
    assert operator_fingerprint(operator) == before


def scaled(x, factor=2):
    return x * factor


def test_what_a_function_does_decides():
    same = [lambda x: x * 2 + 1, lambda x: x * 2 + 1]
    assert len(set(map(operator_fingerprint, same))) == 1
    others = [
        lambda x: x * 2 + 1,
        lambda x: x * 2 - 1,
        lambda x: x * 3 + 1,
        lambda x, y=1: x * 2 + y,
        lambda x, y=2: x * 2 + y,
        lambda x: np.sqrt(x),  # noqa: PLW0108 - another function than the next, is the point
        lambda x: np.cbrt(x),  # noqa: PLW0108
        lambda x: [y * 2 for y in x],
        lambda x: [y * 3 for y in x],
        functools.partial(scaled, factor=3),
        functools.partial(scaled, factor=4),
        functools.partial(scaled),
    ]
    assert len(set(map(operator_fingerprint, others))) == len(others)


def test_operators_speak_for_themselves():
    class Model:
        def __init__(self, weights):
            self.weights = weights

        def fingerprint(self):
            return digest(self.weights)

        def __call__(self, x):
            return x

    assert operator_fingerprint(Model(np.ones(3))) == operator_fingerprint(Model(np.ones(3)))
    assert operator_fingerprint(Model(np.ones(3))) != operator_fingerprint(Model(np.zeros(3)))

    class Scale:
        def __init__(self, factor):
            self.factor = factor

        def get_config(self):
            return {"type": "Scale", "factor": self.factor, "table": np.full(3, self.factor), "fn": scaled}

        def __call__(self, x):
            return x * self.factor

    assert operator_fingerprint(Scale(2)) == operator_fingerprint(Scale(2))
    assert operator_fingerprint(Scale(2)) != operator_fingerprint(Scale(3))

    @dataclass
    class Threshold:
        level: float
        cache: dict = field(default_factory=dict, compare=False)

        def __call__(self, x):
            return x > self.level

    assert operator_fingerprint(Threshold(1.0, {1: 2})) == operator_fingerprint(Threshold(1.0))
    assert operator_fingerprint(Threshold(1.0)) != operator_fingerprint(Threshold(2.0))
    assert operator_fingerprint(geopatcher.masked(lambda x: x * 2)) != operator_fingerprint(
        geopatcher.masked(lambda x: x * 3)
    )
    assert operator_fingerprint(np.sqrt) == "unknown"


def test_no_address_of_memory_gets_in():
    class Opaque:
        pass

    class Configured:
        def get_config(self):
            return {"thing": Opaque(), "things": [Opaque()]}

    assert operator_fingerprint(Configured()) == operator_fingerprint(Configured())
    assert "0x" not in operator_fingerprint(Configured())


@pytest.mark.parametrize("change", [{"seed": 2}, {"n": 9}])
def test_listed_anchors_and_custom_windows_are_in_it(tmp_path, change):
    image = np.ones((1, 64, 64), "float32")

    def run(seed=1, n=8, edge=0.5):
        patcher = geopatcher.SpatialPatcher(
            geopatcher.SpatialRectangular(16),
            SpatialRandom(n, seed=seed),
            geopatcher.SpatialTukey(edge),
            geopatcher.SpatialOverlapAdd(),
        )
        return geopatcher.reconstruct(image, np.copy, tmp_path / "x.zarr", patcher=patcher, allow_gaps=True)

    run()
    assert run().stats.notes[0].startswith("complete since")
    with pytest.raises(geopatcher.TargetExistsError, match=r"plan.anchors was \d+ \w+ and is \d+ \w+"):
        run(**change)
    with pytest.raises(geopatcher.TargetExistsError, match=r"window.weights was"):
        run(edge=0.7)


def test_the_fingerprint_is_plain_json(tmp_path):
    geopatcher.reconstruct(np.ones((1, 32, 32)), np.copy, tmp_path / "x.zarr", size=16, layers=("count",))
    first = json.loads((tmp_path / "x.zarr.ledger.jsonl").read_text().splitlines()[0])
    assert first["fingerprint"]["plan.size"] == "16x16"
    assert "count" in first["fingerprint"]["layers"]
    assert all(isinstance(value, str | int | float) for value in first["fingerprint"].values())
