"""Operators around others: beside them, one of two, several at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from geotoolz.bands import concatenated, stacked
from geotoolz.needs import called
from geotoolz.operators import Identity, Json, Operator, as_operator
from geotoolz.passing import Beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from geopatcher.core.protocols import Array


class Tap(Beside, Operator["Array", "Array"]):
    """Calls a function with what passes, and passes it on: to log, count or look.

    In a run with workers the function is called in their processes.

    Parameters
    ----------
    fn
        Any function of a patch; what it returns is left alone. What it writes into the patch, stays.

    Raises
    ------
    TypeError
        ``fn`` cannot be called.

    Examples
    --------
    >>> import numpy as np
    >>> show = Tap(lambda patch: print(patch.shape, patch.dtype))
    >>> (abs | show | np.sqrt)(np.array([[[-4.0]]])).tolist()
    (1, 1, 1) float64
    [[[2.0]]]

    """

    def __init__(self, fn: Callable[[Array], object]) -> None:
        self.fn: Final[Operator[Any, Any]] = as_operator(fn, "fn of Tap")

    @property
    def _run(self) -> tuple[Operator[Any, Any], ...]:
        return (self.fn,)

    @property
    def _results(self) -> tuple[Operator[Any, Any], ...]:
        return ()

    def __call__(self, patch: Array, /, *position: object) -> Array:
        """Return the patch, the object itself."""
        called(self.fn, patch, position)
        return patch

    def get_config(self) -> dict[str, Json]:
        """Return the name, and what is called."""
        return {**super().get_config(), "fn": self.fn.get_config()}


class Branch(Beside, Operator["Array", "Array"]):
    """Runs one of two operators, as a predicate says of each patch.

    Of a batch it asks for each patch, and runs each operator on all of its patches at once.

    Parameters
    ----------
    predicate
        A function of a patch ``(bands, h, w)`` that says true or false.
    if_true, if_false
        Operators or functions; a patch of which the predicate is false passes unchanged by default.

    Raises
    ------
    TypeError
        One of them cannot be called.
    ValueError
        When it is called with a batch: results of the two differ in shape.

    Examples
    --------
    >>> import numpy as np
    >>> def is_dark(patch):
    ...     return patch.max() < 10
    >>> brighten = Branch(is_dark, lambda patch: patch * 10)
    >>> batch = np.array([[[[1, 2]]], [[[30, 4]]]])
    >>> brighten(batch[0]).tolist(), brighten(batch).tolist()
    ([[[10, 20]]], [[[[10, 20]]], [[[30, 4]]]])

    """

    def __init__(
        self,
        predicate: Callable[[Array], object],
        if_true: Callable[[Array], Array],
        if_false: Callable[[Array], Array] | None = None,
    ) -> None:
        self.predicate: Final[Operator[Any, Any]] = as_operator(predicate, "predicate of Branch")
        self.if_true: Final[Operator[Any, Any]] = as_operator(if_true, "if_true of Branch")
        otherwise = Identity() if if_false is None else if_false
        self.if_false: Final[Operator[Any, Any]] = as_operator(otherwise, "if_false of Branch")

    @property
    def _run(self) -> tuple[Operator[Any, Any], ...]:
        return (self.predicate, *self._results)

    @property
    def _results(self) -> tuple[Operator[Any, Any], ...]:
        return (self.if_true, self.if_false)

    def __call__(self, patch: Array, /, *position: object) -> Array:
        """Return what the chosen operator returns; of a batch, in its order and a dtype that holds all."""
        pixels = np.asanyarray(patch)
        if pixels.ndim != 4:
            return self._chosen(self._says(pixels, position), pixels, position)
        places = _of_each(position, len(pixels))
        says = [self._says(one, place) for one, place in zip(pixels, places, strict=True)]
        chosen = np.array(says, dtype=bool)
        if chosen.all() or not chosen.any():
            return self._chosen(bool(chosen.any()), pixels, position)
        parts = [
            np.asanyarray(self._chosen(side, pixels[chosen == side], _of_some(position, chosen == side)))
            for side in (True, False)
        ]
        if parts[0].shape[1:] != parts[1].shape[1:]:
            raise ValueError(
                f"{self.name} has results of shapes {parts[0].shape[1:]} and {parts[1].shape[1:]} for "
                "patches of one batch: both operators must return as many bands, rows and columns"
            )
        order = np.argsort(np.concatenate([np.flatnonzero(chosen), np.flatnonzero(~chosen)]))
        in_order: Array = concatenated(parts, 0)[order]
        return in_order

    def _says(self, patch: Array, position: Sequence[object]) -> bool:
        return bool(called(self.predicate, patch, position))

    def _chosen(self, says: bool, pixels: Array, position: Sequence[object]) -> Array:
        made: Array = called(self.if_true if says else self.if_false, pixels, position)
        return made

    def get_config(self) -> dict[str, Json]:
        """Return the name, and the configurations of the predicate and the two operators."""
        parts = {"predicate": self.predicate, "if_true": self.if_true, "if_false": self.if_false}
        return {**super().get_config(), **{name: part.get_config() for name, part in parts.items()}}


class Fanout(Beside, Operator["Array", "Array"]):
    """Runs several operators on the same patch, and stacks the bands of their results in order.

    Parameters
    ----------
    operators
        Operators or functions that return ``(bands, h, w)``, or ``(h, w)`` for a single band; of a batch,
        ``(n, bands, h, w)``.

    Raises
    ------
    TypeError
        One of them cannot be called.
    ValueError
        There is none. When it is called: the results differ in more than their number of bands.

    Examples
    --------
    >>> import numpy as np
    >>> from geotoolz import NDVI, SelectBands
    >>> with_index = Fanout([SelectBands([1, 2]), NDVI(nir=2, red=1)])
    >>> with_index(np.array([[[1.0]], [[3.0]]])).tolist()
    [[[1.0]], [[3.0]], [[0.5]]]

    """

    def __init__(self, operators: Iterable[Callable[[Array], Array]]) -> None:
        self.operators: Final[tuple[Operator[Any, Any], ...]] = tuple(
            as_operator(operator, f"operator {position} of Fanout")
            for position, operator in enumerate(operators)
        )
        if not self.operators:
            raise ValueError(
                "Fanout has no operator: give one or more, such as Fanout([Identity(), NDVI(nir=4, red=3)])"
            )

    @property
    def _run(self) -> tuple[Operator[Any, Any], ...]:
        return self.operators

    @property
    def _results(self) -> tuple[Operator[Any, Any], ...]:
        return self.operators

    def __call__(self, patch: Array, /, *position: object) -> Array:
        """Return the results as one array, in a dtype that holds all."""
        pixels = np.asanyarray(patch)
        # Each is given pixels it may write into, as everywhere.
        return stacked([called(operator, pixels.copy(), position) for operator in self.operators], self.name)

    def get_config(self) -> dict[str, Json]:
        """Return the name, and the configurations of the operators, in order."""
        return {**super().get_config(), "operators": [operator.get_config() for operator in self.operators]}


def _of_each(position: Sequence[object], n_patches: int) -> Sequence[tuple[object, ...]]:
    """Return what each patch of a batch is told: of all positions, which come as one tuple, its own."""
    if not position:
        return [()] * n_patches
    (places,) = position
    return [(place,) for place in _as_tuple(places)]


def _of_some(position: Sequence[object], chosen: Array) -> tuple[object, ...]:
    """Return what a part of a batch is told."""
    if not position:
        return ()
    (places,) = position
    return (tuple(place for place, own in zip(_as_tuple(places), chosen, strict=True) if own),)


def _as_tuple(places: object) -> tuple[object, ...]:
    return places if isinstance(places, tuple) else (places,)
