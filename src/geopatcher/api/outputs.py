"""What is asked for of an operator: its result, what probabilities of classes say, and parts it returns."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.accumulators.bundle import Member, bundle
from geopatcher.accumulators.layers import LAYERS, SpreadLayer, layers_from_names
from geopatcher.accumulators.scores import MEASURES, scores
from geopatcher.accumulators.soft import SoftVote
from geopatcher.accumulators.sums import WeightedMean
from geopatcher.api.axes import Axes
from geopatcher.api.models import matched, shown_size
from geopatcher.core.gaps import VALID
from geopatcher.core.metadata import ClassLabel
from geopatcher.core.operators import RAW, RESULT, Classifying, Named, Several
from geopatcher.core.palette import PALETTE
from geopatcher.core.sources import packing_of
from geopatcher.engine.prepare import check_patch
from geopatcher.operators.models.protocol import ModelLike
from geopatcher.operators.wrappers import wants_mask
from geopatcher.planning.memory import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from geopatcher.api.axes import PatcherLike
    from geopatcher.core.operators import NamedClass, Shown
    from geopatcher.core.protocols import Array, PixelSource
    from geopatcher.planning.reading import Reading

#: How far the patches over a cell disagree: a layer, which no operator needs classes for.
SPREAD = "spread"
#: What can be asked for beside parts of what a model returns.
OUTPUTS = (*MEASURES, RAW, SPREAD)
#: What arrays of a result are called already.
_TAKEN = frozenset({"data", "result", "band", "x", "y", "spatial_ref", VALID, *LAYERS})


def giving(operator: Callable[..., Array], outputs: str | Iterable[str] | None) -> Callable[..., Array]:
    """Return an operator that gives, of one call, all that ``outputs`` follow from.

    Raises
    ------
    ValueError
        A name is given twice, or cannot be that of an array.

    """
    needed = _needed(_names(outputs) or ())
    several = _several(operator)
    return operator if needed in ((), (RESULT,)) or several is None else several.giving(needed)


def blank_patch(
    operator: object, source: PixelSource, size: tuple[int, int], reading: Reading, memory_limit: int
) -> Shown:
    """Return zeros to try an operator on, ``(bands, h, w)`` as it is shown of a patch of ``size``.

    Of several rasters they are those of each, by its name.

    Raises
    ------
    MemoryLimitError
        Not one patch fits the limit.

    """
    check_patch(size, source.domain, memory_limit, "memory_limit is", reading)
    packing, shown = packing_of(source), shown_size(size, reading.margin)
    if packing is not None:
        return packing.unpacked(np.zeros((1, *shown), packing.dtype), masked=wants_mask(operator))
    zeros = np.zeros((source.domain.n_bands, *shown), np.float32)
    return np.ma.array(zeros, mask=np.zeros(zeros.shape, bool)) if wants_mask(operator) else zeros


def asked(
    operator: Callable[..., Array],
    source: PixelSource,
    axes: PatcherLike,
    outputs: str | Iterable[str] | None,
    layers: Iterable[str],
    reading: Reading,
    limit: int | str,
    *,
    usual: bool,
) -> tuple[Callable[..., Array], PixelSource, PatcherLike, Iterable[str]]:
    """Return an operator that gives ``outputs``, its source, and what `with_outputs` does of them.

    Where it is not known what it returns, it is tried on a patch of the source.

    Raises
    ------
    ValueError
        Outputs cannot be had of the operator, or the source lacks what it takes.

    """
    operator, source = matched(giving(operator, outputs), source, axes.geometry.size, reading.margin)
    shown = partial(blank_patch, operator, source, axes.geometry.size, reading, parse_bytes(limit))
    return operator, source, *with_outputs(axes, outputs, operator, layers, usual=usual, shown=shown)


def with_outputs(
    axes: PatcherLike,
    outputs: str | Iterable[str] | None,
    operator: object,
    layers: Iterable[str],
    *,
    usual: bool,
    shown: Callable[[], Shown] | None = None,
) -> tuple[PatcherLike, Iterable[str]]:
    """Return the axes that make ``outputs``, and the layers beside them.

    ``operator`` is `giving` them; where it is not known what it returns, it is tried on the patch that
    ``shown`` makes. ``usual`` says that nobody chose an aggregation: then an operator with classes gives the
    class.

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
    >>> list(with_outputs(axes, ("class", "raw"), abs, (), usual=False)[0].aggregation.beside)
    ['raw']

    """
    wanted = _names(outputs)
    known = _labels(operator.classes) if isinstance(operator, Classifying) else ()
    if wanted is None:
        if not (known and usual):
            return axes, layers
        wanted = ("class",)
    needed = _needed(wanted)
    places = _places(needed, axes, operator, known, shown)
    beside = tuple(layers_from_names(layers))
    if SPREAD in wanted:
        beside = tuple(layers_from_names((*beside, SPREAD)))  # which refuses it twice
    if needed == (RESULT,):
        (first, stop) = places[0]
        alone = tuple(name for name in wanted if name != SPREAD)
        made = scores((stop or 0) - first, alone, known)
        return Axes(axes.geometry, axes.sampler, axes.window, made), beside
    measures = tuple(name for name in wanted if name in MEASURES)
    members = [_member(one, place, measures, known) for one, place in zip(needed, places, strict=True)]
    if SPREAD in beside:  # between the bands that the first output is made of, and no others
        members.append(Member(SPREAD, SpreadLayer(), *places[needed.index(_source(wanted[0]))]))
        wanted = wanted if SPREAD in wanted else (*wanted, SPREAD)
        beside = tuple(name for name in beside if name != SPREAD)
    both = bundle(members, [_array_name(name) for name in wanted])
    return Axes(axes.geometry, axes.sampler, axes.window, both), beside


def _names(outputs: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """Return the names that are asked for, ``None`` for none."""
    if outputs is None:
        return None
    names = (outputs,) if isinstance(outputs, str) else tuple(outputs)
    if len({_array_name(name) for name in names}) < len(names):
        raise ValueError(f"outputs {', '.join(names)} name one of them twice")
    if not names or names[0] == SPREAD:
        raise ValueError(
            f"outputs are {names}: name one or more of {', '.join(OUTPUTS)}, spread not as the first, or "
            f"parts of what a model returns"
        )
    for name in names:
        called = _array_name(name)
        if name not in OUTPUTS and (called in _TAKEN or not re.fullmatch(r"[A-Za-z_][\w.-]*", called)):
            raise ValueError(f"output {name!r} cannot be the name of an array: give the number of the part")
    return names


def _needed(wanted: Iterable[str]) -> tuple[str, ...]:
    """Return which results of an operator outputs follow from.

    >>> _needed(("class", "gap", "height", "spread"))
    ('', 'height')
    """
    return tuple(dict.fromkeys(_source(name) for name in wanted if name != SPREAD))


def _source(name: str) -> str:
    """Return which result of an operator an output follows from."""
    return RESULT if name in MEASURES else name


def _array_name(name: str) -> str:
    """Return what the array of an output is called: one that is told by its number needs a name.

    >>> _array_name("1"), _array_name("height")
    ('part1', 'height')
    """
    return f"part{name}" if name.isdecimal() else name


def _places(
    needed: tuple[str, ...],
    axes: PatcherLike,
    operator: object,
    known: tuple[ClassLabel, ...],
    shown: Callable[[], Shown] | None,
) -> Sequence[tuple[int, int | None]]:
    """Return which bands of what the operator returns are which result, ``[first, stop)``."""
    several = None if shown is None else _several(operator)
    parts = [name for name in needed if name not in (RESULT, RAW)]
    if parts and several is None:
        raise ValueError(
            f"output {', '.join(parts)} is none of: {', '.join(OUTPUTS)}; others are parts of what a "
            f"geopatcher.Model returns"
        )
    returned = operator.n_outputs if isinstance(operator, ModelLike) else None
    n_classes = len(known) or _voted(axes) or returned
    if needed == (RESULT,) and n_classes is not None:
        return [(0, n_classes)]
    if several is not None and shown is not None:
        try:
            return several.places(shown())
        except ValueError as error:
            if parts:
                raise ValueError(f"{error}; outputs are parts of it, and {', '.join(OUTPUTS)}") from error
            raise
    if RESULT in needed and n_classes is None:
        whose = operator.__name__ if isinstance(operator, Named) else "an operator"
        raise ValueError(
            f"outputs of {whose}, which says nothing of its classes: give their number, such as "
            f'aggregation="soft-vote:10", or a Model with classes; outputs are {", ".join(OUTPUTS)}'
        )
    return [(0, n_classes if RESULT in needed else None) for _ in needed]


def _member(
    source: str, place: tuple[int, int | None], measures: tuple[str, ...], known: tuple[ClassLabel, ...]
) -> Member:
    """Return what is made of one result of an operator."""
    first, stop = place
    count = 0 if stop is None else stop - first
    if source == RESULT:
        return Member(measures[0], scores(count, measures, known), first, stop)
    name = _array_name(source)
    labels = tuple(f"{name} {number}" for number in range(1, count + 1))
    if count == 1:
        labels = (name,)
    elif source == RAW and count == len(known):
        labels = tuple(one.name for one in known)
    return Member(name, WeightedMean(), first, stop, labels)


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


def _several(operator: object) -> Several | None:
    """Return an operator that can give several results of one call, ``None`` for any other."""
    return operator if isinstance(operator, Several) and operator.gives_several else None
