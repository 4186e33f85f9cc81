"""Objects as JSON values and back: their arguments by name, parts as ``{"class": …, "config": {…}}``."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from types import FunctionType
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable


@runtime_checkable
class HasConfig(Protocol):
    """What says how it was made."""

    def get_config(self) -> Mapping[str, object]:
        """Return the arguments by name, all JSON values."""
        ...


@runtime_checkable
class FromConfig(Protocol):
    """A class whose objects are made of what they say."""

    @classmethod
    def from_config(cls, config: Mapping[str, object], /) -> object:
        """Return an object."""
        ...


def part_config(part: object) -> dict[str, object]:
    """Return ``{"class": type name, "config": {...}}`` of a part of something.

    Raises
    ------
    TypeError
        The part does not say how it was made.

    """
    if not isinstance(part, HasConfig):
        raise TypeError(f"{type(part).__name__} has no get_config, so it cannot be written as JSON")
    return {
        "class": type(part).__name__,
        "config": {name: value for name, value in part.get_config().items() if name != "type"},
    }


def part_of(config: object, classes: Iterable[type[FromConfig]]) -> object:
    """Return the object that `part_config` described, of one of ``classes``.

    Raises
    ------
    ValueError
        It is no such description, or of none of the classes.

    """
    match config:
        case {"class": str(name), "config": Mapping() as arguments, **rest} if not rest:
            known = {made.__name__: made for made in classes}
            if name not in known:
                raise ValueError(f"there is no {name!r} here: expected one of {', '.join(sorted(known))}")
            return known[name].from_config(arguments)
    raise ValueError(f'expected {{"class": a name, "config": its arguments}}, not {config!r}')


def makers(*kinds: type) -> list[type[FromConfig]]:
    """Return of some classes those that make objects of descriptions."""
    return [kind for kind in kinds if issubclass(kind, FromConfig)]


class Configured:
    """A dataclass that is described by its fields: a base class.

    ``part_classes`` are those that parts of it may be of. One that holds a function cannot be made of JSON
    values, and says ``forbid_in_yaml = True``.
    """

    forbid_in_yaml: ClassVar[bool] = False
    part_classes: ClassVar[tuple[type[FromConfig], ...]] = ()

    def get_config(self) -> dict[str, object]:
        """Return the arguments it is made with by name, all JSON values; a function is its name.

        Returns
        -------
        dict
            The arguments by name; parts are ``{"class": …, "config": {…}}``.

        """
        return {name: plain(vars(self)[name]) for name in self._names()}

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Return an object made of what `get_config` gave.

        Parameters
        ----------
        config
            The arguments by name.

        Returns
        -------
        object
            Equal to the one that was described.

        Raises
        ------
        TypeError
            The class holds a function, which JSON values cannot say.
        ValueError
            There is no such argument; names it.

        """
        if cls.forbid_in_yaml:
            raise TypeError(f"{cls.__name__} holds a function, which no file says: make it in Python")
        check_keys(cls.__name__, config, cls._names())
        return cls(**{name: cls._argument(value) for name, value in config.items()})

    @classmethod
    def _names(cls) -> list[str]:
        return list(signature(cls).parameters)

    @classmethod
    def _argument(cls, value: object) -> object:
        return part_of(value, cls.part_classes) if isinstance(value, Mapping) else value


def check_keys(name: str, config: Mapping[str, object], known: Iterable[str]) -> None:
    """Refuse arguments that are not known.

    Raises
    ------
    ValueError
        There is one; names it and those there are.

    """
    wanted = list(known)
    unknown = [key for key in config if key not in wanted]
    if unknown:
        raise ValueError(f"{name} has no {unknown[0]!r}: it has {', '.join(wanted) or 'no arguments'}")


def plain(value: object) -> object:
    """Return a value as JSON has it.

    >>> plain((np.int64(1), 2.5, None))
    [1, 2.5, None]
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.generic | np.ndarray | tuple | list):
        return value.tolist() if isinstance(value, np.generic | np.ndarray) else [plain(one) for one in value]
    if isinstance(value, HasConfig):
        return part_config(value)
    if callable(value):
        return value.__qualname__ if isinstance(value, FunctionType | type) else type(value).__name__
    raise TypeError(f"{type(value).__name__} is no JSON value, and has no get_config")
