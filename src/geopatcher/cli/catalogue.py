"""Scenes that a shell user does not name, but asks a catalogue for."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import click

from geopatcher._optional import load
from geopatcher.cli.area import read_bounds
from geopatcher.cli.lazy import in_one_line
from geopatcher.cli.options import read_number

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from geopatcher.core.arrays import Array
    from geopatcher.fields.catalogued import Catalogued
    from geopatcher.fields.grids import Grid
    from geopatcher.fields.ranking import Order

#: ``(west, south, east, north)``.
Bounds = tuple[float, float, float, float]
#: CRS of the boxes that catalogues are asked for.
DEGREES = "EPSG:4326"
#: What is run over scenes that are found where nothing is told.
UNCHANGED = "geopatcher.cli.catalogue:unchanged"

#: What a catalogue is asked; the first two it has to be.
QUESTION = (
    click.option(
        "--bbox", callback=read_bounds, metavar="W,S,E,N", help="Degrees, for a search in a catalogue."
    ),
    click.option("--datetime", metavar="A/B", help="Its days, such as 2024-06-01/2024-07-15, or 2024-06."),
    click.option("--cloud", type=click.FloatRange(0, 100), metavar="PERCENT", help="Its most clouds."),
    click.option("--tile", metavar="MGRS", help="Its Sentinel-2 tile, such as 10SGJ."),
    click.option("--api", metavar="URL", help="The catalogue's API.  [default: $GEOSTACK_STAC_API]"),
)


@dataclass(frozen=True)
class Masking:
    """An asset, and its classes or bits that mean "missing"."""

    asset: str
    classes: tuple[int, ...]
    bits: tuple[int, ...]


def read_mask(ctx: click.Context, param: click.Parameter, value: str | None) -> Masking | None:
    """Read ``SCL:3,8,9``, or ``QA_PIXEL:bits=3,4``."""
    if value is None:
        return None
    found = re.fullmatch(r"(.+):(bits=)?(\d+(?:,\d+)*)", value.replace(" ", ""))
    if found is None:
        raise click.BadParameter(
            f"{value!r} is not an asset and its classes that are missing, such as SCL:3,8,9, or bits, as in "
            f"QA_PIXEL:bits=3,4",
            ctx,
            param,
        )
    numbers = tuple(map(int, found[3].split(",")))
    return Masking(found[1], () if found[2] else numbers, numbers if found[2] else ())


#: What makes a source of it.
CATALOGUE = (
    click.option("--stac", metavar="COLLECTION", help="Take the scenes that a search in a catalogue finds."),
    *QUESTION,
    click.option(
        "--mask",
        callback=read_mask,
        metavar="ASSET:N,N",
        help="Of --stac: where this asset is one of these, pixels are missing; QA:bits=3,4 for bits.",
    ),
    click.option(
        "--source-nodata",
        callback=read_number,
        metavar="NUMBER",
        help="Of --stac: the value of missing pixels where neither item nor file says one.",
    ),
)


@dataclass(frozen=True)
class Question:
    """What to ask a catalogue for."""

    collection: str
    bbox: Bounds
    datetime: str
    cloud: float | None = None
    tile: str | None = None
    api: str | None = None

    def items(self) -> list[object]:
        """Return what it has, least clouds first.

        Raises
        ------
        click.ClickException
            It has nothing, or cannot be asked.

        """
        with catalogue() as library:
            found: list[object] = library.load_stac_items(
                self.collection, self.bbox, self.datetime, self.tile, self.cloud, self.api
            )
        return found


@dataclass(frozen=True)
class Wanted:
    """A question, and what is made of the answer."""

    question: Question
    mask: Masking | None = None
    scale_offset: bool = False
    nodata: int | float | None = None

    @classmethod
    def taken_from(cls, keywords: dict[str, object], *, scale_offset: bool) -> Wanted | None:
        """Take the values of the flags of `CATALOGUE` from those of a command; ``None`` without ``--stac``.

        ``scale_offset`` says that scales and offsets are to be applied: those that items tell.

        Raises
        ------
        click.UsageError
            One of them lacks another.

        """
        given = {name: keywords.pop(name) for name in ("bbox", "datetime", "cloud", "tile", "api")}
        mask = cast("Masking | None", keywords.pop("mask"))
        nodata = cast("int | float | None", keywords.pop("source_nodata"))
        collection = cast("str | None", keywords.pop("stac"))
        if collection is None:
            flags = [*given.items(), ("mask", mask), ("source-nodata", nodata)]
            for name in (name for name, value in flags if value is not None):
                raise click.UsageError(f"--{name} is for --stac: name a collection")
            return None
        bbox, datetime = given["bbox"], given["datetime"]
        if bbox is None or datetime is None:
            raise click.UsageError("--stac needs --bbox W,S,E,N and --datetime A/B: where and when")
        question = Question(
            collection,
            cast("Bounds", bbox),
            cast("str", datetime),
            cast("float | None", given["cloud"]),
            cast("str | None", given["tile"]),
            cast("str | None", given["api"]),
        )
        return cls(question, mask, scale_offset, nodata)

    def source(
        self, bands: tuple[int | str, ...] | None, grid: Grid, order: Order, resampling: str | None
    ) -> Catalogued:
        """Ask, and return the bands of what is found as a source.

        Raises
        ------
        click.UsageError
            Bands are not named.
        click.ClickException
            There is nothing, an item lacks a band, or the catalogue cannot be asked.

        """
        names = [band for band in bands or () if isinstance(band, str)]
        if not names or len(names) != len(bands or ()):
            raise click.UsageError("--stac needs --bands by the names of their assets, such as B04,B08")
        items = self.question.items()
        with catalogue() as library:
            mask = self.mask and library.Mask(self.mask.asset, self.mask.classes, self.mask.bits)
            made: Catalogued = library.from_stac(
                items,
                names,
                grid=grid,
                order=order,
                resampling=resampling,
                mask=mask,
                scale_offset=self.scale_offset,
                nodata=self.nodata,
            )
        return made

    def complete(self, keywords: dict[str, object]) -> None:
        """Have a command compute what lies in the box of the question, as it is, unless it is told more."""
        west, _, east, _ = self.question.bbox
        if "operator" in keywords and all(keywords[name] is None for name in ("operator", "expr", "model")):
            keywords["operator"] = UNCHANGED
        if all(keywords[name] is None for name in ("bounds", "aoi", "like")) and west < east:
            keywords |= {"bounds": self.question.bbox, "bounds_crs": DEGREES, "crop": True}


def unchanged(pixels: Array) -> Array:
    """Return pixels as they are."""
    return pixels


@contextmanager
def catalogue() -> Iterator[ModuleType]:
    """Lend what searches catalogues; its errors become those of a command.

    It is loaded by its name: this package works without it, and it knows nothing of this package.
    """
    library = load("geostack")
    try:
        yield library
    except library.GeostackError as error:
        raise click.ClickException(in_one_line(error)) from error
