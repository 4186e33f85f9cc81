"""The benchmarks run, check what they measure, and say so. No time is asserted anywhere."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import rasterio
import zarr

from places import ROOT

sys.path.insert(0, str(ROOT))  # benchmarks/ is not part of the package

from benchmarks import catalog, check, children, report, scenes, summary, tiff, works
from benchmarks.bench import schedule
from benchmarks.methods import common, numpy_loop

pytestmark = pytest.mark.once

OWN = [method.name for method in catalog.METHODS if not method.peer]
#: Groups that are run by themselves, so that no test waits for all.
LATER = ("index", "small", "merge", "series")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("scratch")


def bench(scratch, out, *arguments):
    command = [
        sys.executable,
        "-m",
        "benchmarks.bench",
        "--quick",
        "--scratch",
        scratch,
        "--out",
        out,
        *arguments,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads((out / "results.json").read_text())


@pytest.fixture(scope="module")
def quick(scratch, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    return out, bench(scratch, out, "--scenes", "s2", "classes", "chosen", "--only", *OWN, "tiler")


@pytest.fixture(scope="module")
def later(scratch, tmp_path_factory):
    out = tmp_path_factory.mktemp("later")
    return out, bench(scratch, out, "--only", *LATER)


@pytest.mark.parametrize("name", OWN)
def test_quick_run_is_right_at_every_pixel(name, request):
    of = "later" if catalog.BY_NAME[name].group in LATER else "quick"
    row = next(row for row in request.getfixturevalue(of)[1]["rows"] if row["method"] == name)
    assert row["error"] is None
    assert row["max_error"] < 1e-5
    assert row["peak_mib"] > 10
    assert row["ratio"] > 0
    if catalog.BY_NAME[name].kind == catalog.DISK:
        assert row["result_mib"] > 1
        assert row["written_mib"] is None or row["written_mib"] >= row["result_mib"] * 0.99


def test_quick_run_leaves_table_and_chart_and_no_outputs(quick, scratch):
    out, content = quick
    table = (out / "RESULTS.md").read_text()
    for name in OWN:
        assert (catalog.BY_NAME[name].title in table) is (catalog.BY_NAME[name].group not in LATER)
    assert table.index("### To disk") < table.index("### In memory")
    assert (out / "chart.png").read_bytes().startswith(b"\x89PNG")
    assert content["targets"] == []  # they are set for the full size
    assert not list(scratch.glob("run-*"))
    assert str(scratch) not in (out / "results.json").read_text()


def test_peer_that_is_not_installed_is_a_failed_row(quick):
    if installed("tiler"):
        pytest.skip("tiler is installed here")
    row = next(row for row in quick[1]["rows"] if row["method"] == "tiler")
    assert row["error"] == "not installed: tiler"
    assert "**failed**: not installed: tiler" in (quick[0] / "RESULTS.md").read_text()


def installed(package):
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def make_scene(folder, **changes):
    known = {"name": "t", "width": 700, "height": 600, "title": "", "methods": ()}
    scene = catalog.Scene(**{**known, **changes})
    scenes.make(scene, folder)
    return scene


def test_scene_is_a_georeferenced_tiled_deflate_geotiff(tmp_path):
    scene = make_scene(tmp_path, bands=4, width=500)
    with rasterio.open(scene.path(tmp_path)) as source:
        assert source.profile["compress"] == "deflate"
        assert source.block_shapes == [(512, 512)] * 4
        assert source.dtypes == ("uint16",) * 4
        assert source.crs.to_epsg() == 32633
        assert source.nodata is None
        pixels = source.read()
    assert pixels.shape == (4, 600, 500)
    assert pixels.min() > 0
    assert not np.array_equal(pixels[0], pixels[1])


def test_scene_repeats_its_tiles_without_growing(tmp_path):
    small = make_scene(tmp_path, width=512 * 6, height=512)
    large = make_scene(tmp_path, width=512 * 36, height=512)
    sizes = [scene.path(tmp_path).stat().st_size for scene in (small, large)]
    assert sizes[1] < 1.01 * sizes[0]
    with rasterio.open(large.path(tmp_path)) as source:
        first, later = (source.read(1, window=((0, 512), (at, at + 512))) for at in (512, 512 * 31))
    assert np.array_equal(first, later)


def test_scene_has_the_nodata_it_promises(tmp_path):
    scene = make_scene(tmp_path, width=2048, height=1500, valid=0.3)
    with rasterio.open(scene.path(tmp_path)) as source:
        assert source.nodata == 0
        assert (source.read(1) != 0).mean() == pytest.approx(0.3, abs=0.01)


def test_float_twin_holds_the_scaled_pixels(scratch, quick):
    scene = catalog.scenes(1024, 1000)[0]
    with rasterio.open(scene.path(scratch)) as source, rasterio.open(scene.float_path(scratch)) as twin:
        assert np.array_equal(twin.read(), source.read() * np.float32(1e-4))


def test_tiff_with_a_wrong_number_of_places_is_refused(tmp_path):
    layout = tiff.Layout(1024, 512, 1, 16, tiff.DEFLATE)
    with pytest.raises(ValueError, match="1 places named, 1 x 2 needed"):
        tiff.write(tmp_path / "x.tif", layout, {"a": b""}, ["a"])


def right_result(scene, folder):
    with rasterio.open(scene.path(folder)) as source:
        return source.read() * np.float32(1e-4)


def verdict_of(scene, folder, array):
    np.save(folder / "x.npy", array)
    return check.check(scene.path(folder), folder / "x.npy")


def test_check_passes_what_is_right(tmp_path):
    scene = make_scene(tmp_path)
    assert verdict_of(scene, tmp_path, right_result(scene, tmp_path)).fine


@pytest.mark.parametrize("place", [(0, 0, 0), (0, 599, 699), (0, 300, 1)])
def test_check_finds_one_wrong_pixel_anywhere(tmp_path, place):
    scene = make_scene(tmp_path)
    array = right_result(scene, tmp_path)
    array[place] += np.float32(1e-4)
    verdict = verdict_of(scene, tmp_path, array)
    assert not verdict.fine
    assert verdict.worst == place
    assert verdict.max_error == pytest.approx(1e-4, rel=1e-2)


def test_check_counts_lost_pixels(tmp_path):
    scene = make_scene(tmp_path)
    array = right_result(scene, tmp_path)
    array[0, -1, :] = np.nan
    verdict = verdict_of(scene, tmp_path, array)
    assert not verdict.fine
    assert verdict.not_a_number == 700
    said = children.wrong({"problem": None, "not_a_number": 700})
    assert said == "700 pixels lost (NaN)"


def test_check_names_a_wrong_shape(tmp_path):
    scene = make_scene(tmp_path)
    verdict = verdict_of(scene, tmp_path, right_result(scene, tmp_path)[:, :-1])
    assert not verdict.fine
    assert verdict.problem == "shape (1, 599, 700) instead of (1, 600, 700)"


@pytest.mark.parametrize(("filled", "fine"), [(np.nan, True), (0.0, True), (0.5, False)])
def test_check_wants_nothing_where_the_scene_has_nothing(tmp_path, filled, fine):
    scene = make_scene(tmp_path, valid=0.3)
    array = right_result(scene, tmp_path)
    empty = array == 0
    array[empty] = filled
    verdict = verdict_of(scene, tmp_path, array)
    assert verdict.fine is fine
    assert verdict.made_up == (0 if fine else np.count_nonzero(empty))


def test_check_finds_the_raster_of_a_group(tmp_path):
    scene = make_scene(tmp_path)
    group = zarr.create_group(tmp_path / "x.zarr")
    group.create_array("y", data=np.arange(600.0))
    group.create_array("anything", data=right_result(scene, tmp_path)[0])
    assert check.check(scene.path(tmp_path), tmp_path / "x.zarr").fine


def test_window_is_positive_and_sums_to_one_at_half_overlap():
    window = common.hann(256)
    assert window.min() > 0
    assert np.allclose(window[:128] + window[128:], 1)


@pytest.mark.parametrize("length", [256, 384, 600, 1000])
def test_patches_cover_every_pixel(length):
    at = common.starts(length)
    assert at == sorted(set(at))
    assert at[-1] + 256 == length
    assert numpy_loop.weight_sum(length).min() > 0


@pytest.mark.parametrize(
    ("code", "errors", "seconds", "said"),
    [
        (0, "a warning", 1, None),
        (1, "Traceback\n  line\nValueError: no\n\n", 1, "ValueError: no"),
        (1, f"OSError: {ROOT}/a.tif: gone", 1, "OSError: a.tif: gone"),
        (3, "", 1, "exit code 3"),
        (-9, "", 60, "not finished after 60 s"),
        (-9, "", 5, "killed by SIGKILL"),
    ],
)
def test_failure_in_one_line(code, errors, seconds, said):
    assert children.failure(code, errors, seconds, 60) == said


def run(method, seconds, scene="s2", **more):
    return children.Run(scene, method, 0, seconds=seconds, inner_seconds=seconds, peak_mib=100.0, **more)


def test_rows_are_medians_against_the_baseline_of_their_codec():
    runs = [run("copy-zarr", s) for s in (9.0, 2.0, 1.0)] + [run("copy-blosc", 1.0)]
    runs += [run("geopatcher-zarr", 3.0), run("geopatcher-blosc", 1.2, max_error=2e-6)]
    rows = {row.method: row for row in summary.rows_of(runs)}
    assert (rows["copy-zarr"].seconds, rows["copy-zarr"].fastest, rows["copy-zarr"].slowest) == (
        2.0,
        1.0,
        9.0,
    )
    assert rows["geopatcher-zarr"].ratio == pytest.approx(1.5)
    assert rows["geopatcher-blosc"].ratio == pytest.approx(1.2)
    assert rows["geopatcher-blosc"].max_error == 2e-6


def test_targets_compare_with_the_fastest_peer_in_memory_and_leave_out_failed_results():
    runs = [
        run("geopatcher-memory", 2.0),
        run("tiler", 5.0),
        run("monai", 4.0, error="wrong"),
        run("monai-zarr", 1.0),
    ]
    runs += [run("geopatcher-zarr", 1.0, error="wrong"), run("copy-zarr", 1.0)]
    held = {target.title: target for target in summary.targets(summary.rows_of(runs))}
    memory = held["in memory: geopatcher / fastest peer, whole process"]
    assert (memory.measured, memory.note, memory.met) == (0.5, "monai", True)
    disk = held["zarr, default codec: geopatcher / plain copy"]
    assert (disk.measured, disk.met) == (None, False)
    assert "COG: geopatcher / rasterio.shutil.copy" not in held
    lines = report.targets(
        {"targets": [{**vars(disk), "met": disk.met}, {**vars(memory), "met": memory.met}]}
    )
    assert lines[-3].endswith("| 1.1 | - | not measured |")
    assert lines[-2].endswith("(monai) | 0.5 | 0.50 | met |")


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(SystemExit, match=r"no scene \['x'\]: choose from \['s2', "):
        catalog.pick_scenes(catalog.scenes(), ["x"])
    with pytest.raises(SystemExit, match=r"no method \['x'\]: choose from \['copy-zarr', "):
        catalog.pick_methods(catalog.scenes()[0], ["x"])


def test_parent_stays_small():
    heavy = {"numpy", "rasterio", "zarr", "matplotlib"}
    code = f"import sys, benchmarks.bench; print(sorted({heavy} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_rounds_hold_each_run_once_and_what_is_compared_close_together():
    every = catalog.scenes()
    first, second, sixth = (schedule(every, (), turn) for turn in (0, 1, 5))
    names = [(scene.name, method.name) for scene, method in first]
    assert sorted(names) == sorted((scene.name, name) for scene in every for name in scene.methods)
    pairs = [(name, method) for name in ("s2", "s2-nodata70", "s2-bands4") for method in catalog.PAIR]
    assert names[:6] == pairs
    assert [(scene.name, method.name) for scene, method in second][-6:] == pairs[::-1]
    once = {("s2-x16", name) for name in catalog.PAIR} | {("s2", "monai-zarr")}
    assert once.isdisjoint((scene.name, method.name) for scene, method in second)
    assert {scene.name for scene, _ in sixth} == {"s2", "s2-nodata70", "s2-bands4", *catalog.GROUPS}


@pytest.mark.parametrize("group", catalog.GROUPS)
def test_a_group_is_named_in_place_of_its_methods(group):
    every = catalog.scenes()
    found = [(scene.name, method.name) for scene in every for method in catalog.pick_methods(scene, [group])]
    assert found == [(group, name) for name in catalog.ALL if name.startswith(f"{group}-")]


def test_parts_and_series_are_made_of_the_same_tiles(tmp_path):
    scene = make_scene(tmp_path, width=1024, height=1024, in_parts=True)
    with rasterio.open(scene.path(tmp_path)) as source:
        whole, transform = source.read(), source.transform
    parts = sorted(scenes.parts_of(scene.path(tmp_path)).iterdir())
    assert [part.name for part in parts] == ["00-00.tif", "00-01.tif", "01-00.tif", "01-01.tif"]
    with rasterio.open(parts[2]) as part:
        assert np.array_equal(part.read(), whole[:, 512:, :512])
        assert part.transform * (0, 0) == transform * (0, 512)


@pytest.mark.parametrize("wrong", [False, True])
def test_results_of_parts_are_held_against_the_mosaic(tmp_path, wrong):
    scene = make_scene(tmp_path, width=1024, height=1024, in_parts=True)
    right = right_result(scene, tmp_path)
    right[0, 700, 900] += 0.001 * wrong
    (tmp_path / "found").mkdir()
    for row, col in np.ndindex(2, 2):
        part = right[:, row * 512 : (row + 1) * 512, col * 512 : (col + 1) * 512]
        zarr.create_array(tmp_path / "found" / f"0{row}-0{col}.zarr", data=part)
    (tmp_path / "found" / "00-00.zarr.ledger").touch()
    verdict = check.check(scene.path(tmp_path), tmp_path / "found")
    assert verdict.fine is not wrong
    assert verdict.worst == (0, 700, 900) or not wrong


def test_of_a_series_the_rounded_median_is_right(tmp_path):
    scene = make_scene(tmp_path, width=300, height=200, bands=2, dates=4)
    each = [rasterio.open(path).read() for path in sorted(scene.path(tmp_path).iterdir())]
    assert len(each) == 4
    right = np.rint(np.median(each, axis=0))
    for shift in (0, 1):
        np.save(tmp_path / "x.npy", right + shift)
        assert check.check(scene.path(tmp_path), tmp_path / "x.npy", "median").fine is (shift == 0)


@pytest.mark.parametrize("name", ["index", "labels", "median", "probabilities", "scores"])
def test_what_is_wrong_in_one_pixel_of_a_work_is_found(name):
    pixels = np.stack([scenes.ground(40, 50, seed) for seed in range(2 if name == "index" else 1)])
    made = works.WORKS[name].operator(pixels).astype(np.float32)
    if name == "scores":
        made = np.stack([made.argmax(axis=0), made.max(axis=0)])
    assert works.WORKS[name].error(pixels, made).max() < 1e-6
    for band in range(made.shape[0]):
        wrong = made.copy()
        wrong[band, 7, 9] = (wrong[band, 7, 9] + 1) % catalog.CLASSES
        error = works.WORKS[name].error(pixels, wrong)
        assert error[band, 7, 9] > 1e-5
        error[band, 7, 9] = 0
        assert error.max() < 1e-6
