"""Boosters: trees of LightGBM and XGBoost, which see one pixel at a time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from geopatcher._optional import load
from geopatcher.errors import OperatorError
from geopatcher.operators.models.estimators import EstimatorRuntime
from geopatcher.operators.models.protocol import Described
from geopatcher.operators.models.record import PIXELS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from geopatcher.core.protocols import Array
    from geopatcher.operators.models.protocol import Settings


@runtime_checkable
class LightGbmBooster(Protocol):
    """A ``lightgbm.Booster``."""

    def predict(self, rows: Array, /) -> Array:
        """Return probabilities or values."""
        ...

    def num_feature(self) -> int:
        """Return how many features it takes."""
        ...

    def feature_name(self) -> Sequence[str]:
        """Return what they are called."""
        ...


@runtime_checkable
class XgboostBooster(Protocol):
    """An ``xgboost.Booster``."""

    feature_names: Sequence[str] | None

    def inplace_predict(self, rows: Array, /) -> Array:
        """Return probabilities or values."""
        ...

    def num_features(self) -> int:
        """Return how many features it takes."""
        ...


def open_lightgbm(path: Path, settings: Settings) -> EstimatorRuntime:
    """Read a booster that LightGBM has saved as text.

    Raises
    ------
    OperatorError
        The file is none.

    """
    lightgbm = load("lightgbm")
    try:
        booster: LightGbmBooster = lightgbm.Booster(model_file=str(path))
    except lightgbm.basic.LightGBMError as error:
        raise OperatorError(f"the model {path} cannot be read by LightGBM: {error}") from error
    return lightgbm_runtime(booster, settings)


def open_xgboost(path: Path, settings: Settings) -> EstimatorRuntime:
    """Read a booster that XGBoost has saved as JSON or UBJ.

    Raises
    ------
    OperatorError
        The file is none.

    """
    xgboost = load("xgboost")
    booster = xgboost.Booster()
    try:
        booster.load_model(str(path))
    except xgboost.core.XGBoostError as error:
        raise OperatorError(f"the model {path} cannot be read by XGBoost: {error}") from error
    return xgboost_runtime(booster, settings)


def lightgbm_runtime(booster: LightGbmBooster, settings: Settings) -> EstimatorRuntime:
    """Take a booster of LightGBM."""
    settings.only("LightGBM")
    version: str = load("lightgbm").__version__
    return EstimatorRuntime(
        booster.predict, _described("lightgbm", version, booster.num_feature(), booster.feature_name())
    )


def xgboost_runtime(booster: XgboostBooster, settings: Settings) -> EstimatorRuntime:
    """Take a booster of XGBoost."""
    settings.only("XGBoost")
    version: str = load("xgboost").__version__

    def predict(rows: Array) -> Array:
        return booster.inplace_predict(rows)

    return EstimatorRuntime(
        predict, _described("xgboost", version, booster.num_features(), booster.feature_names or ())
    )


def _described(library: str, version: str, n_bands: int, names: Sequence[str]) -> Described:
    given = tuple(name for name in names if not re.fullmatch(r"(Column_|f)[0-9]+", name))
    return Described(
        library,
        version,
        n_bands=n_bands,
        band_names=given if len(given) == n_bands else (),
        dim_order=PIXELS,
        per_pixel=True,
        gives_probability=True,
    )
