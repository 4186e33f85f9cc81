"""Which part of a raster is meant: flags of commands that take one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

import click

from geopatcher.cli.numbers import to_float
from geopatcher.cli.options import options
from geopatcher.cli.words import PLACE
from geopatcher.fields.open import as_field

if TYPE_CHECKING:
    from geopatcher.api.area import Region

F = TypeVar("F", bound=Callable[..., object])


def read_bounds(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[float, float, float, float] | None:
    """Read ``west,south,east,north``."""
    if value is None:
        return None
    try:
        west, south, east, north = map(to_float, value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} are not four numbers, W,S,E,N", ctx, param) from None
    return west, south, east, north


AREA = (
    click.option(
        "--bounds", callback=read_bounds, metavar="W,S,E,N", help="Compute what lies in these coordinates."
    ),
    click.option("--bounds-crs", metavar="CRS", help="Theirs, such as EPSG:4326.  [default: the raster's]"),
    click.option(
        "--aoi", type=PLACE, metavar="FILE", help="Compute what lies in the polygons of a vector file."
    ),
    click.option("--like", type=PLACE, metavar="RASTER", help="Compute what another raster covers."),
    click.option("--crop", is_flag=True, help="Give the result the grid of that part, not of all."),
    click.option("--all-touched", is_flag=True, help="Take in every cell that a polygon touches."),
)


def takes_area(command: F) -> F:
    """Add the flags of `AREA` to a command, which is given the keywords of `geopatcher.reconstruct` for them.

    Raises
    ------
    click.UsageError
        More than one flag says which part is meant; when the command is called.

    """

    @options(AREA)
    @functools.wraps(command)
    def with_region(
        *args: object,
        bounds: tuple[float, float, float, float] | None,
        bounds_crs: str | None,
        aoi: str | None,
        like: str | None,
        **keywords: object,
    ) -> object:
        flags = {"--bounds": bounds, "--aoi": aoi, "--like": like}
        given = [flag for flag, value in flags.items() if value is not None]
        if len(given) > 1:
            raise click.UsageError(f"give one of {', '.join(given)}: each says which part is meant")
        if bounds_crs is not None and bounds is None:
            raise click.UsageError("--bounds-crs is for --bounds: a file says which CRS it is in")
        region: Region | None = bounds or aoi
        crs = bounds_crs
        if like is not None:
            domain = as_field(like).domain
            region, crs = domain.bounds, domain.crs
        return command(*args, region=region, region_crs=crs, **keywords)

    return cast("F", with_region)
