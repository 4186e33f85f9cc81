"""Several rasters as one: put on one grid, and resolved where they lie over each other."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

from geopatcher.core.domain import RasterDomain
from geopatcher.core.protocols import PixelSource, SourceField
from geopatcher.errors import SourceError
from geopatcher.fields.common_domain import domain_of
from geopatcher.fields.composing import deepest, tile_shape
from geopatcher.fields.declared import with_blocks
from geopatcher.fields.from_path import field_at
from geopatcher.fields.grids import Grid, grid_for
from geopatcher.fields.layered import AT_ONCE, Layered
from geopatcher.fields.ranking import ranked
from geopatcher.fields.scenes import scene_on
from geopatcher.fields.warping import METHODS
from geopatcher.formats.local_files import is_elsewhere
from geopatcher.formats.side_by_side import FILES_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geopatcher.fields.ranking import Date, Order
    from geopatcher.fields.scenes import Scene

#: What a scene may be given as.
SceneLike: TypeAlias = "str | os.PathLike[str] | PixelSource | SourceField[object]"
#: ``(rows, columns)`` that are warped in one go, where rasters are not much finer than the map.
TILE = (256, 512)
#: The same where they are stored in blocks of more rows.
TALL_TILE = (512, 512)


class Mosaic(Layered):
    """Several rasters as one source: on one grid, resolved pixel by pixel where they lie over each other.

    Rasters that share the pixels of the grid are read as they are; others are warped by GDAL, in windows.
    Only those that touch a window are opened for it. What is missing in one of them, by its own nodata value,
    mask or alpha band, is taken from the next, band by band.

    Parameters
    ----------
    scenes
        Paths, URLs, sources or fields, of as many bands and the same dtype. Of those that have to be warped
        and are no files, windows are read and warped in memory.
    grid
        The pixels of the result: a `Grid` of a CRS, a resolution and bounds, as far as they are wanted; a
        `RasterDomain`, or a path or source that lies on them. By default those of the first scene, continued
        over the bounds of all.
    order
        Which scene is seen: the ``"first"`` given that has data, the ``"newest"``, the one with the
        ``"least-cloud"``, or the ``"median"`` of all (of two, their mean; integers are rounded).
    resampling
        How pixels are made when a scene is warped, by GDAL's names: ``"nearest"``, ``"bilinear"``,
        ``"cubic"``, ``"average"``, ``"mode"``... By default the nearest of integers, so that no value is made
        up, and bilinear of floats.
    dates
        For ``"newest"``: a date for each scene, as text or `datetime.datetime`. By default their tags say it:
        one of the acquisition, else ``TIFFTAG_DATETIME``.
    cloud
        For ``"least-cloud"``: a number for each scene. By default their tags say it, such as ``CLOUD_COVER``.

    Raises
    ------
    SourceError
        A scene cannot be opened or warped, is of another kind than the first, or lies nowhere in the CRS of
        the grid, or does not say how new or cloudy it is; names it. Or no scene touches the grid.
    ValueError
        There is no such order or resampling, or there are no scenes, or more or fewer dates or numbers.
    TypeError
        A scene or the grid is something else.

    Examples
    --------
    >>> import numpy as np
    >>> from affine import Affine
    >>> from geopatcher import RasterField, reconstruct
    >>> left = RasterField.from_array(np.full((2, 2), 1.0), transform=Affine(10, 0, 0, 0, -10, 0))
    >>> right = RasterField.from_array(np.full((2, 3), 2.0), transform=Affine(10, 0, 10, 0, -10, 0))
    >>> reconstruct(Mosaic([left, right]), lambda patch: patch, size=2).array
    array([[[1., 1., 2., 2.],
            [1., 1., 2., 2.]]])

    """

    def __init__(
        self,
        scenes: Iterable[SceneLike],
        grid: Grid | RasterDomain | SceneLike | None = None,
        order: Order = "first",
        *,
        resampling: str | None = None,
        dates: Sequence[Date] | None = None,
        cloud: Sequence[float] | None = None,
    ) -> None:
        if isinstance(scenes, str | os.PathLike):
            raise TypeError(f"a mosaic is made of a list of scenes, such as [{os.fspath(scenes)!r}]")
        sources = sources_of(scenes)
        if not sources:
            raise ValueError("a mosaic is made of one scene at least, and there is none")
        kind = sources[0].domain
        whole = kind.dtype.kind != "f" or kind.metadata.has_labels
        method = resampling or ("nearest" if whole else "bilinear")
        if method not in METHODS:
            raise ValueError(f"resampling is one of {', '.join(METHODS)}, not {resampling!r}")
        if order == "median" and kind.dtype.kind not in "iuf":
            raise ValueError(f"there is no median of {kind.dtype} pixels: choose another order")
        ranks = ranked(sources, order, dates, cloud)
        onto = grid_of(grid, sources)
        domain = domain_of(sources, onto)
        placed = [scene_on(sources[rank], onto, method) for rank in ranks]
        found = tuple(scene for scene in placed if scene is not None)
        if not found:
            raise SourceError(
                f"none of the {len(sources)} scene(s) touches the grid, whose bounds are {onto.bounds}; "
                f"those of {sources[0].name} are {kind.bounds}"
            )
        super().__init__(found, domain, order, method, tile_of(found, domain, order))


def is_scene(thing: object) -> TypeGuard[SceneLike]:
    """Whether something may be a scene of a mosaic, and is no array of numbers.

    >>> is_scene("a.tif"), is_scene([1, 2])
    (True, False)
    """
    return isinstance(thing, str | os.PathLike | SourceField | PixelSource)


def sources_of(scenes: Iterable[SceneLike]) -> list[PixelSource]:
    """Return where the pixels of scenes come from; files elsewhere are opened at the same time.

    One that is given twice is opened again when it is open: its server is then asked for less.

    Raises
    ------
    SourceError, TypeError
        Of the first that is no scene; see `source_of`.

    """
    given = list(scenes)
    names = [os.fspath(scene) if isinstance(scene, str | os.PathLike) else "" for scene in given]
    far = {name: scene for name, scene in zip(names, given, strict=True) if is_elsewhere(name)}
    if len(far) < 2:
        return [source_of(scene) for scene in given]
    pool = ThreadPoolExecutor(min(FILES_AT_ONCE, len(far)), "geopatcher-open")
    try:
        opened = {name: pool.submit(source_of, scene) for name, scene in far.items()}
        return [
            opened.pop(name).result() if name in opened else source_of(scene)
            for name, scene in zip(names, given, strict=True)
        ]
    finally:
        pool.shutdown(cancel_futures=True)


def source_of(scene: SceneLike) -> PixelSource:
    """Return where the pixels of a scene come from.

    Raises
    ------
    SourceError
        There is no such file, or it is not a raster.
    TypeError
        It is something else.

    """
    if isinstance(scene, str | os.PathLike):
        return field_at(scene).source
    if isinstance(scene, SourceField):
        return with_blocks(scene.source)
    if isinstance(scene, PixelSource):
        return with_blocks(scene)
    raise TypeError(f"a scene is a path, a source or a field, not {type(scene).__name__}")


def grid_of(grid: Grid | RasterDomain | SceneLike | None, sources: Sequence[PixelSource]) -> RasterDomain:
    """Return the shape, transform and CRS of a map of rasters, as `Mosaic` takes a grid.

    Raises
    ------
    SourceError
        A raster cannot be placed on it.
    TypeError
        The grid is something else.

    """
    if grid is None or isinstance(grid, Grid):
        domains, names = [source.domain for source in sources], [source.name for source in sources]
        return grid_for(grid or Grid(), domains, names)
    given = grid if isinstance(grid, RasterDomain) else source_of(grid).domain
    return RasterDomain(given.grid_shape, given.transform, given.crs)


def tile_of(scenes: Sequence[Scene], domain: RasterDomain, order: str) -> tuple[int, int]:
    """Return ``(rows, columns)`` for which what is read of scenes stays within `AT_ONCE`."""
    usual = TALL_TILE if scenes[0].source.block_shape[0] > TILE[0] else TILE
    layers = deepest([scene.box for scene in scenes]) if order == "median" else 1
    read = max(layers, *(scene.density for scene in scenes))
    return tile_shape(usual, domain.n_bands * domain.dtype.itemsize * read, AT_ONCE)
