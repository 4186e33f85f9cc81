"""The folder in which the tiles of a GeoTIFF collect until all are there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.domain import ResultSpec
from geopatcher.core.gaps import MISSING, VALID
from geopatcher.core.metadata import usual_method
from geopatcher.errors import TargetError
from geopatcher.targets.cog.encoders import TileCodec
from geopatcher.targets.cog.levels import Levels, TileFolder
from geopatcher.targets.cog.tile_arrays import TileArray
from geopatcher.targets.cog.tile_store import TileStore, create_tiles
from geopatcher.targets.folders import remove_folder
from geopatcher.targets.opened import layer_domain
from geopatcher.targets.storage import TILE_UNIT, CogStorage
from geopatcher.targets.work_store import WorkStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from geopatcher.core.box import Box
    from geopatcher.core.domain import RasterDomain
    from geopatcher.targets.block_files import BlockFolder


@dataclass
class TileWorkStore(WorkStore):
    """Files of encoded tiles, which are put together into the result.

    Beside them are overview levels, as far as they are made while tiles come.
    """

    options: CogStorage = field(default_factory=CogStorage)
    _levels: dict[str, Levels] = field(default_factory=dict, init=False, repr=False)

    @property
    def path(self) -> Path:
        """Where they are."""
        return self.work.own / "tiles"

    def make(self, spec: ResultSpec) -> TileStore:
        """Make the folder for the blocks of a result, when its tiles can be encoded.

        Raises
        ------
        TargetError
            They cannot, or the folder cannot be made.

        """
        arrays = arrays_of(spec, self.options)
        for array in arrays.values():
            whole = np.full((array.bands_per_file, *array.tile), array.fill, array.dtype)
            array.encoder(whole)
        store = create_tiles(self.path, arrays)
        self._begin_levels(spec, arrays)
        return store.growing(self._growing())

    def open(self, spec: ResultSpec) -> TileStore:
        """Open what is there.

        Raises
        ------
        TargetError
            It cannot be opened, or is not of this result.

        """
        try:
            store = TileStore(self.path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TargetError(
                f"cannot open {self.path}: {error}; pass overwrite=True (--overwrite) to begin anew"
            ) from error
        wanted = arrays_of(spec, self.options)
        # NaN differs from itself; what is written is compared.
        if {name: array.to_json() for name, array in store.arrays.items()} != {
            name: array.to_json() for name, array in wanted.items()
        }:
            raise TargetError(
                f"{self.path} does not hold the tiles its ledger tells of: it was replaced; choose another "
                f"target, or pass overwrite=True (--overwrite)"
            )
        return store.growing(self._growing())

    def restore(self, spec: ResultSpec) -> None:
        """Remove levels: of which tiles they were made is not known. The tiles stay as they were written."""
        self._begin_levels(spec, arrays_of(spec, self.options))

    def levels_of(self, name: str) -> Levels:
        """Return the levels of an array of this result, as far as they are made.

        Raises
        ------
        TargetError
            Its tiles are not where they were written.

        """
        self.open(self.spec)
        return self._levels[name]

    def _begin_levels(self, spec: ResultSpec, arrays: Mapping[str, TileArray]) -> None:
        """Begin without any level; those of an earlier run go."""
        for left in self.work.own.glob("levels.*"):
            remove_folder(left)
        self._levels = {
            name: Levels(
                TileFolder(array, self.path / name), self.work.own / f"levels.{name}", of_array(spec, name)
            )
            for name, array in arrays.items()
        }

    def _growing(self) -> dict[str, Levels]:
        """Return the levels of which it is known that they are needed."""
        return {name: levels for name, levels in self._levels.items() if name != VALID}

    def take_over(self, source: Path, sink: BlockFolder, spec: ResultSpec, rows: Iterable[Box]) -> None:
        """Link the files of another folder."""
        _ = spec
        sink.link(source, rows)


def arrays_of(spec: ResultSpec, options: CogStorage) -> dict[str, TileArray]:
    """Return how the arrays of a result lie in tiles.

    Raises
    ------
    TargetError
        The blocks of the result are no tiles that a GeoTIFF can have.

    """
    if any(length % TILE_UNIT for length in spec.chunks):
        raise TargetError(
            f"blocks of {spec.chunks} pixels are no tiles of a GeoTIFF, whose sides are multiples of "
            f"{TILE_UNIT}: use chunks of such a size"
        )
    arrays = {"data": _array_of(spec.domain, spec, options, spec.fill, spec.overview, masked=spec.masked)}
    if spec.masked and spec.n_bands > 1:
        arrays[VALID] = _array_of(said_domain(spec), spec, options.plain, MISSING, "nearest")
    for name, layer in spec.layers.items():
        domain = layer_domain(spec, name)
        how = usual_method(labels=domain.metadata.has_labels)
        arrays[name] = _array_of(domain, spec, options.plain, layer.fill, how)
    return arrays


def of_array(spec: ResultSpec, name: str) -> ResultSpec:
    """Return what an array of a result is as a result of its own."""
    if name == "data":
        return replace(spec, layers={})
    if name == VALID:
        return ResultSpec(said_domain(spec), spec.chunks, MISSING)
    return ResultSpec(layer_domain(spec, name), spec.chunks, spec.layers[name].fill)


def said_domain(spec: ResultSpec) -> RasterDomain:
    """Return the domain of the raster that says of each band of a result which cells hold data."""
    return replace(spec.domain, dtype=np.dtype("uint8"), nodata=None, units=())


def _array_of(
    domain: RasterDomain,
    spec: ResultSpec,
    options: CogStorage,
    fill: float | int,
    overview: str,
    *,
    masked: bool = False,
) -> TileArray:
    return TileArray(
        domain.grid_shape,
        domain.n_bands,
        domain.dtype,
        domain.dtype.type(fill).item(),
        options.tile(domain.grid_shape, spec.chunks),
        options.interleaves(domain, spec.chunks),
        TileCodec.of(
            options.compress,
            options.level,
            domain.dtype,
            labels=overview == "mode",
            predictor=options.predictor,
        ),
        overview if options.overviews else None,
        None if domain.nodata is None else domain.dtype.type(domain.nodata).item(),
        masked,
    )
