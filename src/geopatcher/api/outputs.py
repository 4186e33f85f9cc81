"""What is asked for of an operator that gives probabilities of classes, as an aggregation and layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geopatcher.accumulators.scores import MEASURES, scores
from geopatcher.accumulators.soft import SoftVote
from geopatcher.api.axes import Axes
from geopatcher.core.metadata import ClassLabel
from geopatcher.core.operators import Classifying, Named
from geopatcher.inspect.png import PALETTE
from geopatcher.operators.models.protocol import ModelLike

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geopatcher.api.axes import PatcherLike
    from geopatcher.core.operators import NamedClass

#: How far the patches over a cell disagree: a layer, which no operator needs classes for.
SPREAD = "spread"


def with_outputs(
    axes: PatcherLike,
    outputs: str | Iterable[str] | None,
    operator: object,
    layers: Iterable[str],
    *,
    usual: bool,
) -> tuple[PatcherLike, Iterable[str]]:
    """Return the axes that make ``outputs``, and the layers beside them.

    ``usual`` says that nobody chose an aggregation: then an operator with classes gives the class.

    Raises
    ------
    ValueError
        Outputs need classes, and it is not known how many there are; or one of them is unknown.

    Examples
    --------
    >>> axes = Axes.of(64, None, "hann", "soft-vote:3", "cover")
    >>> made, layers = with_outputs(axes, ("confidence", "spread"), abs, (), usual=False)
    >>> made.aggregation.outputs, layers
    (('confidence',), ('spread',))

    """
    wanted = (outputs,) if isinstance(outputs, str) else None if outputs is None else tuple(outputs)
    known = _labels(operator.classes) if isinstance(operator, Classifying) else ()
    if wanted is None:
        if not (known and usual):
            return axes, layers
        wanted = ("class",)
    beside = layers
    if SPREAD in wanted[1:]:
        wanted, beside = tuple(name for name in wanted if name != SPREAD), (*layers, SPREAD)
    returned = operator.n_outputs if isinstance(operator, ModelLike) else None
    n_classes = len(known) or _voted(axes) or returned
    if n_classes is None:
        whose = operator.__name__ if isinstance(operator, Named) else "an operator"
        raise ValueError(
            f"outputs={wanted!r} of {whose}, which says nothing of its classes: give their number, "
            f'such as aggregation="soft-vote:10", or a Model with classes; outputs are {", ".join(MEASURES)}'
        )
    made = scores(n_classes, wanted, known)
    return Axes(axes.geometry, axes.sampler, axes.window, made), beside


def _voted(axes: PatcherLike) -> int | None:
    """Return how many classes a soft vote is over."""
    vote: object = axes.aggregation
    return vote.n_classes if isinstance(vote, SoftVote) else None


def _labels(classes: Sequence[NamedClass]) -> tuple[ClassLabel, ...]:
    """Return classes with a color each: their own, or one of the palette."""
    return tuple(
        ClassLabel(one.value, one.name, _color(one.color_hint, at)) for at, one in enumerate(classes)
    )


def _color(hint: str | None, at: int) -> tuple[int, int, int, int]:
    red, green, blue = PALETTE[at % len(PALETTE)] if hint is None else bytes.fromhex(hint)
    return (red, green, blue, 255)
