"""From what a user says to a plan."""

from __future__ import annotations

import functools
import tracemalloc

import numpy as np
import pytest
from click.testing import CliRunner
from rasterio.windows import Window

import geopatcher as gp
from geopatcher.cli import main
from geopatcher.core.leading import Dimension
from geopatcher.engine.prepare import check_patch, name_of
from geopatcher.errors import MemoryLimitError
from geopatcher.planning.reading import Reading
from geotoolz import Lambda, Sequential


def double(patch):
    return patch * 2


class Model:
    def __call__(self, patch):
        return patch


@pytest.mark.parametrize(
    ("operator", "name"),
    [
        (double, "double"),
        (functools.partial(double), "double"),
        (functools.partial(functools.partial(np.clip, 0), 1), "clip"),
        (np.sqrt, "sqrt"),
        (Model(), "Model"),
        (Model().__call__, "__call__"),
        (lambda x: x, "<lambda>"),
        (Lambda(double, name="twice"), "twice"),
        (Sequential([Lambda(double), Lambda(abs)]), "double | abs"),
        (gp.masked(double), "double"),
    ],
)
def test_operators_are_called_by_their_names(operator, name):
    assert name_of(operator) == name


def test_more_of_anything_is_planned_for():
    image = np.zeros((4, 300, 300), "uint16")
    least = gp.plan(image, size=64, chunks=64).memory_bytes
    assert gp.plan(image, size=64, chunks=64, batch_size=64).memory_bytes > least
    assert gp.plan(image, size=64, chunks=64, out_bands=40).memory_bytes > least
    assert gp.plan(image, size=64, chunks=64, dtype="float64").memory_bytes > least
    field = gp.RasterField.from_array(image, nodata=0)
    assert gp.plan(field, size=64, chunks=64).memory_bytes > least  # the mask


def test_a_region_restricts_the_plan():
    plan = gp.plan(np.zeros((300, 300)), size=64, chunks=64, region=gp.Box(70, 80, 0, 5))
    assert plan.region == gp.Box(64, 128, 0, 64)


def patcher(size):
    return gp.SpatialPatcher(
        gp.SpatialRectangular(size), gp.SpatialRegularStride(64), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )


HUGE = 99_999_999
IMAGE = np.zeros((2, 100, 120), "uint16")


@pytest.mark.parametrize(
    "call",
    [
        lambda: gp.plan(IMAGE, size=HUGE),
        lambda: gp.plan(IMAGE, size=HUGE, boundary="shrink"),
        lambda: gp.reconstruct(IMAGE, np.copy, size=HUGE),
        lambda: gp.tune(IMAGE, np.copy, size=HUGE),
        lambda: patcher(HUGE).split(IMAGE),
        lambda: patcher(HUGE).patch_at(IMAGE, (0, 0)),
        lambda: patcher(HUGE).n_anchors(IMAGE),
        lambda: patcher(HUGE).reduce(IMAGE, gp.SpatialMeanStd()),
        lambda: patcher(HUGE).two_pass(IMAGE, reduce_with=gp.SpatialMax(), apply=lambda x, _: x),
        lambda: gp.IndexedPatchView(patcher(HUGE), IMAGE),
    ],
)
def test_a_patch_no_machine_can_hold_is_refused_before_its_weights_are_made(call):
    tracemalloc.start()
    with pytest.raises(MemoryLimitError, match=r"patch 99999999x99999999 .* needs .* PiB, and this"):
        call()
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_so_is_one_beyond_the_limit():
    with pytest.raises(MemoryLimitError, match=r"patch 4000x4000 .* 183.1 MiB, and memory_limit is"):
        gp.reconstruct(IMAGE, np.copy, size=4000, memory_limit="100MiB")


@pytest.mark.parametrize("size", [0, -3, float("nan"), 1.5, "big", None, (1, 2, 3), [4, [5]], True, 10**30])
def test_sizes_that_are_none(size):
    for call in (gp.plan, lambda image, size: gp.reconstruct(image, np.copy, size=size)):
        with pytest.raises(ValueError, match="size is a whole number of pixels, at least 1, or a pair"):
            call(IMAGE, size=size)


