"""The arrays of a stored result, each with its smaller copies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from geopatcher._optional import load
from geopatcher.fields.dispatch import as_field
from geopatcher.fields.zarr_field import StoredArray, is_zarr, zarr_source
from geopatcher.looks.rasters import ArrayRaster, raster_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import zarr

    from geopatcher.domain import RasterDomain
    from geopatcher.fields.array_source import ArraySource, Sliceable
    from geopatcher.looks.rasters import Raster

#: What the result itself is called among its layers.
RESULT = "result"


def stored_rasters(path: Path) -> dict[str, Raster]:
    """Open a zarr store or anything GDAL opens: the result first, then the layers beside it.

    Raises
    ------
    SourceError
        It is neither.

    """
    if is_zarr(path):
        return _of_store(path)
    return {RESULT: raster_of(as_field(str(path)).source)}


def rasters_of(
    path: Path | None, array: Sliceable, layers: Mapping[str, Sliceable], domain: RasterDomain
) -> dict[str, Raster]:
    """Return a result and its layers as rasters: those on disk, or else the arrays in memory."""
    if path is not None:
        return stored_rasters(path)
    block = (min(512, domain.height), min(512, domain.width))
    rasters: dict[str, Raster] = {RESULT: ArrayRaster(array, domain, block)}
    for name, layer in layers.items():
        rasters[name] = ArrayRaster(layer, _layer_domain(domain, layer.dtype), block)
    return rasters


def _of_store(path: Path) -> dict[str, Raster]:
    """Return the arrays of a zarr group that lie on the result's grid, with their smaller copies."""
    source = zarr_source(path)
    zarr = load("zarr")
    node = zarr.open(path, mode="r")
    if not isinstance(node, zarr.Group):
        return {RESULT: raster_of(source)}
    arrays = dict(node.arrays())
    main = next((name for name in ("data", *arrays) if name in arrays and _is(arrays[name], source)), "data")
    rasters: dict[str, Raster] = {}
    for name in (main, *(name for name in arrays if name != main)):
        array = arrays[name]
        if len(array.shape) in (2, 3) and array.shape[-2:] == source.domain.grid_shape:
            domain = source.domain if name == main else _layer_domain(source.domain, array.dtype)
            stored = source.array if name == main else StoredArray(array, f"{path}/{name}")
            block = tuple((array.shards or array.chunks)[-2:])
            rasters[RESULT if name == main else name] = ArrayRaster(
                stored,
                replace(domain, shape=tuple(array.shape)),
                (block[0], block[1]),
                _copies(node, name, array),
            )
    return rasters


def _is(array: zarr.Array, source: ArraySource) -> bool:
    return tuple(array.shape) == source.domain.shape


def _copies(group: zarr.Group, name: str, array: zarr.Array) -> dict[int, StoredArray]:
    """Return the overview levels of an array: arrays of its name in groups below, halved again and again."""
    height, width = array.shape[-2:]
    found = {}
    for key, child in group.groups():
        members = dict(child.arrays())
        copy = members.get(name)
        if copy is None or len(copy.shape) != len(array.shape):
            continue
        factor = max(round(height / copy.shape[-2]), round(width / copy.shape[-1]))
        power = 1 << max(0, factor.bit_length() - 1)
        for each in (power, 2 * power):  # sides of a few cells do not divide evenly
            halved = (-(-height // each), -(-width // each))
            if each > 1 and tuple(copy.shape[-2:]) == halved:
                found[each] = StoredArray(copy, f"{key}/{name}")
    return found


def _layer_domain(domain: RasterDomain, dtype: np.dtype) -> RasterDomain:
    """Return the grid of a layer: no nodata, for a weight or a count of 0 is a value."""
    return replace(
        domain, shape=domain.grid_shape, dtype=np.dtype(dtype), nodata=None, band_names=(), units=()
    )
