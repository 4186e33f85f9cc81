"""What things are made of, as values JSON can hold, and made again from these."""

from __future__ import annotations

import inspect
import os
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from fractions import Fraction
from operator import attrgetter
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from geopatcher.core.html_cards import card

if TYPE_CHECKING:
    from typing import Self

#: How values are written for people: a domain may hold a million geometries.
_SHORT = reprlib.Repr()
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 6
_SHORT.maxstring = _SHORT.maxother = 300


@runtime_checkable
class HasConfig(Protocol):
    """What says what it is made of."""

    def get_config(self) -> Mapping[str, object]:
        """Return its parameters by name, as values JSON can hold."""
        ...


@runtime_checkable
class DataclassLike(Protocol):
    """A dataclass."""

    __dataclass_fields__: ClassVar[dict[str, object]]


class Configured:
    """What says what it is made of, and can be made of that again.

    The attributes of a class are called as the parameters it is made with, or `get_config` is its own.
    """

    #: Whether it holds a function, of which a configuration can only say the name.
    forbid_in_yaml: ClassVar[bool] = False
    #: The parameter that is that function.
    function_parameter: ClassVar[str] = ""
    _classes: ClassVar[dict[str, type[Configured]]] = {}

    def __init_subclass__(cls, **keywords: object) -> None:
        """Note the class by its name."""
        super().__init_subclass__(**keywords)
        Configured._classes[cls.__name__] = cls

    def get_config(self) -> dict[str, object]:
        """Return the parameters by name, all JSON values; parts are ``{"class": …, "config": {…}}``.

        Paths and dtypes are text, functions ``"module:name"``.

        Returns
        -------
        dict
            What `from_config` takes.

        """
        return {name: plain(attrgetter(name)(self)) for name in parameters_of(type(self))}

    def _repr_html_(self) -> str:
        return card(type(self).__name__, self._facts())

    def _facts(self) -> list[tuple[str, str]]:
        """Return the parameters by name, as Python writes them; of what is long the ends."""
        return [(name, _SHORT.repr(attrgetter(name)(self))) for name in parameters_of(type(self))]

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Make one of what `get_config` gave.

        Parameters
        ----------
        config
            Parameters by name; those that are left out are as when they are left out of a call.

        Returns
        -------
        Self
            Equal to what the configuration was asked of.

        Raises
        ------
        TypeError
            There is no such parameter, or one is a function, of which there is only the name.

        """
        return cls(**arguments_of(cls, config))


def parameters_of(cls: type) -> list[str]:
    """Return the names of the parameters a class is made with.

    >>> from geopatcher.patching.geometry import SpatialRectangular
    >>> parameters_of(SpatialRectangular)
    ['size', 'boundary', 'pad_value']
    """
    return list(inspect.signature(cls).parameters)


def comparable(value: object) -> object:
    """Return what is equal to that of another value if these are the same, also where they are NaN or arrays.

    NaN is equal to nothing, and arrays to each other cell by cell. Within lists, tuples and dicts, too.

    >>> comparable(float("nan")) == comparable(float("nan")), comparable(1.5)
    (True, 1.5)
    >>> comparable([np.zeros(3)]) == comparable([np.zeros(3)]), comparable(np.ones(2)) == comparable(1.0)
    (True, False)
    """
    if isinstance(value, np.ndarray):
        if isinstance(value, np.ma.MaskedArray):  # asked of arrays only: `numpy.ma` loads when it is named
            return ("masked", comparable(value.data), comparable(np.ma.getmaskarray(value)))
        cells = comparable(tuple(value.ravel().tolist())) if value.dtype.hasobject else value.tobytes()
        return ("array", value.dtype.str, value.shape, cells)
    if isinstance(value, dict):
        return {key: comparable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [comparable(each) for each in value]
    if isinstance(value, tuple):
        return tuple(comparable(each) for each in value)
    return "nan" if isinstance(value, float | np.floating) and value != value else value  # noqa: PLR0124 - NaN is not


def plain(value: object) -> object:
    """Return a value as JSON has it.

    >>> plain(np.dtype("float32")), plain((np.int64(3), None)), plain(abs)
    ('float32', [3, None], 'builtins:abs')

    Raises
    ------
    TypeError
        JSON has nothing for it.

    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    for kind, tell in _TOLD:
        if isinstance(value, kind):
            return tell(value)
    raise TypeError(f"{value!r} of {type(value).__name__} cannot be told in a configuration")


