"""What is closed at the end of a ``with``, whatever ends it."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher import Patch, PatchJournal
from geopatcher.core.box import Box
from geopatcher.core.closing import Closing
from geopatcher.engine.contributions import Contribution
from geopatcher.merging.collect import Collection


class Door(Closing):
    closed = 0

    def close(self):
        self.closed += 1


def test_it_is_given_itself_and_closed_once():
    with Door() as door:
        assert isinstance(door, Door)
        assert door.closed == 0
    assert door.closed == 1


def test_an_error_closes_it_and_is_not_hidden():
    door = Door()
    with pytest.raises(KeyError, match="lost"), door:
        raise KeyError("lost")
    assert door.closed == 1


def test_each_of_ours_is_closed_by_it(tmp_path):
    with PatchJournal(tmp_path / "journal.jsonl") as journal:
        descriptor = journal._descriptor
    assert descriptor >= 0
    assert journal._descriptor == -1
    with Patch(Door(), (0, 0), None) as patch:
        assert patch.data.closed == 0
    assert patch.data.closed == 1
    cells = np.ones((1, 2, 2))
    with Collection(0, tmp_path) as collection:
        collection.add(Contribution(Box(0, 2, 0, 2), cells, None))
        assert collection.spilled_bytes == cells.nbytes
    assert len(collection.boxes) == 0
