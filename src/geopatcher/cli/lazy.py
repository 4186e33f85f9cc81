"""Commands that are imported when they are used, and the one way errors reach the shell."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

import click

from geopatcher._optional import import_quickly
from geopatcher.errors import GeopatcherError, InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Command:
    """Where a command is, ``module:name``, and what it does in a line."""

    reference: str
    summary: str


def import_reference(reference: str) -> object:
    """Import a module and return the object in it that ``module:name`` stands for.

    Raises
    ------
    ImportError
        There is no such module.
    AttributeError
        There is no such object in it.

    Examples
    --------
    >>> import_reference("math:sqrt")(9)
    3.0

    """
    module, _, name = reference.partition(":")
    found: object = attrgetter(name)(import_quickly(module))
    return found


class Interrupted(click.ClickException):
    """The run was told to stop: the shell's code for that is 128 + SIGINT."""

    exit_code = 130


class LazyGroup(click.Group):
    """A group whose commands are listed in a table and imported when they are used.

    Errors with a plain message become one line on stderr and exit code 1; with ``--debug`` they
    keep their traceback.
    """

    def __init__(self, *arguments: object, table: Mapping[str, Command], **keywords: object) -> None:
        super().__init__(*arguments, **keywords)  # type: ignore[arg-type]
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the table's order."""
        del ctx
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; ``None`` when there is none of this name."""
        del ctx
        if cmd_name not in self._table:
            return None
        command = import_reference(self._table[cmd_name].reference)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self._table[cmd_name].reference} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.summary) for name, command in self._table.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a plain error becomes a line and an exit code."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # whoever read our output has gone; click ends quietly
        except (GeopatcherError, ValueError, OSError) as error:
            if ctx.params["debug"]:
                raise
            kind = Interrupted if isinstance(error, InterruptedRunError) else click.ClickException
            raise kind(in_one_line(error)) from error


def in_one_line(error: BaseException) -> str:
    r"""Return an error's message with its line breaks taken out.

    >>> in_one_line(ValueError("first\n  second"))
    'first second'
    """
    return " ".join(str(error).split()) or type(error).__name__
