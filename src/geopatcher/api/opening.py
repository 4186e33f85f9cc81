"""From what a caller names as a source, and how it is to be read, to where pixels come from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from geopatcher.api.axes import PATCHES
from geopatcher.api.options import check_known
from geopatcher.engine.error_policy import persist
from geopatcher.fields.grids import Grid
from geopatcher.fields.mosaic import Mosaic, is_scene
from geopatcher.fields.open import as_field
from geopatcher.fields.placing import aligned
from geopatcher.operators.wrappers import wants_mask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from geopatcher.api.options import SourceOptions
    from geopatcher.core.protocols import PixelSource
    from geopatcher.engine.error_policy import ErrorPolicy
    from geopatcher.fields.mosaic import SceneLike
    from geopatcher.fields.open import Source, Sources


def opened(
    source: Sources,
    options: SourceOptions,
    policy: ErrorPolicy,
    verb: str,
    keywords: Iterable[str],
    operator: object = None,
) -> PixelSource:
    """Open a source as the keywords of a verb say, again and again where the policy says so.

    Several rasters are one source. An ``operator`` that is given masked arrays sees patches of them where any
    one holds data.

    Raises
    ------
    SourceError
        There is no such source, or it cannot be read in that way.
    TypeError
        The verb has no such keyword, or the source is something else.

    """
    check_known(options, {*keywords, *PATCHES}, verb)
    if isinstance(source, Mapping):
        if not isinstance(source, dict):  # a Dataset is a mapping, too
            kind = type(source).__name__
            raise TypeError(
                f"several rasters are given in a dict, and of a {kind} one variable, as in ds['red']"
            )
        return persist(partial(_open_together, source, options, either=wants_mask(operator)), policy)
    return persist(partial(_open, source, options), policy)


def _open_together(sources: Mapping[str, Source], options: SourceOptions, *, either: bool) -> PixelSource:
    """Open several rasters, the first as ``options`` say, and the others for its grid."""
    grid, given = Grid(options.get("dst_crs"), options.get("resolution")), options.get("resampling")
    native = options.get("native", ())
    by_name = given if isinstance(given, Mapping) else dict.fromkeys(sources, given)
    opened_ones = {
        name: _on(grid, source, by_name.get(name)) if number == 0 else as_field(source).source
        for number, (name, source) in enumerate(sources.items())
    }
    return aligned(
        opened_ones,
        native=(native,) if isinstance(native, str) else tuple(native),
        resampling=given,
        either=either,
    )


def _open(source: Source, options: SourceOptions) -> PixelSource:
    """Open one raster."""
    grid, method = Grid(options.get("dst_crs"), options.get("resolution")), options.get("resampling")
    if options.get("native"):
        raise ValueError(f"native={options['native']!r} is for several rasters: give them by name, in a dict")
    if isinstance(method, Mapping):
        what = f"resampling by names, {dict(method)}, is for several rasters: give one method"
        raise ValueError(what)  # noqa: TRY004 - its kind is right for all else
    if grid == Grid() and method is not None:
        raise ValueError(
            f"resampling={method!r} says how pixels are made on another grid: give dst_crs or resolution"
        )
    return _on(grid, source, method)


def _on(grid: Grid, source: Source, method: str | None) -> PixelSource:
    return as_field(source).source if grid == Grid() else Mosaic([*_scenes(source)], grid, resampling=method)


def _scenes(source: Source) -> Iterator[SceneLike]:
    given: Sequence[object] = source if isinstance(source, list | tuple) else [source]
    for scene in given:
        if not is_scene(scene):
            name = type(scene).__name__
            raise TypeError(f"only rasters in files can be warped to another grid, not {name}")
        yield scene
