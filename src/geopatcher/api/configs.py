"""Patchers as values JSON can hold, and made again from these."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING

import geopatcher
from geopatcher import errors
from geopatcher.core.config import Configured

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self


class ConfiguredParts(Configured):
    """What is made of parts with names, which are loaded where a configuration names them."""

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Make one of what `get_config` gave; classes of your own must have been imported.

        Parameters
        ----------
        config
            As `get_config` gives it. What is left out is as when it is left out of a call.

        Returns
        -------
        Self
            Equal to what the configuration was asked of.

        Raises
        ------
        TypeError
            There is no such parameter or class; or a part holds a function, of which there is only the name.

        """
        for name in _classes_in(config):
            if name in dir(geopatcher):
                attrgetter(name)(geopatcher)  # which loads it
        return super().from_config(config)


def _classes_in(config: Mapping[str, object]) -> Iterator[str]:
    """Yield the classes a configuration names: of parts, and of parts by their own names."""
    for part in config.values():
        if isinstance(part, Mapping):
            if "class" in part:
                yield str(part["class"])
            else:
                yield from _classes_in(part)


class ConfiguredPatcher(ConfiguredParts):
    """A patcher that says what it is made of."""

    retry_on: tuple[type[Exception], ...]

    def get_config(self) -> dict[str, object]:
        """Return the axes and the error policy, all JSON values.

        Returns
        -------
        dict
            ``geometry``, ``sampler``, ``window`` and ``aggregation`` as ``{"class": …, "config": {…}}``,
            ``on_error``, ``max_retries``, ``retry_on`` (names of errors) and ``capture_traceback``.

        Examples
        --------
        >>> import json
        >>> from geopatcher import (SpatialPatcher, SpatialRectangular, SpatialRegularStride,
        ...     SpatialHann, SpatialOverlapAdd)
        >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
        ...     SpatialOverlapAdd())
        >>> patcher.get_config()["sampler"]
        {'class': 'SpatialRegularStride', 'config': {'step': [4, 4], 'check_full_scan': False}}
        >>> SpatialPatcher.from_config(json.loads(json.dumps(patcher.get_config()))) == patcher
        True

        """
        return {**super().get_config(), "retry_on": [error.__name__ for error in self.retry_on]}

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Make a patcher of what `get_config` gave; classes of your own must have been imported.

        Parameters
        ----------
        config
            As `get_config` gives it. What is left out is as when it is left out of a call.

        Returns
        -------
        Self
            Equal to what the configuration was asked of.

        Raises
        ------
        TypeError
            There is no such parameter, class or error; or a part holds a function, of which there is only
            the name.

        """
        given = dict(config)
        names = given.get("retry_on")
        if isinstance(names, list | tuple):
            given["retry_on"] = tuple(map(_error_named, names))
        return super().from_config(given)


def _error_named(name: object) -> type[Exception]:
    """Return an error of Python's or of ours."""
    for found in (vars(builtins).get(str(name)), vars(errors).get(str(name))):
        if isinstance(found, type) and issubclass(found, Exception):
            return found
    raise TypeError(f"retry_on names {name!r}, which is no error of Python or of geopatcher")
