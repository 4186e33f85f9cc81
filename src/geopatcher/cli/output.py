"""What commands print: text, or JSON for programs; and how loudly."""

from __future__ import annotations

import json
import logging
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from geopatcher.errors.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: All that the library has to say goes to loggers below this one.
LOGGER = "geopatcher"
#: How far a run is, a line a minute where nobody sees a bar.
PROGRESS = "geopatcher.progress"
#: Where the context of a command keeps whether it is to be quiet.
QUIET = "geopatcher.quiet"

JSON = (click.option("--json", "as_json", is_flag=True, help="Print JSON."),)


class Handler(logging.Handler):
    """Writes records to stderr as lines, without secrets."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        click.echo(clean(self.format(record)), err=True)


@contextmanager
def heard() -> Iterator[None]:
    """Send what the library logs to stderr while the context is open; see `set_levels`."""
    logger, handler = logging.getLogger(LOGGER), Handler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        for name in (LOGGER, PROGRESS):
            logging.getLogger(name).setLevel(logging.NOTSET)


def set_levels(*, quiet: bool, verbose: int) -> None:
    """Choose how much of what the library logs is heard."""
    levels = (logging.WARNING, logging.INFO, logging.DEBUG)
    logging.getLogger(LOGGER).setLevel(logging.ERROR if quiet else levels[min(verbose, 2)])
    logging.getLogger(PROGRESS).setLevel(logging.ERROR if quiet else logging.INFO)


def is_quiet() -> bool:
    """Whether the command prints errors only."""
    return bool(click.get_current_context().meta.get(QUIET, False))


def say(text: str) -> None:
    """Print a line for people, unless the command is to be quiet."""
    if not is_quiet():
        click.echo(text)


def say_json(content: Mapping[str, object]) -> None:
    """Print an object as JSON: numbers that are none, such as NaN, as null."""
    click.echo(json.dumps(plain(content), indent=2, ensure_ascii=False))


def plain(value: object) -> object:
    """Return a value as JSON has it.

    >>> plain({"a": (1, float("nan")), "b": "text", "c": None})
    {'a': [1, None], 'b': 'text', 'c': None}
    """
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)
