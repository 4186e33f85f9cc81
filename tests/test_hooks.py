"""Objects that hear of a run, and cannot stop it; and the log of a run."""

from __future__ import annotations

import json

import numpy as np
import pytest

import geopatcher
from geopatcher.hooks import Hooks

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


# -- the log --------------------------------------------------------------------------------------


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_log_has_a_line_per_strip_whose_numbers_add_up(tmp_path):
    log = tmp_path / "a log.jsonl"
    result = geopatcher.reconstruct(
        IMAGE, lambda x: x, tmp_path / "x.zarr", size=16, step=8, chunks=32, log_json=log
    )
    begin, *strips, end = lines(log)
    assert (begin["event"], begin["total"]) == ("begin", result.plan.n_patches)
    assert begin["target"].endswith("x.zarr")
    assert [strip["rows"] for strip in strips] == [[row, row + 16] for row in range(0, 65, 8)]
    assert sum(strip["patches"] for strip in strips) == result.plan.n_patches
    assert strips[-1]["done"] == strips[-1]["total"] == result.plan.n_patches
    assert sum(strip["bytes_read"] for strip in strips) == IMAGE.nbytes
    assert all(strip["rss_bytes"] > 1 << 20 for strip in strips)
    assert set(strips[0]["seconds"]) == {"read", "operate", "accumulate", "finalise", "write"}
    assert (end["event"], end["outcome"], end["patches"]) == ("end", "complete", result.plan.n_patches)
    assert end["bytes_written"] == IMAGE.nbytes


def test_the_log_goes_on_and_says_how_a_run_ended(tmp_path):
    log = tmp_path / "log.jsonl"

    def operator(patch):
        raise ArithmeticError("bad")

    for _ in range(2):
        with pytest.raises(geopatcher.OperatorError):
            geopatcher.reconstruct(IMAGE, operator, size=16, log_json=log)
    assert [line["event"] for line in lines(log)] == ["begin", "end"] * 2
    assert lines(log)[-1]["outcome"] == "OperatorError"


def test_a_log_that_cannot_be_written_is_a_warning(tmp_path):
    with pytest.warns(RuntimeWarning, match=r"cannot write the log .*no folder.*; the run goes on") as caught:
        result = geopatcher.reconstruct(
            IMAGE, lambda x: x, size=16, log_json=tmp_path / "no folder" / "log.jsonl"
        )
    assert len(caught) == 1
    assert np.allclose(result.array, IMAGE)
