"""What fills patches where they overhang the raster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geopatcher.accumulators.casting import fits

if TYPE_CHECKING:
    import numpy as np


def fill_value(
    pad_value: float | None, nodata: float | None, dtype: np.dtype, source_name: str
) -> float | int:
    """Return what ``boundary="pad"`` fills pixels of ``dtype`` with.

    ``pad_value``; without one, of integers their ``nodata`` value, and else 0: missing floats are NaN to an
    operator, whatever stands for them in the file, and NaN is no value to fill with.

    Raises
    ------
    ValueError
        Pixels of ``dtype`` cannot hold ``pad_value``; names ``source_name``.

    Examples
    --------
    >>> import numpy as np
    >>> fill_value(None, 255, np.dtype("uint8"), "a.tif"), fill_value(None, 255, np.dtype("float32"), "a.tif")
    (255, 0)

    """
    if pad_value is None:
        known = dtype.kind in "iu" and nodata is not None and fits(dtype, nodata)
        return int(nodata) if known and nodata is not None else 0
    each = [dtype] if dtype.names is None else [dtype[name].base for name in dtype.names]
    for one in each:  # several rasters have records of all
        if one.kind in "iuf" and not fits(one, pad_value):
            raise ValueError(
                f"pad_value={pad_value} does not fit pixels of {one} ({source_name}): "
                f"choose a value they can hold, or leave it out"
            )
    return pad_value
