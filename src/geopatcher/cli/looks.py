"""Options that say how a result looks, and what its numbers stand for."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import TypeVar, cast

import click

from geopatcher.cli.numbers import to_float
from geopatcher.cli.options import DTYPES, options
from geopatcher.cli.words import OneOf
from geopatcher.core.palette import RAMPS
from geopatcher.core.scaling import ScaleTo
from geopatcher.core.styles import Named, Style

F = TypeVar("F", bound=Callable[..., object])


def read_range(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, float] | None:
    """Read a lowest and a highest value, such as ``-1,1``."""
    if value is None:
        return None
    try:
        low, high = map(to_float, value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not LOW,HIGH, such as -1,1", ctx, param) from None
    if not low < high:
        raise click.BadParameter(f"{value!r} does not go up: the lowest value comes first", ctx, param)
    return low, high


def read_classes(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[int, Named]:
    """Read ``10=Tree`` and ``10=Tree:#006400``."""
    found: dict[int, Named] = {}
    for given in value:
        match = re.fullmatch(r"\s*(-?[0-9]+)\s*=\s*(.+?)\s*(?::\s*(#[0-9a-fA-F]{6}))?\s*", given)
        if match is None:
            raise click.BadParameter(
                f"{given!r} is not VALUE=NAME or VALUE=NAME:#rrggbb, such as 10=Tree:#006400", ctx, param
            )
        if not match[3] and re.search(r":\s*#", match[2]):
            raise click.BadParameter(f"{given!r} ends in no #rrggbb, such as 10=Tree:#006400", ctx, param)
        if int(match[1]) in found:
            raise click.BadParameter(f"{given!r} names the class {int(match[1])} again", ctx, param)
        found[int(match[1])] = (match[2], match[3]) if match[3] else match[2]
    return found


SCALING = (
    click.option(
        "--scale-to",
        "numbers",
        type=OneOf(DTYPES[:6]),
        help="Values of --range as whole numbers, with scale and offset written.",
    ),
    click.option(
        "--range",
        "span",
        callback=read_range,
        metavar="LOW,HIGH",
        help="Values of the first and the last colour, or number.  [default: the middle 96 % of all]",
    ),
)

LOOKS = (
    click.option(
        "--ramp",
        type=OneOf([*RAMPS]),
        metavar="NAME",
        help=f"Colours, kept with the result: {', '.join(RAMPS)}.",
    ),
    *SCALING,
    click.option(
        "--class",
        "classes",
        multiple=True,
        callback=read_classes,
        metavar="VALUE=NAME[:#rrggbb]",
        help="A class of a map, again for each: its name and colour, kept with the result.",
    ),
)


def takes_looks(command: F) -> F:
    """Add the flags of `LOOKS` to a command, which is given the ``style`` they come to, or `None`."""

    @options(LOOKS)
    @functools.wraps(command)
    def with_style(
        *args: object,
        ramp: str | None,
        span: tuple[float, float] | None,
        classes: dict[int, Named],
        numbers: str | None,
        **keywords: object,
    ) -> object:
        if classes and (ramp or (span and numbers is None)):
            raise click.UsageError("give --class, or --ramp and --range: a map of classes has no range")
        style = Style(span, ramp or "", classes) if ramp or span or classes else None
        return command(*args, style=style, scale_to=_scaling(numbers, span), **keywords)

    return cast("F", with_style)


def takes_scaling(command: F) -> F:
    """Add the flags of `SCALING` to a command, which is given the ``scale_to`` they come to, or `None`."""

    @options(SCALING)
    @functools.wraps(command)
    def with_scaling(
        *args: object, numbers: str | None, span: tuple[float, float] | None, **keywords: object
    ) -> object:
        if span is not None and numbers is None:
            raise click.UsageError(
                "--range says how a result looks, which no plan follows from: leave it out"
            )
        return command(*args, scale_to=_scaling(numbers, span), **keywords)

    return cast("F", with_scaling)


def _scaling(numbers: str | None, span: tuple[float, float] | None) -> ScaleTo | None:
    if numbers is None:
        return None
    if span is None:
        raise click.UsageError(
            f"--scale-to {numbers} needs --range LOW,HIGH: the values of its first and last number, such "
            f"as 0,1"
        )
    return ScaleTo(numbers, span)
