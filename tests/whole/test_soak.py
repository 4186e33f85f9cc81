"""Runs, kills, edits and losses in any order, a few of them; `make soak` has as many as there is time for."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

from soak.machine import Soak
from soak.run import soak

pytestmark = pytest.mark.once


@pytest.mark.timeout(1500)  # of many processes, on a machine that may be busy
def test_whatever_happens_a_run_gives_the_right_pixels_or_says_what_differs():
    counts = soak((), examples=6, steps=10)
    print(dict(counts))
    assert min(counts["right"], counts["refused"], counts["killed"]) > 0


@pytest.fixture
def machine():
    class Some(Soak):
        pass

    machine = Some()
    machine.begin(source="a GeoTIFF", operator="a default", ending=".zarr")
    yield machine
    machine.teardown()
    Some.server.close()


def test_the_model_notices_a_mixture(machine):
    machine.run("here")
    machine.look()
    data = zarr.open_group(machine.world.target, mode="r+")["data"]
    data[:, 64:] = data[:, 64:] * 2
    with pytest.raises(AssertionError, match="a mixture, or half of something"):
        machine.look()


def test_the_model_notices_an_old_result_that_is_taken_for_the_new_one(machine):
    machine.run("here")
    old = np.asarray(machine.world.visible())
    machine.edit_operator(3)
    with pytest.raises(AssertionError, match=r"is not of .* it is of .*factor=2"):
        machine.take(("right", "", old))


def test_the_model_notices_a_refusal_without_a_reason(machine):
    machine.run("here")
    with pytest.raises(AssertionError, match="refused without a reason"):
        machine.take(("refused", "result.zarr was made by another run", None))


def test_the_model_notices_a_result_that_is_gone(machine):
    machine.run("here")
    machine.world.target.rename(machine.world.folder / "elsewhere")
    with pytest.raises(AssertionError, match="the result is gone"):
        machine.look()
