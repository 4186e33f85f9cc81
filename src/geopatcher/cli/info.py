"""``geopatcher info``."""

from __future__ import annotations

from dataclasses import asdict

import click

from geopatcher.cli.domains import of_domain
from geopatcher.cli.options import options
from geopatcher.cli.output import JSON, say_json
from geopatcher.cli.words import PLACE
from geopatcher.inspect.info import describe


@click.command(short_help="Describe a raster or a result.")
@click.argument("file", type=PLACE)
@options(JSON)
def info(file: str, as_json: bool) -> None:
    """Describe FILE, a raster or a result: size, georeference, bands, nodata, how it is stored."""
    found = describe(file)
    if not as_json:
        click.echo(str(found))
        return
    say_json(
        {
            "file": found.name,
            "kind": found.kind,
            "bytes": found.n_bytes,
            **of_domain(found.domain),
            "dimensions": {each.name: each.length for each in found.domain.leading},
            "blocks": list(found.blocks),
            "stored": list(found.stored),
            "layers": list(found.layers),
            "masked": found.masked,
            "statistics": [None if each is None else asdict(each) for each in found.statistics],
            "damage": found.damage or None,
        }
    )
