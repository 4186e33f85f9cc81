"""Aggregations by name, for the command line and for `reconstruct`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geopatcher.aggregations.instances import SpatialInstances
from geopatcher.aggregations.inverse import SpatialInvVarWeightedMean
from geopatcher.aggregations.selecting import (
    SpatialHardVote,
    SpatialMax,
    SpatialMin,
    SpatialMode,
    SpatialSoftVote,
    SpatialVariance,
)
from geopatcher.aggregations.stacks import SpatialMedian
from geopatcher.aggregations.sums import SpatialMean, SpatialOverlapAdd, SpatialSum, SpatialWeightedSum

if TYPE_CHECKING:
    from collections.abc import Callable

    from geopatcher.accumulators.base import AnyCellAggregation

#: Those that need no parameter.
AGGREGATIONS: dict[str, Callable[[], AnyCellAggregation]] = {
    "overlap-add": SpatialOverlapAdd,
    "sum": SpatialSum,
    "mean": SpatialMean,
    "max": SpatialMax,
    "min": SpatialMin,
    "variance": SpatialVariance,
    "weighted-sum": SpatialWeightedSum,
    "inv-var-weighted-mean": SpatialInvVarWeightedMean,
    "median": SpatialMedian,
    "mode": SpatialMode,
    "instances": SpatialInstances,
}

#: Those that need the number of classes, written behind a colon.
VOTES: dict[str, Callable[[int], AnyCellAggregation]] = {
    "hard-vote": SpatialHardVote,
    "soft-vote": SpatialSoftVote,
}


def aggregation_from_name(name: str) -> AnyCellAggregation:
    """Return the aggregation a name stands for.

    Raises
    ------
    ValueError
        The name is unknown; lists the known ones.

    Examples
    --------
    >>> type(aggregation_from_name("median")).__name__, aggregation_from_name("hard-vote:5").n_classes
    ('SpatialMedian', 5)

    """
    make = AGGREGATIONS.get(name)
    if make is not None:
        return make()
    vote, _, n_classes = name.partition(":")
    if vote in VOTES and n_classes.isascii() and n_classes.isdigit():
        return VOTES[vote](int(n_classes))
    known = [*AGGREGATIONS, *(f"{vote}:N (N classes)" for vote in VOTES)]
    raise ValueError(f"aggregation {name!r} is none of: {', '.join(known)}")
