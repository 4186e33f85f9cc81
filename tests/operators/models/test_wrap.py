"""What people hand in as an operator."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from sklearn.linear_model import LinearRegression

from geopatcher import Model
from geopatcher.operators.models.wrap import as_operator
from networks import ConvNet


def test_callables_are_left_as_they_are():
    class Callable:
        def __call__(self, patch):
            return patch

        def predict(self, rows):
            raise AssertionError

    operator = Callable()
    assert as_operator(operator) is operator
    assert as_operator(np.negative) is np.negative
    model = Model(LinearRegression())
    assert as_operator(model) is model


def test_a_bare_estimator_and_a_path_become_models(tmp_path):
    fitted = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
    np.testing.assert_allclose(as_operator(fitted)(np.ones((1, 2, 2))), np.full((1, 2, 2), 2))
    path = ConvNet.random().save(tmp_path / "net.onnx")
    assert as_operator(str(path)).__name__ == "net.onnx"


def test_a_session_is_refused(tmp_path):
    session = onnxruntime.InferenceSession(ConvNet.random().save(tmp_path / "net.onnx"))
    with pytest.raises(TypeError, match="cannot travel to other processes: pass the path of the .onnx file"):
        as_operator(session)
    with pytest.raises(TypeError, match="cannot travel"):
        Model(session)


@pytest.mark.parametrize("given", [3, "negative", None])
def test_anything_else_is_refused(given):
    with pytest.raises(TypeError, match="is no model: pass the path of a file"):
        as_operator(given)
