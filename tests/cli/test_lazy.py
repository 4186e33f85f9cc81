"""The group: what is listed without importing, and how errors reach the shell."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from geopatcher.cli import COMMANDS, main
from geopatcher.cli.lazy import Command, LazyGroup, import_reference
from geopatcher.errors import InterruptedRunError, SourceError
from geotiffs import write_geotiff

CALLED = []


def noted(error):
    error.add_note("2 rows\nare kept")
    return error


@click.command()
@click.argument("kind")
def fail(kind):
    """Fail in the way asked for."""
    CALLED.append(kind)
    errors = {
        "ours": SourceError("cannot open x.tif\n  as a raster"),
        "value": ValueError("size must be positive"),
        "disk": OSError(28, "No space left on device"),
        "stop": InterruptedRunError("stopped after 3 of 9 rows of blocks"),
        "term": InterruptedRunError("stopped by SIGTERM", signal.SIGTERM),
        "ctrl-c": KeyboardInterrupt(),
        "noted": noted(ValueError("the operator is wrong")),
        "twice": noted(KeyboardInterrupt()),
        "bug": ZeroDivisionError("division by zero"),
    }
    raise errors[kind]


NOT_A_COMMAND = 3
TABLE = {
    "fail": Command(f"{__name__}:fail", "Fail."),
    "gone": Command("no_such_module:gone", "Be listed, and never imported."),
    "odd": Command(f"{__name__}:NOT_A_COMMAND", "Be something else."),
}


@pytest.fixture
def group():
    @click.group(cls=LazyGroup, table=TABLE)
    @click.option("--debug", is_flag=True)
    def tools(debug): ...

    return tools


def test_listing_imports_no_command(group):
    result = CliRunner().invoke(group, ["--help"])
    assert result.exit_code == 0
    for name, command in TABLE.items():
        assert f"{name}" in result.output
        assert command.summary in result.output
    assert result.output.index("fail") < result.output.index("gone")


@pytest.mark.parametrize(
    ("kind", "message", "code"),
    [
        ("ours", "Error: cannot open x.tif as a raster\n", 1),
        ("value", "Error: size must be positive\n", 1),
        ("disk", "Error: [Errno 28] No space left on device\n", 1),
        ("stop", "Error: stopped after 3 of 9 rows of blocks\n", 130),
        ("term", "Error: stopped by SIGTERM\n", 143),
        ("ctrl-c", "Error: interrupted\n", 130),
        ("noted", "Error: the operator is wrong; 2 rows are kept\n", 1),
        ("twice", "Error: interrupted; 2 rows are kept\n", 130),
    ],
)
def test_plain_errors_are_one_line_and_a_code(group, kind, message, code):
    result = CliRunner().invoke(group, ["fail", kind])
    assert (result.output, result.exit_code) == (message, code)


@pytest.mark.parametrize("kind", ["stop", "ctrl-c"])
def test_debug_does_not_change_what_ctrl_c_is(group, kind):
    assert CliRunner().invoke(group, ["--debug", "fail", kind]).exit_code == 130


def test_debug_keeps_the_traceback(group):
    result = CliRunner().invoke(group, ["--debug", "fail", "value"])
    assert isinstance(result.exception, ValueError)


def test_what_is_no_plain_error_keeps_its_traceback(group):
    assert isinstance(CliRunner().invoke(group, ["fail", "bug"]).exception, ZeroDivisionError)


def test_wrong_usage_is_code_2(group):
    assert CliRunner().invoke(group, ["fail"]).exit_code == 2
    result = CliRunner().invoke(group, ["nothing"])
    assert result.exit_code == 2
    assert "No such command 'nothing'" in result.output


def test_a_table_that_names_something_else_is_a_bug(group):
    assert "is not a command" in str(CliRunner().invoke(group, ["odd"]).exception)


def test_references_may_be_dotted():
    assert import_reference("os:path.basename")("/a/b") == "b"
    with pytest.raises(AttributeError):
        import_reference("os:nothing")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_ours_has_help_that_starts_like_its_line_in_the_list(name):
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: main {name} [OPTIONS]")


def test_help_and_version_import_no_raster_library():
    program = (
        "import sys\n"
        "from geopatcher.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        "print([name for name in ('numpy', 'rasterio', 'zarr', 'rich', 'pyproj') if name in sys.modules])"
    )
    for argument in ("--help", "--version"):
        out = subprocess.run(
            [sys.executable, "-c", program, argument], capture_output=True, text=True, check=True
        )
        assert out.stdout.splitlines()[-1] == "[]"


def test_python_dash_m_is_the_same_command():
    out = subprocess.run(
        [sys.executable, "-m", "geopatcher", "--help"], capture_output=True, text=True, check=True
    )
    assert out.stdout.startswith("Usage: geopatcher [OPTIONS] COMMAND")
    assert all(name in out.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    ("said", "is_json"), [("1", True), ("yes", True), ("TRUE", True), ("0", False), ("", False)]
)
def test_a_variable_that_asks_for_json_has_errors_in_it(monkeypatch, said, is_json):
    monkeypatch.setenv("GEOPATCHER_INFO_AS_JSON", said)
    result = CliRunner().invoke(main, ["info", "nowhere.tif"])
    assert result.exit_code == 1
    assert ('"exit_code": 1' in result.stdout) is is_json
    assert "nowhere.tif" in result.stderr


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
def test_what_cannot_be_printed_is_one_line_with_json_too(tmp_path):
    path = write_geotiff(tmp_path / "image.tif", np.ones((1, 8, 8), "uint8"))
    command = [sys.executable, "-m", "geopatcher", "info", str(path), "--json"]
    with FULL.open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "Error: [Errno 28] No space left on device\n"
