"""Which library runs a model: by the ending of its file, or by what an object can do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from geopatcher.errors import OperatorError
from geopatcher.operators.models.boosters import (
    LightGbmBooster,
    XgboostBooster,
    lightgbm_runtime,
    open_lightgbm,
    open_xgboost,
    xgboost_runtime,
)
from geopatcher.operators.models.estimators import Classifier, Estimator, EstimatorRuntime
from geopatcher.operators.models.onnx import OnnxRuntime
from geopatcher.operators.models.torch import TorchModule, TorchRuntime, refuse_pickle

if TYPE_CHECKING:
    from collections.abc import Callable

    from geopatcher.operators.models.protocol import Runtime, Settings


@runtime_checkable
class _Session(Protocol):
    """A session of onnxruntime."""

    def get_inputs(self) -> object: ...
    def get_outputs(self) -> object: ...
    def get_providers(self) -> object: ...


#: Ending of a file -> what opens it.
OPENERS: dict[str, Callable[[Path, Settings], Runtime]] = {
    ".onnx": OnnxRuntime.open,
    ".pt": TorchRuntime.open_script,
    ".ts": TorchRuntime.open_script,
    ".torchscript": TorchRuntime.open_script,
    ".pt2": TorchRuntime.open_program,
    ".skops": EstimatorRuntime.open,
    ".txt": open_lightgbm,
    ".json": open_xgboost,
    ".ubj": open_xgboost,
}
#: Endings of pickles.
PICKLES = frozenset({".pth", ".ckpt", ".pkl", ".pickle", ".joblib"})


def check_path(path: Path) -> None:
    """Refuse a file that no library here opens, and one that is a pickle.

    Raises
    ------
    ValueError
        Names the endings that are known.
    OperatorError
        It is a pickle, or not there.

    """
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        raise OperatorError(
            f"{path} is a pickle, and opening one runs whatever code is in it: write the model as .onnx, "
            f".pt2, .skops or a booster's own file, or open it yourself and pass the object"
        )
    if suffix not in OPENERS:
        raise ValueError(f"{path} is no model by its ending: known are {', '.join(OPENERS)}")
    if not path.is_file():
        raise OperatorError(f"there is no file of a model {path}")
    if suffix == ".pt":
        refuse_pickle(path)


def open_model(model: object, settings: Settings) -> Runtime:
    """Load a model from its file, or take an object.

    Raises
    ------
    TypeError
        It is no model.

    """
    match model:
        case Path():
            return OPENERS[model.suffix.lower()](model, settings)
        case TorchModule():
            return TorchRuntime.of_module(model, settings)
        case LightGbmBooster():
            return lightgbm_runtime(model, settings)
        case XgboostBooster():
            return xgboost_runtime(model, settings)
        case Classifier() | Estimator():
            return EstimatorRuntime.of_object(model, settings)
        case _:
            raise TypeError(refusal(model))


def is_model(model: object) -> bool:
    """Whether an object is a model that some library here runs.

    >>> class Flat:
    ...     def predict(self, rows): ...
    >>> is_model(Flat()), is_model(abs)
    (True, False)
    """
    if isinstance(model, type):
        return False
    return isinstance(model, TorchModule | LightGbmBooster | XgboostBooster | Classifier | Estimator)


def is_session(model: object) -> bool:
    """Whether an object is a session of onnxruntime, which does not travel to other processes."""
    return isinstance(model, _Session) and not isinstance(model, type)


def refusal(model: object) -> str:
    """Return why an object is no model."""
    if is_session(model):
        return "a session of onnxruntime cannot travel to other processes: pass the path of the .onnx file"
    if isinstance(model, type):
        return f"{model.__name__} is a class: pass a model made of it"
    return (
        f"{type(model).__name__} is no model: pass the path of a file ({', '.join(OPENERS)}), a torch "
        f"module, a booster, or an object with predict or predict_proba"
    )


def place_of(model: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a file of a model, where another process finds it too."""
    return Path(os.fspath(model)).absolute()


def checked(model: object) -> object:
    """Return the absolute path of a file of a model, or a model as it is.

    Raises
    ------
    ValueError, OperatorError
        There is no such file, or it is none of a model.
    TypeError
        The object is no model.

    """
    if isinstance(model, str | os.PathLike):
        place = place_of(model)
        check_path(place)
        return place
    if not is_model(model):
        raise TypeError(refusal(model))
    return model
