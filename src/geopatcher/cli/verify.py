"""``geopatcher verify``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from geopatcher.api.verify import verify as verify_result
from geopatcher.formats.local_files import is_elsewhere

if TYPE_CHECKING:
    from click import Context, Parameter


class ResultPath(click.Path):
    """A path that exists, or an address."""

    def convert(
        self, value: str | os.PathLike[str], param: Parameter | None, ctx: Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Return the path; of an address the server is asked later."""
        return value if is_elsewhere(os.fspath(value)) else super().convert(value, param, ctx)


@click.command(short_help="Compare every byte of a result with what was written.")
@click.argument("result", type=ResultPath(exists=True))
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
