"""``geopatcher report``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from geopatcher.cli.options import options, read_size
from geopatcher.cli.output import JSON, say_json
from geopatcher.cli.words import PLACE
from geopatcher.report.findings import look_into
from geopatcher.report.html import write_findings

if TYPE_CHECKING:
    from geopatcher.report.seams import Seams


@click.command(short_help="Write a report about a result: one HTML file.")
@click.argument("result", type=PLACE)
@click.argument("path", type=PLACE, required=False, metavar="[REPORT.html]")
@click.option(
    "--input",
    "source",
    type=PLACE,
    metavar="SOURCE",
    help="The raster it was made from.  [default: as its ledger says]",
)
@click.option("--size", callback=read_size, metavar="PIXELS", help="Patches, where no ledger tells.")
@click.option("--step", callback=read_size, metavar="PIXELS", help="From patch to patch, likewise.")
@click.option("--labels/--no-labels", default=None, help="Whether values are labels, such as classes.")
@options(JSON)
def report(
    result: str,
    path: str | None,
    source: str | None,
    size: int | tuple[int, int] | None,
    step: int | tuple[int, int] | None,
    labels: bool | None,
    as_json: bool,
) -> None:
    """Write a report about RESULT: its run, pictures, coverage, errors, and how visible its seams are.

    The report is one file that needs nothing beside it: RESULT.report.html, unless named.
    """
    findings = look_into(result, source, size, step, labels)
    place = write_findings(findings, path)
    if not as_json:
        click.echo(str(place))
        return
    say_json({"report": str(place), "compared": findings.compared, "seams": [*map(_told, findings.seams)]})


def _told(seams: Seams) -> dict[str, object]:
    """Return what was measured of a band, for programs."""
    known = {"rows": seams.rows, "columns": seams.columns, "both": seams.both, "ridges": seams.ridges}
    told = {
        name: {
            "verdict": seam.verdict,
            "ratio": seam.ratio,
            "low": seam.low,
            "high": seam.high,
            "input": seam.natural,
            "period": seam.period,
        }
        for name, seam in known.items()
    }
    return {"band": seams.band, "verdict": seams.strongest.verdict, **told}
