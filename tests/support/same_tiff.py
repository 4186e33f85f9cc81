"""Two GeoTIFFs of which every byte is to be the same, and what they say where it is not."""

from __future__ import annotations

import numpy as np
import rasterio


def assert_same_tiff(one: bytes, other: bytes) -> None:
    """Fail unless two files have the same bytes, and say what they are of: tags, which level, or none."""
    if one != other:
        raise AssertionError("; ".join(_apart(one, other)))


def _apart(one: bytes, other: bytes) -> list[str]:
    first = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    told = [f"{len(one):,} and {len(other):,} bytes, the first that differs at {first}"]
    with rasterio.MemoryFile(one) as here, rasterio.MemoryFile(other) as there:
        with here.open() as mine, there.open() as others:
            told += [
                f"band {band} has {mine.tags(band)} and {others.tags(band)}"
                for band in mine.indexes
                if mine.tags(band) != others.tags(band)
            ]
            levels = range(-1, len(mine.overviews(1)))
        told += [f"level {level + 1}: {text}" for level in levels if (text := _cells(here, there, level))]
    return told


def _cells(here: rasterio.MemoryFile, there: rasterio.MemoryFile, level: int) -> str:
    """Say how cells differ, ``""`` where they do not: NaN of other bits are other cells, too."""
    options = {} if level < 0 else {"overview_level": level}
    with here.open(**options) as mine, there.open(**options) as others:
        one, other = mine.read(), others.read()
        masks = np.array_equal(mine.dataset_mask(), others.dataset_mask())
    bits = [cells.view(f"u{cells.dtype.itemsize}") for cells in (one, other)]
    n_apart = int(np.count_nonzero(bits[0] != bits[1]))
    if n_apart or not masks:
        where = np.argwhere(bits[0] != bits[1])[:1].tolist()
        return f"{n_apart} cells differ, the first at {where}, masks are {'the same' if masks else 'others'}"
    return ""
