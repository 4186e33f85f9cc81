"""Which axis of an array of a model is which: as its record says, or as its runtime has guessed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from geopatcher.operators.models.record import CHANNELS_FIRST
from geopatcher.operators.models.several import order_of

if TYPE_CHECKING:
    from geopatcher.operators.models.protocol import Described, Lengths
    from geopatcher.operators.models.record import ModelInput, ModelRecord


def in_order(known: Described, told: ModelRecord) -> Described:
    """Return what a model says of itself, read in the order of axes that a record tells, or else its own.

    That of ``(n, 24, 20, 5)`` can only be guessed.

    Raises
    ------
    ValueError
        An array of the model has another number of axes.

    Examples
    --------
    >>> from geopatcher.operators.models.protocol import Described
    >>> from geopatcher.operators.models.record import CHANNELS_LAST, ModelRecord
    >>> known = Described("onnxruntime", "1", dim_order=CHANNELS_FIRST, shapes=((None, 24, 20, 5),))
    >>> there = in_order(known, ModelRecord(dim_order=CHANNELS_LAST))
    >>> there.n_bands, there.size
    (5, (24, 20))

    """
    if not known.shapes:
        return known
    asked = {one.name: one.dim_order for one in told.inputs}
    inputs = tuple(
        _input(one, shape, asked.get(one.name) or one.dim_order)
        for one, shape in zip(known.inputs, known.shapes, strict=bool(known.inputs))
    )
    order = order_of(inputs) if inputs else told.dim_order or known.dim_order or CHANNELS_FIRST
    by_axis = {} if inputs else _by_axis(known.shapes[0], order, "the input of the model")
    made = told.result_order or order
    lengths = dict(zip(made, known.made, strict=True)) if len(made) == len(known.made) else {}
    return replace(
        known,
        inputs=inputs,
        dim_order=order,
        n_bands=by_axis.get("channel"),
        batch=known.shapes[0][0],
        size=_size(by_axis),
        n_outputs=lengths.get("channel"),
    )


def _input(one: ModelInput, shape: Lengths, order: tuple[str, ...] | None) -> ModelInput:
    by_axis = _by_axis(shape, order or CHANNELS_FIRST, f"input {one.name} of the model")
    return replace(one, n_bands=by_axis["channel"], size=_size(by_axis), dim_order=order)


def _by_axis(shape: Lengths, order: tuple[str, ...], what: str) -> dict[str, int | None]:
    if len(shape) != len(order):
        raise ValueError(
            f"the record says that {what} has the axes {', '.join(order)}, and it has {len(shape)}: "
            f"correct its dim_order"
        )
    return dict(zip(order, shape, strict=True))


def _size(by_axis: dict[str, int | None]) -> tuple[int, int] | None:
    height, width = by_axis.get("height"), by_axis.get("width")
    return None if height is None or width is None else (height, width)
