"""Finished results opened again: what they came to be, and their arrays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from rasterio.enums import MaskFlags

from geopatcher._optional import load
from geopatcher.core.gaps import VALID
from geopatcher.errors import SourceError, TargetError
from geopatcher.formats.dataset_pool import POOL
from geopatcher.formats.gdal_environment import opened
from geopatcher.targets.documents import DOCUMENT
from geopatcher.targets.places import BucketUrl
from geopatcher.targets.product import Product
from geopatcher.targets.pyramid import settled_spec
from geopatcher.targets.tiff_array import TiffArray
from geopatcher.targets.zarr_store import ZarrSink

if TYPE_CHECKING:
    from collections.abc import Mapping

    import zarr
    from zarr.storage import StorePath

    from geopatcher.core.domain import RasterDomain, ResultSpec
    from geopatcher.targets.places import Spot
    from geopatcher.targets.product import ResultArray

Place = TypeVar("Place", Path, BucketUrl, Path | BucketUrl)


def layer_domain(spec: ResultSpec, name: str) -> RasterDomain:
    """Return the domain of a layer as a raster of its own: that of the result, with its own bands."""
    layer = spec.layers[name]
    names = tuple(f"b{band + 1}" for band in range(layer.bands)) or (name,)
    domain = spec.domain.with_bands(names, n_bands=layer.bands or None, dtype=layer.dtype)
    return replace(domain, nodata=layer.nodata, metadata=layer.metadata)


def layer_of(place: Place, name: str) -> Place:
    """Return where the layer of a GeoTIFF is: ``result.tif`` has ``result.weight.tif`` beside it.

    >>> layer_of(Path("maps/result.tif"), "weight").name
    'result.weight.tif'
    """
    return place if name == "data" else place.with_name(f"{place.stem}.{name}{place.suffix}")


def open_tiffs(place: Spot, spec: ResultSpec, *, mask_beside: bool) -> Product:
    """Return the arrays of a finished GeoTIFF and of the files of its layers, lazily read.

    ``mask_beside`` says that what is missing differs between bands, so that a file of its own has it.

    Raises
    ------
    TargetError
        One cannot be opened, or is of another result.

    """
    arrays: dict[str, ResultArray] = {
        name: open_tiff(layer_of(place, name), shape, dtype)
        for name, (shape, dtype, _) in spec.arrays().items()
        if name != VALID
    }
    settled = settled_tiff(place, spec)
    if settled.masked:
        where = layer_of(place, VALID) if mask_beside else place
        arrays[VALID] = TiffArray(where, spec.domain.shape, np.dtype("uint8"), masks=not mask_beside)
    return Product(settled, arrays)


def open_tiff(place: Spot, shape: tuple[int, ...], dtype: np.dtype) -> TiffArray:
    """Open a GeoTIFF of a result.

    Raises
    ------
    TargetError
        It cannot be opened, or is another one.

    """
    POOL.drop(str(place))  # what is kept of this place may be of another result
    try:
        with opened(place) as dataset:
            found = (dataset.count, dataset.height, dataset.width)
    except SourceError as error:
        raise TargetError(f"cannot open {place}: {error}") from error
    if found != (shape[0] if len(shape) == 3 else 1, *shape[-2:]):
        raise TargetError(
            f"{place} is {found}, not the {shape} its ledger tells of: it was replaced; "
            f"choose another target, or pass overwrite=True (--overwrite)"
        )
    return TiffArray(place, shape, dtype)


def settled_tiff(place: Spot, spec: ResultSpec) -> ResultSpec:
    """Return what a finished GeoTIFF came to be."""
    if not spec.masked:
        return spec
    with opened(place) as dataset:
        masked = MaskFlags.per_dataset in dataset.mask_flag_enums[0]
        nodata = spec.fill if dataset.nodata is not None else None
    return replace(spec, masked=masked, domain=replace(spec.domain, nodata=nodata))


def settled_store(path: Path | StorePath, spec: ResultSpec) -> ResultSpec:
    """Return what a finished store came to be.

    Raises
    ------
    TargetError
        It cannot be opened.

    """
    if not spec.masked:
        return spec
    try:
        return settled_spec(load("zarr").open_group(path, mode="r", use_consolidated=False), spec)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TargetError(
            f"cannot open {path}: {error}; pass overwrite=True (--overwrite) to begin anew"
        ) from error


def open_store(path: Path, spec: ResultSpec) -> ZarrSink:
    """Open the store of a result.

    Raises
    ------
    TargetError
        It cannot be opened, or does not hold what ``spec`` says.

    """
    zarr = load("zarr")
    try:
        if not (path / DOCUMENT).is_file():
            raise FileNotFoundError(f"there is no {DOCUMENT} in it")
        # By their names: a group would look for all the arrays it has, coordinates included.
        arrays = {
            name: zarr.open_array(path, path=name, mode="r", zarr_format=3)
            for name in spec.arrays()
            if (path / name).is_dir()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TargetError(
            f"cannot open {path}: {error}; pass overwrite=True (--overwrite) to begin anew"
        ) from error
    require_arrays(path, arrays, spec)
    return ZarrSink(path, arrays)


def require_arrays(path: Spot, arrays: Mapping[str, zarr.Array], spec: ResultSpec) -> None:
    """Refuse the arrays of a store that are not those of a result.

    Raises
    ------
    TargetError
        Names the one that is another, and what it should be.

    """
    for name, (shape, dtype, fill) in spec.arrays().items():
        array = arrays.get(name)
        found = None if array is None else (tuple(array.shape), array.dtype)
        if array is None or found != (shape, dtype):
            raise TargetError(
                f"{path} holds {name!r} as {found}, not the {shape} {dtype} its ledger tells of: it was "
                f"replaced; choose another target, or pass overwrite=True (--overwrite)"
            )
        pieces = tuple(array.shards or array.chunks)[-2:]
        if pieces != (spec.shards or spec.chunks) or not _same(array.fill_value, dtype.type(fill)):
            raise TargetError(
                f"{path} holds {name!r} in blocks of {pieces} around {array.fill_value}, not of "
                f"{spec.shards or spec.chunks} around {fill}, as its ledger tells: it was replaced; choose "
                f"another target, or pass overwrite=True (--overwrite)"
            )


def _same(one: np.generic | float, other: np.generic | float) -> bool:
    """Whether two values are the same, NaN and NaN included."""
    return bool(one == other or (one != one and other != other))  # noqa: PLR0124 - only NaN differs from itself
