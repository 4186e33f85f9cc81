"""Words of the shell that stand for one of a few things, and what is said of those that stand for none."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

import click
from click.shell_completion import CompletionItem

from geopatcher.cli.lazy import did_you_mean, import_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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


class Place(click.types.StringParamType):
    """A path, or an address: the shell completes it as a file.

    >>> [(item.value, item.type) for item in Place().shell_complete(None, None, "sce")]
    [('sce', 'file')]
    """

    def shell_complete(
        self, ctx: click.Context | None, param: click.Parameter | None, incomplete: str
    ) -> list[CompletionItem]:
        """Leave it to the shell."""
        _ = ctx, param
        return [CompletionItem(incomplete, type="file")]


#: Of arguments and options.
PLACE = Place()


def begun_by(
    names: Iterable[str],
) -> Callable[[click.Context, click.Parameter, str], list[str | CompletionItem]]:
    """Return what completes the last of some names with commas between them."""
    known = list(names)

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str | CompletionItem]:
        _ = ctx, param
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in known if name.startswith(last)]

    return complete


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
