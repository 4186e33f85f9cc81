"""What a shell user names as a source: one raster, or many that are one map; and on which grid."""

from __future__ import annotations

import functools
import glob
import itertools
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from geopatcher.cli.catalogue import CATALOGUE, Wanted
from geopatcher.cli.numbers import to_float
from geopatcher.cli.options import options
from geopatcher.cli.words import PLACE, OneOf
from geopatcher.errors import SourceError
from geopatcher.fields.choices import Choices
from geopatcher.fields.grids import Grid
from geopatcher.fields.mosaic import Mosaic
from geopatcher.fields.open import as_field
from geopatcher.fields.ranking import ORDERS
from geopatcher.fields.stack import FROM_TAGS, Stack
from geopatcher.fields.warping import METHODS
from geopatcher.fields.zarr_field import is_zarr
from geopatcher.formats.local_files import is_elsewhere, is_here

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geopatcher.api.options import SourceOptions
    from geopatcher.fields.open import Source, Sources
    from geopatcher.fields.ranking import Order

#: Names of a folder that are listed.
LISTED = 5
#: Endings of the files of a folder that are scenes.
RASTERS = frozenset({".tif", ".tiff", ".jp2", ".vrt", ".img"})


def read_resolution(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> float | tuple[float, float] | None:
    """Read the side of a pixel, ``10``, or two, ``10,20``."""
    if value is None:
        return None
    try:
        sides = tuple(to_float(side) for side in value.split(","))
    except ValueError:
        sides = ()
    if len(sides) not in (1, 2) or not all(side > 0 for side in sides):
        raise click.BadParameter(f"{value!r} is not the side of a pixel, such as 10 or 10,20", ctx, param)
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def read_resampling(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> str | dict[str, str] | None:
    """Read a method, ``cubic``, or methods of rasters by their names, ``dem=cubic,s1=nearest``."""
    if value is None:
        return None
    by_name = dict(read_named(part) or ("", part) for part in value.split(","))
    for method in by_name.values():
        if method not in METHODS:
            raise click.BadParameter(f"{method!r} is none of {', '.join(METHODS)}", ctx, param)
    if "" in by_name and len(by_name) > 1:
        raise click.BadParameter(f"{value!r} is neither a method nor NAME=METHOD,NAME=METHOD", ctx, param)
    return by_name.get("", by_name)


def read_named(text: str) -> tuple[str, str] | None:
    """Return the name and the rest of ``dem=dem.tif``, ``None`` for a path.

    >>> read_named("dem=dem.tif"), read_named("https://host/a.tif?key=1"), read_named("a.tif")
    (('dem', 'dem.tif'), None, None)
    """
    found = re.fullmatch(r"([A-Za-z_]\w*)=(.+)", text)
    return None if found is None or is_here(text) else (found[1], found[2])


OPTIONS = (
    click.option(
        "--order",
        "--mosaic",
        type=OneOf(ORDERS),
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
        callback=read_resampling,
        metavar="METHOD|NAME=METHOD,...",
        help="How pixels are made where rasters are warped.  [default: nearest of integers, else bilinear]",
    ),
    click.option(
        "--native", metavar="NAME,NAME", help="Rasters given as NAME=SOURCE that keep their own pixels."
    ),
    click.option("--variable", metavar="NAME", help="An array of a zarr store, or of a netCDF or GRIB file."),
    click.option(
        "--scale-offset",
        is_flag=True,
        help="Apply the scale and offset of each raster: values are floats, and NaN where nothing is.",
    ),
    click.option(
        "--credentials",
        metavar="MODULE:FUNCTION",
        help="What gives those of a bucket.  [default: variables such as AWS_ACCESS_KEY_ID]",
    ),
    click.option(
        "--sign",
        metavar="MODULE:FUNCTION",
        help="What signs addresses, now and when a signature has expired; or: planetary-computer.",
    ),
)

STACKING = (
    click.option(
        "--stack",
        metavar="DIM",
        help="Several scenes are one behind the other along a dimension, such as time, and no map.",
    ),
    click.option(
        "--labels",
        metavar="date|A,B,...",
        help="What lies along it, one for each scene; date: what their tags say.",
    ),
)


def takes_scenes(
    *, several: bool, target: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator of a command that gives it a ``source``, whatever way it was named.

    It is given ``opening``, too: the keywords it is to be opened with. With ``several`` there may be many
    arguments that are scenes of one map, or a catalogue is asked instead, and without, one. Each may be a
    folder, a pattern or a list in any case. A command that says nothing of a ``target`` of its own is given
    the last of several arguments as one, ``None`` where there is but one.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def call(
            *,
            sources: Sequence[str],
            order: Order,
            to_crs: str | None,
            resolution: float | tuple[float, float] | None,
            resampling: str | dict[str, str] | None,
            native: str | None,
            variable: str | None,
            scale_offset: bool,
            credentials: str | None,
            sign: str | None,
            **keywords: object,
        ) -> None:
            if not target:
                is_found = keywords.get("stac") is not None
                sources, keywords["target"] = _with_target(sources, several=several, is_found=is_found)
            stack, labels = (keywords.pop(name) if several else None for name in ("stack", "labels"))
            named = _Named(
                sources,
                Choices(variable, scale_offset, credentials, sign),
                order,
                Grid(to_crs, resolution),
                resampling,
                native,
                cast("str | None", stack),
                cast("str | None", labels),
            )
            wanted = Wanted.taken_from(keywords, scale_offset=scale_offset) if several else None
            if wanted is None:
                source, opening = named.opened()
                return command(source=source, opening=opening, **keywords)
            bands = cast("tuple[int | str, ...] | None", keywords.pop("bands"))
            source = named.found(wanted, bands)
            wanted.complete(keywords)
            return command(source=source, opening={}, bands=None, **keywords)

        for option in reversed(OPTIONS + STACKING if several else OPTIONS):
            call = option(call)
        if several:
            call = options(CATALOGUE)(call)
        metavar = "SOURCE..." if target else "SOURCE... [TARGET]"
        return click.argument("sources", type=PLACE, metavar=metavar, nargs=-1, required=not several)(call)

    return decorate


@dataclass(frozen=True)
class _Named:
    """What is named as a source, and all that is said of it."""

    arguments: Sequence[str]
    choices: Choices
    order: Order
    grid: Grid
    resampling: str | dict[str, str] | None
    native: str | None
    stack: str | None
    labels: str | None

    def opened(self) -> tuple[Sources, SourceOptions]:
        """Return the source, and the keywords it is to be opened with.

        Raises
        ------
        click.UsageError
            Options do not go together.

        """
        if not self.arguments:
            raise click.UsageError("give the SOURCE, the scenes to read, before TARGET, or --stac")
        if self.stack is None and self.labels is not None:
            raise click.UsageError("--labels are for a --stack")
        if all(map(read_named, self.arguments)):
            return self._together()
        if self.native is not None or isinstance(self.resampling, dict):
            what = "--native" if self.native is not None else "--resampling NAME=METHOD"
            raise click.UsageError(f"{what} is for rasters with names, such as s2=a.tif dem=b.tif")
        if self.stack is None:
            return source_of(self.arguments, self.grid, self.order, self.resampling, self.choices), {}
        if self.order != "first":
            raise click.UsageError("--order is for scenes of one map: leave it out with --stack")
        return stack_of(self.arguments, self.stack, self.labels, self.grid, self.resampling, self.choices), {}

    def found(self, wanted: Wanted, bands: tuple[int | str, ...] | None) -> Source:
        """Return the source of what a catalogue finds.

        Raises
        ------
        click.UsageError
            Options are for scenes that are named.

        """
        if self.arguments:
            raise click.UsageError(f"--stac finds the scenes: leave {' '.join(self.arguments)} out")
        given = {"--native": self.native, "--stack": self.stack, "--labels": self.labels}
        unfit = [name for name, value in given.items() if value is not None]
        if replace(self.choices, scale_offset=False) != Choices():
            unfit.append("--variable, --credentials or --sign")
        if unfit or isinstance(self.resampling, dict):
            what = unfit[0] if unfit else "--resampling NAME=METHOD"
            raise click.UsageError(f"{what} is for rasters that are named, not for --stac")
        return wanted.source(bands, self.grid, self.order, self.resampling)

    def _together(self) -> tuple[Sources, SourceOptions]:
        if self.stack is not None:
            raise click.UsageError("--stack is for rasters of one kind: give them without names")
        opening: SourceOptions = {
            "dst_crs": self.grid.crs,
            "resolution": self.grid.resolution,
            "resampling": self.resampling,
            "native": () if self.native is None else self.native.split(","),
        }
        return together_of(self.arguments, self.order, self.choices), opening


def _with_target(
    arguments: Sequence[str], *, several: bool, is_found: bool
) -> tuple[Sequence[str], str | None]:
    """Return what is named as a source, and the target behind it, if there is one.

    Of what ``is_found`` in a catalogue nothing is named. Of more than two arguments the last is the target,
    as of ``run``: a scene that a shell has put there would be left out in silence, so that what is there is
    refused.

    Raises
    ------
    click.UsageError
        There are more arguments than that, or the last of several is there.

    """
    n_named = sum(1 for _ in itertools.takewhile(read_named, arguments))
    n_sources = 0 if is_found else max(1, n_named)
    if several and not n_named and len(arguments) > n_sources + 1:
        n_sources = len(arguments) - 1
        if is_here(arguments[-1]) and not is_found:
            raise click.UsageError(
                f"the last argument is TARGET, as for run, and {arguments[-1]} is there: name what is not, "
                f"such as result.tif, behind the scenes"
            )
    if len(arguments) > n_sources + 1:
        raise click.UsageError(
            f"give one SOURCE, or several as NAME=SOURCE, and at most one TARGET, not {' '.join(arguments)}"
        )
    return arguments[:n_sources], arguments[n_sources] if len(arguments) > n_sources else None


def together_of(arguments: Sequence[str], order: Order, choices: Choices) -> dict[str, Source]:
    """Return several rasters by name, of arguments such as ``dem=dem.tif``."""
    named = [found for found in map(read_named, arguments) if found is not None]
    if len(dict(named)) < len(named):
        raise click.UsageError(f"two rasters have one name in {' '.join(arguments)}")
    return {name: source_of([path], Grid(), order, None, choices) for name, path in named}


def source_of(
    arguments: Sequence[str],
    grid: Grid,
    order: Order,
    resampling: str | None,
    choices: Choices,
) -> Source:
    """Return what arguments name: one raster as it is, or a mosaic."""
    paths = [path for argument in arguments for path in expanded(argument)]
    if paths == list(arguments) and len(paths) == 1 and grid == Grid():
        return choices.source(paths[0])
    return Mosaic(map(choices.source, paths), grid, order, resampling=resampling)


def stack_of(
    arguments: Sequence[str],
    dim: str,
    labels: str | None,
    grid: Grid,
    resampling: str | None,
    choices: Choices,
) -> Stack:
    """Return the rasters that arguments name, one behind the other along a dimension."""
    paths = [path for argument in arguments for path in expanded(argument)]
    along = labels if labels is None or labels == FROM_TAGS else labels.split(",")
    return Stack(
        [*map(choices.source, paths)], dim, along, None if grid == Grid() else grid, resampling=resampling
    )


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
        if not folder.is_dir() or is_zarr(argument):
            return [argument]
        found = sorted(folder.iterdir())
        return [str(path) for path in found if path.suffix.lower() in RASTERS] or [_one_folder(folder, found)]
    if not is_elsewhere(argument) and re.search(r"[*?\[]", argument) and ":" not in argument:
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - a Path takes no absolute pattern
        if not matches:
            raise click.UsageError(f"no file is called {argument} (working directory: {Path.cwd()})")
        return matches
    return [argument]


def _one_folder(folder: Path, found: Sequence[Path]) -> str:
    """Return a folder that is a raster by itself, as some formats have it."""
    try:
        as_field(str(folder))
    except SourceError as error:
        names = [path.name for path in found]
        held = ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
        raise click.UsageError(
            f"the folder {folder} holds no raster ({', '.join(sorted(RASTERS))}): it has {held or 'nothing'}"
            f'; those of folders in it are "{folder}/**/*.tif"'
        ) from error
    return str(folder)


def _listed(place: Path) -> list[str]:
    """Return the lines of a file, but those that are empty or begin with ``#``."""
    try:
        lines = place.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"the list of scenes {place} cannot be read: {error}") from error
    paths = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not paths:
        raise click.UsageError(f"the list of scenes {place} names none: write a path on each line")
    return paths