def part_of(thing: HasConfig) -> dict[str, object]:
    """Return what a part is: its class by name, and what it is made of."""
    return {"class": type(thing).__name__, "config": dict(thing.get_config())}


def name_of_function(function: object) -> str:
    """Return ``module:name`` of a function; of another callable, that of its class (no memory address)."""
    named = function if isinstance(function, FunctionType | type(abs) | type) else type(function)
    return f"{named.__module__}:{named.__qualname__}"


def _fields(value: object) -> dict[str, object]:
    return {field.name: plain(attrgetter(field.name)(value)) for field in fields(value)}  # type: ignore[arg-type]


def _type(value: type) -> str:
    return np.dtype(value).name if issubclass(value, np.generic) else name_of_function(value)


#: Of each kind of value, what is told.
_TOLD: tuple[tuple[Any, Callable[..., object]], ...] = (
    (np.generic, lambda value: plain(value.item())),
    (np.ndarray, lambda value: plain(value.tolist())),
    (np.dtype, lambda value: value.name),
    (type, _type),
    (os.PathLike, os.fspath),
    (Fraction, str),
    (Mapping, lambda value: {str(name): plain(part) for name, part in value.items()}),
    (tuple, lambda value: list(map(plain, value))),
    (list, lambda value: list(map(plain, value))),
    (HasConfig, part_of),
    (DataclassLike, _fields),
    (Callable, name_of_function),
)


def arguments_of(cls: type[Configured], config: Mapping[str, object]) -> dict[str, object]:
    """Return the arguments a configuration stands for.

    Raises
    ------
    TypeError
        It is none, names what is not there, or names a function.

    """
    given = known_only(cls, config, parameters_of(cls))
    named = given.get(cls.function_parameter)
    if isinstance(named, str):
        raise TypeError(
            f"{cls.__name__} was made with the function {named}, which a configuration only names: make it "
            f"in Python, as {cls.__name__}({cls.function_parameter}=...)"
        )
    return {name: revived(value) for name, value in given.items()}


def known_only(cls: type, config: Mapping[str, object], known: Sequence[str]) -> dict[str, object]:
    """Return a configuration of a class.

    Raises
    ------
    TypeError
        It is none, or names what is not among those that are known.

    """
    if not isinstance(config, Mapping):
        raise TypeError(f"the configuration of a {cls.__name__} is a dict, not {type(config).__name__}")
    # Configurations used to say the class among the parameters.
    given = {name: value for name, value in config.items() if name != "type" or "type" in known}
    unknown = [str(name) for name in given if name not in known]
    if not unknown and config.get("type", cls.__name__) != cls.__name__:
        unknown = [str(config["type"])]
    if unknown:
        raise TypeError(
            f"{cls.__name__} has no parameter {', '.join(map(repr, unknown))}: it has "
            f"{', '.join(known) or 'none'}"
        )
    return given


def revived(value: object) -> object:
    """Return what a JSON value stands for: parts are made, lists are tuples, objects stay."""
    if isinstance(value, Mapping):
        if set(value) == {"class", "config"}:
            return made(value)
        return {name: revived(part) for name, part in value.items()}
    return tuple(map(revived, value)) if isinstance(value, list | tuple) else value


def made(part: Mapping[str, object]) -> object:
    """Make a part of ``{"class": …, "config": {…}}``, of a class that is loaded.

    Raises
    ------
    TypeError
        It is not of this form, there is no such class, or as of `arguments_of`.

    """
    if not isinstance(part, Mapping) or set(part) != {"class", "config"}:
        raise TypeError(f'a part is {{"class": name, "config": {{...}}}}, not {part!r}')
    name, config = part["class"], part["config"]
    cls = Configured._classes.get(name) if isinstance(name, str) else None  # noqa: SLF001 - of this module
    if cls is None:
        raise TypeError(f"there is no class {name!r} that a configuration can make")
    if not isinstance(config, Mapping):
        raise TypeError(f"the configuration of a {name} is a dict, not {type(config).__name__}")
    return cls.from_config(config)
