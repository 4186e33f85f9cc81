"""Outputs asked for by name: of functions, whose classes are counted, and of operators that know them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

import geopatcher as gp
from geopatcher.cli import main

IMAGE = np.random.default_rng(2).random((3, 60, 50), dtype="float32")


def shares(patch):
    return patch / patch.sum(axis=-3, keepdims=True)


@dataclass(frozen=True)
class Named:
    value: int
    name: str
    color_hint: str | None = None


class Model:
    classes = (Named(3, "land", "00FF00"), Named(5, "sea"), Named(9, "cloud", "FFFFFF"))

    def __call__(self, patch):
        return shares(patch)


def test_a_function_says_by_the_vote_how_many_classes_there_are():
    result = gp.reconstruct(
        IMAGE, shares, size=32, aggregation="soft-vote:3", outputs=("class", "confidence", "spread")
    )
    blended = gp.reconstruct(IMAGE, shares, size=32).array
    np.testing.assert_array_equal(result.array, blended.argmax(axis=0))
    np.testing.assert_allclose(result.layers["confidence"], blended.max(axis=0), atol=1e-6)
    assert list(result.layers) == ["confidence", "spread"]


def test_an_operator_with_classes_gives_the_class_by_default(tmp_path):
    result = gp.reconstruct(IMAGE, Model(), tmp_path / "r.tif", size=32)
    blended = gp.reconstruct(IMAGE, shares, size=32).array
    np.testing.assert_array_equal(result.array[...], np.array([3, 5, 9])[blended.argmax(axis=0)])
    with rasterio.open(tmp_path / "r.tif") as dataset:
        assert dataset.colormap(1)[3] == (0, 255, 0, 255)
        assert dataset.tags(1)["flag_meanings"] == "land sea cloud"


def test_what_is_chosen_stays():
    np.testing.assert_array_equal(
        gp.reconstruct(IMAGE, Model(), size=32, aggregation="max").array,
        gp.reconstruct(IMAGE, shares, size=32, aggregation="max").array,
    )


def test_one_name_may_be_given_alone():
    result = gp.reconstruct(IMAGE, Model(), size=32, outputs="probability")
    np.testing.assert_allclose(result.array, gp.reconstruct(IMAGE, shares, size=32).array, atol=1e-6)
    assert result.layers == {}


def test_bands_of_probabilities_are_called_by_their_classes(tmp_path):
    gp.reconstruct(IMAGE, Model(), tmp_path / "p.tif", size=32, outputs=("probability",))
    with rasterio.open(tmp_path / "p.tif") as dataset:
        assert dataset.descriptions == ("land", "sea", "cloud")


def test_a_patcher_passes_them_on():
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(32), gp.SpatialRegularStride(16), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    result = patcher.reconstruct(IMAGE, Model(), outputs=("class", "gap"))
    assert result.array.dtype == "uint8"
    assert list(result.layers) == ["gap"]


def test_a_plan_knows_what_they_take():
    one = gp.plan(IMAGE, size=32, aggregation="soft-vote:3", outputs="class")
    all_of_them = gp.plan(IMAGE, size=32, aggregation="soft-vote:3", outputs=("class", "probability", "gap"))
    assert all_of_them.disk_bytes > one.disk_bytes
    assert all_of_them.memory_bytes > one.memory_bytes


def test_of_a_function_without_a_vote_they_are_refused():
    with pytest.raises(ValueError, match=r"of shares, which says .* aggregation=\"soft-vote:10\""):
        gp.reconstruct(IMAGE, shares, size=32, outputs="class")
    with pytest.raises(ValueError, match="output mood is none of: class, probability"):
        gp.reconstruct(IMAGE, Model(), size=32, outputs="mood")


def test_other_outputs_are_another_run(tmp_path):
    gp.reconstruct(IMAGE, Model(), tmp_path / "r.zarr", size=32, outputs=("class",))
    with pytest.raises(gp.TargetExistsError):
        gp.reconstruct(IMAGE, Model(), tmp_path / "r.zarr", size=32, outputs=("class", "gap"))


def test_the_command_line_takes_them(tmp_path, monkeypatch):
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", count=3, height=60, width=50, dtype="float32"
    ) as dataset:
        dataset.write(IMAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mymodel.py").write_text("def predict(x):\n    return x / x.sum(axis=0)\n")
    arguments = ["run", "a.tif", "r.tif", "--operator", "mymodel:predict", "--size", "32"]
    arguments += ["--aggregation", "soft-vote:3", "--outputs", "class,entropy", "--no-progress"]
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    with rasterio.open("r.entropy.tif") as dataset:
        assert dataset.dtypes == ("float32",)
