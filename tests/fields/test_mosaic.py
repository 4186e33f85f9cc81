"""Several rasters as one map, against rasterio's merge and NumPy over whole arrays."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.merge import merge

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.core.digests import digest_of
from geopatcher.errors import SourceError
from geopatcher.fields.mosaic import Mosaic
from geotiffs import write_geotiff
from scattered import RNG, ZONE33, holed, place, read, three, whole

__all__ = ["three"]  # a fixture


# --- on the pixels of the first -----------------------------------------------------------------


def test_the_grid_is_that_of_the_first_continued_over_all(three):
    source = Mosaic(three)
    assert source.domain.shape == (2, 90, 79)
    assert source.domain.transform == place(0, -20)
    assert source.domain.crs == rasterio.open(three[0]).crs.to_wkt()
    assert source.domain.nodata == 0


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_window_is_that_of_rasterios_merge(three, as_merged, data):
    expected, transform = as_merged
    source = Mosaic(three)
    assert transform == source.domain.transform
    rows = sorted(data.draw(st.lists(st.integers(0, 90), min_size=2, max_size=2, unique=True)))
    cols = sorted(data.draw(st.lists(st.integers(0, 79), min_size=2, max_size=2, unique=True)))
    box = Box(*rows, *cols)
    pixels = source.read(box)
    np.testing.assert_array_equal(pixels, expected[:, *box.slices()])
    valid = source.valid(box, pixels)
    held = np.ones(pixels.shape, bool) if valid is None else valid
    np.testing.assert_array_equal(held, expected[:, *box.slices()] != 0)


@pytest.fixture(scope="module")
def as_merged(three):
    datasets = [rasterio.open(path) for path in three]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rasterio 1.4 multiplies as affine 3 no longer likes
        found = merge(datasets)
    for dataset in datasets:
        dataset.close()
    return found


def test_the_order_decides_what_is_seen(three):
    for order, options, ranks in (
        ("first", {}, [0, 1, 2]),
        ("newest", {"dates": ["2024-01-01", "2024-03-01", "2024-02-01"]}, [1, 2, 0]),
        ("least-cloud", {"cloud": [50, 10.5, 0]}, [2, 1, 0]),
    ):
        source = Mosaic(three, three[0], order, **options)
        expected = np.zeros((2, 40, 40), "uint8")
        everything = Mosaic([three[rank] for rank in ranks], three[0])
        for rank in ranks[::-1]:
            alone = Mosaic([three[rank]], Mosaic(three).domain).read(Box(20, 60, 0, 40))
            expected = np.where(alone > 0, alone, expected)
        np.testing.assert_array_equal(source.read(whole(source)), expected)
        np.testing.assert_array_equal(everything.read(whole(source)), expected)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "float32"])
@pytest.mark.parametrize("scenes", [1, 2, 5])
def test_the_median_is_numpys(tmp_path, dtype, scenes):
    corners = [(0, 0), (5, 3), (-4, 7), (2, -6), (9, 9)][:scenes]
    nodata = {"float32": -9999}.get(dtype, 7)
    paths, stack = [], np.full((scenes, 2, 70, 70), np.nan)
    for number, (col, row) in enumerate(corners):
        array = holed((2, 40, 40), dtype, nodata, 5 + number)
        path = tmp_path / f"{number}.tif"
        paths.append(write_geotiff(path, array, crs=ZONE33, transform=place(col, row), nodata=nodata))
        known = np.where(array == nodata, np.nan, array.astype(float))
        stack[number, :, 10 + row : 50 + row, 10 + col : 50 + col] = known
    source = Mosaic(paths, order="median")
    top, left = -min(row for _, row in corners), -min(col for col, _ in corners)
    expected = np.ma.median(np.ma.masked_invalid(stack), axis=0).filled(np.nan)
    if dtype != "float32":
        expected = np.rint(expected)
    height, width = source.domain.grid_shape
    expected = expected[:, 10 - top : 10 - top + height, 10 - left : 10 - left + width]
    np.testing.assert_array_equal(read(source), expected)
    np.testing.assert_array_equal(read(source, Box(3, 21, 8, 30)), expected[:, 3:21, 8:30])


def test_pixels_on_the_same_lattice_are_never_resampled(tmp_path):
    array = RNG.integers(0, 2**62, (1, 30, 30))
    path = write_geotiff(tmp_path / "a.tif", array, crs=ZONE33, transform=place(-3, -4))
    grid = gp.RasterDomain((50, 50), place(), ZONE33)
    source = Mosaic([path], grid, resampling="cubic")
    np.testing.assert_array_equal(source.read(Box(0, 26, 0, 27)), array[:, 4:, 3:])


# --- what is missing ------------------------------------------------------------------------------


def test_each_scene_says_itself_what_is_missing_in_it(tmp_path):
    """Nodata of 0, of 255, a mask, and none: what is nodata in one is data in another."""
    arrays = [RNG.choice(np.array([0, 255, 9], "uint8"), (1, 20, 20)) for _ in range(4)]
    paths = [tmp_path / f"{number}.tif" for number in range(4)]
    mask = RNG.random((20, 20)) < 0.5
    for path, array, options in zip(paths, arrays, ({"nodata": 0}, {"nodata": 255}, {}, {}), strict=True):
        write_geotiff(path, array, crs=ZONE33, transform=place(), **options)
    with rasterio.open(paths[2], "r+") as dataset:
        dataset.write_mask(mask)
    held = [arrays[0] != 0, arrays[1] != 255, mask[None], np.ones((1, 20, 20), bool)]
    for used in ([0], [0, 1], [1, 0], [2], [0, 1, 2], [2, 1], [0, 1, 2, 3]):
        source = Mosaic([paths[number] for number in used])
        expected = np.full((1, 20, 20), np.nan)
        for number in used[::-1]:
            expected = np.where(held[number], arrays[number], expected)
        np.testing.assert_array_equal(read(source), expected)
        again = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own bytes
        pixels = again.read(whole(source)).copy()  # not the array that was handed out
        valid = again.valid(whole(source), pixels)
        np.testing.assert_array_equal(True if valid is None else valid, ~np.isnan(expected))
    assert not Mosaic([paths[3]]).has_nodata
    assert not Mosaic(paths).has_nodata
    assert Mosaic(paths[:3]).has_nodata


def test_a_gap_between_scenes_without_nodata_is_missing(tmp_path):
    ones = np.ones((1, 10, 10), "uint16")
    paths = [
        write_geotiff(tmp_path / f"{col}.tif", 0 * ones + col, crs=ZONE33, transform=place(col, 0))
        for col in (0, 13)
    ]
    source = Mosaic(paths)
    assert source.has_nodata
    assert source.domain.nodata is None
    found = read(source)
    assert np.isnan(found[:, :, 10:13]).all()
    assert (found[:, :, :10] == 0).all()
    assert (found[:, :, 13:] == 13).all()
    result = gp.reconstruct(paths, np.copy, size=4, aggregation="mode", allow_gaps=True)
    assert (result.valid[:, 10:13] == 0).all()
    assert np.asarray(result.valid[...]).sum() == 200


# --- as a source of runs -----------------------------------------------------------------------------


def test_a_mosaic_is_known_by_its_files_and_by_how_they_are_put_together(three, tmp_path):
    known = {
        digest_of(str(sorted(Mosaic(*arguments, **options).identity().items())))
        for arguments, options in (
            ((three,), {}),
            ((three[::-1],), {}),
            ((three[:2],), {}),
            ((three, three[0]), {}),
            ((three, None, "median"), {}),
            ((three,), {"resampling": "cubic"}),
        )
    }
    assert len(known) == 6
    copies = [str(tmp_path / name) for name in ("0.tif", "1.tif")]
    for path, copied in zip(three, copies, strict=False):
        write_geotiff(copied, rasterio.open(path).read(), crs=ZONE33, transform=place(), nodata=0)
    source = Mosaic(copies)
    before, version = source.identity(), source.version()
    assert {str(path) for path in source.files()} == set(copies)
    with rasterio.open(copies[1], "r+") as dataset:
        dataset.write(np.ones((2, 40, 40), "uint8"))
    assert source.version() != version
    after = source.identity()
    assert {key for key in before if before[key] != after[key]} == {"scene 2"}
    write_geotiff(copies[1], np.ones((2, 41, 40), "uint8"), crs=ZONE33, transform=place(), nodata=0)
    with pytest.raises(SourceError, match=r"1\.tif has changed since it was opened"):
        source.identity()


def test_a_run_goes_on_only_with_the_same_scenes(three, tmp_path):
    target = tmp_path / "out.zarr"
    sizes = {"size": 16, "aggregation": "mode", "allow_gaps": True}
    gp.reconstruct(three, np.copy, target, **sizes)
    written = {file: file.stat().st_mtime_ns for file in target.rglob("c/*") if file.is_file()}
    gp.reconstruct(three, np.copy, target, **sizes)
    assert written == {file: file.stat().st_mtime_ns for file in target.rglob("c/*") if file.is_file()}
    with pytest.raises(gp.TargetExistsError, match=r"source\.scene"):
        gp.reconstruct(three[::-1], np.copy, target, **sizes)
    with pytest.raises(gp.TargetError, match="from where the pixels"):
        gp.reconstruct(three, np.copy, three[1], overwrite=True, **sizes)


class Larger:
    """A model that gives its bands back as probabilities."""

    def predict_proba(self, rows):
        return rows / rows.sum(axis=1, keepdims=True)


def test_a_model_chooses_bands_by_their_names(tmp_path):
    paths = [tmp_path / "a.tif", tmp_path / "b.tif"]
    for number, path in enumerate(paths):
        cells = RNG.random((3, 40, 40)).astype("float32") + 0.1
        write_geotiff(path, cells, crs=ZONE33, transform=place(30 * number))
        with rasterio.open(path, "r+") as dataset:
            dataset.descriptions = ("B02", "B03", "B04")
    model = gp.Model(Larger(), bands=["B04", "B02"], classes=["red", "blue"])
    found = gp.reconstruct(paths, model, size=16, step=16, window="boxcar", outputs="class")
    bands = Mosaic(paths).read(Box(0, 40, 0, 70))
    np.testing.assert_array_equal(found.array, bands[0] > bands[2])


# --- what is refused ----------------------------------------------------------------------------------


def test_a_scene_that_cannot_be_opened_is_named_before_a_pixel_is_read(three, tmp_path):
    with pytest.raises(SourceError, match=r"there is no file .*gone\.tif"):
        Mosaic([*three, tmp_path / "gone.tif"])
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(SourceError, match=r"cannot open .*text\.tif as a raster"):
        gp.reconstruct([*three, tmp_path / "text.tif"], np.copy)


def test_scenes_of_another_kind_are_named(three, tmp_path):
    for name, array, options, why in (
        ("bands", np.ones((3, 9, 9), "uint8"), {}, r"one has 3 band\(s\), the other 2"),
        ("dtype", np.ones((2, 9, 9), "uint16"), {}, "one holds uint16, the other uint8"),
        ("far", np.ones((2, 9, 9), "uint8"), {"crs": None}, "does not say in which CRS|not say in which CRS"),
    ):
        path = tmp_path / f"{name}.tif"
        write_geotiff(path, array, **({"crs": ZONE33, "transform": place()} | options))
        with pytest.raises(SourceError, match=rf"{name}\.tif.*({why})"):
            Mosaic([*three, path])


def test_wrong_arguments_are_refused(three):
    with pytest.raises(ValueError, match="one scene at least"):
        Mosaic([])
    with pytest.raises(ValueError, match="order is one of first, newest, least-cloud, median, not 'last'"):
        Mosaic(three, order="last")
    with pytest.raises(ValueError, match="resampling is one of nearest, .*, not 'gauss'"):
        Mosaic(three, resampling="gauss")
    with pytest.raises(TypeError, match="made of a list of scenes, such as"):
        Mosaic(three[0])
    with pytest.raises(TypeError, match="a scene is a path, a source or a field, not int"):
        Mosaic([three[0], 5])
    with pytest.raises(SourceError, match=r"none of the 3 scene\(s\) touches the grid"):
        Mosaic(three, gp.RasterDomain((5, 5), place(9000, 9000), ZONE33))


@pytest.mark.parametrize("crs", [ZONE33, "EPSG:32632"])
def test_damage_of_one_scene_is_an_error_with_its_name(tmp_path, crs):
    good = write_geotiff(tmp_path / "good.tif", np.ones((1, 99, 99), "uint8"), crs=ZONE33, transform=place())
    noise = RNG.integers(0, 255, (1, 200, 200)).astype("uint8")
    tiles = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate"}
    bad = write_geotiff(tmp_path / "bad.tif", noise, crs=ZONE33, transform=place(60), **tiles)
    with rasterio.open(bad) as dataset:
        assert dataset.block_shapes == [(64, 64)]
    with bad.open("r+b") as file:
        file.seek(9000)  # in the pixels of some block
        file.write(b"\x00" * 6000)
    source = Mosaic([good, bad], gp.Grid(crs))
    with pytest.raises(SourceError, match=r"cannot read .*bad\.tif, rows"):
        source.read(whole(source))


# --- bounds ---------------------------------------------------------------------------------------------

CHILD = """
import os, re, sys
import numpy as np
import geopatcher as gp
from geopatcher.core.box import Box

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) >> 10

