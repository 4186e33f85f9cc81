"""The command line: ``geopatcher COMMAND``.

Each command lives in a module of its own, which is imported when the command is used: a list of the
commands, or a wrong one, is on the screen before the raster libraries would have been loaded.
"""

from __future__ import annotations

import click

from geopatcher.cli.lazy import Command, LazyGroup

#: name -> where the command is, and what it does in a line
COMMANDS = {
    "run": Command("geopatcher.cli.run:run", "Run an operator over a raster, into one seamless result."),
    "find": Command("geopatcher.cli.find:find", "List the scenes that a STAC catalogue has of a place."),
    "plan": Command("geopatcher.cli.plan:plan", "Say what a run would do and cost, without reading a pixel."),
    "info": Command("geopatcher.cli.info:info", "Describe a raster or a result."),
    "model": Command("geopatcher.cli.model:model", "Say what a model takes and gives, and what it lacks."),
    "verify": Command("geopatcher.cli.verify:verify", "Compare a result with what its run wrote."),
    "export": Command("geopatcher.cli.export:export", "Copy a raster, or a part, to .zarr or .tif."),
    "polygons": Command("geopatcher.cli.polygons:polygons", "Draw a map of classes as polygons."),
    "detect": Command("geopatcher.cli.detect:detect", "Find objects, each once, into a vector file."),
    "view": Command("geopatcher.cli.view:view", "Look at a result in a local page."),
    "report": Command("geopatcher.cli.report:report", "Write a report about a result: one HTML file."),
    "tune": Command("geopatcher.cli.tune:tune", "Find the step, window or margin an operator needs."),
    "demo": Command("geopatcher.cli.demo:demo", "Make a scene, run an index over it, check it, draw it."),
}


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "GEOPATCHER"},
)
@click.version_option(package_name="geopatcher", prog_name="geopatcher")
@click.option("--debug", is_flag=True, help="Show where an error came from.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors, and nothing else that was not asked for.")
@click.option("-v", "--verbose", count=True, help="Print what is being done; twice: more of it.")
def main(debug: bool, quiet: bool, verbose: int) -> None:
    """Run any operator or model over a raster too big for memory, into one seamless result."""
