"""Which library runs a model."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher._optional import MODULES
from geopatcher.errors import MissingExtraError, OperatorError
from geopatcher.operators.models import onnx
from geopatcher.operators.models.protocol import Settings
from geopatcher.operators.models.runtimes import OPENERS, PICKLES, check_path, is_model, open_model, place_of


@pytest.mark.parametrize("suffix", sorted(PICKLES))
def test_pickles_are_refused_by_their_ending(tmp_path, suffix):
    with pytest.raises(OperatorError, match="is a pickle, and opening one runs whatever code is in it"):
        check_path(tmp_path / f"net{suffix}")


@pytest.mark.parametrize("suffix", [suffix for suffix in OPENERS if suffix != ".pt"])
def test_endings_are_known_in_any_case(tmp_path, suffix):
    path = tmp_path / f"net{suffix.upper()}"
    path.touch()
    check_path(path)


def test_what_is_no_model_is_not_taken_for_one():
    class Estimator:
        def predict(self, rows): ...

    assert is_model(Estimator())
    assert not any(map(is_model, (Estimator, np.negative, "net.onnx", 3, np.zeros(3))))
    with pytest.raises(TypeError, match="list is no model"):
        open_model([], Settings())


def test_a_path_is_the_same_in_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert place_of("net.onnx") == tmp_path / "net.onnx"


def test_a_library_that_is_missing_is_named_with_its_extra(tmp_path, monkeypatch):
    def missing(module):
        raise MissingExtraError(f"pip install 'geopatcher[{MODULES[module]}]'")

    monkeypatch.setattr(onnx, "load", missing)
    with pytest.raises(MissingExtraError, match=r"geopatcher\[onnx\]"):
        open_model(tmp_path / "net.onnx", Settings())
