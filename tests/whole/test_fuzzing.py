"""A few hundred mutated inputs, and that what is wrong is noticed; `make fuzz` has thousands."""

from __future__ import annotations

import json

import numpy as np
import pytest

import geopatcher
from fuzzing import run
from fuzzing.bases import bases
from fuzzing.cases import KINDS, case_of, prepare, prepared
from fuzzing.ledgers import check_ledger, ledger_bases
from fuzzing.outcomes import Outcome, outcome_of, worst
from fuzzing.sources import check_source
from killed import seeded

pytestmark = pytest.mark.once

N, SEED = 240, 7


@pytest.mark.timeout(1500)  # of many processes, on a machine that may be busy
def test_mutated_inputs_give_the_right_pixels_or_an_error_of_ours():
    results = run.fuzz(N, SEED, jobs=2)
    print(run.table(results))
    faults = [(name, met[0]) for name, met in run.faults_of(results)]
    assert faults == []
    for kind in KINDS:
        words = {one["outcome"] for one in results if one["kind"] == kind}
        assert "right" in words, kind  # mutations do damage, and not only
        assert words & {"refused", "in part"}, kind


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "ledger"])
def test_inputs_that_nobody_has_mutated_are_right_by_every_way_in(tmp_path, kind):
    for number, (name, bundle) in enumerate(bases(kind).items()):
        path = bundle.write(tmp_path / str(number))
        ended = check_source(path, tmp_path / str(number), seeded(number))
        assert worst(ended) == Outcome("right"), name


@pytest.mark.parametrize("names", [0.5, True, "x", [], ["band"], {"band": 0}])
def test_names_that_are_not_one_for_each_axis_say_nothing_to_the_oracle_either(tmp_path, names):
    bundle = bases("zarr2")["filters"]
    attributes = json.loads(bundle.files["scene.zarr/data/.zattrs"]) | {"_ARRAY_DIMENSIONS": names}
    damaged = bundle.having("scene.zarr/data/.zattrs", json.dumps(attributes).encode())
    ended = check_source(damaged.write(tmp_path / "it"), tmp_path / "it", seeded(0))
    assert worst(ended) == Outcome("right")


def test_ledgers_that_nobody_has_mutated_are_gone_on_with(tmp_path):
    for number, (name, bundle) in enumerate(ledger_bases()):
        ended = check_ledger(bundle.write(tmp_path / str(number)), "nothing", name)
        assert worst(ended) == Outcome("right"), name


def test_a_number_is_always_the_same_input(tmp_path):
    prepare(tmp_path)
    known = {kind: prepared(tmp_path, kind) for kind in KINDS}
    again = [case_of(SEED, index, known)[0] for index in range(60)]
    assert again == [case_of(SEED, index, known)[0] for index in range(60)]
    assert len({(case.kind, case.base, case.how) for case in again}) > 40


@pytest.mark.parametrize(
    "error",
    [KeyError("a"), TypeError(), AssertionError(), RecursionError(), MemoryError(), UnicodeError("x")],
)
def test_an_error_that_nobody_raised_on_purpose_is_a_fault(error):
    def call():
        raise error

    ended = outcome_of("read", call)
    assert ended.word == "FAULT"
    assert type(error).__name__ in ended.fault


def test_a_value_error_counts_as_ours_only_where_it_was_raised_on_purpose():
    on_purpose = outcome_of("plan", lambda: geopatcher.plan(np.zeros((4, 4)), size=-1))
    by_accident = outcome_of("plan", lambda: np.zeros(3).reshape(2, 2))
    assert (on_purpose.word, by_accident.word) == ("refused", "FAULT")


def test_an_error_of_ours_has_to_name_the_file():
    def call():
        raise geopatcher.SourceError("something is wrong")

    assert outcome_of("read", call, ("scene.tif",)).fault.startswith("read: an error that names no file")
    assert outcome_of("read", call).word == "refused"


def test_wrong_pixels_are_a_fault(tmp_path, monkeypatch):
    path = bases("tiff")["strips lzw"].write(tmp_path / "input")
    monkeypatch.setattr(np, "copy", lambda x: x + (x == 77))
    ended = check_source(path, tmp_path / "input", seeded(1))
    assert worst(ended).fault == "memory: other pixels than are read directly"


CHILD = """
import json, os, sys
first, every = int(sys.argv[sys.argv.index("--first") + 1]), int(sys.argv[sys.argv.index("--every") + 1])
for index in range(first, 12, every):
    told = {"index": index, "kind": "tiff", "base": "b", "how": "h"}
    print(json.dumps({"begin": told}), flush=True)
    if index == 4:
        os.kill(os.getpid(), 11)
    print(json.dumps({**told, "outcome": "right", "fault": "", "detail": ""}), flush=True)
"""


def test_a_process_that_dies_is_a_fault_of_its_input_and_the_others_go_on(tmp_path):
    child = tmp_path / "child.py"
    child.write_text(CHILD)
    lane = run.Lane(0, 0, 12, 2, str(tmp_path), child=(str(child),))
    lane.work()
    assert [one["index"] for one in lane.results] == [0, 2, 4, 6, 8, 10]
    assert [one["outcome"] for one in lane.results] == ["right"] * 2 + ["FAULT"] + ["right"] * 3
    assert "-11" in lane.results[2]["fault"]
