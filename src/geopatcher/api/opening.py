"""From what a caller names as a source, and how it is to be read, to where pixels come from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, cast

from geopatcher.api.axes import PATCHES
from geopatcher.api.options import check_known
from geopatcher.api.subset import pick_bands
from geopatcher.engine.error_policy import persist
from geopatcher.fields.choices import Choices
from geopatcher.fields.grids import Grid
from geopatcher.fields.mosaic import Mosaic, is_scene
from geopatcher.fields.placing import aligned
from geopatcher.formats.traffic import TRAFFIC
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
    TRAFFIC.take()  # what was asked for other runs
    if isinstance(source, Mapping) and options.get("variable") is None:
        if not isinstance(source, dict):  # a Dataset is a mapping, too
            kind = type(source).__name__
            raise TypeError(
                f"several rasters are given in a dict, and of a {kind} one variable, as in ds['red']"
            )
        return persist(partial(_open_together, source, options, either=wants_mask(operator)), policy)
    one = cast("Source", source)  # a Dataset, too, of which a variable is named
    return persist(partial(_open, one, options), policy)


def _open_together(sources: Mapping[str, Source], options: SourceOptions, *, either: bool) -> PixelSource:
    """Open several rasters, the first as ``options`` say, and the others for its grid."""
    if options.get("bands") is not None:
        raise ValueError("bands= is for one raster: choose those of several in the operator")
    grid, given, choices = _grid(options), options.get("resampling"), _choices(options)
    native = options.get("native", ())
    by_name = given if isinstance(given, Mapping) else dict.fromkeys(sources, given)
    opened_ones = {
        name: _on(
            grid if number == 0 else Grid(), source, by_name.get(name) if number == 0 else None, choices
        )
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
    grid, method, bands = _grid(options), options.get("resampling"), options.get("bands")
    if options.get("native"):
        raise ValueError(f"native={options['native']!r} is for several rasters: give them by name, in a dict")
    if isinstance(method, Mapping):
        what = f"resampling by names, {dict(method)}, is for several rasters: give one method"
        raise ValueError(what)  # noqa: TRY004 - its kind is right for all else
    if grid == Grid() and method is not None:
        raise ValueError(
            f"resampling={method!r} says how pixels are made on another grid: give dst_crs or resolution"
        )
    found = _on(grid, source, method, _choices(options))
    return found if bands is None else pick_bands(found, bands)


def _grid(options: SourceOptions) -> Grid:
    return Grid(options.get("dst_crs"), options.get("resolution"))


def _choices(options: SourceOptions) -> Choices:
    return Choices(
        options.get("variable"),
        options.get("scale_offset", False),
        options.get("credentials"),
        options.get("sign"),
    )


def _on(grid: Grid, source: Source, method: str | None, choices: Choices) -> PixelSource:
    if grid != Grid():
        return Mosaic(map(choices.source, _scenes(source)), grid, resampling=method)
    if isinstance(source, list | tuple) and any(map(is_scene, source)):
        return Mosaic(map(choices.source, source))
    return choices.source(source)


def _scenes(source: Source) -> Iterator[SceneLike]:
    given: Sequence[object] = source if isinstance(source, list | tuple) else [source]
    for scene in given:
        if not is_scene(scene):
            name = type(scene).__name__
            raise TypeError(
                f"dst_crs and resolution warp rasters in files, not {name}: give "
                f"geopatcher.ReprojectingRasterField(source, dst_crs, resolution) in its place"
            )
        yield scene
