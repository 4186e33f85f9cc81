"""``geopatcher verify``."""

from __future__ import annotations

import click

from geopatcher.api.verify import verify as verify_result


@click.command(short_help="Compare every byte of a result with what was written.")
@click.argument("result", type=str)
@click.pass_context
def verify(ctx: click.Context, result: str) -> None:
    """Read every file of RESULT, and compare it with the checksums in the ledger beside it.

    Exit code 0: nothing is damaged. 1: something is, and is named with the pixels in it. Of a raster without
    a ledger all that can be said is whether all of it can be read.
    """
    found = verify_result(result)
    click.echo(str(found))
    if not found.is_intact:
        ctx.exit(1)
