"""Operators around operators: what the inner one asks for, the outer one asks for too, and passes on."""

from __future__ import annotations

import functools
import sys
from operator import index
from typing import TYPE_CHECKING

from geopatcher.core.operators import Fresh, SeesBands
from geopatcher.core.protocols import (
    Margined,
    MaskAware,
    Named,
    NamesBands,
    NamesDims,
    PositionAware,
    Rescaling,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from fractions import Fraction

    from geopatcher.core.protocols import Array


def wants_mask(operator: object) -> bool:
    """Whether an operator is to be given masked arrays; see `geopatcher.masked`."""
    inner = _without_partial(operator)
    return isinstance(inner, MaskAware) and inner.wants_mask


def freshness_of(operator: object) -> Callable[[], bool]:
    """Return what says whether each result of an operator is memory of its own: it may not know at first.

    An operator that says nothing is looked at once; its results may not be.

    >>> freshness_of(abs)()
    False
    """
    inner = _without_partial(operator)
    if not isinstance(inner, Fresh):
        return bool
    known: Fresh = inner
    return lambda: known.gives_fresh


def lengths_seen(operator: object, lengths: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Return the lengths of leading dimensions that an operator sees, ``None`` where all are one of bands.

    >>> lengths_seen(abs, (12, 4))
    (12, 4)
    """
    inner = _without_partial(operator)
    return None if isinstance(inner, SeesBands) and inner.sees_bands else lengths


def wants_position(operator: object) -> bool:
    """Whether an operator is to be told where a patch lies; see `geopatcher.positioned`.

    >>> class Model:
    ...     wants_position = True
    ...     def __call__(self, patch, position, scale=1): ...
    >>> wants_position(Model()), wants_position(functools.partial(Model(), scale=2)), wants_position(abs)
    (True, True, False)
    """
    inner = _without_partial(operator)
    return isinstance(inner, PositionAware) and inner.wants_position


def margin_of(operator: object) -> int:
    """Return the margin an operator asks for, 0 for one that asks for none.

    >>> class Model:
    ...     margin = 16
    ...     def __call__(self, patch): ...
    >>> margin_of(Model()), margin_of(functools.partial(Model())), margin_of(abs)
    (16, 16, 0)

    Raises
    ------
    ValueError
        Its attribute ``margin`` is no number of pixels.

    """
    inner = _without_partial(operator)
    if not isinstance(inner, Margined):
        return 0
    try:
        margin = index(inner.margin)
    except TypeError:
        margin = -1
    if margin < 0:
        raise ValueError(
            f"the operator's attribute margin is {inner.margin!r}, not a number of pixels to read around "
            f"each patch, 0 or more: say how many by margin= (--margin), 0 for none"
        )
    return margin


def scale_of(operator: object) -> float | Fraction | str:
    """Return how much finer an operator says its results are, 1 for one that says nothing."""
    inner = _without_partial(operator)
    return inner.output_scale if isinstance(inner, Rescaling) else 1


def dims_of(operator: object) -> Sequence[str] | Mapping[str, Sequence[object] | None] | None:
    """Return the leading dimensions an operator says its results have, ``None`` for one that says nothing."""
    inner = _without_partial(operator)
    return inner.output_dims if isinstance(inner, NamesDims) else None


def names_of_bands(operator: object) -> tuple[str, ...]:
    """Return what an operator calls the bands of its results, nothing for one that says nothing."""
    inner = _without_partial(operator)
    return tuple(inner.band_names) if isinstance(inner, NamesBands) else ()


def _without_partial(operator: object) -> object:
    while isinstance(operator, functools.partial):
        operator = operator.func
    return operator


class OperatorWrapper:
    """An operator around another one; also what a decorator leaves in the place of a function."""

    def __init__(self, operator: Callable[..., Array]) -> None:
        functools.update_wrapper(self, operator)  # which copies all another wrapper has, its operator, too
        self._operator = operator
        inner = _without_partial(operator)
        self.__name__ = inner.__name__ if isinstance(inner, Named) else type(inner).__name__

    @property
    def wants_mask(self) -> bool:
        """Whether it is given masked arrays."""
        return wants_mask(self._operator)

    @property
    def wants_position(self) -> bool:
        """Whether it is told where a patch lies."""
        return wants_position(self._operator)

    @property
    def margin(self) -> int:
        """Pixels that are read around each patch for it."""
        return margin_of(self._operator)

    @property
    def output_scale(self) -> float | Fraction | str:
        """How many pixels of its result a pixel it is given is."""
        return scale_of(self._operator)

    @property
    def output_dims(self) -> Sequence[str] | Mapping[str, Sequence[object] | None] | None:
        """Leading dimensions of what it returns."""
        return dims_of(self._operator)

    def __call__(self, patch: Array, *more: object, **keywords: object) -> Array:
        """Return what the operator returns."""
        return self._operator(patch, *more, **keywords)

    def wrapper_settings(self) -> Mapping[str, object]:
        """Return what its results depend on beside the operator."""
        return {}

    def __reduce__(self) -> str | tuple[object, ...]:
        # As a decorator this object has taken the function's name in its module, and is found by it.
        home = None if self.__module__ == "__main__" else sys.modules.get(self.__module__)
        name = vars(self).get("__qualname__", "")
        if home is not None and vars(home).get(name) is self:
            return str(name)
        return (type(self), self._arguments())

    def _arguments(self) -> tuple[object, ...]:
        """Return what it is made of."""
        return (self._operator,)
