"""What operators return: made an array, or called by its name."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping
from itertools import islice
from types import CoroutineType
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.containment import contained, told
from geopatcher.engine.validity import is_masked_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.core.protocols import Array

#: Keys, shapes and types a message names.
MAX_NAMED = 6
#: Longest text of a result that a message repeats.
MAX_SHOWN = 60


class NoArrayError(Exception):
    """Something is not an array and cannot be made one: what it is, and what to do about it."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"{what}: {advice}")
        self.what = what
        self.advice = advice


def as_array(result: object) -> Array:
    """Return what an operator returned as an array; a masked one stays masked.

    Raises
    ------
    NoArrayError
        It is something else.

    Examples
    --------
    >>> as_array([[1, 2], [3, 4]]).shape
    (2, 2)
    >>> as_array({"mask": np.zeros(3)})
    Traceback (most recent call last):
    geopatcher.engine.results.NoArrayError: a dict with the keys 'mask': return one array, such as its 'mask'

    """
    array = result if type(result) is np.ndarray or is_masked_array(result) else _made(result)
    if array.dtype.kind == "O":
        raise _of_objects(result)
    return array


def _made(result: object) -> Array:
    other = _other_than_array(result)
    if other is not None:
        raise other
    try:
        made: Array = contained(lambda: np.asarray(result))
    except Exception as error:
        if isinstance(result, list | tuple):
            raise NoArrayError(_members(result), "return one array") from error
        raise NoArrayError(
            f"a {_kind(result)}, of which NumPy can make no array ({told(error)}),",
            "return a NumPy array; a tensor of torch becomes one by tensor.detach().cpu().numpy()",
        ) from error
    return made


def _other_than_array(result: object) -> NoArrayError | None:
    """Return what to say of a result that NumPy would make something meaningless of."""
    kind = f"a {_kind(result)}"
    match result:
        case None:
            error = NoArrayError("None", "did it forget to return?")
        case Mapping():
            error = _of_mapping(result)
        case str() | bytes() | bytearray():
            error = NoArrayError(f"{kind}, {result!r:.{MAX_SHOWN}},", "return an array")
        case Awaitable():
            if isinstance(result, CoroutineType):
                result.close()  # or Python warns that nobody awaited it
            error = NoArrayError(kind, "an operator is a plain function, not an async one: return an array")
        case Iterator():
            error = NoArrayError(kind, "return one array; np.stack(list(...)) makes one of several")
        case _:
            return None
    return error


def _of_mapping(result: Mapping[object, object]) -> NoArrayError:
    keys = [f"{key!r:.{MAX_SHOWN}}" for key in islice(result, MAX_NAMED)]
    if not keys:
        return NoArrayError(f"an empty {_kind(result)}", "return one array")
    more = ", ..." if len(result) > MAX_NAMED else ""
    what = f"a {_kind(result)} with the keys {', '.join(keys)}{more}"
    return NoArrayError(what, f"return one array, such as its {keys[0]}")


def _of_objects(result: object) -> NoArrayError:
    what = f"a {_kind(result)}"
    if isinstance(result, list | tuple):
        what = _members(result)
    elif isinstance(result, np.ndarray):
        what = f"an array of Python objects (dtype object, shape {result.shape})"
    return NoArrayError(what, "return one array of numbers")


def _members(result: Sequence[object]) -> str:
    """Return what a list or tuple holds."""
    shown = [_brief(member) for member in islice(result, MAX_NAMED)]
    more = ", ..." if len(result) > MAX_NAMED else ""
    return f"a {_kind(result)} of {len(result)} ({', '.join(shown)}{more})"


def _brief(member: object) -> str:
    if isinstance(member, np.ndarray):
        return f"{member.dtype} {member.shape}"
    return _kind(member) if member is not None else "None"


def _kind(value: object) -> str:
    """Return the name of a type, with its package where that is not Python itself."""
    kind = type(value)
    home = kind.__module__.partition(".")[0]
    return kind.__qualname__ if home in ("builtins", "__main__") else f"{home}.{kind.__qualname__}"


def described(result: object, array: Array) -> str:
    """Return what a result is that became an array of a wrong shape.

    >>> described(3.5, np.asarray(3.5)), described([np.ones(3)], np.ones((1, 3)))
    ('a single number', 'a list of 1 (float64 (3,)), which makes an array of shape (1, 3),')
    """
    if array.ndim == 0:
        return "a single number"
    if isinstance(result, list | tuple):
        return f"{_members(result)}, which makes an array of shape {array.shape},"
    return f"an array of shape {array.shape}"