@pytest.mark.parametrize(
    "region",
    [
        (0, 5, 0, 5),
        Window(0, 0, 5, 5),
        "all",
        slice(0, 5),
        gp.Box(0.5, 3, 0, 5),
        gp.Box(0, float("nan"), 0, 5),
        gp.Box("a", 3, 0, 5),
    ],
    ids=str,
)
def test_a_region_that_is_no_box_is_called_so(tmp_path, region):
    for call in (
        lambda: gp.plan(IMAGE, size=8, region=region),
        lambda: gp.reconstruct(IMAGE, np.copy, size=8, region=region),
    ):
        # Four numbers may be bounds, and a text the name of a file.
        with pytest.raises((TypeError, ValueError, gp.SourceError), match=r"a region is|bounds|vector file"):
            call()
    with pytest.raises(TypeError, match="a region is a Box of whole pixels, such as"):
        gp.export(IMAGE, tmp_path / "x.zarr", region=region)
    assert list(tmp_path.iterdir()) == []


def test_edges_of_a_region_may_be_any_integers(tmp_path):
    region = gp.Box(np.int64(0), 5, np.uint8(0), 5)
    assert gp.plan(IMAGE, size=8, region=region, chunks=8).region == gp.Box(0, 8, 0, 8)
    gp.reconstruct(IMAGE, np.copy, tmp_path / "r.zarr", size=8, region=region)
    gp.export(IMAGE, tmp_path / "x.zarr", region=region)


@pytest.mark.parametrize(
    ("options", "kind", "complaint"),
    [
        ({"bounds": (1, 2, 3)}, ValueError, r"bounds are four numbers, .* not \(1, 2, 3\)"),
        ({"bounds": "x"}, ValueError, "bounds are four numbers, .* not 'x'"),
        ({"bands": 5}, TypeError, r"bands are whole numbers from 1, or names, in a list, .* not 5"),
        ({"bands": [1.5]}, TypeError, "bands are whole numbers from 1"),
        ({"chunks": HUGE}, MemoryLimitError, "a piece of 99999999x99999999 x uint16 takes .* GB and this"),
        (
            {"chunks": 4, "storage": gp.ZarrStorage(shards=HUGE - 3)},
            MemoryLimitError,
            "a piece of 99999996x99999996 x uint16",
        ),
        ({"memory_limit": "x"}, ValueError, "'x' is not a size in bytes"),
    ],
)
def test_what_cannot_be_exported_is_said_before_anything_is_made(tmp_path, options, kind, complaint):
    with pytest.raises(kind, match=complaint):
        gp.export(IMAGE, tmp_path / "x.zarr", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [str(HUGE), "0", f"8x{HUGE}"])
def test_the_command_line_says_it_in_a_line(tmp_path, size):
    gp.export(IMAGE, tmp_path / "x.tif")
    for command in (["plan"], ["run", str(tmp_path / "r.tif"), "--expr", "b1"]):
        arguments = [command[0], str(tmp_path / "x.tif"), *command[1:], "--size", size]
        ran = CliRunner().invoke(main, arguments)
        assert ran.exit_code == 1
        assert ran.output.count("\n") == 1
        assert "size" in ran.output


def test_a_patch_that_cannot_be_held_is_told_with_its_margin_if_it_has_one():
    both = (Dimension("time", 2), Dimension("band", 3))
    domain = gp.RasterDomain((6, 400, 500), dtype=np.dtype("uint16"), leading=both)
    least, more = 64 * 64 * (8 + 12), 64 * 64 * 8 + 80 * 80 * 12  # weights of 8 bytes, and pixels of 12
    shown = Reading((8, 8))
    check_patch((64, 64), domain, least, "memory_limit is")
    check_patch((64, 64), domain, more, "memory_limit is", shown)
    with pytest.raises(MemoryLimitError, match=r"^patch 64x64 with 2 x 3 x .* use a smaller size \(the"):
        check_patch((64, 64), domain, least - 1, "memory_limit is")
    with pytest.raises(MemoryLimitError, match=r", read as 80x80, with .* use a smaller size or margin \("):
        check_patch((64, 64), domain, more - 1, "memory_limit is", shown)
