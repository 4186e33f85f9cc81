"""What says which cells are missing is kept: in xarray, in copies, by a run that goes on, by the shell."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import rasterio
import zarr
from click.testing import CliRunner

import geopatcher as gp
from geopatcher.cli import main
from geopatcher.fields.zarr_field import zarr_source
from missing import HELD, IMAGE, OPERATORS, TARGETS, check, held_by_readers, place, tiff


def test_xarray_gets_the_mask_and_gives_it_back(tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("rioxarray")
    source = tiff(tmp_path / "s.tif", IMAGE, nodata=0)
    for target in TARGETS:
        result = gp.reconstruct(
            source, OPERATORS["classes 0 and 1"], place(tmp_path, target), size=32, aggregation="mode"
        )
        array = result.to_xarray()
        assert array.dtype == np.uint8
        np.testing.assert_array_equal(array.coords["valid"].values > 0, HELD)
        assert array.rio.nodata is None
        again = gp.reconstruct(array, lambda x: x, size=32)
        np.testing.assert_array_equal(again.valid[...], HELD)
        floats = gp.reconstruct(array.astype("float32"), lambda x: x, size=32)
        np.testing.assert_array_equal(np.isnan(floats.array), ~HELD)
    with xarray.open_zarr(tmp_path / "x.zarr") as dataset:
        flag = dataset["data"].coords["valid"]
        assert flag.attrs["standard_name"] == "status_flag"
        assert flag.attrs["flag_values"] == [0, 1, 2]
        assert dataset["data"].attrs["ancillary_variables"] == "valid"


@pytest.mark.parametrize("ending", ["zarr", "tif"])
@pytest.mark.parametrize("to", ["zarr", "tif"])
def test_export_carries_the_mask(tmp_path, ending, to):
    source = tiff(tmp_path / "s.tif", IMAGE, nodata=0)
    classes = OPERATORS["classes 0 and 1"]
    result = gp.reconstruct(source, classes, tmp_path / f"x.{ending}", size=32, aggregation="mode")
    copy = gp.export(result.path, tmp_path / f"y.{to}", region=gp.Box(10, 150, 20, 100))
    np.testing.assert_array_equal(held_by_readers(copy)[0], HELD[10:150, 20:100])


def test_a_given_value_of_a_copy_that_pixels_have_does_not_hide_them(tmp_path):
    source = tiff(tmp_path / "s.tif", IMAGE)
    for to in ("zarr", "tif"):
        copy = gp.export(source, tmp_path / f"y.{to}", nodata=int(IMAGE[0, 100, 100]))
        assert held_by_readers(copy).all()


@pytest.mark.parametrize("target", ["x.zarr", "x.tif"])
def test_a_result_that_is_there_is_returned_with_its_mask(tmp_path, target):
    source = tiff(tmp_path / "s.tif", IMAGE, nodata=0)
    for operator, nodata in ((OPERATORS["classes 0 and 1"], None), (OPERATORS["a change of 0"], None)):
        options = {"size": 32, "aggregation": "mode", "chunks": 64, "overwrite": True}
        first = gp.reconstruct(source, operator, tmp_path / target, **options)
        again = gp.reconstruct(source, operator, tmp_path / target, **{**options, "overwrite": False})
        assert "nothing was computed" in again.stats.notes[0]
        np.testing.assert_array_equal(again.valid[...], first.valid[...])
        assert again.domain.nodata is nodata


@pytest.mark.parametrize("nodata", [None, 0])
@pytest.mark.parametrize("target", ["x.zarr", "x.tif"])
def test_mending_a_result_whose_mask_was_dropped_brings_it_back(tmp_path, target, nodata):
    image = np.where(IMAGE == 0, 1, IMAGE)
    source = tiff(tmp_path / "s.tif", image, nodata=nodata)
    broken = tmp_path / "broken"
    broken.touch()

    def operator(patch):
        if broken.exists() and (patch[0, 0, 0] == image[0, 64, 64]):
            raise OSError("once")
        return patch

    options = {"size": 32, "step": 32, "chunks": 32, "on_error": "skip", "window": "boxcar"}
    first = gp.reconstruct(source, operator, tmp_path / target, **options)
    assert len(first.errors) == 1
    gone = np.ones(image.shape, bool)
    gone[:, 64:96, 64:96] = False
    np.testing.assert_array_equal(first.valid[...], gone)
    broken.unlink()
    second = gp.reconstruct(source, operator, tmp_path / target, **options)
    check(second, image, np.True_)
    assert second.mask is None


def test_a_run_killed_between_dropping_the_mask_and_its_end_goes_on(tmp_path, monkeypatch):
    source = tiff(tmp_path / "s.tif", IMAGE, nodata=0)
    whole = gp.reconstruct(source, np.copy, tmp_path / "whole.zarr", size=32, chunks=64)

    def fail(*_):
        raise OSError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("geopatcher.targets.pyramid.consolidate", fail)
        with pytest.raises(OSError, match="killed"):
            gp.reconstruct(source, np.copy, tmp_path / "x.zarr", size=32, chunks=64)
    result = gp.reconstruct(source, np.copy, tmp_path / "x.zarr", size=32, chunks=64)
    check(result, IMAGE, HELD)
    assert result.domain.nodata == whole.domain.nodata == 0
    names = {path.relative_to(whole.path) for path in whole.path.rglob("*")}
    assert {path.relative_to(result.path) for path in result.path.rglob("*")} == names


def test_the_shell_says_what_is_missing(tmp_path):
    source = tiff(tmp_path / "s.tif", np.concatenate([IMAGE, IMAGE * 0]), nodata=None)
    out = tmp_path / "n.tif"
    call = ["run", str(source), str(out), "--expr", "(b1-b2)/(b1-b1+b2)", "--dtype", "int16", "--size", "64"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = CliRunner().invoke(main, call)
    assert done.exit_code == 0, done.output
    with rasterio.open(out) as dataset:
        undefined = IMAGE[0] == 0  # 0 / 0; all else is infinite, the largest number
        np.testing.assert_array_equal(dataset.read_masks(1) == 0, undefined)
        assert (dataset.read(1)[~undefined] == 32767).all()
    told = CliRunner().invoke(main, ["info", str(out)])
    assert "mask" in told.output


def test_a_flag_of_others_is_no_mask(tmp_path):
    source = tiff(tmp_path / "s.tif", IMAGE, nodata=0)
    gp.reconstruct(source, lambda x: x > 9, tmp_path / "x.zarr", size=32)
    group = zarr.open_group(tmp_path / "x.zarr", mode="r+")
    assert zarr_source(tmp_path / "x.zarr").mask is not None
    group["valid"].attrs["flag_meanings"] = "land sea ice"
    assert zarr_source(tmp_path / "x.zarr").mask is None


def test_the_shell_may_ask_for_the_sources_value(tmp_path):
    source = tiff(tmp_path / "s.tif", IMAGE, nodata=0)
    call = [
        "run",
        str(source),
        str(tmp_path / "x.tif"),
        "--expr",
        "b1+1",
        "--size",
        "64",
        "--nodata",
        "inherit",
    ]
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 0, done.output
    with rasterio.open(tmp_path / "x.tif") as dataset:
        assert dataset.nodata == 0
        np.testing.assert_array_equal(dataset.read_masks(1) > 0, HELD)
    wrong = CliRunner().invoke(main, [*call[:-1], "none"])
    assert "'none' is not a number" in wrong.output
