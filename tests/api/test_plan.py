"""`geopatcher.plan`: what a run would do, without reading a pixel."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.errors import IncompleteScanConfiguration, MemoryLimitError, TargetError
from geotiffs import write_geotiff
from networks import ConvNet


def test_a_source_that_cannot_be_read_is_planned():
    class Unreadable(gp.RasterField):
        def select(self, window):
            raise AssertionError("no pixel is read")

    image = Unreadable.from_array(np.zeros((3, 300, 400), "uint16"))
    made = gp.plan(image, size=100, step=50)
    assert (made.n_patches, made.shape[-2:]) == (5 * 7, (300, 400))


def test_it_is_the_plan_of_the_run():
    image = np.random.default_rng(0).random((2, 60, 90)).astype("float32")
    wanted = gp.plan(image, size=32, step=16, chunks=32, margin=4)
    made = gp.reconstruct(image, lambda x: x, size=32, step=16, chunks=32, margin=4).plan
    assert (made.n_patches, made.chunks, made.shape) == (wanted.n_patches, wanted.chunks, wanted.shape)


def test_an_unknown_keyword_is_named_with_those_there_are():
    with pytest.raises(
        TypeError,
        match=r"plan\(\) got .* 'tile': it takes aggregation, all_touched, allow_gaps, bands, ",
    ):
        gp.plan(np.zeros((8, 8)), tile=3)


def test_a_plan_of_a_model_is_that_of_its_run(tmp_path):
    net = ConvNet.random(bands=2, classes=3)
    model = gp.Model(
        net.save(tmp_path / "net.onnx"), bands=[1, 3], classes=["a", "b", "c"], margin=4, activation="softmax"
    )
    image = np.random.default_rng(0).random((4, 90, 100), "float32")
    for how in ({}, {"outputs": ("class", "confidence")}, {"outputs": "probability"}):
        made = gp.plan(image, operator=model, size=32, **how)
        run = gp.reconstruct(image, model, size=32, **how).plan
        assert (made.n_patches, made.reading, made.shape) == (run.n_patches, run.reading, run.shape)
        assert made.model.in_bytes == run.model.in_bytes
    assert str(made.reading) == "margin 4"
    with pytest.raises(ValueError, match="the model takes band 3"):
        gp.plan(image[:2], operator=model, size=32)


def test_a_plan_of_several_rasters_for_a_function():
    image = np.zeros((4, 90, 100), "float32")
    made = gp.plan({"a": image, "b": image[:1]}, operator=lambda patch: patch["a"], size=32)
    assert made.n_patches == gp.plan(image, size=32).n_patches


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"size": 20, "step": 30}, IncompleteScanConfiguration),
        ({"size": 32, "boundary": "drop"}, IncompleteScanConfiguration),
        ({"memory_limit": "1MiB"}, MemoryLimitError),
        ({"memory_limit": "60MiB", "workers": 3}, MemoryLimitError),
        ({"target": "missing/x.zarr"}, TargetError),
        ({"target": "missing/x.tif"}, TargetError),
        ({"target": "here.tif"}, TargetError),
        ({"target": "x.png"}, ValueError),
        ({"dtype": "uint8", "nodata": 300}, ValueError),
        ({"dtype": "int16", "nodata": 0.5}, ValueError),
        ({"dtype": "uint16", "nodata": float("nan")}, ValueError),
        ({"scale_to": gp.ScaleTo("uint8", (0, 1)), "nodata": 7}, ValueError),
        ({"scale_to": gp.ScaleTo("uint8", (0, 1)), "nodata": -9999}, ValueError),
        ({"scale_to": gp.ScaleTo("uint8", (0, 1)), "aggregation": "mode"}, ValueError),
    ],
)
def test_what_a_run_refuses_its_plan_refuses_with_the_same_words(tmp_path, monkeypatch, asked, error):
    monkeypatch.chdir(tmp_path)
    write_geotiff(tmp_path / "here.tif", np.ones((1, 90, 100), "uint8"))
    asked = {"size": 64, "target": "x.zarr", **asked}
    with pytest.raises(error) as planned:
        gp.plan("here.tif", **asked)
    target = asked.pop("target")
    with pytest.raises(error) as run:
        gp.reconstruct("here.tif", np.copy, target, **asked)
    assert str(planned.value) == str(run.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here.tif"]


def test_blocks_that_cannot_be_decoded_are_refused(tmp_path):
    strip = np.zeros((1, 4096, 4096), "float64")
    path = write_geotiff(tmp_path / "strip.tif", strip, blockysize=4096, compress="deflate")
    with pytest.raises(MemoryLimitError, match="stored in blocks of 4096x4096 pixels, which take 128.0 MiB"):
        gp.plan(path, size=16, chunks=16, memory_limit="120MiB")


def test_gaps_that_are_allowed_are_counted():
    made = gp.plan(np.zeros((90, 100)), size=20, step=30, allow_gaps=True)
    assert made.coverage.uncovered == 90 * 100 - (20 + 20 + 30) * 4 * 20


def test_the_plan_of_a_patcher_is_that_of_split_until_it_is_of_a_run(tmp_path):
    axes = gp.SpatialRectangular(20), gp.SpatialRegularStride(30), gp.SpatialHann(), gp.SpatialOverlapAdd()
    patcher, image = gp.SpatialPatcher(*axes), np.zeros((90, 100))
    assert patcher.plan(image).coverage.uncovered == 90 * 100 - 70 * 80
    assert patcher.plan(image).n_patches == len(list(patcher.split(image)))
    for asked in ({"target": tmp_path / "x.zarr"}, {"operator": np.copy}):
        with pytest.raises(IncompleteScanConfiguration, match="allow_gaps=True"):
            patcher.plan(image, **asked)
        assert patcher.plan(image, allow_gaps=True, **asked).n_patches == 16
