"""An operator by its name: ``module:function``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from geopatcher.core.containment import contained, told
from geopatcher.core.protocols import Named
from geopatcher.errors import OperatorError
from geopatcher.operators.wrappers import dims_of, margin_of, scale_of, wants_mask, wants_position

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from fractions import Fraction

    from geopatcher.core.protocols import Array


class NamedOperator:
    """An operator known by ``module:function``: it travels as that text, and workers import it.

    The function is imported when this object is made, so that a wrong name is noticed at once.

    Parameters
    ----------
    reference
        ``"module:function"``; dots lead into classes.

    Raises
    ------
    OperatorError
        There is no such module or function, or it cannot be called.

    Examples
    --------
    >>> import numpy as np
    >>> double = NamedOperator("numpy:negative")
    >>> double(np.ones(2)), double
    (array([-1., -1.]), NamedOperator('numpy:negative'))

    """

    def __init__(self, reference: str) -> None:
        self.reference = reference
        self._function = _imported(reference)
        self.__wrapped__: object = self._function
        named = isinstance(self.__wrapped__, Named)
        self.__name__ = self._function.__name__ if named else type(self._function).__name__

    @property
    def wants_mask(self) -> bool:
        """Whether the function is to be given masked arrays; see `geopatcher.masked`."""
        return wants_mask(self._function)

    @property
    def wants_position(self) -> bool:
        """Whether the function is to be told where patches lie; see `geopatcher.positioned`."""
        return wants_position(self._function)

    @property
    def margin(self) -> int:
        """Pixels that are read around each patch for the function."""
        return margin_of(self._function)

    @property
    def output_scale(self) -> int | Fraction | str:
        """How many pixels of its result a pixel the function is given is."""
        return scale_of(self._function)

    @property
    def output_dims(self) -> Sequence[str] | Mapping[str, Sequence[object] | None] | None:
        """Leading dimensions of what the function returns."""
        return dims_of(self._function)

    def __call__(self, patch: Array, *position: object) -> Array:
        """Return what the function returns."""
        return self._function(patch, *position)

    def __reduce__(self) -> tuple[type[NamedOperator], tuple[str]]:
        return (NamedOperator, (self.reference,))

    def __repr__(self) -> str:
        return f"NamedOperator({self.reference!r})"


def _imported(reference: str) -> Callable[..., Array]:
    module, _, name = reference.partition(":")
    if not all(part.isidentifier() for part in f"{module}.{name}".split(".")):
        raise OperatorError(f"operator {reference!r} is not module:function, such as mymodels:predict")
    try:
        found: object = contained(lambda: importlib.import_module(module))
    except ImportError as error:
        raise OperatorError(f"operator {reference!r} cannot be imported: {error}") from error
    except Exception as error:  # the module is not ours
        raise OperatorError(f"operator {reference!r} cannot be imported: {told(error)}") from error
    try:
        for part in name.split("."):
            found = vars(found)[part]
    except (KeyError, TypeError) as error:
        raise OperatorError(f"operator {reference!r}: module {module} has no {name}") from error
    if not callable(found):
        raise OperatorError(f"operator {reference!r} is a {type(found).__name__}, not a function")
    return cast("Callable[..., Array]", found)
