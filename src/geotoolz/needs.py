"""What an operator asks of a run, and says of its result: read of any object, without importing it."""

from __future__ import annotations

import functools
from fractions import Fraction
from operator import index
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Self

    from geopatcher.core.operators import NamedClass
    from geopatcher.core.protocols import Array


@runtime_checkable
class Margined(Protocol):
    """What looks around a pixel: a model, or another operator."""

    @property
    def margin(self) -> int:
        """Pixels on each side."""
        ...


@runtime_checkable
class Rescaling(Protocol):
    """What returns finer or coarser pixels than it is given."""

    @property
    def output_scale(self) -> float | Fraction | str:
        """Pixels of the result for one that is given, along each axis."""
        ...


@runtime_checkable
class MaskAware(Protocol):
    """What says whether it is to be given masked arrays."""

    @property
    def wants_mask(self) -> bool:
        """Whether it is."""
        ...


@runtime_checkable
class PositionAware(Protocol):
    """What says whether it is called as ``operator(patch, position)``."""

    @property
    def wants_position(self) -> bool:
        """Whether it is."""
        ...


@runtime_checkable
class Classifying(Protocol):
    """What gives the probability of each of its classes."""

    @property
    def classes(self) -> Sequence[NamedClass]:
        """The classes; none for what gives something else."""
        ...


@runtime_checkable
class Several(Protocol):
    """What may give several results of one call, as a model does."""

    @property
    def gives_several(self) -> bool:
        """Whether it can."""
        ...

    def giving(self, wanted: Sequence[str]) -> Self:
        """Return it with these results, one behind the other along the bands."""
        ...

    def places(self, patch: Array) -> Sequence[tuple[int, int]]:
        """Return where the bands of each lie, as a call with a patch shows."""
        ...


class Needs(NamedTuple):
    """Pixels around a patch, how fine the results are, and whether masks and positions are wanted."""

    margin: int
    scale: Fraction
    mask: bool
    position: bool


def needs_of(step: object) -> Needs:
    """Return what a step wants to be given, and how fine its results are; of a partial, its function.

    Raises
    ------
    ValueError
        Its margin is no number of pixels, or its scale no number.

    Examples
    --------
    >>> needs_of(abs)
    Needs(margin=0, scale=Fraction(1, 1), mask=False, position=False)
    """
    inner = _without_partial(step)
    return Needs(
        _margin_of(inner) if isinstance(inner, Margined) else 0,
        Fraction(inner.output_scale if isinstance(inner, Rescaling) else 1),
        isinstance(inner, MaskAware) and inner.wants_mask,
        isinstance(inner, PositionAware) and inner.wants_position,
    )


def _margin_of(step: Margined) -> int:
    try:
        margin = index(step.margin)
    except TypeError:
        margin = -1
    if margin < 0:
        raise ValueError(
            f"the margin of {type(step).__name__} is {step.margin!r}, which is no number of pixels from 0"
        )
    return margin


def _without_partial(step: object) -> object:
    while isinstance(step, functools.partial):
        step = step.func
    return step


def called(step: Callable[..., Any], value: object, position: Sequence[object]) -> Any:
    """Return what a step makes of a value; one that wants the position of the patch is given it, too.

    >>> called(abs, -3, ("here",))
    3
    """
    return step(value, *position) if needs_of(step).position else step(value)


def classes_of(step: object) -> Sequence[NamedClass]:
    """Return the classes a step gives the probabilities of; none of what gives something else."""
    return step.classes if isinstance(step, Classifying) else ()


def several_of(step: object) -> Several | None:
    """Return a step that can give several results, ``None`` for any other."""
    return step if isinstance(step, Several) and step.gives_several else None
