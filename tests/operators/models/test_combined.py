"""What models that are used together have in common."""

from __future__ import annotations

import pytest

from geopatcher import Ensemble, Model
from geopatcher.operators.models.combined import name_of_model
from geopatcher.operators.wrappers import lengths_seen
from networks import ConvNet

NET = ConvNet.random()


@pytest.fixture
def models(tmp_path):
    return [Model(NET.save(tmp_path / f"net{n}.onnx"), margin=2 * n, multiple=2 + n) for n in (0, 1)]


def test_the_needs_of_all_are_met(models):
    both = Ensemble(models)
    assert (both.margin, both.multiple, both.per_pixel) == (2, 6, False)
    assert both.record == models[0].record
    assert both.on("cpu").models[0] is not models[0]


def test_leading_dimensions_are_bands(models):
    assert lengths_seen(Ensemble(models), (3, 2)) is None
    assert lengths_seen(models[0], (3, 2)) is None


def test_no_model_is_refused(models):
    with pytest.raises(ValueError, match="there is no model"):
        Ensemble([])
    with pytest.raises(TypeError, match="function is no model"):
        Ensemble([models[0], lambda patch: patch])
    assert name_of_model(models[0]) == "net0.onnx"
