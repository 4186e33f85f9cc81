"""An operator by its name: ``module:function`` or ``file.py:function``."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from geopatcher.core.containment import contained, told
from geopatcher.core.protocols import Named
from geopatcher.errors import OperatorError
from geopatcher.operators.files import absolute, found_by, is_reference
from geopatcher.operators.wrappers import dims_of, margin_of, scale_of, wants_mask, wants_position

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from fractions import Fraction

    from geopatcher.core.protocols import Array


class NamedOperator:
    """An operator known by ``module:function`` or ``file.py:function``: it travels as that text.

    Workers import it.

    The function is imported when this object is made, so that a wrong name is noticed at once.

    Parameters
    ----------
    reference
        ``"module:function"``, or ``"path/of/file.py:function"``; dots lead into classes.
    arguments
        Keywords it is called with, by name; numbers, texts and the like, which travel with it.

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

    def __init__(self, reference: str, arguments: Mapping[str, object] | None = None) -> None:
        self.reference = absolute(reference)
        self.arguments = dict(arguments or {})
        self._function = _imported(self.reference)
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
    def output_scale(self) -> float | Fraction | str:
        """How many pixels of its result a pixel the function is given is."""
        return scale_of(self._function)

    @property
    def output_dims(self) -> Sequence[str] | Mapping[str, Sequence[object] | None] | None:
        """Leading dimensions of what the function returns."""
        return dims_of(self._function)

    def __call__(self, patch: Array, *position: object) -> Array:
        """Return what the function returns."""
        return self._function(patch, *position, **self.arguments)

    def __reduce__(self) -> tuple[type[NamedOperator], tuple[str, dict[str, object]]]:
        return (NamedOperator, (self.reference, self.arguments))

    def __repr__(self) -> str:
        given = f", {self.arguments}" if self.arguments else ""
        return f"NamedOperator({self.reference!r}{given})"


def _imported(reference: str) -> Callable[..., Array]:
    if not is_reference(reference):
        raise OperatorError(
            f"operator {reference!r} is not module:function, such as mymodels:predict, or file.py:function"
        )
    try:
        found: object = contained(lambda: found_by(reference))
    except ImportError as error:
        raise OperatorError(f"operator {reference!r} cannot be imported: {error}") from error
    except AttributeError as error:
        module, _, name = reference.rpartition(":")
        raise OperatorError(f"operator {reference!r}: module {module} has no {name}") from error
    except Exception as error:  # the module is not ours
        raise OperatorError(f"operator {reference!r} cannot be imported: {told(error)}") from error
    if not callable(found):
        raise OperatorError(f"operator {reference!r} is a {type(found).__name__}, not a function")
    return cast("Callable[..., Array]", found)
