"""The result as a zarr v3 store: created once, then filled block by block."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopatcher._optional import load
from geopatcher.core.gaps import VALID
from geopatcher.core.leading import BAND, PLANE
from geopatcher.errors import TargetError
from geopatcher.formats.attributes import metadata_attributes
from geopatcher.formats.statistics import attributes_of as statistics_attributes
from geopatcher.targets.block_files import BlockFiles, BlockFolder
from geopatcher.targets.box_writer import BoxWriter
from geopatcher.targets.chunk_writer import ChunkWriter, encoder_of, holds_only, zarr_threads
from geopatcher.targets.codecs import codecs_of
from geopatcher.targets.documents import Documents
from geopatcher.targets.files import FolderFiles
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
from geopatcher.targets.statistics import Counting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import zarr

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import Array
    from geopatcher.core.statistics import Statistics
    from geopatcher.targets.files import Files

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


def create_store(path: Path, spec: ResultSpec) -> ZarrSink:
    """Create the group, its arrays and its georeference at ``path`` (an empty or absent folder).

    What writes into it is made of the arrays as they were created: nothing is read again.

    Raises
    ------
    TargetError
        The folder cannot be written.

    """
    made = documents_of(spec)
    try:
        made.documents.make(path)
    except OSError as error:
        raise TargetError(f"cannot create {path}: {error}") from error
    return ZarrSink(path, made.arrays)


class Made(NamedTuple):
    """All of a store but its blocks: its group, to which more can be added, and the arrays of a result."""

    documents: Documents
    group: zarr.Group
    arrays: dict[str, zarr.Array]


def documents_of(spec: ResultSpec) -> Made:
    """Make the group of a result in memory, with its arrays and its georeference.

    Nothing in it depends on the time or the place: the same result has the same bytes.

    Raises
    ------
    TargetError
        A dimension has the name of an array.

    """
    documents = Documents()
    attributes = pyramid_attributes(spec) if spec.multiscales else group_attributes(spec.domain)
    group: zarr.Group = load("zarr").create_group(documents.store, zarr_format=3, attributes=attributes)
    return Made(documents, group, fill_group(documents, group, spec))


def fill_group(documents: Documents, group: zarr.Group, spec: ResultSpec) -> dict[str, zarr.Array]:
    """Create the arrays of a result in a group of some documents, empty, with coordinates and grid mapping.

    Returns
    -------
    dict
        The arrays of the result by name.

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
    arrays = {name: create_array(group, name, spec) for name in spec.arrays()}
    group.create_array(  # whose value is the fill value, 0
        GRID_MAPPING, shape=(), dtype="int64", chunks=(), compressors=None, attributes=grid_mapping(domain)
    )
    for name, (values, attributes) in coordinates(domain).items():
        _create_coordinate(documents, group, name, values, attributes)
    for name, (labels, said) in leading_coordinates(domain).items():
        _create_coordinate(documents, group, name, labels, said)
    return arrays


def create_array(group: zarr.Group, name: str, spec: ResultSpec, at: str | None = None) -> zarr.Array:
    """Create an array of a result, empty, at its name or another."""
    shape, dtype, fill = spec.arrays()[name]
    leading = (1,) * (len(shape) - 2)
    made: zarr.Array = group.create_array(
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
    return made


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


def _create_coordinate(
    documents: Documents, group: zarr.Group, name: str, values: Array, attributes: Mapping[str, object]
) -> None:
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=str if values.dtype.kind == "O" else values.dtype,
        chunks=(min(len(values), 1 << 20),),
        dimension_names=(name,),
        attributes=dict(attributes),
    )
    encode = encoder_of(array)
    if (
        encode is None
        or len(values) > array.chunks[0]
        or holds_only(values, array.dtype.type(array.fill_value))
    ):
        array[:] = values
    else:  # what zarr would write, sooner
        key = array.metadata.encode_chunk_key((0,))
        documents.put(
            f"{array.path}/{key}", encode(np.ascontiguousarray(values, array.dtype.newbyteorder("<")))
        )


