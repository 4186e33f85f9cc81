"""Models as operators that compose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from geopatcher.operators.models.wrap import as_operator as operator_of
from geotoolz.operators import Json, Operator, as_operator
from geotoolz.passing import Passing

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from geopatcher.core.protocols import Array


class ModelOp(Passing, Operator["Array", "Array"]):
    """A model between other operators: ``Normalize(found) | ModelOp("clouds.onnx")``.

    It has the margin, the output scale and the classes of its model, also as a step of a `Sequential`: with
    it as the last, ``outputs=`` of `geopatcher.reconstruct` is that of the model. It sees patches without
    the names of their bands: for these, give `geopatcher.Model` itself to `geopatcher.reconstruct`, or bind
    it first, ``ModelOp(model.bound_to(4, band_names))``.

    Parameters
    ----------
    model
        A `geopatcher.Model`, the path of one, a ``torch.nn.Module``, an estimator, a booster, or any function
        of a patch. It pickles when that does.

    Raises
    ------
    TypeError
        It is none of them; says what to pass instead.

    Examples
    --------
    >>> import numpy as np
    >>> from geotoolz import Scale
    >>> class Twice:
    ...     def predict(self, rows):
    ...         return rows * 2
    >>> pipeline = Scale(0.1) | ModelOp(Twice())
    >>> pipeline(np.array([[[10, 20]]], dtype="uint16")).tolist(), pipeline
    ([[[2.0, 4.0]]], Sequential([Scale(), ModelOp(Twice)]))

    """

    def __init__(self, model: object) -> None:
        self.model: Final = operator_of(model)

    @property
    def _run(self) -> tuple[Callable[..., Any], ...]:
        return (self.model,)

    def _ending_in(self, end: object) -> Self:
        return type(self)(end)

    def __call__(self, patch: Array, /, *position: object) -> Array:
        """Return what the model returns."""
        return self.model(patch, *position)

    def get_config(self) -> dict[str, Json]:
        """Return the name, and what the model is called with the module that defines it."""
        return {**super().get_config(), "model": as_operator(self.model, "model of ModelOp").get_config()}

    def __repr__(self) -> str:
        return f"ModelOp({as_operator(self.model, 'model of ModelOp').name})"
