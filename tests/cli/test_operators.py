"""Operators named on the command line."""

from __future__ import annotations

import sys

import click
import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner

import geopatcher
from geopatcher.cli import main
from geopatcher.cli.operators import expression_task, field_of, load_operator, task_of
from geopatcher.errors import GeopatcherError, SourceError

GRID = Affine(10, 0, 0, 0, -10, 40)
MODULE = """
import numpy as np

SCALE = 3
_hidden = np.sqrt

def double(patch):
    return patch * 2

class Model:
    def __call__(self, patch):
        return patch + 1
    def predict(self, patch):
        return patch + 2

model = Model()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a module of operators; what it changes is undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "scene.tif"
    pixels = np.arange(3 * 4 * 5, dtype="uint8").reshape(3, 4, 5)
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=4, width=5, dtype="uint8", nodata=0, transform=GRID
    ) as out:
        out.write(pixels)
    return str(path)


@pytest.mark.parametrize(
    ("name", "added"),
    [("double", None), ("model", 1), ("model.predict", 2), ("Model", "class"), ("SCALE", "int")],
)
def test_modules_of_the_working_directory_are_found(folder, name, added):
    (folder / "ops_found.py").write_text(MODULE)
    if isinstance(added, str):
        with pytest.raises(ValueError, match=f"is a {added}: name a function, or a callable instance"):
            load_operator(f"ops_found:{name}")
        return
    operator = load_operator(f"ops_found:{name}")
    patch = np.array([5])
    assert operator(patch) == (10 if added is None else 5 + added)


@pytest.mark.parametrize(
    "reference", ["ops", "ops:", ":double", "ops.py:", "my ops:double", "a/b.p:f", "ops:a:b"]
)
def test_text_that_is_no_reference_is_refused(folder, reference):
    with pytest.raises(ValueError, match=r"is not module:function, such as mypackage\.models:predict"):
        load_operator(reference)


@pytest.mark.parametrize(
    ("text", "reference", "message"),
    [
        (None, "ops_gone:f", r"there is no module ops_gone, neither installed nor in /"),
        ("", "ops_gone:f", r"module ops_gone has nothing"),
        (MODULE, "ops_gone:triple", r"module ops_gone has Model, double, model$"),
        ("import torch_of_nobody", "ops_gone:f", "module ops_gone cannot be imported: No module named"),
        ("def f(:", "ops_gone:f", "module ops_gone cannot be imported: SyntaxError"),
        ("1 / 0", "ops_gone:f", "module ops_gone cannot be imported: ZeroDivisionError: division by zero"),
        ("import os; os.nothing", "ops_gone:f", "module ops_gone cannot be imported: AttributeError"),
    ],
)
def test_what_cannot_be_imported_is_said_plainly(folder, text, reference, message):
    if text is not None:
        (folder / "ops_gone.py").write_text(text)
    with pytest.raises((ValueError, GeopatcherError), match=message):
        load_operator(reference)


def test_a_missing_package_of_a_dotted_name_is_named(folder):
    with pytest.raises(ValueError, match="there is no module nobodys, neither"):
        load_operator("nobodys.models:predict")


@pytest.mark.parametrize(
    ("reference", "meant"),
    [
        ("ops_near.double", "ops_near:double"),
        ("ops_near.py", "ops_near.py:FUNCTION"),
        ("ops_nearr:double", "ops_near"),
        ("ops_neer.py:double", "ops_near.py"),
        ("ops_near:duble", None),
    ],
)
def test_a_name_of_nothing_is_wrong_use_with_what_may_have_been_meant(folder, scene, reference, meant):
    (folder / "ops_near.py").write_text(MODULE)
    refused = CliRunner().invoke(main, ["run", scene, "out.tif", "--size", "4", "--operator", reference])
    assert refused.exit_code == 2
    assert f"Invalid value for '--operator': operator {reference!r}" in refused.output
    said = f"did you mean {meant}" if meant else "module ops_near has Model, double, model"
    assert said in " ".join(refused.output.split())


def test_bands_are_read_in_the_order_given(scene):
    field = field_of(scene, (3, 1))
    assert field.domain.shape == (2, 4, 5)
    assert field_of(scene, None).domain.shape == (3, 4, 5)
    with pytest.raises(click.BadParameter, match=r"has bands 1 to 3; asked for \[4\]"):
        field_of(scene, (4,))
    with pytest.raises(SourceError, match=r"there is no file nothing\.tif"):
        field_of("nothing.tif", None)


def test_bands_of_a_store_are_read_alone_too(tmp_path, scene):
    store = tmp_path / "store.zarr"
    geopatcher.reconstruct(scene, lambda patch: patch, store, size=4, step=2)
    field = field_of(str(store), (2, "b1"))
    assert field.domain.band_names == ("b2", "b1")
    whole = geopatcher.reconstruct(scene, lambda patch: patch, size=4, step=2).array
    np.testing.assert_array_equal(geopatcher.reconstruct(field, np.copy, size=4, step=4).array, whole[[1, 0]])
    with pytest.raises(click.BadParameter, match="has no band called nir; its bands are b1, b2, b3"):
        field_of(str(store), ("nir",))


def test_an_expression_reads_only_its_bands(scene):
    task = expression_task(scene, "b3 - b1", None)
    assert task.field.domain.shape == (2, 4, 5)
    assert task.out_bands == 1
    np.testing.assert_array_equal(task.operator(np.array([[[1]], [[5]]])), [[[4]]])
    assert task.nodata is None


def test_a_condition_over_a_raster_with_nodata_has_one_of_its_own(scene):
    assert expression_task(scene, "b3 > b1", None).nodata == 255


def test_what_to_run_is_given_once(scene):
    for operator, expression in [(None, None), ("a:b", "b1")]:
        with pytest.raises(
            click.UsageError, match="either --operator module:function, --expr TEXT or --model FILE"
        ):
            task_of(scene, operator, expression, None)
    with pytest.raises(click.UsageError, match="an --expr names its bands itself"):
        task_of(scene, None, "b1", (1,))
    assert task_of(scene, "numpy:sqrt", None, (2, 1)).field.domain.shape == (2, 4, 5)
