"""Aggregations by name, for the command line and for `reconstruct`."""

from __future__ import annotations

import re
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

#: A share, as it is written.
SHARE = re.compile(r"[0-9]*\.?[0-9]+", re.ASCII)
#: Those that may be told from which share on labels are one object, written behind a colon.
JOINS: dict[str, Callable[[float], AnyCellAggregation]] = {"instances": SpatialInstances}


def aggregation_from_name(name: str) -> AnyCellAggregation:
    """Return the aggregation a name stands for.

    Raises
    ------
    ValueError
        The name is unknown, which lists the known ones; or what is behind its colon is none.

    Examples
    --------
    >>> type(aggregation_from_name("median")).__name__, aggregation_from_name("hard-vote:5").n_classes
    ('SpatialMedian', 5)
    >>> aggregation_from_name("instances:0.3").iou
    0.3

    """
    make = AGGREGATIONS.get(name)
    if make is not None:
        return make()
    kind, _, given = name.partition(":")
    if kind in VOTES and given.isascii() and given.isdigit():
        return VOTES[kind](int(given))
    if kind in JOINS and SHARE.fullmatch(given):
        return JOINS[kind](float(given))
    votes = [f"{vote}:N (N classes)" for vote in VOTES]
    known = [*AGGREGATIONS, *votes, *(f"{join}:IOU (from 0 to 1)" for join in JOINS)]
    raise ValueError(f"aggregation {name!r} is none of: {', '.join(known)}")
