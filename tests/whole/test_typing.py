"""Scripts in the style of users pass the type checkers, and run; those with wrong calls do not pass."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import geopatcher

pytestmark = pytest.mark.once

SCRIPTS = Path(__file__).with_name("typed")
SOURCES = Path(geopatcher.__file__).parents[1]
GOOD = sorted(path for path in SCRIPTS.glob("*.py") if path.stem not in ("conftest", "wrong"))
#: What these libraries do not say of their types is not ours to say; rasterio and georeader have none.
MYPY = """[mypy]
strict = True
[mypy-rasterio.*,georeader.*]
ignore_missing_imports = True
[mypy-zarr.*]
follow_imports = skip
"""

needs_mypy = pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is among the linters")
needs_pyright = pytest.mark.skipif(find_spec("basedpyright") is None, reason="pyright is among the linters")
needs_georeader = pytest.mark.skipif(find_spec("georeader") is None, reason="a script uses georeader")

Place = tuple[str, int]


def marked() -> set[Place]:
    lines = (SCRIPTS / "wrong.py").read_text().splitlines()
    return {("wrong.py", number) for number, line in enumerate(lines, 1) if line.endswith("  # wrong")}


def checked(*command: str) -> str:
    env = {**os.environ, "MYPYPATH": str(SOURCES)}
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(900)  # without a cache mypy reads NumPy, xarray and all of ours
@needs_mypy
@needs_georeader
def test_mypy_refuses_what_is_wrong_and_nothing_else(tmp_path):
    config = tmp_path / "mypy.ini"
    config.write_text(MYPY)
    scripts = [*map(str, GOOD), str(SCRIPTS / "wrong.py")]
    out = checked("mypy", "--config-file", str(config), "--cache-dir", str(tmp_path / "cache"), *scripts)
    found = re.findall(r"^.*?([\w.]+):(\d+): error: ", out, flags=re.MULTILINE)
    assert {(name, int(line)) for name, line in found} == marked(), out


@needs_pyright
@needs_georeader
def test_pyright_refuses_what_is_wrong_and_nothing_else(tmp_path):
    config = tmp_path / "pyrightconfig.json"
    settings = {
        "typeCheckingMode": "standard",
        "include": [str(SCRIPTS)],
        "extraPaths": [str(SOURCES)],
        "pythonVersion": "3.11",
    }
    config.write_text(json.dumps(settings))
    out = checked("basedpyright", "--project", str(config), "--pythonpath", sys.executable, "--outputjson")
    found = [one for one in json.loads(out)["generalDiagnostics"] if one["severity"] == "error"]
    places = {(Path(one["file"]).name, one["range"]["start"]["line"] + 1) for one in found}
    assert places == marked(), out


@pytest.mark.parametrize("script", GOOD, ids=lambda path: path.stem)
def test_the_scripts_run(script, tmp_path):
    if "georeader" in script.read_text() and find_spec("georeader") is None:
        pytest.skip("the script uses georeader, which is not installed")
    env = {**os.environ, "PYTHONPATH": str(SOURCES), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
