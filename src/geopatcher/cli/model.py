"""``geopatcher model``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from geopatcher.operators.models.describing import describe_model
from geopatcher.operators.models.model import Model
from geopatcher.operators.models.record_json import record_beside


@click.command(short_help="Say what a model takes and gives, and what its record lacks.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--write", is_flag=True, help="Write what is known to NAME.mlm.json beside it, to fill in.")
@click.option("--overwrite", is_flag=True, help="Write over a record that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON.")
def model(path: Path, *, write: bool, overwrite: bool, as_json: bool) -> None:
    """Describe the model in the file PATH: bands, scaling, classes, sizes, and what is not told.

    A record beside the weights tells the rest: NAME.mlm.json, with the names of the STAC MLM extension.
    """
    if overwrite and not write:
        raise click.UsageError("--overwrite is for --write: nothing else is written")
    found = describe_model(Model(path), path)
    click.echo(json.dumps(found.properties, indent=2) if as_json else str(found))
    if not write:
        return
    record = record_beside(path)
    text = json.dumps(found.properties, indent=2) + "\n"
    try:
        with record.open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ValueError(f"there is a record {record} already: --overwrite writes over it") from error
    click.echo(f"wrote {record}", err=True)
