"""The arrays of a stored result, each with its smaller copies."""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from geopatcher._optional import load
from geopatcher.core.gaps import VALID
from geopatcher.core.metadata import Ground, Metadata
from geopatcher.fields.flat_bands import flat_bands
from geopatcher.fields.open import as_field
from geopatcher.fields.zarr_field import is_zarr, stored_array, zarr_source
from geopatcher.fields.zarr_places import place_of
from geopatcher.formats.attributes import metadata_of
from geopatcher.formats.statistics import in_attributes
from geopatcher.inspect.levels import ArrayRaster, raster_of
from geopatcher.runs.glance import account_at
from geopatcher.targets.opened import layer_of
from geopatcher.targets.places import BucketUrl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import zarr

    from geopatcher.core.arrays import Sliceable
    from geopatcher.core.domain import RasterDomain
    from geopatcher.fields.zarr_field import StoredArray
    from geopatcher.fields.zarr_places import Place
    from geopatcher.inspect.levels import Raster
    from geopatcher.targets.places import Spot

#: What the result itself is called among its layers.
RESULT = "result"


def at(path: Spot) -> Place:
    """Return where a store is, with the credentials of its address."""
    return place_of(path, path.credentials if isinstance(path, BucketUrl) else None)


def stored_rasters(path: Spot) -> dict[str, Raster]:
    """Open a zarr store or anything GDAL opens: the result first, then the layers beside it.

    Raises
    ------
    SourceError
        It is neither.

    """
    if is_store(path):
        return _of_store(path)
    return {RESULT: raster_of(as_field(str(path)).source)}


def result_rasters(path: Path) -> dict[str, Raster]:
    """Open a result as `stored_rasters` does, and the files of layers beside it that its ledger names.

    A ledger of a raster of another shape says nothing.

    Raises
    ------
    SourceError
        It is no raster.
    TargetError
        The ledger beside it is damaged.

    """
    rasters, account = stored_rasters(path), account_at(path)
    if account is None or account.header.spec.domain.grid_shape != rasters[RESULT].domain.grid_shape:
        return rasters
    return rasters | file_layers(path, account.header.spec.layers)


def rasters_of(
    path: Spot | None,
    array: Sliceable,
    layers: Mapping[str, Sliceable],
    domain: RasterDomain,
    mask: Sliceable | None = None,
    described: Mapping[str, Metadata] = MappingProxyType({}),
) -> dict[str, Raster]:
    """Return a result and its layers as rasters: those on disk, or else the arrays in memory.

    ``described`` is what is said of layers in memory, such as their classes.
    """
    if path is not None:
        return stored_rasters(path) | file_layers(path, layers)
    block = (min(512, domain.height), min(512, domain.width))
    masks = {} if mask is None else {1: flat_bands(mask)}
    rasters: dict[str, Raster] = {RESULT: ArrayRaster(flat_bands(array), domain, block, masks=masks)}
    for name, layer in layers.items():
        layered = _layer_domain(domain, layer.dtype, described.get(name, Metadata()))
        rasters[name] = ArrayRaster(layer, layered, block)
    return rasters


def file_layers(path: Spot, names: Iterable[str]) -> dict[str, Raster]:
    """Open the files of layers beside a GeoTIFF: ``map.weight.tif`` of ``map.tif``.

    In a folder those that are there; in a bucket all are.
    """
    if is_store(path):
        return {}
    places = {name: layer_of(path, name) for name in names}
    found = {name: place for name, place in places.items() if isinstance(place, BucketUrl) or place.is_file()}
    return {name: raster_of(as_field(str(place)).source) for name, place in found.items()}


def is_store(path: Spot) -> bool:
    """Whether a result is a zarr store; of an address in a bucket its name says so."""
    return path.is_store if isinstance(path, BucketUrl) else is_zarr(path)


def _of_store(path: Spot) -> dict[str, Raster]:
    """Return the arrays of a zarr group that lie on the result's grid, with their smaller copies."""
    source = zarr_source(path, credentials=path.credentials if isinstance(path, BucketUrl) else None)
    stored = stored_array(source)
    zarr = load("zarr")
    node = at(path).node()
    arrays = dict(node.arrays()) if isinstance(node, zarr.Group) else {}
    if stored is None or stored.array.basename not in arrays:
        return {RESULT: raster_of(source)}  # an array alone, or a level of a pyramid
    main = stored.array.basename
    masks: dict[int, Sliceable] = {}
    if source.mask is not None:
        masks = {1: source.mask} | _copies(node, VALID, stored)
    rasters: dict[str, Raster] = {
        RESULT: ArrayRaster(
            source.array,
            source.domain,
            stored.block,
            _copies(node, main, stored),
            masks,
            in_attributes(stored.array.attrs, source.domain.n_bands),
        )
    }
    for name, array in arrays.items():
        # A mask is shown as what is missing of the result.
        if name == main or (name == VALID and masks) or len(array.shape) not in (2, 3):
            continue
        layer = stored.beside(array, f"{path}/{name}")
        if layer.shape[-2:] == source.domain.grid_shape:
            said = metadata_of(array.attrs, math.prod(layer.shape[:-2]), Ground())
            domain = replace(_layer_domain(source.domain, array.dtype, said), shape=layer.shape)
            rasters[name] = ArrayRaster(layer, domain, layer.block, _copies(node, name, layer))
    return rasters


def _copies(group: zarr.Group, name: str, stored: StoredArray) -> dict[int, Sliceable]:
    """Return the overview levels of an array: arrays of its name in groups below, halved again and again."""
    height, width = stored.shape[-2:]
    found: dict[int, Sliceable] = {}
    for key, child in group.groups():
        array = dict(child.arrays()).get(name)
        if array is None or len(array.shape) != len(stored.array.shape):
            continue
        copy = stored.beside(array, f"{key}/{name}")
        factor = max(round(height / copy.shape[-2]), round(width / copy.shape[-1]))
        power = 1 << max(0, factor.bit_length() - 1)
        for each in (power, 2 * power):  # sides of a few cells do not divide evenly
            halved = (-(-height // each), -(-width // each))
            if each > 1 and copy.shape[-2:] == halved:
                found[each] = flat_bands(copy)
    return found


def _layer_domain(domain: RasterDomain, dtype: np.dtype, metadata: Metadata) -> RasterDomain:
    """Return the grid of a layer: no nodata, for a weight or a count of 0 is a value."""
    plain = replace(domain.with_bands((), n_bands=None, dtype=np.dtype(dtype)), nodata=None)
    return replace(plain, metadata=metadata)
