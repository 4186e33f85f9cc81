"""The state machine: everything that may happen to a run, and what must be there afterwards."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar, NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from soak.operators import KINDS, answer
from soak.world import SHAPE, SOURCES, World, first_pixels, new_server

FACTORS = (2, 3, 5)
#: Most of the time here: processes take seconds to start.
EXECUTORS = st.sampled_from(["here"] * 7 + ["processes"])


class Setup(NamedTuple):
    """What a result follows from: which pixels, which operator, which options."""

    pixels: int
    factor: int
    size: int
    dtype: str
    batch_size: int


def held(*names):
    """Say under which names a rule can be left out."""
    return precondition(lambda machine: machine.names.isdisjoint(names))


class Soak(RuleBasedStateMachine):
    """Any of these, in any order.

    The model is which setups may be at the target (``standing``) and in a working folder (``begun``),
    with ``None`` for nothing. A run either gives what the setup of the moment makes, or refuses; it may
    refuse only where something of another setup may be in the way, or a result was ``damaged``. A result
    that replaced nothing is not waited for until it is on the disk: when the power fails, it may be
    ``lost`` in parts, and is made again by the same run. One that replaced another (``replacing``) is not.
    """

    #: Names of rules, and of kinds of sources and operators, that are left out.
    left_out = frozenset()
    server = None
    #: What came of the runs of all sequences.
    counts: ClassVar = Counter()

    def __init__(self):
        super().__init__()
        self.names = type(self).left_out
        self.world = None

    @initialize(
        source=st.sampled_from(sorted(SOURCES)),
        operator=st.sampled_from(sorted(KINDS)),
        ending=st.sampled_from([".zarr", ".tif"]),
    )
    def begin(self, source, operator, ending):
        """Make a source and an operator."""
        if type(self).server is None:
            type(self).server = new_server()
        self.operator = operator
        self.world = World(source, ending)
        self.versions = [first_pixels()]
        self.setup = Setup(0, FACTORS[0], 32, "float32", 1)
        self.standing, self.begun, self.damaged = {None}, {None}, False
        self.lost, self.replacing = False, None
        self.world.write_source(self.versions[0], in_place=False)
        self.world.write_operator(self.operator, self.setup.factor)

    # -- runs -------------------------------------------------------------------------------------

    @rule(executor=EXECUTORS)
    def run(self, executor):
        """Run as usual."""
        self.take(self.go(executor))

    @rule(executor=EXECUTORS)
    def overwrite(self, executor):
        """Run, whatever is there."""
        self.take(self.go(executor, overwrite=True), overwrite=True)

    @rule(executor=EXECUTORS, patches=st.integers(1, 20), overwrite=st.booleans())
    def kill_after_patches(self, executor, patches, overwrite):
        """Kill a run after so many patches."""
        self.take(self.go(executor, overwrite=overwrite, kill_after=patches), overwrite=overwrite)

    @held("kill before a step")
    @rule(step=st.integers(1, 150), overwrite=st.booleans())
    def kill_before_step(self, step, overwrite):
        """Kill a run before a certain step on the file system."""
        self.take(self.go("here", overwrite=overwrite, kill_before_step=step), overwrite=overwrite)

    def go(self, executor, *, overwrite=False, world_run=None, **request):
        """Run, or what ``world_run`` does instead."""
        options = {name: getattr(self.setup, name) for name in ("size", "dtype", "batch_size")}
        options |= {"step": 16, "overwrite": overwrite}
        before = self.world.identity()
        if world_run is not None:
            came = world_run(self.server, options, **request)
        else:
            came = self.world.run(self.server, options, executor, **request)
        after = self.world.identity()
        if after != before:
            self.replacing = None if before is None else after
        return came

    def others(self):
        """Return the setups that may be at the target, or begun, and are not that of the moment."""
        return (self.standing | self.begun) - {None, self.setup}

    def take(self, came, *, overwrite=False, changed=False):
        """Compare what came of a run with the model, and follow it; ``changed`` is the source during it."""
        ended, message, pixels = came
        type(self).counts[ended] += 1
        assert ended in ("right", "refused", "killed"), message
        if ended == "right":
            self.check(pixels, {self.setup}, "what a run returned")
            self.standing, self.begun, self.damaged, self.lost = {self.setup}, {None}, False, False
        elif ended == "killed":
            self.begun |= {self.setup}
            if overwrite:  # of a store, the old one goes aside before the new one comes
                self.standing |= {None}
        elif changed:
            self.begun |= {self.setup}
        else:
            assert not overwrite, f"refused, and was to overwrite: {message}"
            assert self.others() or self.damaged, f"refused without a reason: {message}"
            assert self.world.target.name in message, f"does not name the target: {message}"
            self.check_words(message)
        self.look()

    def check_words(self, message):
        """Hold a refusal to name what differs, where only one thing does."""
        others = self.others()
        if self.damaged or len(others) != 1:
            return
        other = next(iter(others))
        deciding = [name for name in Setup._fields if name != "batch_size"]  # which may change on the way
        differing = [name for name in deciding if getattr(other, name) != getattr(self.setup, name)]
        words = {"pixels": "source", "factor": "operator"}
        for name in differing:
            assert words.get(name, name) in message, f"{name} differs, and is not named: {message}"

    def look(self):
        """Hold that what is at the target is complete, and of a setup it may be of."""
        if self.damaged or self.lost:
            return
        there = self.world.visible()
        if there is None:
            assert None in self.standing, "the result is gone"
            self.standing = {None}
            return
        possible = (self.standing | self.begun) - {None}
        found = self.check(there, possible, "what is at the target")
        self.standing = found & self.standing or found

    def check(self, pixels, setups, what):
        """Return those of the setups of which the pixels are; there has to be one."""
        found = {setup for setup in setups if self.is_of(pixels, setup)}
        if not found:
            known = [setup for setup in self.all_setups() if self.is_of(pixels, setup)]
            mixture = "a mixture, or half of something" if not known else f"of {known}"
            raise AssertionError(f"{what} is not of {setups}: it is {mixture}")
        return found

    def is_of(self, pixels, setup):
        """Whether pixels are what a setup makes."""
        wanted = answer(self.versions[setup.pixels], setup.factor)
        return pixels.dtype == setup.dtype and np.allclose(pixels, wanted, rtol=1e-5, atol=1e-4)

    def all_setups(self):
        """Yield every setup there can have been."""
        for version in range(len(self.versions)):
            for factor in FACTORS:
                for dtype in ("float32", "float64"):
                    yield Setup(version, factor, 32, dtype, 1)

    # -- edits ------------------------------------------------------------------------------------

    @precondition(lambda machine: f"edit {machine.world.source}" not in machine.names)
    @rule(
        cell=st.tuples(*(st.integers(0, n - 1) for n in SHAPE)), whole=st.booleans(), in_place=st.booleans()
    )
    def edit_source(self, cell, whole, in_place):
        """Change one cell of the source, or many."""
        self.versions.append(self.edited(cell, whole))
        self.world.write_source(self.versions[-1], in_place=in_place)
        self.setup = self.setup._replace(pixels=len(self.versions) - 1)

    def edited(self, cell, whole):
        """Return other pixels."""
        pixels = self.versions[self.setup.pixels].copy()
        if whole:
            pixels[:, cell[1] :] += len(self.versions)
        pixels[cell] += len(self.versions)
        return pixels

    @held("edit during a run")
    @precondition(lambda machine: machine.world.source != "an array")
    @rule(row=st.integers(0, SHAPE[1] - 1), patches=st.integers(1, 20), overwrite=st.booleans())
    def edit_during(self, row, patches, overwrite):
        """Change the source while a run reads it: an error, or the pixels of one of the two."""
        self.versions.append(self.edited((0, row, 0), whole=True))
        edit = self.world.prepare_edit(self.versions[-1])
        came = self.go("here", overwrite=overwrite, edit=edit, edit_after=patches)
        self.take(came, overwrite=overwrite, changed=True)
        self.world.write_source(self.versions[-1], in_place=False)
        self.setup = self.setup._replace(pixels=len(self.versions) - 1)

    @precondition(lambda machine: f"operator with {machine.operator}" not in machine.names)
    @rule(factor=st.sampled_from(FACTORS))
    def edit_operator(self, factor):
        """Change the number of the operator."""
        self.setup = self.setup._replace(factor=factor)
        self.world.write_operator(self.operator, factor)

    @rule(
        size=st.sampled_from([32, 48]),
        dtype=st.sampled_from(["float32", "float64"]),
        batch_size=st.sampled_from([1, 1, 3]),
    )
    def change_options(self, size, dtype, batch_size):
        """Ask for something else."""
        self.setup = self.setup._replace(size=size, dtype=dtype, batch_size=batch_size)

    # -- damage -----------------------------------------------------------------------------------

    @held("delete a chunk")
    @precondition(lambda machine: machine.world.ending == ".zarr" and None not in machine.standing)
    @precondition(lambda machine: not machine.lost)
    @rule(number=st.integers(0, 100))
    def delete_chunk(self, number):
        """Remove a chunk of the result."""
        pieces = self.world.pieces()
        if pieces:
            pieces[number % len(pieces)].unlink()
            self.damaged = True

    @held("cut a chunk")
    @precondition(lambda machine: None not in machine.standing and not machine.lost)
    @rule(number=st.integers(0, 100), share=st.floats(0, 0.9))
    def cut_chunk(self, number, share):
        """Cut the end off a chunk of the result, or off its file."""
        pieces = self.world.pieces()
        if pieces:
            piece = pieces[number % len(pieces)]
            piece.write_bytes(piece.read_bytes()[: int(piece.stat().st_size * share)])
            self.damaged = True

    @held("verify")
    @precondition(lambda machine: None not in machine.standing and not machine.damaged and not machine.lost)
    @rule(number=st.integers(0, 100), place=st.floats(0.2, 0.9))
    def flip_a_byte(self, number, place):
        """Flip a byte of the result; `verify` has to notice, and to notice nothing before and afterwards."""
        pieces = self.world.pieces()
        piece = pieces[number % len(pieces)]
        content = piece.read_bytes()
        where = int(len(content) * place)
        verify = {"executor": "here", "verify": str(self.world.target)}
        assert self.go(**verify)[0] == "exit 0", "verify finds fault with a result that has none"
        piece.write_bytes(content[:where] + bytes([content[where] ^ 255]) + content[where + 1 :])
        assert self.go(**verify)[0] in ("exit 1", "refused"), "verify does not notice a byte that was flipped"
        piece.write_bytes(content)
        assert self.go(**verify)[0] == "exit 0", "verify finds fault with a result that is whole again"
        self.replacing = None  # what was written here is not synced

    @held("orphan")
    @precondition(lambda machine: len(machine.world.orphans) < 2)
    @rule(overwrite=st.booleans())
    def orphan(self, overwrite):
        """Kill a run, whose worker lives on in the midst of a row of blocks."""
        came = self.go("processes", overwrite=overwrite, world_run=self.world.orphan)
        self.take(came, overwrite=overwrite)

    @precondition(lambda machine: machine.world.orphans)
    @rule()
    def wake_orphans(self):
        """Let the orphans write now."""
        self.world.wake()
        self.look()

    @precondition(lambda machine: machine.world.orphans)
    @rule(patches=st.integers(1, 20))
    def wake_orphans_during_a_run(self, patches):
        """Let an orphan write while another run does."""
        gate = str(self.world.orphans[-1] / "gate")
        came = self.go("here", overwrite=True, gate=gate, gate_after=patches)
        self.take(came, overwrite=True)
        self.world.wake()
        self.look()
        assert self.world.left_beside() == sorted(
            [self.world.target.name, f"{self.world.target.name}.ledger.jsonl"]
        )

    @held("power")
    @rule(patches=st.integers(1, 30), overwrite=st.booleans(), seed=st.integers(0, 1000))
    def lose_power(self, patches, overwrite, seed):
        """Lose the power in the midst of a run, or behind it: what was not synced may be lost."""
        self.take(self.go("here", overwrite=overwrite, kill_after=patches), overwrite=overwrite)
        self.lost |= self.world.identity() not in (None, self.replacing)
        self.world.lose_power(seed)
        self.look()

    def teardown(self):
        """Remove everything."""
        if self.world is not None:
            self.world.close()
