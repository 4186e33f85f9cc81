"""Aggregations by name, for the command line and for `reconstruct`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geopatcher.aggregations.sums import SpatialOverlapAdd

if TYPE_CHECKING:
    from collections.abc import Callable

    from geopatcher.aggregation.base import AnyCellAggregation

#: Those that need no parameter.
AGGREGATIONS: dict[str, Callable[[], AnyCellAggregation]] = {
    "overlap-add": SpatialOverlapAdd,
}


def aggregation_from_name(name: str) -> AnyCellAggregation:
    """Return the aggregation a name stands for.

    Raises
    ------
    ValueError
        The name is unknown; lists the known ones.

    """
    make = AGGREGATIONS.get(name)
    if make is None:
        raise ValueError(f"aggregation {name!r} is none of: {', '.join(AGGREGATIONS)}")
    return make()
