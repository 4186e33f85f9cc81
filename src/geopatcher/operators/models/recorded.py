"""What follows from the record of a model, and from what the library that runs it knows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from geopatcher.operators.models.checking import expected_outputs
from geopatcher.operators.models.inputs import positions_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from geopatcher.operators.models.protocol import Described
    from geopatcher.operators.models.record import ModelClass, ModelRecord


class Recorded(ABC):
    """A model that has a record, and is described by what runs it."""

    @property
    @abstractmethod
    def record(self) -> ModelRecord:
        """What is told of the model, completed by what it says itself; loads it."""

    @property
    @abstractmethod
    def described(self) -> Described:
        """What the library that runs the model knows of it; loads it."""

    @property
    def classes(self) -> tuple[ModelClass, ...]:
        """Its classes, in the order of the bands of the result; empty where it has none."""
        return self.record.classes

    @property
    def bands(self) -> tuple[int, ...] | tuple[str, ...] | None:
        """Bands it takes, by number from 1 or by name; ``None`` for all."""
        return self.record.bands

    @property
    def margin(self) -> int:
        """Pixels at each edge of a patch whose result is not to be used."""
        return self.record.margin

    @property
    def multiple(self) -> int:
        """What height and width of a patch must be multiples of."""
        return self.record.multiple

    @property
    def output_scale(self) -> Fraction:
        """Pixels of the result per pixel of a patch, along each axis."""
        return self.record.output_scale

    @property
    def per_pixel(self) -> bool:
        """Whether it sees one pixel at a time."""
        return self.described.per_pixel

    @property
    def gives_fresh(self) -> bool:
        """Whether each result is memory of its own."""
        return self.described.fresh

    @property
    def sees_bands(self) -> bool:
        """Yes: dates and bands of a series are bands to a model."""
        return True

    @property
    def wants_mask(self) -> bool:
        """Yes: of integers nothing else says which pixels are missing, of which it is given others."""
        return True

    @property
    def is_probability(self) -> bool:
        """Whether the result is known to be probabilities: of an activation, or of a classifier."""
        return self.record.activation is not None or self.described.gives_probability

    @property
    def fixed_batch(self) -> int | None:
        """How many patches it takes at once, where that cannot be chosen; fewer are filled up."""
        return None if self.per_pixel else self.record.batch

    @property
    def n_bands(self) -> int | None:
        """How many bands it takes, where that is known."""
        return self.record.n_bands or self.described.n_bands

    @property
    def n_outputs(self) -> int | None:
        """Bands of the result, where that is known before the first call."""
        return expected_outputs(self.record, self.described)

    @property
    def part_names(self) -> tuple[str, ...]:
        """Names of the results of a model that returns several, where they are known before a call."""
        return self.described.parts

    @property
    def gives_several(self) -> bool:
        """Yes: its result, the same before the activation, and parts of what it returns."""
        return True

    def positions(self, n_bands: int, names: Sequence[str]) -> tuple[int, ...] | None:
        """Return which of the bands of a source it takes.

        Parameters
        ----------
        n_bands, names
            Those of the source; no names where it has none.

        Returns
        -------
        tuple of int or None
            Counted from 0; ``None`` for all, as they are.

        Raises
        ------
        ValueError
            The source lacks one of them; names it.

        """
        return positions_of(self.bands, self.n_bands, n_bands, names)
