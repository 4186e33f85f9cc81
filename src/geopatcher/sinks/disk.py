"""Results on disk: built in a working folder beside their place, and renamed when they are complete."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.errors import RasterioError

from geopatcher._optional import load
from geopatcher.errors import TargetError, TargetExistsError
from geopatcher.quiet import no_georeference_warning
from geopatcher.sinks.chunk_files import remove_litter, sync_tree
from geopatcher.sinks.folders import is_marked, link_tree, make_work, put_in_place, remove_work
from geopatcher.sinks.geotiff import CogOptions, require_storable, write_cog
from geopatcher.sinks.lock import TargetLock
from geopatcher.sinks.pyramid import finish_store, sync_additions
from geopatcher.sinks.room import bytes_of, check_room, describe
from geopatcher.sinks.tiff_array import TiffArray
from geopatcher.sinks.zarr_store import ZarrSink, create_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from geopatcher.box import Box
    from geopatcher.domain import RasterDomain, ResultSpec
    from geopatcher.sinks.targets import ResultArray


#: Of the blocks of a GeoTIFF, which are read once and removed: quick, and half the size of none at all.
WORK_CODEC = "blosc-lz4"


@dataclass
class DiskTarget(ABC):
    """A result on disk at ``path``: built in a working folder beside it, renamed when it is complete.

    ``overwrite`` allows to replace what is at ``path``; ``resume`` to go on with what an earlier run
    left. A ``path`` that is a symbolic link stands for what it points to. Only one run at a time
    can have a target, from `claim` (or `create`) to `complete`, `discard` or `release`.
    """

    path: Path
    overwrite: bool = False
    resume: bool = True
    place: Path = field(init=False, repr=False)
    _lock: TargetLock = field(init=False, repr=False)
    _spec: ResultSpec | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.place = self.path.resolve() if self.path.is_symlink() else self.path.absolute()
        self._lock = TargetLock(self._beside(".lock"))

    @property
    def work(self) -> Path:
        """The folder the result is built in."""
        return self._beside(".partial")

    @property
    def store(self) -> Path:
        """The zarr store blocks collect in."""
        return self.work / "store.zarr"

    @property
    def ledger(self) -> Path:
        """The ledger of the run that builds the result."""
        return self.work / "ledger.jsonl"

    @property
    def finished_ledger(self) -> Path:
        """The ledger of the finished result."""
        return self._beside(".ledger.jsonl")

    @property
    @abstractmethod
    def product(self) -> Path:
        """The complete result in the working folder, before it is renamed."""

    @property
    @abstractmethod
    def keeps_blocks(self) -> bool:
        """Whether a result with failed patches keeps its working store, from which it can be mended."""

    def _beside(self, ending: str) -> Path:
        return self.place.with_name(self.place.name + ending)

    @property
    def is_taken(self) -> bool:
        """Whether something is there; an empty folder does not count."""
        return self.place.exists() and not (self.place.is_dir() and not any(self.place.iterdir()))

    def check(self) -> None:
        """Refuse a target that exists, or a folder that does not.

        Raises
        ------
        TargetExistsError
            Something is there and ``overwrite`` is not set.
        TargetError
            The folder above is missing.

        """
        self.check_folder()
        if self.is_taken and not self.overwrite:
            raise TargetExistsError(
                f"{self.path} exists: choose another target, or pass overwrite=True (--overwrite)"
            )

    def check_folder(self) -> None:
        """Refuse a target whose folder is missing."""
        folder = self.place.parent
        if not folder.is_dir():
            raise TargetError(f"the folder {folder} does not exist: create it, or choose another target")

    def claim(self) -> None:
        """Become the one writer of this target.

        Raises
        ------
        TargetLockedError
            Another live run is; names its process and when it started.

        """
        self._lock.take()

    def release(self) -> None:
        """Let others have the target."""
        self._lock.release()

    def create(self, spec: ResultSpec) -> ZarrSink:
        """Create the store in a new working folder."""
        self.claim()
        make_work(self.work)
        check_room(self.place.parent, bytes_of(spec), describe(spec))
        create_store(self.store, spec)
        sync_tree(self.store)
        self._spec = spec
        return ZarrSink(self.store)

    def reopen(self, spec: ResultSpec, keep: Callable[[Box], bool]) -> ZarrSink:
        """Open the store an earlier run left, after removing the blocks ``keep`` does not hold.

        Raises
        ------
        TargetError
            The store cannot be opened or tidied, or is not of this result.

        """
        remove_litter(self.store)
        sink = open_store(self.store, spec)
        sink.sweep(keep)
        self._spec = spec
        return sink

    @abstractmethod
    def restore(self) -> bool:
        """Bring back the store of the finished result, to be worked on; ``False`` where that is gone."""

    @abstractmethod
    def assemble(self) -> None:
        """Make the product from the store."""

    @abstractmethod
    def sync(self) -> None:
        """Wait until what `assemble` made is on the disk."""

    def publish(self) -> None:
        """Rename the product to its place."""
        put_in_place(self.product, self.place, self.work / "replaced")

    @abstractmethod
    def open(self, spec: ResultSpec) -> dict[str, ResultArray]:
        """Return the arrays of the finished result, ``"data"`` first.

        Raises
        ------
        TargetError
            What is there is not this result.

        """

    def complete(self) -> dict[str, ResultArray]:
        """Assemble, publish, tidy up, and return the arrays; for results without a ledger."""
        self.assemble()
        self.publish()
        self.finished_ledger.unlink(missing_ok=True)  # whatever it told of is gone
        remove_work(self.work)
        self.release()
        return self.open(self.spec)

    @property
    def spec(self) -> ResultSpec:
        """What is being made.

        Raises
        ------
        TargetError
            Nothing is, yet.

        """
        if self._spec is None:
            raise TargetError(f"{self.path} was completed before it was created")
        return self._spec

    def discard(self) -> None:
        """Remove the working folder, unless another run holds it."""
        if self._lock.held:
            remove_work(self.work)
            self.release()


@dataclass
class ZarrTarget(DiskTarget):
    """A zarr v3 store."""

    @property
    def product(self) -> Path:
        """The store itself."""
        return self.store

    @property
    def keeps_blocks(self) -> bool:
        """No: the blocks are the result."""
        return False

    def restore(self) -> bool:
        """Link the finished store into the working folder."""
        make_work(self.work)
        link_tree(self.place, self.store)
        return True

    def assemble(self) -> None:
        """Add what only a complete store can have: overview levels and consolidated metadata."""
        finish_store(self.store, self.spec)

    def sync(self) -> None:
        """Wait for levels and metadata; the blocks are synced as they come."""
        sync_additions(self.store, self.spec)

    def open(self, spec: ResultSpec) -> dict[str, ResultArray]:
        """Return the store's arrays."""
        return dict(open_store(self.place, spec).arrays)


