"""The result as a zarr v3 store: created once, then filled block by block."""

from __future__ import annotations

import threading
import warnings
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from geopatcher._optional import load
from geopatcher.core.gaps import VALID
from geopatcher.core.leading import BAND, PLANE
from geopatcher.errors import TargetError
from geopatcher.formats.attributes import metadata_attributes
from geopatcher.targets.box_writer import BoxWriter
from geopatcher.targets.chunk_files import files_of, grid_of, keys_of, sweep_files, sync_files
from geopatcher.targets.chunk_writer import ChunkWriter, encoder_of, run_all
from geopatcher.targets.codecs import codecs_of
from geopatcher.targets.digests import NO_FILE, record_of
from geopatcher.targets.folders import link_file, make_below
from geopatcher.targets.georef import (
    GRID_MAPPING,
    array_attributes,
    coordinates,
    dims_of,
    fill_attribute,
    flag_attributes,
    grid_mapping,
    group_attributes,
    leading_coordinates,
)
from geopatcher.targets.multiscales import pyramid_attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Executor
    from pathlib import Path

    import zarr

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import Array, FinishedTile
    from geopatcher.targets.digests import Digests, FileRecord

T = TypeVar("T")

#: What the layers beside a result are, and their unit; ``None`` is the result's own.
LAYERS: Mapping[str, tuple[str, str | None]] = {
    "weight": ("sum of the weights of the patches", "1"),
    "count": ("number of patches", "1"),
    "spread": ("standard deviation between the patches", None),
}

