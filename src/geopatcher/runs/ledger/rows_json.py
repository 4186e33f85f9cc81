"""Rectangles, levels and failed patches, as the lines of a ledger hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from geopatcher.core.box import Box
from geopatcher.core.json_values import whole_from_json

if TYPE_CHECKING:
    from geopatcher.core.json_values import Json


class Flaw(NamedTuple):
    """A patch that failed and was left out: ``(row, col)``, the stage, the message, the retries."""

    anchor: tuple[int, int]
    kind: str
    message: str
    retries: int = 0


def level_from_json(value: Json) -> int:
    """Return the number of an overview level.

    Raises
    ------
    ValueError
        It is something else.

    """
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is not a level")
    return value


def box_from_json(value: Json) -> Box:
    """Return the rectangle that four numbers say, ``[row0, row1, col0, col1]``.

    Raises
    ------
    ValueError
        It is something else.

    """
    if not isinstance(value, list) or len(value) != 4:
        raise ValueError(f"{value!r:.80} is not a rectangle")
    box = Box(*(whole_from_json(edge) for edge in value))
    if not box.n_pixels:
        raise ValueError(f"{value!r:.80} is not a rectangle with pixels")
    return box


def flaws_from_json(value: Json) -> tuple[Flaw, ...]:
    """Return the failed patches of a line.

    Raises
    ------
    ValueError
        It is something else.

    """
    if not isinstance(value, list | tuple):
        raise ValueError(f"{value!r:.80} is not a list of patches")  # noqa: TRY004 - the file is wrong
    flaws = []
    for entry in value:
        if not isinstance(entry, list) or len(entry) != 5:
            raise ValueError(f"{entry!r:.80} is not a failed patch")
        row, col, kind, message, retries = entry
        if type(row) is not int or type(col) is not int:  # negative where a patch overhangs
            raise ValueError(f"{entry!r:.80} is not at a row and a column")
        flaws.append(Flaw((row, col), str(kind), str(message), whole_from_json(retries)))
    return tuple(flaws)