@dataclass
class CogTarget(DiskTarget):
    """A Cloud-Optimized GeoTIFF, assembled when the last block is there."""

    options: CogOptions = field(default_factory=CogOptions)

    def create(self, spec: ResultSpec) -> ZarrSink:
        """Create the store of blocks, for a result that a GeoTIFF can hold.

        Raises
        ------
        TargetError
            It cannot.
        TargetExistsError
            The file of a layer is there and ``overwrite`` is not set.

        """
        require_storable(spec.domain, self.options)
        for name in spec.layers:
            if self.layer_place(name).exists() and not self.overwrite:
                raise TargetExistsError(
                    f"{self.layer_place(name)}, where the layer {name!r} goes, exists: "
                    f"choose another target, or pass overwrite=True (--overwrite)"
                )
        return super().create(replace(spec, codec=WORK_CODEC, shards=None, multiscales=False))

    def layer_place(self, name: str) -> Path:
        """Return where a layer goes: ``result.tif`` has ``result.weight.tif`` beside it."""
        return self.place.with_name(f"{self.place.stem}.{name}{self.place.suffix}")

    def _layer_product(self, name: str) -> Path:
        return self.work / f"layer.{name}.tif"

    @property
    def product(self) -> Path:
        """The assembled file."""
        return self.work / "result.tif"

    @property
    def keeps_blocks(self) -> bool:
        """Yes: the file cannot be taken apart again."""
        return True

    def restore(self) -> bool:
        """Use the store that a result with failed patches leaves behind."""
        return is_marked(self.work) and self.store.is_dir()

    def assemble(self) -> None:
        """Copy the store into a GeoTIFF, and each layer into one of its own."""
        spec = self.spec
        arrays = open_store(self.store, spec).arrays
        plain = CogOptions(self.options.compress, self.options.level, self.options.blocksize)
        options = replace(self.options, overview=self.options.overview or spec.overview)
        with load("zarr").config.set(
            {"async.concurrency": 1}
        ):  # each thread that decodes keeps memory for itself
            for name in spec.layers:
                product = self._layer_product(name)
                write_cog(arrays[name], layer_domain(spec, name), product, self.work, plain)
            write_cog(arrays["data"], spec.domain, self.product, self.work, options)

    def sync(self) -> None:
        """Wait for the files."""
        for product in (*self.work.glob("layer.*.tif"), self.product):
            sync_tree(product)

    def publish(self) -> None:
        """Rename the files to their places, the result last: it says that all are there."""
        for finished in sorted(
            self.work.glob("layer.*.tif")
        ):  # some may be there already, from before a kill
            name = finished.name.removeprefix("layer.").removesuffix(".tif")
            put_in_place(finished, self.layer_place(name), self.work / "replaced")
        super().publish()

    def open(self, spec: ResultSpec) -> dict[str, ResultArray]:
        """Return the GeoTIFFs as lazily read arrays."""
        return {
            name: _open_tiff(self.place if name == "data" else self.layer_place(name), shape, dtype)
            for name, (shape, dtype, _) in spec.arrays().items()
        }


