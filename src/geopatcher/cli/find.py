"""``geopatcher find``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from geopatcher.cli.catalogue import QUESTION, Bounds, Question, catalogue
from geopatcher.cli.options import options

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What is said of an item, in this order.
COLUMNS = ("id", "date", "cloud", "tile")


@click.command(short_help="List the scenes that a STAC catalogue has of a place.")
@click.argument("collection")
@options(QUESTION)
@click.option("--json", "as_json", is_flag=True, help="Print a list of JSON objects, with names of assets.")
def find(
    *,
    collection: str,
    bbox: Bounds | None,
    datetime: str | None,
    cloud: float | None,
    tile: str | None,
    api: str | None,
    as_json: bool,
) -> None:
    """List the items of COLLECTION, such as sentinel-2-l2a, in --bbox and --datetime, least clouds first."""
    if bbox is None or datetime is None:
        raise click.UsageError("give --bbox W,S,E,N and --datetime A/B: where and when")
    found = Question(collection, bbox, datetime, cloud, tile, api).items()
    with catalogue() as library:
        rows: list[dict[str, object]] = [library.summary(item) for item in found]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    lines = [COLUMNS, *(_texts(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _texts(row: dict[str, object]) -> Sequence[str]:
    """Return what is said of an item in columns, ``-`` where nothing is."""
    seen, cloud = row["datetime"], row["cloud_cover"]
    texts = (
        row["id"],
        str(seen)[:10] if seen else None,
        None if cloud is None else f"{cloud:g} %",
        row["tile"],
    )
    return tuple("-" if text is None else str(text) for text in texts)
