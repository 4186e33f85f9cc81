"""Runs kept in a file: every option of a command by its name, as the shell would be given it."""

from __future__ import annotations

import json
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from geopatcher.cli.lazy import did_you_mean
from geopatcher.cli.words import PLACE

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Options that say where a run is kept; they are no part of it.
OWN = ("config", "save_config", "debug", "quiet", "verbose", "dry_run", "as_json")
#: Where a context keeps what a run is made of.
RUN = "geopatcher.run"


class SavedCommand(click.Command):
    """A command whose arguments may come from a file of JSON, and be written to one.

    Keys are names of options, such as ``batch_size``, and of arguments, ``source`` and ``target``. What the
    shell gives beside the file counts instead of what stands there. A key that is no option is an error.
    """

    def __init__(self, *arguments: object, **keywords: object) -> None:
        super().__init__(*arguments, **keywords)  # type: ignore[arg-type]
        self.params += [
            click.Option(
                ["--config"],
                type=PLACE,
                metavar="FILE",
                help="Take options from a JSON file; others given count.",
            ),
            click.Option(
                ["--save-config"],
                type=PLACE,
                metavar="FILE",
                help="Write the options of this run to a JSON file.",
            ),
        ]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the shell's words over what a file says."""
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        place = given.get("config")
        kept = _read(place, self.names) if isinstance(place, str) else {}
        ctx.default_map = dict(kept)
        named = {name: value for name, value in given.items() if name not in OWN and _is_given(value)}
        ctx.meta[RUN] = {**kept, **{name: _plain(value) for name, value in named.items()}}
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Write the file, where one is asked for, and run the command without the options for files."""
        ctx.params.pop("config")
        place = ctx.params.pop("save_config")
        if place is not None:
            _write(place, ctx.meta[RUN])
        return super().invoke(ctx)

    @property
    def names(self) -> list[str]:
        """What a file may say."""
        return [param.name for param in self.params if param.name is not None and param.name not in OWN]


def _is_given(value: object) -> bool:
    """Whether the shell said anything: of what it did not, click has a mark, ``None`` or an empty tuple."""
    return isinstance(value, str | bool | int | float) or (isinstance(value, tuple | list) and bool(value))


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple | list) else value


def _read(place: str, names: list[str]) -> Mapping[str, object]:
    try:
        found = json.loads(Path(place).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise click.UsageError(f"the configuration {place} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise click.UsageError(f"the configuration {place} is not a JSON object of options by name")
    unknown = sorted(set(found) - set(names))
    if unknown:
        near = [each for name in unknown for each in get_close_matches(name, names)]
        told = did_you_mean(near) or f" There are {', '.join(sorted(names))}"
        raise click.UsageError(
            f"the configuration {place} has {', '.join(map(repr, unknown))}, which is no option.{told}"
        )
    return {name: _said(value) for name, value in found.items() if value is not None}


def _said(value: object) -> object:
    """Return a JSON value as options take it: numbers as the words of the shell."""
    if isinstance(value, list):
        return [str(part) for part in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _write(place: str, run: Mapping[str, object]) -> None:
    try:
        Path(place).write_text(json.dumps(run, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"the configuration {place} cannot be written: {error}") from error
