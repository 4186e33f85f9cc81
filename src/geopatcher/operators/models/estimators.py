"""Estimators that see one pixel at a time: scikit-learn and what is made like it."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from geopatcher._optional import load
from geopatcher.errors import OperatorError
from geopatcher.operators.models.protocol import Described
from geopatcher.operators.models.record import PIXELS, ModelClass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from geopatcher.core.protocols import Array
    from geopatcher.operators.models.protocol import Settings
    from geopatcher.operators.models.scaling import Batch


@runtime_checkable
class Estimator(Protocol):
    """Predicts a value, or a label, for each row of ``(n, features)``."""

    def predict(self, rows: Array, /) -> Array:
        """Return ``(n,)`` or ``(n, k)``."""
        ...


@runtime_checkable
class Classifier(Protocol):
    """Predicts the probability of each class for each row of ``(n, features)``."""

    def predict_proba(self, rows: Array, /) -> Array:
        """Return ``(n, classes)``."""
        ...


@runtime_checkable
class Labelled(Protocol):
    """Knows its classes."""

    @property
    def classes_(self) -> Sequence[object]:
        """Labels, in the order of the columns of ``predict_proba``."""
        ...


@runtime_checkable
class Fitted(Protocol):
    """Knows how many features it takes."""

    @property
    def n_features_in_(self) -> int:
        """How many."""
        ...


@runtime_checkable
class Featured(Protocol):
    """Knows what its features are called."""

    @property
    def feature_names_in_(self) -> Sequence[str]:
        """Their names."""
        ...


@dataclass
class EstimatorRuntime:
    """An estimator, or what predicts like one."""

    predict: Callable[[Array], Array | Mapping[str, Array] | Sequence[Array]]
    described: Described

    @classmethod
    def of_object(cls, estimator: object, settings: Settings) -> EstimatorRuntime:
        """Take an estimator: probabilities where it has them, and else what it predicts.

        A classifier without probabilities gives 1 for the class it predicts, and 0 for the others.

        Raises
        ------
        TypeError
            It can predict nothing.

        """
        settings.only("estimators and other per-pixel")
        classes = _classes(estimator)
        described = Described(
            type(estimator).__name__,
            _version_of(estimator),
            n_bands=int(estimator.n_features_in_) if isinstance(estimator, Fitted) else None,
            band_names=tuple(map(str, estimator.feature_names_in_))
            if isinstance(estimator, Featured)
            else (),
            n_outputs=len(classes) or None,
            dim_order=PIXELS,
            classes=classes,
            per_pixel=True,
            gives_probability=bool(classes),
        )
        proba = _proba_of(estimator)
        if proba is not None:
            return cls(proba, described)
        if not isinstance(estimator, Estimator):
            raise TypeError(f"{type(estimator).__name__} has neither predict_proba nor predict")
        if isinstance(estimator, Labelled):
            return cls(_Votes(estimator.predict, np.asarray(estimator.classes_)), described)
        return cls(estimator.predict, described)

    @classmethod
    def open(cls, path: Path, settings: Settings) -> EstimatorRuntime:
        """Read a file of skops, of which only types that are known to be safe are made.

        Raises
        ------
        OperatorError
            It is no such file, or has other types in it.

        """
        skops, errors = load("skops.io"), load("skops.io.exceptions")
        try:
            return cls.of_object(skops.load(path, trusted=[]), settings)
        except errors.UntrustedTypesFoundException as error:
            first = str(error).partition("\n")[0].rstrip(".")
            raise OperatorError(
                f"the model {path} has types in it that are not safe: {first}; if you trust the file, load "
                f"it by skops.io.load(..., trusted=[...]) and pass the object"
            ) from error
        except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
            raise OperatorError(f"the model {path} cannot be read by skops: {error}") from error

    def run(self, batch: Batch) -> Array | Mapping[str, Array]:
        """Return ``(n, k)`` of ``(n, features)``, or several of them by name."""
        returned = self.predict(batch)
        if isinstance(returned, Mapping):
            return {str(name): _rows(part, len(batch)) for name, part in returned.items()}
        if isinstance(returned, list | tuple) and all(_is_part(one, len(batch)) for one in returned):
            return {f"part{number}": _rows(part, len(batch)) for number, part in enumerate(returned)}
        return _rows(returned, len(batch))

    def close(self) -> None:
        """Do nothing: an estimator is its owner's."""


def _is_part(value: object, n: int) -> bool:
    """Whether it is an array of ``n`` rows: one of several parts, and no row of a single one.

    >>> _is_part(np.zeros((5, 2)), 5), _is_part(np.zeros(2), 5), _is_part(0.5, 5)
    (True, False, False)
    """
    return isinstance(value, np.ndarray) and value.shape[:1] == (n,)


def _rows(made: object, n: int) -> Array:
    """Return ``(n, k)`` of what was predicted for ``n`` rows."""
    rows: Array = np.asarray(made)
    return rows if rows.ndim == 2 else rows.reshape(n, -1)


def _proba_of(estimator: object) -> Callable[[Array], Array] | None:
    """Return what gives probabilities; some classes have the method, and refuse it by their settings."""
    if not isinstance(estimator, Classifier):
        return None
    try:
        return estimator.predict_proba
    except AttributeError:
        return None


@dataclass
class _Votes:
    """What a classifier predicts, as 1 for one class and 0 for the others."""

    predict: Callable[[Array], Array]
    labels: Array

    def __call__(self, rows: Array) -> Array:
        votes: Array = np.asarray(self.predict(rows))[:, np.newaxis] == self.labels
        return votes.astype(np.float32)


def _classes(estimator: object) -> tuple[ModelClass, ...]:
    """Return classes from labels: whole numbers are values, and others get the values 0, 1, 2, ..."""
    labels = list(np.asarray(estimator.classes_).tolist()) if isinstance(estimator, Labelled) else []
    if all(isinstance(label, int) and not isinstance(label, bool) and label >= 0 for label in labels):
        return tuple(ModelClass(label, str(label)) for label in labels)
    return tuple(ModelClass(value, str(label)) for value, label in enumerate(labels))


@runtime_checkable
class _Versioned(Protocol):
    __version__: str


def _version_of(estimator: object) -> str:
    """Return the version of the library an estimator is from, as far as it says."""
    library = sys.modules.get(type(estimator).__module__.partition(".")[0])
    return library.__version__ if isinstance(library, _Versioned) else ""
