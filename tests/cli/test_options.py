"""Options: what is read from their text."""

from __future__ import annotations

import inspect
import math

import click
import numpy as np
import pytest
from click.testing import CliRunner

import geopatcher
from geopatcher.cli import main
from geopatcher.cli.options import (
    PATCHES,
    RESULT,
    PatchKeywords,
    RunKeywords,
    options,
    read_bands,
    read_batch_size,
    read_number,
    read_size,
    storage_of,
)
from geotiffs import write_geotiff


@click.command()
@click.option("--size", callback=read_size)
@click.option("--bands", callback=read_bands)
@click.option("--number", callback=read_number)
def show(size, bands, number):
    click.echo(repr((size, bands, number)))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], (None, None, None)),
        (["--size", "256"], (256, None, None)),
        (["--size", "256x512"], ((256, 512), None, None)),
        (["--size", "64X64"], (64, None, None)),
        (["--bands", "4"], (None, (4,), None)),
        (["--bands", "4, 3,12"], (None, (4, 3, 12), None)),
        (["--bands", "red, B04 wide,7"], (None, ("red", "B04 wide", 7), None)),
        (["--number", "-9999"], (None, None, -9999)),
        (["--number", "1e3"], (None, None, 1000.0)),
        (["--number", "18446744073709551615"], (None, None, 2**64 - 1)),
    ],
)
def test_what_is_read(arguments, expected):
    assert CliRunner().invoke(show, arguments).output == f"{expected!r}\n"


@click.command()
@click.option("--batch-size", callback=read_batch_size, default="1")
def batches(batch_size):
    click.echo(repr(batch_size))


@pytest.mark.parametrize(
    ("text", "expected"), [("1", 1), ("32", 32), (" 8 ", 8), ("auto", "auto"), ("AUTO", "auto")]
)
def test_a_batch_is_a_number_or_found(text, expected):
    assert CliRunner().invoke(batches, ["--batch-size", text]).output == f"{expected!r}\n"


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", ""])
def test_what_is_no_batch_is_wrong_usage(text):
    ended = CliRunner().invoke(batches, ["--batch-size", text])
    assert ended.exit_code == 2
    assert "is neither auto nor a number of patches, from 1" in ended.output


def test_nan_is_a_number():
    assert math.isnan(read_number(click.Context(show), show.params[2], "nan"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "big"], "'big' is neither pixels such as 256 nor a size such as 256x512"),
        (["--size", "256x"], "neither pixels"),
        (["--size", "-1"], "neither pixels"),
        (["--bands", "0,1"], "'0,1' are not bands: give numbers from 1, such as 4,3,2, or names"),
        (["--bands", "4,,3"], "not bands"),
        (["--bands", "-4"], "not bands"),
        (["--number", "none"], "'none' is not a number"),
        (["--number", "1e400"], "'1e400' is not a number that a float holds"),
    ],
)
def test_what_is_refused_is_wrong_usage(arguments, message):
    result = CliRunner().invoke(show, arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_options_are_keywords_of_the_verbs_with_their_defaults():
    @click.command()
    @options(PATCHES, RESULT)
    def command(codec, checksum, shards, multiscales, overview, **keywords):
        verbs = {
            name: parameter.default
            for name, parameter in inspect.signature(geopatcher.reconstruct).parameters.items()
        }
        assert {name: verbs[name] for name in keywords} == keywords
        flags = {"codec": codec, "checksum": checksum, "shards": shards, "multiscales": multiscales}
        assert storage_of("x.zarr", **flags, overview=overview) == geopatcher.ZarrStorage()
        assert storage_of("x.tif", **flags, overview=overview) == geopatcher.CogStorage()

    result = CliRunner().invoke(command, [], catch_exceptions=False)
    assert result.exit_code == 0


@pytest.mark.parametrize("target", ["x.zarr", "folder/x.TIF"])
def test_flags_become_the_storage_of_their_target(target):
    stored = storage_of(
        target, codec="zstd", checksum=False, shards=None, multiscales=True, overview="nearest"
    )
    assert (
        stored
        == {
            "x.zarr": geopatcher.ZarrStorage(multiscales=True, overview="nearest"),
            "folder/x.TIF": geopatcher.CogStorage(overview="nearest"),
        }[target]
    )


def test_another_target_is_a_mistake_of_usage():
    with pytest.raises(click.UsageError, match=r"TARGET 'x.png' must end in .zarr or .tif"):
        storage_of("x.png", codec="zstd", checksum=False, shards=None, multiscales=False, overview=None)


def test_the_typed_keywords_are_the_verbs():
    assert set(RunKeywords.__annotations__) <= set(inspect.signature(geopatcher.reconstruct).parameters)
    assert set(PatchKeywords.__annotations__) <= set(inspect.signature(geopatcher.plan).parameters)


@pytest.mark.parametrize("extra", [[], ["--json"], ["--window", "https://u:hunter2@h/w?sig=s3cr3t"]])
def test_an_error_of_usage_shows_no_secret(tmp_path, extra):
    write_geotiff(tmp_path / "a.tif", np.ones((1, 8, 8), "uint8"))
    target = "s3://usr:hunter2@bucket/x.png?X-Amz-Signature=s3cr3t"
    command = ["run", str(tmp_path / "a.tif"), target, "--operator", "numpy:negative", *extra]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert "must end in .zarr or .tif" in result.output or "Invalid value for '--window'" in result.output
    assert "hunter2" not in result.output
    assert "s3cr3t" not in result.output


@pytest.mark.parametrize("ending", ["zarr", "tif"])
def test_a_question_mark_in_the_name_of_a_file_is_a_letter(tmp_path, ending):
    image = write_geotiff(tmp_path / "a?b.tif", np.ones((1, 16, 16), "uint8"))
    target = tmp_path / f"what?.{ending}"
    done = CliRunner().invoke(main, ["run", str(image), str(target), "--expr", "b1 + 1", "--size", "8"])
    assert done.exit_code == 0, done.output
    assert (geopatcher.reconstruct(str(target), abs, size=8).array == 2).all()
