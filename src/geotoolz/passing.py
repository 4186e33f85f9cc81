"""Operators made of others, which pass on what these want to be given, and what they give."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from fractions import Fraction
from typing import TYPE_CHECKING

from geotoolz.needs import classes_of, needs_of, several_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Self

    from geopatcher.core.operators import NamedClass
    from geopatcher.core.protocols import Array
    from geotoolz.needs import Several


class _MadeOfOthers(ABC):
    """An operator that runs others, and is given what any of them is to be given."""

    @property
    @abstractmethod
    def _run(self) -> tuple[Callable[..., Any], ...]:
        """All that it runs."""

    @property
    def wants_mask(self) -> bool:
        """Whether one of them is to be given masked arrays; then so is it."""
        return any(needs_of(step).mask for step in self._run)

    @property
    def wants_position(self) -> bool:
        """Whether one of them is told where a patch lies."""
        return any(needs_of(step).position for step in self._run)


class Passing(_MadeOfOthers):
    """An operator that runs others, one after the other."""

    @abstractmethod
    def _ending_in(self, end: object) -> Self:
        """Return it with another last one."""

    @property
    def margin(self) -> int:
        """Pixels that all together want to see around a patch, on each side."""
        total, scale = Fraction(0), Fraction(1)
        for step in self._run:
            needs = needs_of(step)
            total += needs.margin / scale
            scale *= needs.scale
        return math.ceil(total)

    @property
    def output_scale(self) -> Fraction:
        """Pixels of the result for a pixel that is given, along each axis: the product of all."""
        return math.prod((needs_of(step).scale for step in self._run), start=Fraction(1))

    @property
    def classes(self) -> Sequence[NamedClass]:
        """The classes the last gives the probabilities of; none of one that gives something else."""
        return classes_of(self._end)

    @property
    def gives_several(self) -> bool:
        """Whether the last can give several results of one call, as a model can."""
        return several_of(self._end) is not None

    @property
    def _end(self) -> object:
        return self._run[-1] if self._run else None

    def giving(self, wanted: Sequence[str]) -> Self:
        """Return it with other results of the last, which is a model.

        Parameters
        ----------
        wanted
            As of `geopatcher.Model.giving`.

        Returns
        -------
        Self
            Of the same model.

        Raises
        ------
        TypeError
            The last gives one result.

        """
        return self._ending_in(self._model().giving(wanted))

    def places(self, patch: Array) -> Sequence[tuple[int, int]]:
        """Return where the bands of each result of the last lie, ``[first, stop)``, as a call shows.

        Parameters
        ----------
        patch
            ``(bands, h, w)``, which the first is given.

        Returns
        -------
        tuple
            First and stop of each, in their order.

        Raises
        ------
        TypeError
            The last gives one result.
        ValueError
            One before the last wants to know where the patch lies, which is nowhere.

        """
        value = patch
        for step in self._run[:-1]:
            if needs_of(step).position:
                raise ValueError(
                    f"a step of this {type(self).__name__} wants to know where patches lie, so it cannot be "
                    f"tried on zeros: ask for outputs that follow from classes, or give a model alone"
                )
            value = step(value)
        return self._model().places(value)

    def _model(self) -> Several:
        several = several_of(self._end)
        if several is None:
            raise TypeError(
                f"{type(self).__name__} gives one result: only one that ends in a model gives several"
            )
        return several


class Beside(_MadeOfOthers):
    """An operator that runs others on the patch it is given itself: it wants what any of them wants."""

    @property
    @abstractmethod
    def _results(self) -> tuple[Callable[..., Any], ...]:
        """Those of them whose results are its own; none where that is the patch."""

    @property
    def margin(self) -> int:
        """Pixels on each side of a patch that the one wants which looks farthest."""
        return max((needs_of(step).margin for step in self._run), default=0)

    @property
    def output_scale(self) -> Fraction:
        """Pixels of the result for a pixel that is given, along each axis.

        Raises
        ------
        ValueError
            The results are not all as fine.

        """
        scales = [needs_of(step).scale for step in self._results] or [Fraction(1)]
        if len({*scales}) > 1:
            raise ValueError(
                f"{type(self).__name__} has results of scales {', '.join(map(str, scales))}, which lie on "
                "different pixels: give operators of one scale"
            )
        return scales[0]
