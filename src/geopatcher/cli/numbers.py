"""Numbers of the shell: digits that no float holds are refused, and are not taken for infinity or 0."""

from __future__ import annotations

import math
import re

import click


def to_float(text: str) -> float:
    """Read a number; ``inf`` and ``nan`` are such.

    Raises
    ------
    ValueError
        It is none, or one that no float comes near: ``1e400`` would be infinite, and ``1e-400`` would be 0.

    Examples
    --------
    >>> to_float("-1e3"), to_float("inf")
    (-1000.0, inf)
    >>> to_float("1e400")
    Traceback (most recent call last):
        ...
    ValueError: 1e400 is beyond what a float holds

    """
    number = float(text)
    digits = re.split("[eE]", text)[0]
    if math.isinf(number) and re.search("[0-9]", text):
        raise ValueError(f"{text.strip()} is beyond what a float holds")
    if number == 0 and re.search("[1-9]", digits):
        raise ValueError(f"{text.strip()} is nearer to 0 than what a float holds")
    return number


class Number(click.types.FloatParamType):
    """A number, as `to_float` reads it.

    >>> Number().convert("0.5", None, None)
    0.5
    """

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return it; a `click.BadParameter` for what is none."""
        try:
            return to_float(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a number that a float holds", param, ctx)


#: Of options.
NUMBER = Number()
