"""A run of which nothing outlives its process but the result."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.api.area import Extent
from geopatcher.api.axes import Axes
from geopatcher.api.destination import Destination
from geopatcher.api.request import Conduct, Request, job_for
from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.engine.stats import RunStats
from geopatcher.errors import TargetError
from geopatcher.fields.array_source import ArraySource
from geopatcher.planning.reading import Reading
from geopatcher.runs.session import MemorySession, at_least, known_spec
from geopatcher.targets.open import MemoryTarget

IMAGE = np.arange(20 * 30, dtype="uint8").reshape(20, 30)
SPEC = ResultSpec(RasterDomain((20, 30), dtype=np.dtype("uint8")), (16, 16), 9)


@pytest.fixture
def session():
    axes = Axes.of(8, None, "hann", "mean", "cover")
    request = Request.of(axes, Reading(), Destination(), 16, (), None, None, 1, "1GiB", Extent())
    job = job_for(request, Conduct(), ArraySource.of(IMAGE), np.copy)
    return MemorySession(job, MemoryTarget(), RunStats())


def test_all_of_a_region_is_left_to_do_and_what_was_not_written_is_fill(session):
    assert session.open() is None
    assert not session.durable
    region = Box(0, 20, 0, 30)
    assert list(session.left(region)) == [region]
    sink = session.start(SPEC)
    sink.write([(Box(0, 16, 0, 30), {"data": IMAGE[None, :16]})])
    session.record(Box(0, 16, 0, 30))
    assert list(session.left(region)) == [region]  # nothing is kept of it
    session.assemble()
    array = session.publish()["data"]
    np.testing.assert_array_equal(array[:16], IMAGE[:16])
    assert (array[16:] == 9).all()
    assert session.domain == SPEC.domain


def test_nothing_is_kept_of_one_that_failed(session):
    session.open()
    session.start(SPEC)
    assert session.fail() == ""
    assert session.path is None


def test_what_is_not_known_yet_is_not_told(session):
    with pytest.raises(TargetError, match="asked for before the first patch said what it is"):
        _ = session.domain
    with pytest.raises(TargetError, match="asked for before the first patch"):
        known_spec(None)
    assert known_spec(SPEC) is SPEC


def test_the_least_a_result_takes(session):
    n_bytes, text = at_least(session.job)
    assert n_bytes == 600
    assert text.startswith("a result of 20 x 30 pixels, as large as ndarray uint8 (20, 30)")
