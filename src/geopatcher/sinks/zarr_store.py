"""The result as a zarr v3 store: created once, then filled block by block."""

from __future__ import annotations

import threading
import warnings
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from geopatcher._optional import load
from geopatcher.errors import TargetError
from geopatcher.sinks.chunk_files import files_of, sweep_files, sync_files
from geopatcher.sinks.chunk_writer import ChunkWriter, encoder_of, run_all
from geopatcher.sinks.codecs import codec_from_name
from geopatcher.sinks.georef import (
    GRID_MAPPING,
    array_attributes,
    coordinates,
    fill_attribute,
    grid_mapping,
    group_attributes,
)
from geopatcher.sinks.multiscales import pyramid_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    import zarr

    from geopatcher.box import Box
    from geopatcher.domain import ResultSpec
    from geopatcher.protocols import Array, FinishedTile

T = TypeVar("T")

#: What the layers beside a result are, and their unit; ``None`` is the result's own.
LAYERS: Mapping[str, tuple[str, str | None]] = {
    "weight": ("sum of the weights of the patches", "1"),
    "count": ("number of patches", "1"),
    "spread": ("standard deviation between the patches", None),
}

# Filters of warnings belong to the process: two threads that change and restore them at once could
# leave them changed.
_FILTERS = threading.Lock()


def create_store(path: Path, spec: ResultSpec) -> None:
    """Create the group, its arrays and its georeference at ``path`` (an empty or absent folder).

    Nothing in it depends on the time or the place: the same result has the same bytes.

    Raises
    ------
    TargetError
        The folder cannot be written.

    """
    attributes = pyramid_attributes(spec) if spec.multiscales else group_attributes(spec.domain)
    try:
        fill_group(load("zarr").create_group(path, zarr_format=3, attributes=attributes), spec)
    except OSError as error:
        raise TargetError(f"cannot create {path}: {error}") from error


def fill_group(group: zarr.Group, spec: ResultSpec) -> None:
    """Create the arrays of a result in a group, empty, with coordinates and grid mapping.

    Raises
    ------
    OSError
        They cannot be written.

    """
    domain = spec.domain
    for name in spec.arrays():
        _create_array(group, name, spec)
    reference = group.create_array(
        GRID_MAPPING, shape=(), dtype="int64", chunks=(), compressors=None, attributes=grid_mapping(domain)
    )
    reference[...] = 0
    for name, (values, attributes) in coordinates(domain).items():
        _create_coordinate(group, name, values, attributes)
    if len(domain.shape) == 3:
        _create_coordinate(group, "band", np.arange(1, domain.n_bands + 1), {"long_name": "band number"})


def _create_array(group: zarr.Group, name: str, spec: ResultSpec) -> None:
    shape, dtype, fill = spec.arrays()[name]
    leading = (1,) * (len(shape) - 2)
    group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=(*leading, *spec.chunks),
        shards=(*leading, *spec.shards) if spec.shards else None,
        compressors=codec_from_name(spec.codec, dtype.itemsize),
        fill_value=fill,
        dimension_names=("band", "y", "x")[-len(shape) :],
        attributes=_attributes(name, spec),
    )


def _attributes(name: str, spec: ResultSpec) -> dict[str, object]:
    domain = spec.domain
    if name == "data":
        names = domain.band_names
        if not names and len(domain.shape) == 3:
            names = tuple(f"b{band}" for band in range(1, domain.n_bands + 1))
        return {**array_attributes(names, domain.units), **fill_attribute(domain.dtype, domain.nodata)}
    text, unit = LAYERS.get(name, (name, ""))
    units = set(domain.units) if unit is None else {unit}
    attributes = array_attributes((), tuple(units) if len(units) == 1 else ())
    return {**attributes, "long_name": text}


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


def consolidate(path: Path) -> None:
    """Gather the metadata of a whole store in its root, where xarray finds it with one request.

    Raises
    ------
    TargetError
        The store cannot be read or written.

    """
    try:
        with _FILTERS, warnings.catch_warnings():
            # The specification of zarr v3 leaves this to its implementations: all that matter here have it.
            warnings.filterwarnings("ignore", "Consolidated metadata is currently not part")
            load("zarr").consolidate_metadata(path)
    except OSError as error:
        raise TargetError(f"cannot consolidate the metadata of {path}: {error}") from error


def _told(what: str, call: Callable[[], T]) -> T:
    """Return what a call returns; an error of the system says what could not be written."""
    try:
        return call()
    except OSError as error:
        raise TargetError(f"cannot write {what}: {error}") from error


class ZarrSink:
    """Writes whole blocks into a store made by `create_store`.

    It pickles as its path, and opens the store anew where it arrives.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        group = load("zarr").open_group(path, mode="r+", use_consolidated=False)
        self.arrays: dict[str, zarr.Array] = {
            name: array for name, array in group.arrays() if len(array.shape) >= 2
        }
        self._writers = {
            name: ChunkWriter(array, path / name, encode)
            for name, array in self.arrays.items()
            if (encode := encoder_of(array)) is not None
        }

    def __reduce__(self) -> tuple[type[ZarrSink], tuple[Path]]:
        return (ZarrSink, (self.path,))

    def write(self, tiles: Iterable[FinishedTile]) -> int:
        """Encode and store tiles; return their bytes before compression.

        They are encoded in threads as they come.

        Raises
        ------
        TargetError
            The store cannot take them (a full disk, a lost mount); names the box.

        """
        n_bytes = 0

        def tasks() -> Iterator[Callable[[], None]]:
            nonlocal n_bytes
            for box, arrays in tiles:
                n_bytes += sum(values.nbytes for values in arrays.values())
                for name, values in arrays.items():
                    yield from self._tasks(box, name, values)

        run_all(tasks())
        return n_bytes

    def _tasks(self, box: Box, name: str, values: Array) -> Iterator[Callable[[], None]]:
        array, writer = self.arrays[name], self._writers.get(name)
        told = partial(_told, f"{box} of {array.store_path}")
        if writer is None:
            told(partial(array.__setitem__, (..., *box.slices()), values if array.ndim == 3 else values[0]))
            return
        tasks = writer.tasks(box, values)
        while (task := told(partial(next, tasks, None))) is not None:
            yield partial(told, task)

    def sync(self, box: Box) -> None:
        """Wait until the blocks of ``box`` are on the disk and not in the system's cache only.

        Raises
        ------
        TargetError
            The disk could not take them.

        """
        files = [
            file for name, array in self.arrays.items() for file in files_of(self.path / name, array, box)
        ]
        try:
            sync_files(files, self.path)
        except OSError as error:
            raise TargetError(f"cannot write {box} of {self.path}: {error}") from error

    def sweep(self, keep: Callable[[Box], bool]) -> int:
        """Remove the blocks that ``keep`` does not hold, and what a killed writer left; return how many.

        Raises
        ------
        TargetError
            They cannot be removed.

        """
        try:
            return sweep_files(self.path, self.arrays, keep)
        except OSError as error:
            raise TargetError(f"cannot tidy {self.path}: {error}") from error
