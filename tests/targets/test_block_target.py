"""The steps of a target, by parts that write down what they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from geopatcher.errors import TargetError, TargetExistsError
from geopatcher.targets.block_target import BlockTarget


@dataclass
class Parts:
    """The hold, the blocks and the publisher of a target in one."""

    is_taken: bool = False
    is_begun: bool = False
    is_held: bool = False
    replaces: bool = False
    fails: str = ""
    path: str = "x.partial"
    spec: str = "spec"
    asked: list[str] = field(default_factory=list)

    def _note(self, name):
        self.asked.append(name)
        if name == self.fails:
            raise TargetError(f"{name} fails")

    def claim(self):
        self._note("claim")
        self.is_held = True

    def release(self):
        self._note("release")
        self.is_held = False

    def publish(self, *, replace):
        self._note(f"publish, replace={replace}")

    def layers_made(self):
        return ["count"]

    def open(self, spec):
        self._note(f"open {spec}")
        return "product"

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *_: self._note(name)


@dataclass
class Somewhere(BlockTarget):
    parts: Parts
    overwrite: bool = False
    path: str = "x.zarr"

    def __post_init__(self):
        self.work = self.blocks = self.publisher = self.parts

    def check_place(self):
        self.parts._note("check_place")

    def begin(self, spec, *, replace):
        self.parts._note(f"begin {spec}, replace={replace}")


@pytest.mark.parametrize("replaces", [False, True])
def test_what_is_replaced_goes_when_the_new_one_is_kept_and_its_ledger_last(replaces):
    target = Somewhere(Parts(replaces=replaces, is_held=True), overwrite=replaces)
    assert target.complete_then(lambda _, made: target.parts._note(f"then {made}")) == "product"
    assert target.parts.asked == [
        "assemble",
        *(["sync_all"] if replaces else []),
        f"publish, replace={replaces}",
        "then ['count']",
        "drop_ledger",
        "tidy",
        "release",
        "open spec",
    ]


@pytest.mark.parametrize("fails", ["assemble", "sync_all", "publish, replace=False"])
def test_what_fails_before_it_appears_leaves_the_former_ledger(fails):
    target = Somewhere(Parts(replaces=True, fails=fails))
    with pytest.raises(TargetError, match="fails"):
        target.complete()
    assert target.parts.asked[-1] == fails


def test_what_a_run_left_is_looked_for_by_the_one_writer_who_lets_go():
    target = Somewhere(Parts(is_begun=True))
    with pytest.raises(TargetExistsError, match=r"x\.partial holds what an interrupted run finished for x\."):
        target.claim_afresh()
    assert target.parts.asked == ["check_place", "claim", "release"]
    target = Somewhere(Parts(is_begun=True), overwrite=True)
    target.claim_afresh()
    assert target.parts.asked == ["check_place", "claim"]


def test_what_is_there_is_refused_before_anything_is_claimed():
    target = Somewhere(Parts(is_taken=True))
    with pytest.raises(TargetExistsError, match=r"x\.zarr exists: choose another target"):
        target.claim_afresh()
    assert target.parts.asked == ["check_place"]
    Somewhere(Parts(is_taken=True), overwrite=True).check()


def test_only_who_has_it_discards_what_it_made():
    target = Somewhere(Parts(is_held=True))
    target.discard()
    target.discard()
    assert target.parts.asked == ["leave", "release"]
    target.create("spec")
    assert target.parts.asked[-1] == "begin spec, replace=False"