#: Of the array that says which cells hold data.
MASK_CODEC = "zstd-1"

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
    TargetError
        A dimension has the name of an array.

    """
    domain = spec.domain
    taken = sorted({*dims_of(domain)} & {*spec.arrays(), GRID_MAPPING})
    if taken:
        raise TargetError(
            f"a leading dimension and an array of the result are both called {taken[0]!r}: give the "
            f"dimension another name by output_dims (--output-dims)"
        )
    for name in spec.arrays():
        create_array(group, name, spec)
    reference = group.create_array(
        GRID_MAPPING, shape=(), dtype="int64", chunks=(), compressors=None, attributes=grid_mapping(domain)
    )
    reference[...] = 0
    for name, (values, attributes) in coordinates(domain).items():
        _create_coordinate(group, name, values, attributes)
    for name, (labels, said) in leading_coordinates(domain).items():
        _create_coordinate(group, name, labels, said)


def create_array(group: zarr.Group, name: str, spec: ResultSpec, at: str | None = None) -> None:
    """Create an array of a result, empty, at its name or another."""
    shape, dtype, fill = spec.arrays()[name]
    leading = (1,) * (len(shape) - 2)
    group.create_array(
        at or name,
        shape=shape,
        dtype=dtype,
        chunks=(*leading, *spec.chunks),
        shards=(*leading, *spec.shards) if spec.shards else None,
        # Of a mask most chunks are alike: any codec makes them small, but none does not.
        compressors=codecs_of(
            MASK_CODEC if name == VALID else spec.codec, dtype.itemsize, checksum=spec.checksum
        ),
        fill_value=fill,
        dimension_names=_dims_of(name, spec),
        attributes=attributes_of(name, spec),
    )


def _dims_of(name: str, spec: ResultSpec) -> tuple[str, ...]:
    """Return the names of the dimensions of an array of a result."""
    if name in ("data", VALID):
        return dims_of(spec.domain)
    return (BAND, *PLANE) if spec.layers[name].bands else PLANE


def attributes_of(name: str, spec: ResultSpec) -> dict[str, object]:
    """Return the attributes of an array of a result.

    A mask is named by CF's ``ancillary_variables``, and as a coordinate, so that xarray keeps it with
    the data when those are taken out of the dataset.
    """
    domain = spec.domain
    if name == "data":
        names = domain.band_names
        if len(domain.leading) > 1:
            names = ()  # what the bands are is said by the coordinates of each dimension
        elif not names and len(domain.shape) == 3:
            names = tuple(f"b{band}" for band in range(1, domain.n_bands + 1))
        known = {
            **metadata_attributes(domain.metadata),
            **array_attributes(names, domain.units),
            **fill_attribute(domain.dtype, domain.nodata),
        }
        masked = {"coordinates": f"{GRID_MAPPING} {VALID}", "ancillary_variables": VALID}
        return known | masked if spec.masked else known
    if name == VALID:
        return array_attributes((), ()) | flag_attributes()
    text, unit = LAYERS.get(name, (name, ""))
    units = set(domain.units) if unit is None else {unit}
    layer = spec.layers[name]
    return {
        **metadata_attributes(layer.metadata),
        **array_attributes((), tuple(units) if len(units) == 1 else ()),
        **fill_attribute(layer.dtype, layer.nodata),
        "long_name": text,
    }


def _create_coordinate(group: zarr.Group, name: str, values: Array, attributes: Mapping[str, object]) -> None:
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=str if values.dtype.kind == "O" else values.dtype,
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


class ZarrSink:
    """Writes whole blocks into a store made by `create_store`, which is never made again.

    It pickles as its path, and opens the store anew where it arrives. zarr only reads the store: to write
    it would make every folder above a chunk, that of a run which another has taken over included.

    Raises
    ------
    FileNotFoundError
        There is no store.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        group = load("zarr").open_group(path, mode="r", use_consolidated=False)
        self.arrays: dict[str, zarr.Array] = {
            name: array for name, array in group.arrays() if len(array.shape) >= 2
        }
        self._writers = {name: _writer_of(array, path / name) for name, array in self.arrays.items()}

    def __reduce__(self) -> tuple[type[ZarrSink], tuple[Path]]:
        return (ZarrSink, (self.path,))

    def write(self, tiles: Iterable[FinishedTile]) -> int:
        """Encode and store tiles; return their bytes before compression, those of a mask apart.

        They are encoded in threads as they come.

        Raises
        ------
        TargetError
            The store cannot take them (a full disk, a lost mount, another run that has taken over); names
            the box.

        """
        n_bytes = 0

        def tasks() -> Iterator[Callable[[], None]]:
            nonlocal n_bytes
            for box, arrays in tiles:
                n_bytes += sum(values.nbytes for name, values in arrays.items() if name != VALID)
                for name, values in arrays.items():
                    yield from self._tasks(box, name, values)

        run_all(tasks())
        return n_bytes

    def take(self, box: Box) -> Digests:
        """Return, once, what is known of the files of blocks that were written."""
        return {name: writer.take(box) for name, writer in self._writers.items()}

    def read_records(self, box: Box, pool: Executor | None = None) -> Digests:
        """Return what is known of the files of blocks, which are read for it.

        Raises
        ------
        OSError
            One cannot be read.

        """
        found = {}
        for name, array in self.arrays.items():
            files = files_of(self.path / name, array, box)
            records = list(map(_record_or_none, files) if pool is None else pool.map(_record_or_none, files))
            grid = map(len, grid_of(array, box))
            found[name] = np.array(records, np.int64).reshape(*grid, 3)
        return found

    def link(self, source: Path, boxes: Iterable[Box]) -> None:
        """Take over the blocks of a store of the same arrays, as links to its files.

        Raises
        ------
        TargetError
            They can be neither linked nor copied.

        """
        try:
            for box in boxes:
                for name, array in self.arrays.items():
                    for key in keys_of(array, box):
                        copy = self.path / name / key
                        make_below(copy.parent, self.path / name)
                        with suppress(FileNotFoundError):  # a block of fill only
                            link_file(source / name / key, copy)
        except OSError as error:
            raise TargetError(f"cannot copy blocks of {source} to {self.path}: {error}") from error

    def _tasks(self, box: Box, name: str, values: Array) -> Iterator[Callable[[], None]]:
        told = partial(self._told, f"{box} of {self.arrays[name].store_path}")
        tasks = self._writers[name].tasks(box, values)
        while (task := told(partial(next, tasks, None))) is not None:
            yield partial(told, task)

    def _told(self, what: str, call: Callable[[], T]) -> T:
        """Return what a call returns; an error of the system says what could not be written."""
        try:
            return call()
        except FileNotFoundError as error:
            raise TargetError(
                f"cannot write {what}: its folder is gone, so another run has taken over its target, or it "
                f"was removed ({error})"
            ) from error
        except OSError as error:
            raise TargetError(f"cannot write {what}: {error}") from error

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


def _writer_of(array: zarr.Array, folder: Path) -> ChunkWriter | BoxWriter:
    """Return what writes an array: chunk by chunk where it is stored as ours are."""
    encode = encoder_of(array)
    return BoxWriter(array, folder) if encode is None else ChunkWriter(array, folder, encode)


def _record_or_none(file: Path) -> FileRecord:
    try:
        return record_of(file)
    except FileNotFoundError:
        return NO_FILE
