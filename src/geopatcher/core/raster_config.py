"""What a raster domain is made of, as values JSON can hold; and when two are equal."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from geopatcher.core.config import Configured, comparable, known_only
from geopatcher.core.domain_json import PARAMETERS, domain_arguments, domain_to_json

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from typing import Self

_VALUES = attrgetter(*PARAMETERS)


class ConfiguredRaster(Configured):
    """A domain whose configuration and equality are its parameters; a nodata value of NaN equals another."""

    def get_config(self) -> dict[str, object]:
        """Return the parameters by name, all JSON values; of numbers that are not finite their names.

        Returns
        -------
        dict
            What `from_config` takes.

        """
        return {**domain_to_json(self)}  # type: ignore[arg-type] # what is made of this has them

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> Self:
        """Make a domain of what `get_config` gave.

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
            There is no such parameter.
        ValueError
            A value is of another kind.

        """
        return cls(**domain_arguments(known_only(cls, config, PARAMETERS)))  # type: ignore[arg-type]

    def _key(self) -> tuple[Hashable, ...]:
        return tuple(map(comparable, _VALUES(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ConfiguredRaster):
            return NotImplemented
        return type(self) is type(other) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())
