"""From whatever somebody hands in to an operator."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from geopatcher.operators.models.model import Model
from geopatcher.operators.models.runtimes import OPENERS, is_model, is_session, refusal
from geopatcher.operators.models.torch import TorchModule

if TYPE_CHECKING:
    from collections.abc import Callable

    from geopatcher.core.protocols import Array


def as_operator(given: object) -> Callable[..., Array]:
    """Return an operator: a model made of what is one, and a function or another callable as it is.

    A bare model is given all bands as they are, and what it returns is the result: `geopatcher.Model` says
    more of it.

    Parameters
    ----------
    given
        A callable, a ``torch.nn.Module``, an estimator, a booster, or the path of a model.

    Raises
    ------
    TypeError
        It is none of them, such as a session of onnxruntime; says what to pass instead.

    Examples
    --------
    >>> import numpy as np
    >>> class Twice:
    ...     def predict(self, rows):
    ...         return rows * 2
    >>> as_operator(Twice())(np.ones((1, 1, 2))).tolist(), as_operator(np.negative) is np.negative
    ([[[2.0, 2.0]]], True)

    """
    if isinstance(given, str | os.PathLike):
        if Path(given).suffix.lower() in OPENERS:
            return Model(given)
        raise TypeError(_refusal(given))
    if is_session(given):
        raise TypeError(refusal(given))
    if isinstance(given, TorchModule) and not isinstance(given, type):
        return Model(given)
    if callable(given):
        return cast("Callable[..., Array]", given)
    if is_model(given):
        return Model(given)
    raise TypeError(_refusal(given))


def _refusal(given: object) -> str:
    return f"the operator must be a function of an array, not {given!r}; and as a model: {refusal(given)}"
