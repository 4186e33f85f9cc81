"""Names the shell is given: near misses, and what functions of the library refuse."""

from __future__ import annotations

import re

import click
import pytest
from click.testing import CliRunner

from geopatcher.aggregations import names
from geopatcher.cli import main
from geopatcher.cli.options import AGGREGATIONS
from geopatcher.cli.words import OneOf, checked


@pytest.mark.parametrize(
    ("given", "said"), [("TUKI", "Did you mean 'tukey'?"), ("zzz", "'zzz' is not one of 'hann', 'tukey'.")]
)
def test_what_is_near_is_told(given, said):
    with pytest.raises(click.BadParameter, match=re.escape(said) + "$"):
        OneOf(("hann", "tukey")).convert(given, None, None)
    assert OneOf(("hann",)).convert("hann", None, None) == "hann"


def test_a_text_stays_one_and_the_words_of_the_library_are_told():
    @click.command()
    @click.option("--limit", callback=checked("geopatcher.planning.memory:parse_bytes"), default="1MiB")
    def command(limit):
        click.echo(repr(limit))

    assert CliRunner().invoke(command, []).output == "'1MiB'\n"
    wrong = CliRunner().invoke(command, ["--limit", "much"])
    assert (wrong.exit_code, "'--limit': 'much' is not a size in bytes" in wrong.output) == (2, True)


def test_an_option_that_is_begun_is_the_first_that_is_told():
    said = CliRunner().invoke(main, ["run", "a.tif", "b.tif", "--op", "x:y"]).output
    assert "'--operator'" in said
    assert "'--aoi'" not in said


def completed(*words):
    environment = {
        "COMP_WORDS": " ".join(["geopatcher", *words]),
        "COMP_CWORD": str(len(words)),
        "_GEOPATCHER_COMPLETE": "bash_complete",
    }
    found = CliRunner().invoke(main, [], prog_name="geopatcher", env=environment).output
    return [line.partition(",")[::2] for line in found.splitlines()]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("run", "--window", "h"), [("plain", "hann")]),
        (("run", "--ramp", "v"), [("plain", "viridis"), ("plain", "vegetation")]),
        (("run", "--aggregation", "mea"), [("plain", "mean")]),
        (("run", "--layers", "weight,sp"), [("plain", "weight,spread")]),
        (("run", "--model", "a"), [("file", "a")]),
        (("run", "sce"), [("file", "sce")]),
        (("info", "sce"), [("file", "sce")]),
        (("rep",), [("plain", "report")]),
    ],
)
def test_the_shell_completes_commands_values_and_files(words, found):
    assert [each for each in completed(*words) if each[0] in ("plain", "file")] == found


def test_the_aggregations_that_are_completed_are_those_there_are():
    assert {name.rstrip(":") for name in AGGREGATIONS} == {*names.AGGREGATIONS, *names.VOTES}
