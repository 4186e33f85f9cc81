"""What functions and values are called in configurations and errors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Never, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

#: A function of one argument, whatever its type: no argument is promised, so any such function fits.
Step: TypeAlias = "Callable[[Never], object]"


def name_of(fn: Step) -> str:
    """Return the qualified name of a function, or the class of another callable.

    >>> name_of(len), name_of(functools.partial(round, ndigits=2))
    ('len', 'partial(round, ndigits=2)')
    """
    if isinstance(fn, functools.partial):
        values = [brief(value) for value in fn.args]
        named = [f"{key}={brief(value)}" for key, value in fn.keywords.items()]
        return f"partial({', '.join([name_of(fn.func), *values, *named])})"
    return _text_of(fn, "__qualname__") or _text_of(fn, "__name__") or type(fn).__qualname__


def brief(value: object) -> str:
    """Return a value in a few letters, or else its type."""
    # An array or a model bound to a function would fill a page.
    return repr(value) if isinstance(value, str | int | float | bool | None) else type(value).__name__


def shown(value: object) -> str:
    """Return a value with its type.

    >>> shown(3), shown([1, 2])
    ('3 of type int', 'of type list')
    """
    kind, text = type(value).__name__, brief(value)
    return f"of type {kind}" if text == kind else f"{text} of type {kind}"


def module_of(fn: Step) -> str:
    """Return the module that defines a function."""
    if isinstance(fn, functools.partial):
        return module_of(fn.func)
    return _text_of(fn, "__module__") or type(fn).__module__


def kept_parameters(made: object) -> dict[str, object]:
    """Return the parameters an object keeps under their names, of those that JSON can hold.

    >>> class Scale:
    ...     def __init__(self, factor, table=None):
    ...         self.factor, self.table = factor, object()
    >>> kept_parameters(Scale(0.5))
    {'factor': 0.5}
    """
    start = type(made).__init__
    names = [] if start is object.__init__ else inspect.signature(start).parameters
    kept = vars(made)
    return {name: value for name in names if _is_json(value := kept.get(name, _NOTHING))}


_NOTHING = object()


def _is_json(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_json(part) for key, part in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_json, value))
    return isinstance(value, str | int | float | bool | None)


def _text_of(fn: Step, attribute: str) -> str | None:
    # Bound methods, builtins and ufuncs each have some of these names, in places a Protocol does not see.
    text: object = getattr(fn, attribute, None)
    return text if isinstance(text, str) else None
