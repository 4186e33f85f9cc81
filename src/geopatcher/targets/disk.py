"""Targets on disk: a zarr store, and a Cloud-Optimized GeoTIFF with a file for each layer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from geopatcher.core.gaps import VALID
from geopatcher.errors import TargetExistsError
from geopatcher.targets.categories import sidecar_of, write_categories
from geopatcher.targets.chunk_files import sync_tree
from geopatcher.targets.cog.work import TileWorkStore
from geopatcher.targets.digests import tiff_record_of
from geopatcher.targets.disk_target import DiskTarget
from geopatcher.targets.geotiff import assemble, require_storable
from geopatcher.targets.opened import layer_of, open_store, open_tiffs, settled_store
from geopatcher.targets.product import Product
from geopatcher.targets.publisher import Publisher
from geopatcher.targets.pyramid import (
    Found,
    finish_store,
    other_records,
    sync_additions,
    take_over,
)
from geopatcher.targets.replacing import require_replaceable
from geopatcher.targets.storage import CogStorage
from geopatcher.targets.tiff_records import Records
from geopatcher.targets.work_store import ZarrWorkStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.statistics import Statistics
    from geopatcher.targets.cog.assembly import Assembled
    from geopatcher.targets.digests import TiffRecord
    from geopatcher.targets.levels import LevelRow
    from geopatcher.targets.publisher import FileNotes


@dataclass
class ZarrPublisher(Publisher):
    """Publishes a zarr v3 store: the one its blocks collected in."""

    _levels: list[LevelRow] = field(default_factory=list, init=False, repr=False)

    def require_replaceable(self) -> None:
        """Refuse a folder of other things."""
        require_replaceable(self.place)

    def require_room_for(self, spec: ResultSpec, *, replace: bool) -> None:
        """Do nothing: a store holds whatever a result is, and its layers."""

    def layer_place(self, name: str) -> None:
        """Return nothing: layers are arrays of the store."""
        _ = name

    @property
    def product(self) -> Path:
        """The store itself."""
        return self.blocks.path

    @property
    def keeps_blocks(self) -> bool:
        """No: the blocks are the result."""
        return False

    def restore(self, spec: ResultSpec, rows: Iterable[Box], run: str) -> bool:
        """Make the store anew in the folder of this run, with links to the chunks to keep."""
        _ = run
        self.work.begin()
        take_over(self.place, self.blocks.create(spec), spec, rows)
        sync_tree(self.blocks.path)
        return True

    def assemble(self, statistics: Sequence[Statistics | None] = ()) -> Found:
        """Add what only a complete store can have: statistics, overview levels and consolidated metadata."""
        found, self._levels = finish_store(self.blocks.path, self.blocks.spec, statistics)
        return found

    def note_files(self, notes: FileNotes) -> None:
        """Tell of levels, coordinates and metadata."""
        for row in self._levels:
            notes.seen(*row)
        notes.others(other_records(self.blocks.path, self.blocks.spec))

    def sync(self) -> None:
        """Wait for levels and metadata; the blocks are synced as they come."""
        sync_additions(self.blocks.path, self.blocks.spec)

    def open(self, spec: ResultSpec) -> Product:
        """Return the store's arrays."""
        settled = settled_store(self.place, spec)
        arrays = open_store(self.place, settled).arrays
        return Product(settled, {name: arrays[name] for name in settled.arrays()})


