"""Numbers of the shell."""

from __future__ import annotations

import math

import click
import pytest
from click.testing import CliRunner

from geopatcher.cli import main
from geopatcher.cli.numbers import NUMBER, to_float


@pytest.mark.parametrize("text", ["1e400", "-1e400", "9" * 400 + ".5", "1e-400", "-0.01e-400"])
def test_digits_that_no_float_holds_are_refused(text):
    with pytest.raises(ValueError, match="what a float holds"):
        to_float(text)
    with pytest.raises(click.BadParameter, match="is not a number that a float holds"):
        NUMBER.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "number"), [("0e400", 0.0), ("-0", 0.0), ("5e-324", 5e-324), ("-inf", -math.inf)]
)
def test_what_a_float_holds_is_read(text, number):
    assert to_float(text) == number == NUMBER.convert(text, None, None)


def test_not_a_number_is_a_number():
    assert math.isnan(to_float(" nan "))


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "a.tif", "b.tif", "--expr", "b1", "--nodata", "1e400"],
        ["run", "a.tif", "b.tif", "--expr", "b1", "--bounds=0,0,1e400,1"],
        ["run", "a.tif", "b.tif", "--expr", "b1", "--range=0,1e400", "--scale-to", "uint8"],
        ["run", "a.tif", "b.tif", "--expr", "b1", "--resolution", "1e400"],
        ["export", "a.tif", "b.tif", "--nodata", "1e-400"],
        ["export", "a.tif", "b.tif", "--bounds=0,0,1,1e400"],
        ["polygons", "a.tif", "b.gpkg", "--min-area", "1e400"],
        ["polygons", "a.tif", "b.gpkg", "--simplify", "1e400"],
    ],
)
def test_every_command_refuses_them(arguments):
    ended = CliRunner().invoke(main, arguments)
    assert (ended.exit_code, "Invalid value for" in ended.output) == (2, True), ended.output