paths = [f"{sys.argv[1]}/{n}.tif" for n in range(40)]
order = sys.argv[2]
small = gp.Mosaic(paths[:2], gp.Grid("EPSG:32632"), order)
small.read(Box(0, 64, 0, 64))
before, most = peak(), 0
source = gp.Mosaic(paths, gp.Grid("EPSG:32632"), order)
height, width = source.domain.grid_shape
for row in range(0, height, 256):
    box = Box(row, min(height, row + 256), 0, width)
    pixels = source.read(box)
    source.valid(box, pixels)
    most = max(most, len(os.listdir("/proc/self/fd")))
print(peak() - before, most, pixels.nbytes >> 20, len(source.scenes))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux's")
@pytest.mark.parametrize("order", ["first", "median"])
def test_forty_scenes_take_the_memory_and_the_files_of_a_few(tmp_path, order):
    """Forty scenes of 8 MiB, all over one place or side by side: 320 MiB, of which strips are held.

    By how much varies with how threads divide the heap, 70 to 135 MiB.
    """
    array = RNG.integers(1, 9999, (2, 1448, 1448)).astype("uint16")
    for number in range(40):
        corner = place(number % 5 * 700, number // 5 * 3)
        write_geotiff(tmp_path / f"{number}.tif", array, crs=ZONE33, transform=corner, tiled=True)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(tmp_path), order],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    grown, files, strip, scenes = map(int, done.stdout.split())
    assert scenes == 40
    assert files < 40, "files are closed"
    assert grown < 160, f"{grown} MiB for strips of {strip} MiB"


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_scene_of_much_finer_pixels_is_shrunk_in_small_pieces(tmp_path, dtype):
    array = RNG.integers(0, 200, (1, 3000, 2000)).astype(dtype)
    path = write_geotiff(tmp_path / "fine.tif", array, crs=ZONE33, transform=place(side=1.0), tiled=True)
    source = Mosaic([path], gp.Grid(resolution=100), resampling="average")
    assert source.domain.shape == (1, 30, 20)
    found = source.read(whole(source))
    means = array.reshape(1, 30, 100, 20, 100).astype(float).mean(axis=(2, 4))
    assert np.abs(found - means).max() <= (0.51 if dtype == "uint8" else 1e-3)
