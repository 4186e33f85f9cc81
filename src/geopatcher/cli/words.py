"""Words of the shell that stand for one of a few things, and what is said of those that stand for none."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

import click

from geopatcher.cli.lazy import did_you_mean, import_reference

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class OneOf(click.Choice[str]):
    """One of some names; of another one it is said which is near.

    >>> OneOf(("hann", "tukey")).convert("hannn", None, None)
    Traceback (most recent call last):
        ...
    click.exceptions.BadParameter: 'hannn' is not one of 'hann', 'tukey'. Did you mean 'hann'?
    """

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; a `click.BadParameter` for what is none."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            near = get_close_matches(str(value).lower(), [*self.choices])
            if not near:
                raise
            raise click.BadParameter(error.message + did_you_mean(near), ctx, param) from error


def checked(reference: str) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Return a callback that refuses what a function of the library, ``module:name``, refuses.

    The module is imported when the option is read, and the option stays a text.
    """

    def callback(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
        if value is not None:
            read = import_reference(reference)
            if not callable(read):
                raise TypeError(f"{reference} is no function")
            try:
                read(value)
            except ValueError as error:
                raise click.BadParameter(str(error), ctx, param) from error
        return value

    return callback
