from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.engine.watch import StopRequested, Watch

PLAN = gp.plan(np.zeros((64, 48)), size=16, step=16)


class Listener:
    def __init__(self):
        self.heard = []

    def strip_done(self, plan, strip):
        self.heard.append((plan, strip))


def test_a_strip_that_is_asked_to_stop_is_not_begun():
    first, second, *_ = PLAN.strips()
    asked = iter([False, True])
    watch = Watch(lambda: next(asked))
    watch.begin(first)
    with pytest.raises(StopRequested, match="stopped above row 16") as caught:
        watch.begin(second)
    assert caught.value.row == second.rows[0] == 16


def test_everybody_hears_of_a_strip():
    listeners = [Listener(), Listener()]
    strip = next(iter(PLAN.strips()))
    watch = Watch(listeners=listeners)
    watch.begin(strip)
    watch.end(PLAN, strip)
    assert [listener.heard for listener in listeners] == [[(PLAN, strip)]] * 2
