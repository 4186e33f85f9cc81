"""What a shell user names as a source: one raster, or many that are one map; and on which grid."""

from __future__ import annotations

import functools
import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from geopatcher.cli.catalogue import CATALOGUE, Wanted
from geopatcher.cli.options import options
from geopatcher.fields.grids import Grid
from geopatcher.fields.mosaic import Mosaic
from geopatcher.fields.ranking import ORDERS
from geopatcher.fields.scenes import METHODS
from geopatcher.fields.zarr_field import is_zarr
from geopatcher.formats.local_files import is_elsewhere, is_here

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geopatcher.fields.open import Source
    from geopatcher.fields.ranking import Order

#: Endings of the files of a folder that are scenes.
RASTERS = frozenset({".tif", ".tiff", ".jp2", ".vrt", ".img"})


def read_resolution(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> float | tuple[float, float] | None:
    """Read the side of a pixel, ``10``, or two, ``10,20``."""
    if value is None:
        return None
    try:
        sides = tuple(float(side) for side in value.split(","))
    except ValueError:
        sides = ()
    if len(sides) not in (1, 2) or not all(side > 0 for side in sides):
        raise click.BadParameter(f"{value!r} is not the side of a pixel, such as 10 or 10,20", ctx, param)
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


OPTIONS = (
    click.option(
        "--order",
        "--mosaic",
        type=click.Choice(ORDERS),
        default="first",
        show_default=True,
        help="Which of several scenes is seen where they lie over each other.",
    ),
    click.option("--to-crs", metavar="CRS", help="Warp to this CRS, such as EPSG:32633."),
    click.option(
        "--resolution",
        callback=read_resolution,
        metavar="SIDE|X,Y",
        help="Warp to pixels of this side, in units of the CRS.",
    ),
    click.option(
        "--resampling",
        type=click.Choice(METHODS),
        help="How pixels are made where scenes are warped.  [default: nearest of integers, else bilinear]",
    ),
)


def takes_scenes(*, several: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator of a command that gives it a ``source``, whatever way it was named.

    With ``several`` there may be many arguments, or a catalogue is asked instead; each may be a folder, a
    pattern or a list in any case.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def call(
            *,
            sources: str | Sequence[str],
            order: Order,
            to_crs: str | None,
            resolution: float | tuple[float, float] | None,
            resampling: str | None,
            **keywords: object,
        ) -> None:
            named = [sources] if isinstance(sources, str) else sources
            grid = Grid(to_crs, resolution)
            wanted = Wanted.taken_from(keywords) if several else None
            if wanted is None:
                if not named:
                    raise click.UsageError("give the SOURCE, the scenes to read, before TARGET, or --stac")
                return command(source=source_of(named, grid, order, resampling), **keywords)
            if named:
                raise click.UsageError(f"--stac finds the scenes: leave {' '.join(named)} out")
            bands = cast("tuple[int | str, ...] | None", keywords.pop("bands"))
            source = wanted.source(bands, grid, order, resampling)
            wanted.complete(keywords)
            return command(source=source, bands=None, **keywords)

        for option in reversed(OPTIONS):
            call = option(call)
        if several:
            call = options(CATALOGUE)(call)
            return click.argument("sources", metavar="SOURCE...", nargs=-1)(call)
        return click.argument("sources", metavar="SOURCE")(call)

    return decorate


def source_of(arguments: Sequence[str], grid: Grid, order: Order, resampling: str | None) -> Source:
    """Return what arguments name: one raster as it is, or a mosaic."""
    paths = [path for argument in arguments for path in expanded(argument)]
    if paths == list(arguments) and len(paths) == 1 and grid == Grid():
        return paths[0]
    return Mosaic(paths, grid, order, resampling=resampling)


def expanded(argument: str) -> list[str]:
    """Return the paths an argument stands for: the rasters of a folder, what a pattern finds, a file's lines.

    Raises
    ------
    click.UsageError
        There are none.

    """
    if argument.startswith("@"):
        return _listed(Path(argument[1:]))
    if is_here(argument):
        folder = Path(argument)
        found = [] if not folder.is_dir() or is_zarr(argument) else sorted(folder.iterdir())
        return [str(path) for path in found if path.suffix.lower() in RASTERS] or [argument]
    if not is_elsewhere(argument) and re.search(r"[*?\[]", argument) and ":" not in argument:
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - a Path takes no absolute pattern
        if not matches:
            raise click.UsageError(f"no file is called {argument} (working directory: {Path.cwd()})")
        return matches
    return [argument]


def _listed(place: Path) -> list[str]:
    """Return the lines of a file, but those that are empty or begin with ``#``."""
    try:
        lines = place.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"the list of scenes {place} cannot be read: {error}") from error
    paths = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not paths:
        raise click.UsageError(f"the list of scenes {place} names none: write a path on each line")
    return paths
