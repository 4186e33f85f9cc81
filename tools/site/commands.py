"""The page of the command line, made from click's own commands."""

from __future__ import annotations

import inspect

import click

from geopatcher.cli import main

INTRO = """# Command line

Every command has `--help`. An option may come from the environment, too: `GEOPATCHER_RUN_SIZE=512` stands for
`geopatcher run --size 512`. A command ends with 0 where all went well, and with 2 where it was called
wrongly.
"""


def page() -> str:
    """Return the Markdown: the options of all commands, then a section for each command."""
    context = click.Context(main, info_name="geopatcher")
    names = main.list_commands(context)
    commands = {name: main.get_command(context, name) for name in names}
    rows = [
        f"| [`{name}`](#{name}) | {_cell(command.get_short_help_str(120))} |"
        for name, command in commands.items()
        if command
    ]
    parts = [
        INTRO,
        "\n".join(["| command | |", "|---|---|", *rows]),
        "## Options of all commands",
        _options(context),
    ]
    for name, command in commands.items():
        if command:
            parts.append(_section(click.Context(command, info_name=name, parent=context)))
    return "\n\n".join(parts) + "\n"


def _section(context: click.Context) -> str:
    usage = " ".join(["geopatcher", str(context.info_name), *context.command.collect_usage_pieces(context)])
    said = inspect.cleandoc((context.command.help or "").replace("\b", ""))
    return "\n\n".join([f"## {context.info_name}", said, f"```text\n{usage}\n```", _options(context)])


def _options(context: click.Context) -> str:
    records = [param.get_help_record(context) for param in context.command.get_params(context)]
    rows = [f"| `{_cell(names)}` | {_cell(said)} |" for names, said in filter(None, records)]
    return "\n".join(["| option | |", "|---|---|", *rows])


def _cell(text: str) -> str:
    """Return a text as it may stand in a cell: nothing in it is markup."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("\n", " ")
