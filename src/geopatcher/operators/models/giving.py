"""Which results of one call of a model are given: the one it has as an operator, the raw one, and parts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geopatcher.core.operators import RAW, RESULT
from geopatcher.errors import OperatorError
from geopatcher.operators.models.outputs import activated, blanked, border_of, with_classes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geopatcher.core.protocols import Array
    from geopatcher.operators.models.inputs import Missing
    from geopatcher.operators.models.record import ModelRecord
    from geopatcher.operators.models.scaling import Batch


@dataclass(frozen=True)
class Giving:
    """The results that are ``wanted``, one behind the other along the bands.

    ``part`` is the name or number of the part that activation and classes are of, where there are several.
    """

    wanted: tuple[str, ...] = (RESULT,)
    part: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is the result alone that is wanted."""
        return self.wanted == (RESULT,)

    def sources(self, names: tuple[str, ...], whose: str) -> tuple[str, ...]:
        """Return which part each of the results is made of.

        >>> Giving(("", "height"), part="0").sources(("mask", "height"), "net")
        ('mask', 'height')

        Raises
        ------
        ValueError
            There is no such part, or several and none was chosen; names those there are.

        """
        return tuple(
            self._main(names, whose) if one in (RESULT, RAW) else found_part(one, names, whose)
            for one in self.wanted
        )

    def _main(self, names: tuple[str, ...], whose: str) -> str:
        if self.part is not None:
            return found_part(self.part, names, whose)
        if len(names) > 1:
            raise ValueError(
                f"{whose} returns {len(names)} parts ({', '.join(names)}): choose the one that is the result "
                f"with parts=, or by geopatcher:part in its record, or name those you want by outputs="
            )
        return names[0]

    def made(self, parts: Sequence[Array], record: ModelRecord, whose: str) -> dict[str, Batch]:
        """Return the results, each of its part ``(n, bands, h, w)``.

        The raw result is left out where the result is the same.
        """
        made = {}
        for one, part in zip(self.wanted, parts, strict=True):
            if one == RESULT:
                made[one] = with_classes(part, record.activation, record.classes, whose)
            elif not (one == RAW and self._is_result(part, record)):
                made[one] = activated(part, None)
        return made

    def _is_result(self, part: Array, record: ModelRecord) -> bool:
        """Whether the raw result of a part is the result itself, which is given, too."""
        as_it_is = not record.classes or part.shape[1] == len(record.classes)
        return RESULT in self.wanted and record.activation is None and as_it_is

    def places(self, counts: Mapping[str, int]) -> tuple[tuple[int, int], ...]:
        """Return where each result lies, ``[first, stop)``, of how many bands there are of those made.

        >>> Giving(("", "raw", "height")).places({"": 3, "height": 1})
        ((0, 3), (0, 3), (3, 4))
        """
        places, at = {}, 0
        for one, count in counts.items():
            places[one] = (at, at + count)
            at += count
        return tuple(places[one if one in places else RESULT] for one in self.wanted)

    def __str__(self) -> str:
        return "" if self.is_plain else f", giving {', '.join(self.wanted)}"


def found_part(wanted: str, names: tuple[str, ...], whose: str) -> str:
    """Return the name of a part that is told by its name, or by its number from 0.

    >>> found_part("1", ("mask", "height"), "net")
    'height'

    Raises
    ------
    ValueError
        There is none; names those there are.

    """
    if wanted in names:
        return wanted
    if wanted.isdecimal() and int(wanted) < len(names):
        return names[int(wanted)]
    there = f"but {', '.join(names)}" if len(names) > 1 else "but one result alone"
    raise ValueError(f"{whose} returns no part {wanted!r}, {there}")


def check_alike(made: Mapping[str, Batch], whose: str) -> None:
    """Refuse results of several sizes, which cannot lie on one grid.

    Raises
    ------
    OperatorError
        Names them, with their sizes.

    """
    if len({one.shape[-2:] for one in made.values()}) > 1:
        sizes = [f"{name or 'the result'} {one.shape[-2]}x{one.shape[-1]}" for name, one in made.items()]
        raise OperatorError(
            f"{whose} returned parts of several sizes ({', '.join(sizes)}): ask for each in a run of its own"
        )


def finished(
    found: Mapping[str, Batch],
    missing: Missing,
    size: tuple[int, int],
    record: ModelRecord,
    whose: str,
) -> tuple[dict[str, Batch], int]:
    """Return results over patches of ``size`` pixels, without those of missing pixels, and their border.

    Raises
    ------
    OperatorError
        They are of several sizes, or of another than the margin allows for.

    """
    check_alike(found, whose)
    scale, border = record.output_scale, 0
    whole = {}
    for name, made in found.items():
        shape = (made.shape[-2], made.shape[-1])
        border = border_of(shape, size, scale, whose)
        if border > record.margin * scale:
            raise OperatorError(
                f"{whose} returned {shape[0]}x{shape[1]} pixels for {size[0]}x{size[1]}: it loses "
                f"{border} pixels at each edge, and margin is {record.margin}: give it "
                f"margin={math.ceil(border / scale)} or more"
            )
        whole[name] = blanked(made, missing, scale, border)
    return whole, border