@dataclass
class CogPublisher(Publisher):
    """Publishes a Cloud-Optimized GeoTIFF, put together from its tiles, and a file for each layer."""

    blocks: TileWorkStore
    options: CogStorage = field(default_factory=CogStorage)
    _known: dict[str, TiffRecord] = field(default_factory=dict, init=False)

    def require_room_for(self, spec: ResultSpec, *, replace: bool) -> None:
        """Refuse what a GeoTIFF cannot hold, and layers where other files are.

        Raises
        ------
        TargetError
            It cannot hold the result.
        TargetExistsError
            The file of a layer is there, and not to be replaced.

        """
        require_storable(spec.domain, self.options)
        for name in (*spec.layers, *((VALID,) if spec.masked else ())):
            place = self.layer_place(name)
            if place.is_dir() or (place.exists() and not replace):
                way_out = "" if place.is_dir() else ", or pass overwrite=True (--overwrite)"
                raise TargetExistsError(
                    f"{place}, where the layer {name!r} goes, exists: choose another target{way_out}"
                )

    def require_replaceable(self) -> None:
        """Refuse a folder: a file replaces files only."""
        if self.place.is_dir() and self.is_taken:
            raise TargetExistsError(
                f"{self.path} exists and is a folder, which a .tif never replaces: choose another target"
            )

    def layer_place(self, name: str) -> Path:
        """Return where a layer goes: ``result.tif`` has ``result.weight.tif`` beside it."""
        return layer_of(self.place, name)

    def product_of(self, name: str) -> Path:
        """Return the assembled file of an array."""
        return self.product if name == "data" else self.work.own / f"layer.{name}.tif"

    @property
    def product(self) -> Path:
        """The assembled file."""
        return self.work.own / "result.tif"

    @property
    def keeps_blocks(self) -> bool:
        """Yes: the file cannot be taken apart again."""
        return True

    def restore(self, spec: ResultSpec, rows: Iterable[Box], run: str) -> bool:
        """Use the store that a result with failed patches leaves behind."""
        _ = spec, rows
        folder = self.work.earlier_of(run)
        if folder is None or not (folder / self.blocks.path.name).is_dir():
            return False
        self.work.adopt(folder)
        return True

    def assemble(self, statistics: Sequence[Statistics | None] = ()) -> Found:
        """Put the tiles together into a GeoTIFF, and those of each layer into one of its own.

        Its statistics are those that its tiles brought along.

        With a mask that differs between bands, a file beside the result, as of a layer, says which cells
        each of them has: a GeoTIFF has one mask for all bands.
        """
        _ = statistics
        spec = self.blocks.spec
        plain = Records({})
        for name in spec.layers:
            self._write(name, plain)
        own = self.options
        found = self._write("data", Records(own.tags, own.colormap, own.colorinterp))
        if found.spec.masked and found.gaps.uneven:
            self._write(VALID, plain)
        return Found(replace(found.spec, layers=spec.layers), found.gaps)

    def _write(self, name: str, records: Records) -> Assembled:
        """Make the file of an array, which is a result of its own to it."""
        target, levels = self.product_of(name), self.blocks.levels_of(name)
        try:
            made = assemble(levels, name, target, self.work.own, records)
        finally:
            levels.remove()
        write_categories(target, levels.spec.domain)
        self._known[name] = made.record
        return made

    def sync(self) -> None:
        """Wait for the files."""
        for product in (*self._layer_products(), self.product):
            sync_tree(product)

    def sync_all(self) -> None:
        """Wait for the files."""
        self.sync()

    def _layer_products(self) -> list[Path]:
        return sorted(self.work.own.glob("layer.*.tif"))

    def layers_made(self) -> list[str]:
        """Return the names of the layers that are not at their place yet."""
        return [file.name.removeprefix("layer.").removesuffix(".tif") for file in self._layer_products()]

    def note_files(self, notes: FileNotes) -> None:
        """Tell of the files, as they were written."""
        for name in (*self.layers_made(), "data"):
            notes.tiff(name, self.record_of(name))

    def record_of(self, name: str) -> TiffRecord:
        """Return what is known of the assembled file of an array."""
        return self._known.get(name) or tiff_record_of(self.product_of(name))

    @property
    def replaces(self) -> bool:
        """Whether `publish` replaces the file, or that of a layer."""
        return self.place.exists() or any(self.layer_place(name).exists() for name in self.layers_made())

    def rename_all(self) -> None:
        """Rename the files to their places, the result last: it says that all are there."""
        for name in self.layers_made():  # some may be there already, from before a kill
            self._rename_with_sidecar(self.product_of(name), self.layer_place(name))
        self._rename_sidecar(self.product, self.place)
        super().rename_all()

    def _rename_with_sidecar(self, product: Path, place: Path) -> None:
        self._rename_sidecar(product, place)
        self.rename(product, place)

    def _rename_sidecar(self, product: Path, place: Path) -> None:
        """Put what GDAL reads beside a file in its place; that of a file before is not true any more."""
        if sidecar_of(product).exists():
            self.rename(sidecar_of(product), sidecar_of(place))
        elif product.exists():
            sidecar_of(place).unlink(missing_ok=True)

    def open(self, spec: ResultSpec) -> Product:
        """Return the GeoTIFFs as lazily read arrays."""
        return open_tiffs(self.place, spec, mask_beside=self.layer_place(VALID).exists())


@dataclass
class ZarrTarget(DiskTarget):
    """A zarr v3 store."""

    def _parts(self, place: Path) -> tuple[ZarrWorkStore, Publisher]:
        blocks = ZarrWorkStore(self.path, self.work)
        return blocks, ZarrPublisher(self.path, place, self.work, blocks)


@dataclass
class CogTarget(DiskTarget):
    """A Cloud-Optimized GeoTIFF, assembled when the last block is there."""

    options: CogStorage = field(default_factory=CogStorage)
    publisher: CogPublisher = field(init=False, repr=False)

    def _parts(self, place: Path) -> tuple[TileWorkStore, CogPublisher]:
        blocks = TileWorkStore(self.path, self.work, options=self.options)
        return blocks, CogPublisher(self.path, place, self.work, blocks, self.options)

    @property
    def tiles(self) -> TileWorkStore:
        """Where its tiles collect."""
        return self.publisher.blocks

    @property
    def knows_alpha(self) -> bool:
        """Yes: in zarr a band of alpha is one like others."""
        return True
