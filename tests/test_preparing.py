"""From what a user says to a plan."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.preparing import name_of
from geotoolz import Lambda, Sequential


def double(patch):
    return patch * 2


class Model:
    def __call__(self, patch):
        return patch


@pytest.mark.parametrize(
    ("operator", "name"),
    [
        (double, "double"),
        (functools.partial(double), "double"),
        (functools.partial(functools.partial(np.clip, 0), 1), "clip"),
        (np.sqrt, "sqrt"),
        (Model(), "Model"),
        (Model().__call__, "__call__"),
        (lambda x: x, "<lambda>"),
        (Lambda(double, name="twice"), "twice"),
        (Sequential([Lambda(double), Lambda(abs)]), "double | abs"),
        (gp.masked(double), "double"),
    ],
)
def test_operators_are_called_by_their_names(operator, name):
    assert name_of(operator) == name


def test_more_of_anything_is_planned_for():
    image = np.zeros((4, 300, 300), "uint16")
    least = gp.plan(image, size=64, chunks=64).memory_bytes
    assert gp.plan(image, size=64, chunks=64, batch_size=64).memory_bytes > least
    assert gp.plan(image, size=64, chunks=64, out_bands=40).memory_bytes > least
    assert gp.plan(image, size=64, chunks=64, dtype="float64").memory_bytes > least
    field = gp.RasterField.from_array(image, nodata=0)
    assert gp.plan(field, size=64, chunks=64).memory_bytes > least  # the mask


def test_a_region_restricts_the_plan():
    plan = gp.plan(np.zeros((300, 300)), size=64, chunks=64, region=gp.Box(70, 80, 0, 5))
    assert plan.region == gp.Box(64, 128, 0, 64)
