"""Objects that hear of a run, and cannot stop it; and the log of a run."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher
from geopatcher.engine.hooks import Hooks, PatcherHook

IMAGE = np.random.default_rng(2).random((2, 80, 64), dtype="float32")


class Everything:
    """Writes down all it hears."""

    def __init__(self):
        self.heard = []

    def on_split_start(self, n):
        self.heard.append(("split_start", n))

    def on_patch_start(self, anchor):
        self.heard.append(("start", anchor))

    def on_patch_done(self, anchor, seconds, nbytes):
        assert seconds >= 0
        self.heard.append(("done", anchor, nbytes))

    def on_split_end(self):
        self.heard.append(("split_end",))

    def on_merge_start(self, n):
        self.heard.append(("merge_start", n))

    def on_merge_end(self, nbytes):
        self.heard.append(("merge_end", nbytes))

    def on_error(self, anchor, exc):
        self.heard.append(("error", anchor, str(exc)))

    def on_block_done(self, preview):
        self.heard.append(("block", preview.box))

    def of(self, kind):
        return [event for event in self.heard if event[0] == kind]


class OnlyDone:
    def __init__(self):
        self.n = 0

    def on_patch_done(self, anchor, seconds, nbytes):
        self.n += 1


class Broken:
    def on_patch_start(self, anchor):
        raise LookupError("hook is broken")

    def on_split_end(self):
        raise LookupError("still broken")


@pytest.mark.parametrize("batch_size", [1, 4])
def test_reconstruct_tells_of_every_patch_in_order(batch_size):
    hook = Everything()
    result = geopatcher.reconstruct(IMAGE, lambda x: x, size=16, step=8, batch_size=batch_size, hooks=hook)
    n = result.plan.n_patches
    assert [event[0] for event in hook.heard[:2]] == ["split_start", "merge_start"]
    assert [event[0] for event in hook.heard[-2:]] == ["split_end", "merge_end"]
    assert hook.of("split_start") == [("split_start", n)]
    anchors = [(r, c) for r in range(0, 65, 8) for c in range(0, 49, 8)]
    assert [event[1] for event in hook.of("start")] == anchors
    assert [event[1] for event in hook.of("done")] == anchors
    assert {event[2] for event in hook.of("done")} == {2 * 16 * 16 * 4}
    assert hook.of("merge_end") == [("merge_end", IMAGE.nbytes)]


def test_a_hook_needs_only_the_methods_it_wants():
    hook = OnlyDone()
    result = geopatcher.reconstruct(IMAGE, lambda x: x, size=16, hooks=[hook])
    assert hook.n == result.plan.n_patches


def test_a_hook_that_raises_becomes_a_warning_and_the_result_is_the_same():
    with pytest.warns(RuntimeWarning, match=r"a hook raised in Broken.on_patch_start: LookupError: hook is"):
        result = geopatcher.reconstruct(IMAGE, lambda x: x * 2, size=16, hooks=[Broken(), OnlyDone()])
    assert np.allclose(result.array, IMAGE * 2)


def test_hooks_hear_of_failed_patches_and_of_the_error_that_ends_a_run():
    def operator(patch):
        if patch[0, 0, 0] == IMAGE[0, 16, 32]:
            raise ArithmeticError("bad")
        return patch

    hook = Everything()
    geopatcher.reconstruct(IMAGE, operator, size=16, step=16, on_error="skip", hooks=hook)
    assert hook.of("error") == [("error", (16, 32), "bad")]
    assert ("done", (16, 32), 2048) not in hook.heard
    last = Everything()
    with pytest.raises(geopatcher.OperatorError):
        geopatcher.reconstruct(IMAGE, operator, size=16, step=16, hooks=last)
    assert last.heard[-1] == ("error", (16, 32), "bad")


def test_split_and_merge_tell_of_theirs():
    patcher = geopatcher.SpatialPatcher(
        geopatcher.SpatialRectangular(16),
        geopatcher.SpatialRegularStride(16),
        geopatcher.SpatialBoxcar(),
        geopatcher.SpatialOverlapAdd(),
    )
    hook = Everything()
    merged = patcher.merge(patcher.split(IMAGE, hook), IMAGE, hooks=[hook])
    assert np.allclose(merged, IMAGE)
    assert hook.of("merge_start") == [("merge_start", 20)]
    assert hook.of("split_start") == [("split_start", 20)]
    assert len(hook.of("done")) == len(hook.of("start")) == 20
    assert hook.of("merge_end") == [("merge_end", merged.nbytes)]
    assert hook.heard[-1][0] == "merge_end"
    unsized = Everything()
    patcher.merge(iter(list(patcher.split(IMAGE))), IMAGE, hooks=unsized)
    assert unsized.of("merge_start") == [("merge_start", None)]


def test_what_is_no_hook_is_refused():
    with pytest.raises(TypeError, match="str has none of the methods of a hook: on_split_start"):
        Hooks.of(["hello"])
    assert not Hooks.of(None)
    assert not Hooks.of([])


class Counting(PatcherHook):
    """Inherits what it does not want to hear."""

    def __init__(self):
        self.n = 0

    def on_patch_done(self, anchor, seconds, nbytes):
        super().on_patch_done(anchor, seconds, nbytes)
        self.n += 1


def test_a_hook_may_inherit_what_it_does_not_want():
    hook = Counting()
    assert isinstance(hook, PatcherHook)
    assert isinstance(Everything(), PatcherHook)
    assert not isinstance(OnlyDone(), PatcherHook)
    result = geopatcher.reconstruct(IMAGE, lambda x: x, size=16, hooks=hook)
    assert hook.n == result.plan.n_patches
