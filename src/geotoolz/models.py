"""Models as operators that compose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from geopatcher.operators.models.wrap import as_operator as operator_of
from geopatcher.operators.wrappers import margin_of, scale_of, wants_mask, wants_position
from geotoolz.operators import Json, Operator, as_operator

if TYPE_CHECKING:
    from fractions import Fraction

    from geopatcher.core.protocols import Array


class ModelOp(Operator["Array", "Array"]):
    """A model between other operators: ``Normalize(found) | ModelOp("clouds.onnx")``.

    It has the margin and the output scale of its model, also as a step of a `Sequential`. It has no
    classes for ``outputs=``, and sees patches without the names of their bands: for these, give
    `geopatcher.Model` itself to `geopatcher.reconstruct`, or bind it first, ``ModelOp(model.bound_to(4,
    band_names))``.

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
    def wants_mask(self) -> bool:
        """Whether the model is to be given masked arrays; see `geopatcher.masked`."""
        return wants_mask(self.model)

    @property
    def wants_position(self) -> bool:
        """Whether the model is told where a patch lies; see `geopatcher.positioned`."""
        return wants_position(self.model)

    @property
    def margin(self) -> int:
        """Pixels that are read around each patch for the model."""
        return margin_of(self.model)

    @property
    def output_scale(self) -> int | Fraction | str:
        """How many pixels of its result a pixel it is given is."""
        return scale_of(self.model)

    def __call__(self, patch: Array, /, *position: object) -> Array:
        """Return what the model returns."""
        return self.model(patch, *position)

    def get_config(self) -> dict[str, Json]:
        """Return the name, and what the model is called with the module that defines it."""
        return {**super().get_config(), "model": as_operator(self.model, "model of ModelOp").get_config()}

    def __repr__(self) -> str:
        return f"ModelOp({as_operator(self.model, 'model of ModelOp').name})"
