"""Several rasters on the command line, as a user types them."""

from __future__ import annotations

import json

import click
import numpy as np
import pytest
import rasterio
import zarr
from affine import Affine
from click.testing import CliRunner

import geopatcher as gp
from geopatcher.cli import main
from geopatcher.cli.scenes import expanded, source_of
from geopatcher.fields.choices import Choices
from geopatcher.fields.grids import Grid
from geopatcher.fields.mosaic import Mosaic
from geotiffs import write_geotiff

PIXELS = np.random.default_rng(1).integers(1, 200, (2, 40, 90)).astype("uint8")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three scenes side by side, the last of them dated first, and other files."""
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    for number, (col0, col1) in enumerate([(0, 40), (30, 70), (60, 90)]):
        place = Affine(10, 0, 500_000 + 10 * col0, 0, -10, 4_000_000)
        write_geotiff(scenes / f"{number}.tif", PIXELS[:, :, col0:col1] + number, transform=place, nodata=0)
        with rasterio.open(scenes / f"{number}.tif", "r+") as dataset:
            dataset.update_tags(TIFFTAG_DATETIME=f"2024:01:0{9 - number} 00:00:00")
    (scenes / "notes.txt").write_text("not a scene")
    (tmp_path / "list.txt").write_text("# newest first\nscenes/0.tif\n\n  scenes/1.tif\nscenes/2.tif\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def expected(order=(0, 1, 2)):
    found = np.zeros_like(PIXELS)
    for number in order[::-1]:
        cols = slice(*[(0, 40), (30, 70), (60, 90)][number])
        found[:, :, cols] = PIXELS[:, :, cols] + number
    return found


@pytest.mark.parametrize(
    "named", [["scenes/0.tif", "scenes/1.tif", "scenes/2.tif"], ["scenes"], ["scenes/*.tif"], ["@list.txt"]]
)
def test_scenes_are_named_in_many_ways(folder, named):
    done = run("run", *named, "out.tif", "--expr", "b2 + 0", "--size", 16, "--dtype", "uint8")
    assert done.exit_code == 0, done.output
    with rasterio.open("out.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), expected()[1])
        assert dataset.transform == Affine(10, 0, 500_000, 0, -10, 4_000_000)


def test_without_an_operator_cells_are_written_as_they_are(folder):
    done = run("run", "scenes", "out.tif", "--size", 16, "--bands", "2")
    assert done.exit_code == 0, done.output
    with rasterio.open("out.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), expected()[1:2])
        assert (dataset.nodata, dataset.dtypes[0]) == (0, PIXELS.dtype.name)
    part = ["--bounds", "500100,3999900,500300,4000000", "--crop"]
    done = run("run", "scenes/0.tif", "part.tif", *part)
    assert done.exit_code == 0, done.output
    with rasterio.open("part.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), PIXELS[:, :10, 10:30])
    refused = run("run", "a=scenes/0.tif", "b=scenes/1.tif", "c.tif")
    assert (refused.exit_code, "give what to run" in refused.output) == (2, True), refused.output


def test_order_grid_and_bands(folder):
    options = ["--operator", "numpy:copy", "--aggregation", "mode", "--size", 16]
    done = run("run", "scenes", "scenes/0.tif", "o.tif", *options, "--bands", "2,1", "--order", "median")
    assert done.exit_code == 0, done.output
    with rasterio.open("o.tif") as dataset:
        source = Mosaic([*(f"scenes/{n}.tif" for n in range(3)), "scenes/0.tif"], order="median")
        np.testing.assert_array_equal(dataset.read(), source.read(gp.Box(0, 40, 0, 90))[::-1])
    warped = ["--to-crs", "EPSG:32611", "--resolution", "20", "--resampling", "nearest", "--order", "newest"]
    done = run("run", "scenes", "w.tif", *options, *warped)
    assert done.exit_code == 0, done.output
    source = Mosaic([f"scenes/{n}.tif" for n in range(3)], Grid("EPSG:32611", 20), "newest")
    whole = gp.Box.of_shape(source.domain.grid_shape)
    with rasterio.open("w.tif") as dataset:
        assert dataset.crs.to_epsg() == 32611
        assert dataset.transform == source.domain.transform
        np.testing.assert_array_equal(dataset.read(), source.read(whole))


def test_plan_takes_a_folder(folder):
    done = run("plan", "scenes", "--size", 16)
    assert done.exit_code == 0, done.output
    assert "40 x 90" in done.output
    warped = run("plan", "scenes/0.tif", "--to-crs", "EPSG:32611", "--resolution", "5")
    assert warped.exit_code == 0, warped.output
    assert run("plan", "scenes/0.tif", "out.tif", "--size", 16).exit_code == 0


def test_one_raster_stays_itself(folder):
    assert source_of(["scenes/0.tif"], Grid(), "first", None, Choices()).name == "scenes/0.tif"
    assert isinstance(source_of(["scenes/0.tif"], Grid(resolution=5), "first", None, Choices()), Mosaic)
    assert expanded("https://host/a*.tif") == ["https://host/a*.tif"]
    assert expanded('NETCDF:"a*.nc":b') == ['NETCDF:"a*.nc":b']
    gp.export("scenes/0.tif", "store.zarr")
    assert expanded("store.zarr") == ["store.zarr"]
    (folder / "empty").mkdir()
    with pytest.raises(click.UsageError, match="the folder empty holds no raster .*: it has nothing; "):
        expanded("empty")
    for number in range(7):
        (folder / "empty" / f"{number}.txt").touch()
    done = run("run", "empty", "out.tif", "--expr", "b1")
    assert done.exit_code == 2
    assert "it has 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 2 more" in " ".join(done.output.split())
    write_geotiff(folder / "odd[1].tif", PIXELS)
    assert expanded("odd[1].tif") == ["odd[1].tif"]


def test_names_that_lead_nowhere_are_said(folder):
    with pytest.raises(click.UsageError, match=r"no file is called none\*\.tif \(working directory: /"):
        expanded("none*.tif")
    with pytest.raises(click.UsageError, match=r"the list of scenes gone\.txt cannot be read"):
        expanded("@gone.txt")
    (folder / "marked.txt").write_text("scenes/0.tif\n", encoding="utf-8-sig")  # as Windows writes them
    assert expanded("@marked.txt") == ["scenes/0.tif"]
    (folder / "empty.txt").write_text("# nothing\n")
    with pytest.raises(click.UsageError, match=r"the list of scenes empty\.txt names none"):
        expanded("@empty.txt")
    done = run("run", "scenes", "gone.tif", "out.tif", "--expr", "b1")
    assert done.exit_code == 1
    assert "there is no file gone.tif" in done.output
    assert run("run", "out.tif", "--expr", "b1").exit_code == 2


@pytest.mark.parametrize("value", ["0", "x", "1,2,3", "-5", "nan"])
def test_a_resolution_is_one_side_or_two(folder, value):
    done = run("plan", "scenes", "--resolution", value)
    assert done.exit_code == 2
    assert "is not the side of a pixel, such as 10 or 10,20" in done.output


@pytest.fixture
def named(folder):
    """A scene of 10 m, a finer one of 5 m and one of 20 m that begins elsewhere."""
    place = {"crs": "EPSG:32610"}
    write_geotiff("s2.tif", PIXELS, transform=Affine(10, 0, 500_000, 0, -10, 4_000_000), **place)
    fine = np.kron(PIXELS[:1], np.ones((1, 2, 2), "uint8"))
    write_geotiff("fine.tif", fine, transform=Affine(5, 0, 500_000, 0, -5, 4_000_000), **place)
    write_geotiff("dem.tif", PIXELS[:1], transform=Affine(30, 0, 499_995, 0, -30, 4_000_005), **place)
    (folder / "both.py").write_text(
        "def mean(patch):\n"
        "    fine = patch['fine'].astype('float32')\n"
        "    rows, cols = patch['s2'].shape[-2:]\n"
        "    assert fine.shape[-2:] == (2 * rows, 2 * cols), fine.shape\n"
        "    return patch['s2'] + fine[..., ::2, ::2]\n"
        "def add(patch):\n"
        "    return patch['s2'].astype('float32') + patch['dem']\n"
    )
    return folder


def test_rasters_by_name_are_given_together(named):
    done = run(
        "run",
        "s2=s2.tif",
        "fine=fine.tif",
        "out.tif",
        "--operator",
        "both:mean",
        "--native",
        "fine",
        "--size",
        16,
    )
    assert done.exit_code == 0, done.output
    with rasterio.open("out.tif") as dataset:
        np.testing.assert_allclose(dataset.read(), PIXELS + PIXELS[:1].astype("float32"), rtol=1e-6)


@pytest.mark.parametrize("how", ["cubic", "dem=cubic"])
def test_resampling_of_rasters_by_name(named, how):
    done = run(
        "run",
        "s2=s2.tif",
        "dem=dem.tif",
        "out.tif",
        "--operator",
        "both:add",
        "--size",
        16,
        "--resampling",
        how,
    )
    assert done.exit_code == 0, done.output
    wanted = gp.reconstruct(
        {"s2": "s2.tif", "dem": "dem.tif"},
        lambda patch: patch["s2"].astype("float32") + patch["dem"],
        size=16,
        resampling="cubic",
    )
    with rasterio.open("out.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), wanted.array)


def test_a_plan_of_rasters_by_name(named):
    done = run("plan", "s2=s2.tif", "fine=fine.tif", "--native", "fine", "--size", 16, "--workers", 2)
    assert done.exit_code == 0, done.output
    assert "s2=" in done.output
    assert "tasks" in done.output
    assert run("plan", "s2=s2.tif", "fine=fine.tif", "out.tif", "--size", 16).exit_code == 0
    assert run("plan", "s2.tif", "out.tif", "--size", 16).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["plan", "s2=s2.tif", "fine=fine.tif", "--bands", "1"], "for one raster, and there are s2, fine"),
        (["run", "s2=s2.tif", "d=dem.tif", "out.tif", "--expr", "b1"], "--expr is for one raster"),
        (["run", "s2=s2.tif", "d=dem.tif", "out.tif"], "either --operator module:function or --model"),
        (["plan", "s2.tif", "--native", "dem"], "--native is for rasters with names, such as s2=a.tif"),
        (
            ["plan", "s2.tif", "--resampling", "s2=cubic"],
            "--resampling NAME=METHOD is for rasters with names",
        ),
        (["plan", "s2.tif", "--resampling", "best"], "'best' is none of nearest"),
        (["plan", "s2.tif", "--resampling", "cubic,s2=cubic"], "neither a method nor NAME=METHOD"),
        (["plan", "a=s2.tif", "a=dem.tif"], "two rasters have one name"),
        (
            ["detect", "s2.tif", "dem.tif", "out.gpkg"],
            "give one SOURCE, or several as NAME=SOURCE, and at most one",
        ),
        (["plan", "a=s2.tif", "b=dem.tif", "c.tif", "d.tif"], "and at most one TARGET"),
        (["plan", "s2.tif", "fine.tif", "dem.tif"], "the last argument is TARGET, as for run, and dem.tif"),
        (["plan", "a=s2.tif", "b=dem.tif", "--native", "c"], "native names 'c'"),
    ],
)
def test_refusals_of_rasters_by_name(named, arguments, text):
    done = run(*arguments)
    assert done.exit_code != 0
    assert text in " ".join(done.output.split())


def test_scenes_are_stacked_along_time(folder):
    paths = []
    for number in (0, 1):
        paths.append(f"{number}.tif")
        write_geotiff(folder / paths[-1], PIXELS + number, transform=Affine(10, 0, 0, 0, -10, 0))
        with rasterio.open(paths[-1], "r+") as dataset:
            dataset.update_tags(TIFFTAG_DATETIME=f"2024:01:0{number + 1} 00:00:00")
    how = ["--stack", "time", "--labels", "date", "--expr", "b2 - b1", "--size", 16]
    done = run("run", *paths, "out.zarr", *how)
    assert done.exit_code == 0, done.output
    result = zarr.open_group("out.zarr", mode="r")["data"]
    assert result.metadata.dimension_names == ("time", "band", "y", "x")
    difference = PIXELS[1].astype(float) - PIXELS[0]
    np.testing.assert_array_equal(result[...], np.stack([difference, difference])[:, np.newaxis])
    assert "dimensions time 2 (2024-01-01, 2024-01-02); band 1" in run("info", "out.zarr").output
    done = run("run", *paths, "out.tif", *how, "--output-dims", "day,band")
    assert done.exit_code == 0, done.output
    with rasterio.open("out.tif") as dataset:
        assert dataset.count == 2


@pytest.mark.parametrize(
    ("how", "n_bands"),
    [
        (["--stack", "time", "--labels", "2024-01-01,2024-02-01"], 4),
        (["--stack", "time", "--bands", "2"], 2),
        (["--order", "median", "--bands", "b2"], 1),
        (["--to-crs", "EPSG:32632"], 2),
    ],
)
def test_a_plan_takes_what_a_run_takes(folder, how, n_bands):
    for name in ("0.tif", "1.tif"):
        write_geotiff(folder / name, PIXELS, transform=Affine(10, 0, 500_000, 0, -10, 4_000_000))
    given = ["0.tif", "1.tif", "out.tif", "--size", 16, "--json", *how]
    planned, ready = run("plan", *given), run("run", *given, "--dry-run", "--operator", "numpy:copy")
    assert planned.exit_code == ready.exit_code == 0, planned.output + ready.output
    said, wanted = json.loads(planned.output), json.loads(ready.output)
    varies = {"memory_bytes"}  # of the process, as it is
    assert {key: said[key] for key in {*said} - varies} == {key: wanted[key] for key in {*wanted} - varies}
    assert said["disk_bytes"] == n_bands * 4 * said["height"] * said["width"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--labels", "date"], "--labels are for a --stack"),
        (["--stack", "time", "--order", "newest"], "--order is for scenes of one map"),
        (["--stack", "time", "--labels", "a"], "labels has 1 values for 2 rasters"),
    ],
)
def test_a_stack_that_makes_no_sense(folder, arguments, words):
    for name in ("0.tif", "1.tif"):
        write_geotiff(folder / name, PIXELS, transform=Affine(10, 0, 0, 0, -10, 0))
    done = run("run", "0.tif", "1.tif", "out.zarr", "--expr", "b1", *arguments)
    assert done.exit_code != 0
    assert words in done.output
