from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.operators.files import absolute, found_by, is_reference, module_of
from geopatcher.operators.named import NamedOperator

TEXT = """
from beside import FACTOR

runs = []
runs.append(1)

def scaled(patch, factor=FACTOR, *, shift=0):
    return patch * factor + shift
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A file that is no module of any package, with another beside it; what it changes is undone."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    folder = tmp_path / "my scripts"
    folder.mkdir()
    (folder / "beside.py").write_text("FACTOR = 3\n")
    (folder / "model.py").write_text(TEXT)
    yield folder / "model.py"
    for name in set(sys.modules) - known:
        del sys.modules[name]


def test_a_function_of_a_file_is_found_and_the_file_run_once(script, monkeypatch):
    function = found_by(f"{script}:scaled")
    assert function(2) == 6
    monkeypatch.chdir(script.parent)
    assert found_by("model.py:scaled") is function
    assert found_by("model.py:runs") == [1]
    assert sys.modules[module_of("model.py:scaled")].scaled is function


def test_files_of_one_name_are_not_confused(script, tmp_path):
    (tmp_path / "model.py").write_text("def scaled(patch): return -patch\n")
    assert found_by(f"{tmp_path / 'model.py'}:scaled")(2) == -2
    assert found_by(f"{script}:scaled")(2) == 6


def test_a_file_that_raises_is_run_again(script):
    script.write_text("raise RuntimeError('not yet')")
    with pytest.raises(RuntimeError, match="not yet"):
        found_by(f"{script}:scaled")
    script.write_text(TEXT)
    assert found_by(f"{script}:scaled")(1) == 3


@pytest.mark.parametrize("reference", ["gone.py:f", "a/gone.py:f"])
def test_a_file_that_is_not_there(reference):
    with pytest.raises(ModuleNotFoundError, match="there is no file"):
        found_by(reference)


def test_references(script, monkeypatch):
    monkeypatch.chdir(script.parent)
    assert is_reference("model.py:scaled.inner")
    assert not is_reference("model.py:0")
    assert not is_reference("model.py")
    assert absolute("model.py:scaled") == f"{script.resolve()}:scaled"


def test_an_operator_of_a_file_travels_to_another_process_with_its_arguments(script, tmp_path):
    operator = NamedOperator(f"{script}:scaled", {"factor": 2, "shift": 1})
    (tmp_path / "operator").write_bytes(pickle.dumps(operator))
    program = (
        "import pickle, sys, numpy as np\nprint(pickle.load(open(sys.argv[1], 'rb'))(np.ones(2)).tolist())"
    )
    out = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "operator"], capture_output=True, text=True, check=True
    )
    assert out.stdout == "[3.0, 3.0]\n"


def test_workers_run_a_function_of_a_file(script):
    image = np.random.default_rng(0).random((80, 90))
    operator = NamedOperator(f"{script}:scaled", {"shift": 5})
    result = gp.reconstruct(image, operator, size=32, workers=2)
    np.testing.assert_allclose(result.array, image * 3 + 5)


def test_other_arguments_are_another_run(script, tmp_path):
    image, target = np.random.default_rng(0).random((80, 90)), tmp_path / "r.zarr"
    gp.reconstruct(image, NamedOperator(f"{script}:scaled", {"shift": 5}), target, size=32)
    gp.reconstruct(image, NamedOperator(f"{script}:scaled", {"shift": 5}), target, size=32)
    with pytest.raises(gp.TargetExistsError):
        gp.reconstruct(image, NamedOperator(f"{script}:scaled", {"shift": 6}), target, size=32)
