"""Commands that are imported when they are used, and the one way errors reach the shell."""

from __future__ import annotations

import os
import signal
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from operator import attrgetter
from typing import TYPE_CHECKING, TextIO

import click

from geopatcher._optional import import_quickly
from geopatcher.cli.output import QUIET, heard, say_json, set_levels
from geopatcher.errors import GeopatcherError, InterruptedRunError
from geopatcher.errors.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


#: Where the context of a command keeps whether errors show where they came from, and how much is told.
DEBUG, VERBOSE = "geopatcher.debug", "geopatcher.verbose"
#: What click takes for yes.
_YES = frozenset({"1", "true", "t", "yes", "y", "on"})


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
    """The command was told to stop: the shell's code for that is 128 and the number of the signal."""

    def __init__(self, message: str, signal_number: int = signal.SIGINT) -> None:
        super().__init__(message)
        vars(self)["exit_code"] = 128 + signal_number


class ToldError(click.ClickException):
    """An error behind a result, which has been printed."""


class LazyGroup(click.Group):
    """A group whose commands are listed in a table and imported when they are used.

    Errors with a plain message become one line on stderr and exit code 1, and warnings one line; with
    ``--debug`` they keep their traceback and their place. Ctrl-C is a line and code 130, a run that
    SIGTERM has stopped one and 143.
    """

    def __init__(self, *arguments: object, table: Mapping[str, Command], **keywords: object) -> None:
        super().__init__(*arguments, **keywords)  # type: ignore[arg-type]
        self._table = table

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; one that is none is told the nearest."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in self._table:
            ctx.fail(f"No such command {name!r}.{did_you_mean(get_close_matches(name, self._table))}")
        return super().resolve_command(ctx, args)

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
        known = {option for param in command.params for option in param.opts}
        command.params += [option for option in _everywhere() if not known & {*option.opts}]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.summary) for name, command in self._table.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a plain error becomes a line and an exit code, a warning a line.

        Of a command that was to print JSON, the error is an object on stdout as well.
        """
        as_json = "--json" in ctx.args
        try:
            return self._invoke(ctx)
        except click.NoSuchOption as error:
            named = f"No such option {error.option_name!r}.{did_you_mean(_nearest(error))}"
            told = click.UsageError(clean(named), error.ctx)
            _tell(told, as_json=as_json or _is_json(ctx))
            raise told from error
        except click.ClickException as error:
            vars(error)["message"] = clean(error.message)
            _tell(error, as_json=as_json or _is_json(ctx))
            raise
        except BrokenPipeError:
            raise  # whoever read our output has gone
        except (GeopatcherError, ValueError, OSError) as error:  # as it is, for --debug
            _tell(click.ClickException(in_one_line(error)), as_json=as_json or _is_json(ctx))
            raise

    def _invoke(self, ctx: click.Context) -> object:
        ctx.meta[DEBUG] = ctx.params["debug"]
        ctx.meta[QUIET] = ctx.params.get("quiet", False)
        ctx.meta[VERBOSE] = ctx.params.get("verbose", 0)
        try:
            with warnings_in_one_line(ctx), heard():
                set_levels(quiet=ctx.meta[QUIET], verbose=ctx.meta[VERBOSE])
                return super().invoke(ctx)
        except BrokenPipeError:
            raise  # whoever read our output has gone; click ends quietly
        except (GeopatcherError, ValueError, OSError) as error:
            if ctx.meta[DEBUG]:
                raise
            raise click.ClickException(in_one_line(error)) from error
        except InterruptedRunError as error:
            raise Interrupted(in_one_line(error), error.signal_number) from error
        except KeyboardInterrupt as error:
            raise Interrupted(in_one_line(error)) from error


def _tell(error: click.ClickException, *, as_json: bool) -> None:
    """Print an error as JSON, where that is asked for and nothing was printed yet."""
    if as_json and not isinstance(error, ToldError):
        with suppress(OSError):  # nothing can be printed where printing failed; the line on stderr can
            say_json({"error": error.format_message(), "exit_code": error.exit_code})


def _is_json(ctx: click.Context) -> bool:
    """Whether a variable of the environment says that the command prints JSON."""
    name = (ctx.invoked_subcommand or "").replace("-", "_").upper()
    said = os.environ.get(f"{ctx.auto_envvar_prefix}_{name}_AS_JSON", "")
    return said.strip().lower() in _YES


def _nearest(error: click.NoSuchOption) -> list[str]:
    """Return the options that one which is none may stand for: those it begins, or else those like it."""
    params = [] if error.ctx is None else error.ctx.command.params
    known = [each for param in params for each in param.opts if each.startswith("--")]
    begun = [each for each in known if each.startswith(error.option_name)]
    return begun or get_close_matches(error.option_name, known)


def did_you_mean(near: Sequence[str]) -> str:
    """Return a question after a message, nothing where nothing is near.

    >>> did_you_mean(["run", "find"]), did_you_mean([])
    (" Did you mean 'run' or 'find'?", '')
    """
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def _everywhere() -> list[click.Option]:
    """Return the options that each command has behind its name, too."""

    def noted(ctx: click.Context, param: click.Parameter, value: bool | int) -> None:
        if value:
            key = {"debug": DEBUG, "quiet": QUIET, "verbose": VERBOSE}[str(param.name)]
            ctx.meta[key] = max(value, ctx.meta.get(key, 0))
            set_levels(quiet=ctx.meta.get(QUIET, False), verbose=ctx.meta.get(VERBOSE, 0))

    shared = {"expose_value": False, "hidden": True, "callback": noted}
    return [
        click.Option(["--debug"], is_flag=True, **shared),  # type: ignore[arg-type]
        click.Option(["-q", "--quiet"], is_flag=True, **shared),  # type: ignore[arg-type]
        click.Option(["-v", "--verbose"], count=True, **shared),  # type: ignore[arg-type]
    ]


@contextmanager
def warnings_in_one_line(ctx: click.Context) -> Iterator[None]:
    """Print warnings without the place in our source they come from, unless that is asked for."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if ctx.meta[QUIET]:
            return
        if ctx.meta[DEBUG]:
            before(message, category, filename, lineno, file, line)
            return
        text = message if isinstance(message, Warning) else Warning(message)
        click.echo(f"Warning: {in_one_line(text)}", err=True)

    before, warnings.showwarning = warnings.showwarning, show
    try:
        yield
    finally:
        warnings.showwarning = before


def in_one_line(error: BaseException) -> str:
    r"""Return the message of an error and its notes, or of a warning, without secrets and line breaks.

    >>> failed = ValueError("first\n  second")
    >>> failed.add_note("2 rows are kept")
    >>> in_one_line(failed), in_one_line(KeyboardInterrupt())
    ('first second; 2 rows are kept', 'interrupted')
    """
    what = "interrupted" if isinstance(error, KeyboardInterrupt) else type(error).__name__
    notes: list[str] = vars(error).get("__notes__", [])
    said = [" ".join(clean(str(part)).split()) for part in (str(error) or what, *notes)]
    return "; ".join(said)
