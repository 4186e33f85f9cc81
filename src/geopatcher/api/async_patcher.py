"""A patcher for programs that await."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

from geopatcher.api.patcher import SpatialPatcher
from geopatcher.core.typevars import R_co


@dataclass(repr=False)
class AsyncSpatialPatcher(SpatialPatcher[R_co], Generic[R_co]):
    """A `SpatialPatcher` by the name that code written for asynchronous fields looks for.

    `SpatialPatcher.asplit` and `SpatialPatcher.amerge` are all there is to it, and every `SpatialPatcher`
    has them; both take asynchronous fields and others.

    Examples
    --------
    >>> import asyncio, numpy as np
    >>> from geopatcher import (AsyncSpatialPatcher, AsyncRasterField, RasterField, SpatialHann,
    ...     SpatialOverlapAdd, SpatialRectangular, SpatialRegularStride)
    >>> patcher = AsyncSpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
    ...     SpatialOverlapAdd())
    >>> image = np.arange(600.0).reshape(20, 30)
    >>> field = AsyncRasterField(RasterField.from_array(image).source)
    >>> whole = asyncio.run(patcher.amerge(patcher.asplit(field, max_in_flight=4), field.domain))
    >>> bool(np.allclose(whole, image))
    True

    """
