from __future__ import annotations

import re

import numpy as np
import pytest

import geopatcher as gp
from geopatcher import Patch
from geopatcher.accumulators.strict import get_strict, set_strict
from geopatcher.errors import UnsafeStreamingError

UNSAFE = [gp.SpatialMedian(), gp.SpatialMode(), gp.SpatialLearned(lambda stack, _: stack[0])]


@pytest.mark.parametrize("aggregation", UNSAFE, ids=lambda a: type(a).__name__)
class TestKeepingEveryContribution:
    PATCHES = (Patch(np.ones((1, 1)), (0, 0), None),)

    def test_warns_in_memory(self, aggregation):
        words = (
            f"{type(aggregation).__name__} has streaming_safe = False — the merge is happening in-RAM. "
            "For streaming alternatives see scaling.md (Median->ApproxQuantile, "
            "Mode->HardVote or ApproxMode, Learned->two-pass)."
        )
        assert not aggregation.streaming_safe
        with pytest.warns(RuntimeWarning, match=re.escape(words)) as caught:
            aggregation.merge(self.PATCHES, np.empty((1, 1)))
        assert caught[0].filename == __file__

    def test_is_an_error_in_strict_mode(self, aggregation):
        gp.set_strict(True)
        try:
            with pytest.raises(UnsafeStreamingError, match="the merge is happening in-RAM"):
                aggregation.merge(self.PATCHES, np.empty((1, 1)))
        finally:
            gp.set_strict(None)

    def test_says_nothing_on_disk(self, aggregation, tmp_path, recwarn):
        made = type(aggregation)(
            **({"model": aggregation.model} if isinstance(aggregation, gp.SpatialLearned) else {}),
            streaming=True,
            target_path=tmp_path / "x.zarr",
        )
        assert made.merge(self.PATCHES, np.empty((1, 1)))[...] == 1
        assert not [w for w in recwarn if "streaming_safe" in str(w.message)]


@pytest.mark.parametrize(
    ("text", "strict"),
    [("1", True), (" TRUE ", True), ("on", True), ("0", False), ("", False), ("no", False)],
)
def test_the_environment_says_so_unless_the_caller_does(monkeypatch, text, strict):
    monkeypatch.setenv("GEOPATCHER_STRICT", text)
    assert get_strict() is strict
    set_strict(not strict)
    try:
        assert get_strict() is not strict
    finally:
        set_strict(None)
    assert get_strict() is strict
    monkeypatch.delenv("GEOPATCHER_STRICT")
    assert get_strict() is False
