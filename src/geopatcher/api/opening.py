"""From what a caller names as a source, and how it is to be read, to where pixels come from."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from geopatcher.api.axes import PATCHES
from geopatcher.api.options import check_known
from geopatcher.engine.error_policy import persist
from geopatcher.fields.grids import Grid
from geopatcher.fields.mosaic import Mosaic, is_scene
from geopatcher.fields.open import as_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from geopatcher.api.options import SourceOptions
    from geopatcher.core.protocols import PixelSource
    from geopatcher.engine.error_policy import ErrorPolicy
    from geopatcher.fields.mosaic import SceneLike
    from geopatcher.fields.open import Source


def opened(
    source: Source,
    options: SourceOptions,
    policy: ErrorPolicy,
    verb: str,
    keywords: Iterable[str],
) -> PixelSource:
    """Open a source as the keywords of a verb say, again and again where the policy says so.

    Raises
    ------
    SourceError
        There is no such source, or it cannot be read in that way.
    TypeError
        The verb has no such keyword, or the source is something else.

    """
    check_known(options, {*keywords, *PATCHES}, verb)
    return persist(partial(_open, source, options), policy)


def _open(source: Source, options: SourceOptions) -> PixelSource:
    grid = Grid(options.get("dst_crs"), options.get("resolution"))
    method = options.get("resampling")
    if grid == Grid():
        if method is not None:
            raise ValueError(
                f"resampling={method!r} says how pixels are made on another grid: give dst_crs or resolution"
            )
        return as_field(source).source
    return Mosaic([*_scenes(source)], grid, resampling=method)


def _scenes(source: Source) -> Iterator[SceneLike]:
    given: Sequence[object] = source if isinstance(source, list | tuple) else [source]
    for scene in given:
        if not is_scene(scene):
            name = type(scene).__name__
            raise TypeError(f"only rasters in files can be warped to another grid, not {name}")
        yield scene
