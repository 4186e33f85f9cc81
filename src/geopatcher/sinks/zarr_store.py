"""The result as a zarr v3 store: created once, then filled block by block."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import zarr

from geopatcher.errors import TargetError
from geopatcher.sinks.codecs import codec_from_name
from geopatcher.sinks.georef import coordinates, fill_attribute, grid_mapping, group_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.box import Box
    from geopatcher.domain import ResultSpec
    from geopatcher.protocols import Array


def create_store(path: Path, spec: ResultSpec) -> None:
    """Create the group, its arrays and its georeference at ``path`` (an empty or absent folder).

    Raises
    ------
    TargetError
        The folder cannot be written.

    """
    domain = spec.domain
    try:
        group = zarr.create_group(path, zarr_format=3, attributes=group_attributes(domain))
        for name, (shape, dtype, fill) in spec.arrays().items():
            _create_array(group, name, shape, dtype, fill, spec)
        if "data" in group:
            group["data"].attrs.update(_band_records(spec))
        reference = group.create_array("spatial_ref", shape=(), dtype="int64", chunks=(), compressors=None)
        reference[...] = 0
        reference.attrs.update(grid_mapping(domain))
        for name, (values, attributes) in coordinates(domain).items():
            _create_coordinate(group, name, values, attributes)
        if len(domain.shape) == 3:
            names = list(domain.band_names) or [f"b{band + 1}" for band in range(domain.n_bands)]
            _create_coordinate(group, "band", np.arange(1, len(names) + 1), {"long_name": "band number"})
            group["data"].attrs["band_names"] = names
    except OSError as error:
        raise TargetError(f"cannot create {path}: {error}") from error


def _create_array(
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype,
    fill: float | int,
    spec: ResultSpec,
) -> None:
    leading = (1,) * (len(shape) - 2)
    array = group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=(*leading, *spec.chunks),
        shards=(*leading, *spec.shards) if spec.shards else None,
        compressors=codec_from_name(spec.codec, dtype.itemsize),
        fill_value=fill,
        dimension_names=("band", "y", "x")[-len(shape) :],
        attributes={"grid_mapping": "spatial_ref"},
    )
    if name == "data":
        array.attrs.update(fill_attribute(dtype, spec.domain.nodata))


def _band_records(spec: ResultSpec) -> dict[str, object]:
    units = set(spec.domain.units)
    return {"units": units.pop()} if len(units) == 1 and "" not in units else {}


def _create_coordinate(group: zarr.Group, name: str, values: Array, attributes: Mapping[str, str]) -> None:
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=(min(len(values), 1 << 20),),
        dimension_names=(name,),
        attributes=dict(attributes),
    )
    array[:] = values


class ZarrSink:
    """Writes whole blocks into a store made by `create_store`."""

    def __init__(self, path: Path) -> None:
        group = zarr.open_group(path, mode="r+", use_consolidated=False)
        self.arrays: dict[str, zarr.Array] = {
            name: array for name, array in group.arrays() if len(array.shape) >= 2
        }

    def write(self, box: Box, arrays: Mapping[str, Array]) -> int:
        """Encode and store the blocks of ``box``; return their bytes before compression.

        Raises
        ------
        TargetError
            The store cannot take them (a full disk, a lost mount); names the box.

        """
        for name, values in arrays.items():
            array = self.arrays[name]
            try:
                array[(..., *box.slices())] = values if array.ndim == 3 else values[0]
            except OSError as error:
                raise TargetError(f"cannot write {box} of {array.store_path}: {error}") from error
        return sum(values.nbytes for values in arrays.values())
