"""Scenes as a catalogue describes them, as one source."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.domain import RasterDomain
from geopatcher.core.protocols import PixelSource, SourceField
from geopatcher.errors import SourceError
from geopatcher.fields.common_domain import domain_of
from geopatcher.fields.grids import Grid
from geopatcher.fields.item_source import ItemSource, Meaning, Missing
from geopatcher.fields.late_file import LateFile
from geopatcher.fields.layered import Layered
from geopatcher.fields.mosaic import grid_of, tile_of
from geopatcher.fields.ranking import ranked
from geopatcher.fields.warping import METHODS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.fields.catalogued import Catalogued, DescribedFile, DescribedScene, ToldBand


def mosaic_of_items(catalogued: Catalogued) -> Layered:
    """Return scenes as a catalogue describes them on one grid, resolved as `geopatcher.Mosaic` resolves them.

    No file is opened of which enough is told; of a data type that is told of no scene, the first is asked.

    Raises
    ------
    SourceError
        A file has to be asked and cannot be, scenes are not of one kind, or none touches the grid.
    ValueError
        There is no such order or resampling.
    TypeError
        The grid is something else.

    """
    scenes, method, grid = catalogued.described_scenes, catalogued.resampling, catalogued.grid
    if method is not None and method not in METHODS:
        raise ValueError(f"resampling is one of {', '.join(METHODS)}, not {method!r}")
    if not isinstance(grid, Grid | RasterDomain | str | os.PathLike | PixelSource | SourceField | None):
        raise TypeError(
            f"a grid is a geopatcher.Grid, a RasterDomain, or the path of a raster, not {type(grid).__name__}"
        )
    types = [_dtype_told([scene.bands[band] for scene in scenes]) for band in range(len(scenes[0].bands))]
    masked = _dtype_told([scene.mask for scene in scenes if scene.mask is not None])
    sources: list[ItemSource] = []
    for scene in scenes:
        source = _source_of(scene, catalogued, types, masked)
        types = [file.domain.dtype for file in source.files_of_bands]
        masked = masked if source.missing is None else source.missing.file.domain.dtype
        sources.append(source)
    ranks = ranked(sources, catalogued.order, None, None)
    onto = grid_of(grid, sources)
    domain = domain_of(sources, onto)
    placed = [sources[rank].on(onto) for rank in ranks]
    found = tuple(scene for scene in placed if not scene.box.empty)
    if not found:
        raise SourceError(
            f"none of the {len(sources)} item(s) touches the grid, whose bounds are {onto.bounds}; those of "
            f"{sources[0].name} are {sources[0].domain.bounds}"
        )
    tile = tile_of(found, domain, catalogued.order)
    return Layered(found, domain, catalogued.order, method or "usual", tile)


def _source_of(
    scene: DescribedScene,
    catalogued: Catalogued,
    types: Sequence[np.dtype | None],
    masked: np.dtype | None,
) -> ItemSource:
    files = [LateFile.of(band, dtype) for band, dtype in zip(scene.bands, types, strict=True)]
    rule, missing = catalogued.mask, None
    if rule is not None and scene.mask is not None:
        missing = Missing(LateFile.of(scene.mask, masked), rule.classes, rule.bits)
    return ItemSource.of(
        scene.name,
        files,
        [_meaning(band.told) for band in scene.bands],
        missing,
        scaled=catalogued.scale_offset,
        names=catalogued.band_names,
        units=tuple(band.told.unit or "" for band in scene.bands),
        tags=scene.tags,
        method=catalogued.resampling,
    )


def _meaning(told: ToldBand) -> Meaning:
    return Meaning(1.0 if told.scale is None else told.scale, 0.0 if told.offset is None else told.offset)


def _dtype_told(files: Sequence[DescribedFile]) -> np.dtype | None:
    """Return the data type that is told of one of them first."""
    return next((np.dtype(file.told.dtype) for file in files if file.told.dtype is not None), None)