def consolidate(documents: Documents) -> None:
    """Gather the metadata of a whole store in its root, where xarray finds it with one request."""
    with _FILTERS, warnings.catch_warnings():
        # The specification of zarr v3 leaves this to its implementations: all that matter here have it.
        warnings.filterwarnings("ignore", "Consolidated metadata is currently not part")
        load("zarr").consolidate_metadata(documents.store)


class ZarrBlocks(BlockFiles):
    """Whole blocks of the arrays of a zarr store, which zarr only reads; `ChunkWriter` writes."""

    _arrays: Mapping[str, zarr.Array]
    _writers: Mapping[str, ChunkWriter | BoxWriter]

    @staticmethod
    def writers(
        arrays: Mapping[str, zarr.Array], files: Files, *, counts: bool
    ) -> dict[str, ChunkWriter | BoxWriter]:
        """Return what writes arrays that lie in ``files``, with ``counts`` its cells counted."""
        return {
            name: writer_of(
                array, files.below(name), counting_of(array) if counts and name == "data" else None
            )
            for name, array in arrays.items()
        }

    @property
    def arrays(self) -> Mapping[str, zarr.Array]:
        """The arrays by name."""
        return self._arrays

    @property
    def n_threads(self) -> int:
        """As many as zarr itself may use."""
        return zarr_threads()

    def tasks(self, box: Box, arrays: Mapping[str, Array]) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield what encodes and writes the chunks of a box, each with the name of its array."""
        for name, values in arrays.items():
            for task in self._writers[name].tasks(box, values, said=arrays.get(VALID)):
                yield name, task

    def write_band(self, name: str, band: int, box: Box, cells: Array) -> None:
        """Encode a band of an array at a box, ``(h, w)``, and store it, in this thread.

        Raises
        ------
        TargetError
            The store cannot take it; names the box.

        """
        for task in self._writers[name].tasks(box, cells[None], band):
            self._told(f"{box} of {self.path / name}", task)


class ZarrSink(ZarrBlocks, BlockFolder):
    """Writes whole blocks into a store made by `create_store`, which is never made again.

    It pickles as its path, and opens the store anew where it arrives; ``arrays`` are those of a new one, and
    ``counts`` says whether the cells of the result are counted. zarr only reads the store: to write it would
    make every folder above a chunk, that of a run which another has taken over included.

    Raises
    ------
    FileNotFoundError
        There is no store.

    """

    def __init__(
        self, path: Path, arrays: Mapping[str, zarr.Array] | None = None, *, counts: bool = True
    ) -> None:
        if arrays is None:
            group = load("zarr").open_group(path, mode="r", use_consolidated=False)
            arrays = {name: array for name, array in group.arrays() if len(array.shape) >= 2}
        self._arrays = arrays
        self._writers = self.writers(arrays, FolderFiles(path), counts=counts)
        super().__init__(path, self._writers)

    def __reduce__(self) -> tuple[type[ZarrSink], tuple[Path]]:
        return (ZarrSink, (self.path,))


def writer_of(array: zarr.Array, files: Files, counting: Counting | None = None) -> ChunkWriter | BoxWriter:
    """Return what writes an array: chunk by chunk where it is stored as ours are."""
    encode = encoder_of(array)
    if encode is None:
        return BoxWriter(array, files, counting)
    return ChunkWriter(array, files, encode, counting)


def counting_of(array: zarr.Array) -> Counting | None:
    """Return how the cells of a result are counted: its fill is no data where the array says so.

    `None` where bands lie together in a file, as in results of earlier versions.
    """
    if set((array.shards or array.chunks)[:-2]) - {1}:
        return None
    fill = np.asarray(array.fill_value).item()
    return Counting(array.dtype, fill if "_FillValue" in array.attrs else None)


def tell_statistics(group: zarr.Group, spec: ResultSpec, found: Sequence[Statistics | None]) -> None:
    """Say in a group whose cells are all written what is known of them; what was said before goes."""
    told = statistics_attributes(found, spec.domain.metadata)
    group["data"].attrs.put(attributes_of("data", spec) | told)
