"""Configurations of patchers."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.errors import SourceAccessError


def patcher(kind=gp.SpatialPatcher, window=None, **policy):
    return kind(
        gp.SpatialRectangular((8, 16), "pad"),
        gp.SpatialPoissonDisk(4, seed=3),
        window or gp.SpatialTukey(0.25),
        gp.SpatialHardVote(4),
        **policy,
    )


def through_json(value):
    return json.loads(json.dumps(value, allow_nan=False))


@pytest.mark.parametrize("kind", [gp.SpatialPatcher, gp.AsyncSpatialPatcher])
@pytest.mark.parametrize(
    "policy", [{}, {"on_error": "retry", "max_retries": 2, "retry_on": (KeyError, SourceAccessError)}]
)
def test_a_patcher_goes_through_json(kind, policy):
    made = patcher(kind, **policy)
    config = through_json(made.get_config())
    assert config["geometry"] == {
        "class": "SpatialRectangular",
        "config": {"size": [8, 16], "boundary": "pad", "pad_value": None},
    }
    again = kind.from_config(config)
    assert again == made
    image = np.zeros((40, 50))
    assert again.anchors(image) == made.anchors(image)
    assert "errors" not in config


def test_a_process_that_has_imported_nothing_makes_it():
    config = patcher().get_config()
    code = (
        "import json, sys, geopatcher as gp; "
        "p = gp.SpatialPatcher.from_config(json.loads(sys.argv[1])); print(json.dumps(p.get_config()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(config)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == config


def test_what_cannot_be_made_is_refused():
    good = patcher().get_config()
    for change, message in [
        ({"sise": 1}, "SpatialPatcher has no parameter 'sise'"),
        ({"window": {"class": "Nothing", "config": {}}}, "there is no class 'Nothing'"),
        (
            {"window": {"class": "SpatialHann", "config": {"alpha": 1}}},
            "SpatialHann has no parameter 'alpha'",
        ),
        ({"retry_on": ["print"]}, "retry_on names 'print', which is no error"),
    ]:
        with pytest.raises(TypeError, match=message):
            gp.SpatialPatcher.from_config({**good, **change})
    with pytest.raises(TypeError, match="was made with the function builtins:abs"):
        gp.SpatialPatcher.from_config(patcher(window=gp.SpatialCustom(abs)).get_config())