def layer_domain(spec: ResultSpec, name: str) -> RasterDomain:
    """Return the domain of a layer as a raster of its own: that of the result, with one band."""
    layer = spec.layers[name]
    domain = spec.domain.with_bands((name,), n_bands=None, dtype=layer.dtype)
    # 0 is a true value of a layer; only what is not a number says that there is none.
    return replace(domain, nodata=layer.fill if np.isnan(layer.fill) else None)


def _open_tiff(place: Path, shape: tuple[int, ...], dtype: np.dtype) -> TiffArray:
    try:
        with no_georeference_warning(), rasterio.open(place) as dataset:
            found = (dataset.count, dataset.height, dataset.width)
    except RasterioError as error:
        raise TargetError(f"cannot open {place}: {error}") from error
    if found != (shape[0] if len(shape) == 3 else 1, *shape[-2:]):
        raise TargetError(
            f"{place} is {found}, not the {shape} its ledger tells of: it was replaced; "
            f"choose another target, or pass overwrite=True (--overwrite)"
        )
    return TiffArray(place, shape, dtype)


def open_store(path: Path, spec: ResultSpec) -> ZarrSink:
    """Open the store of a result.

    Raises
    ------
    TargetError
        It cannot be opened, or does not hold what ``spec`` says.

    """
    try:
        sink = ZarrSink(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TargetError(
            f"cannot open {path}: {error}; pass overwrite=True (--overwrite) to begin anew"
        ) from error
    for name, (shape, dtype, _) in spec.arrays().items():
        array = sink.arrays.get(name)
        found = None if array is None else (tuple(array.shape), array.dtype)
        if found != (shape, dtype):
            raise TargetError(
                f"{path} holds {name!r} as {found}, not the {shape} {dtype} its ledger tells of: it was "
                f"replaced; choose another target, or pass overwrite=True (--overwrite)"
            )
    return sink
