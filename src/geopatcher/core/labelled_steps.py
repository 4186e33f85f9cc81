"""How far the labels of a leading dimension are apart in time, as CF stores them: in any calendar."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from geopatcher.core.durations import duration

if TYPE_CHECKING:
    import numpy as np

    from geopatcher.core.leading import Dimension


def nanoseconds_of(dimension: Dimension) -> list[int]:
    """Return the labels of a dimension as nanoseconds since whatever they are counted from.

    >>> from geopatcher.core.leading import Dimension
    >>> nanoseconds_of(Dimension("time", 2, (0.5, 2), "<f8", (("units", "days since 2000-02-28"),)))
    [43200000000000, 172800000000000]

    Raises
    ------
    ValueError
        They are no times, one is missing, or one is earlier than the one before; says which.

    """
    units = str(dict(dimension.attributes).get("units", ""))
    unit = re.match(r"\s*([a-zA-Z]+)\s*(since\b|$)", units)
    try:
        tick = int(duration(f"1 {unit[1] if unit else ''}").astype("m8[ns]").astype(int))
    except ValueError as error:
        raise ValueError(
            f"the labels along {dimension.name!r} are no times that are counted in a fixed unit (units: "
            f"{units!r}): give a look-back in steps"
        ) from error
    found: list[int] = []
    for number, label in enumerate(dimension.values):
        if isinstance(label, str) or not math.isfinite(label):
            raise ValueError(f"step {number} along {dimension.name!r} has no time: leave it out")
        found.append(label * tick if isinstance(label, int) else round(label * tick))
        if number and found[-1] < found[-2]:
            raise ValueError(
                f"times along {dimension.name!r} do not increase from step {number - 1} to {number}: sort "
                f"the source along it first"
            )
    return found


def first_steps(dimension: Dimension, span: np.timedelta64) -> tuple[int, ...]:
    """Return the first step of the window that ends at each: those less than a span before it.

    >>> import numpy as np
    >>> from geopatcher.core.leading import Dimension
    >>> time = Dimension("time", 4, (0, 1, 2, 9), "<i8", (("units", "days since 2024-01-01"),))
    >>> first_steps(time, np.timedelta64(2, "D"))
    (0, 0, 1, 3)
    """
    times, length = nanoseconds_of(dimension), int(span.astype("m8[ns]").astype(int))
    first, starts = 0, []
    for at in times:
        while times[first] <= at - length:
            first += 1
        starts.append(first)
    return tuple(starts)
