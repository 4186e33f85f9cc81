"""Rasters one behind the other: against each of them read by itself, and rasterio's WarpedVRT."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.vrt import WarpedVRT

import geopatcher as gp
from geopatcher.core.box import Box
from geopatcher.errors import SourceError
from geopatcher.fields.rasterio_source import RasterioSource

PLACE = Affine(10, 0, 5e5, 0, -10, 5e6)
DAYS = ("2024-01-03", "2024-01-08", "2024-01-13")


def scene(path, seed, *, transform=PLACE, shape=(2, 60, 50), dtype="uint8", day=None, names=("B04", "B08")):
    cells = np.random.default_rng(seed).integers(0, 5, shape).astype(dtype)
    kind = {"count": shape[0], "height": shape[1], "width": shape[2], "dtype": dtype}
    with rasterio.open(
        path, "w", driver="GTiff", crs="EPSG:32633", transform=transform, nodata=0, **kind
    ) as file:
        file.write(cells)
        file.descriptions = names
        if day is not None:
            file.update_tags(ACQUISITION_DATE=day)
    return cells


@pytest.fixture
def scenes(tmp_path):
    paths = [tmp_path / f"{number}.tif" for number in range(3)]
    cells = [scene(path, number, day=day) for number, (path, day) in enumerate(zip(paths, DAYS, strict=True))]
    return paths, np.stack(cells)


def test_all_rasters_are_read_one_behind_the_other(scenes):
    paths, cells = scenes
    stack = gp.Stack(paths)
    assert (stack.domain.lengths, stack.domain.shape, stack.domain.nodata) == ((3, 2), (6, 60, 50), 0)
    assert [one.name for one in stack.domain.leading] == ["time", "band"]
    assert stack.domain.band_names[1:3] == ("time 1 B08", "time 2 B04")
    for box in (Box(0, 60, 0, 50), Box(7, 31, 3, 40)):
        pixels = stack.read(box)
        want = cells.reshape(6, 60, 50)[:, *box.slices()]
        np.testing.assert_array_equal(pixels, want)
        np.testing.assert_array_equal(stack.valid(box, pixels), want != 0)
        np.testing.assert_array_equal(stack.valid(box, pixels), want != 0)  # asked again
    assert set(stack.files()) == set(paths)
    assert repr(stack) == "Stack(3 x 2 x uint8, 60 x 50 pixels)"
    again = pickle.loads(pickle.dumps(stack))  # noqa: S301 - our own
    np.testing.assert_array_equal(again.read(Box(0, 5, 0, 5)), stack.read(Box(0, 5, 0, 5)))
    assert again.identity() == stack.identity()


def test_which_rasters_they_are_is_known(scenes):
    paths, _ = scenes
    before = gp.Stack(paths)
    identity, version = before.identity(), before.version()
    assert gp.Stack(paths[::-1]).identity() != identity
    assert gp.Stack(paths).identity() == identity
    scene(paths[1], 9)
    assert gp.Stack(paths).identity() != identity
    assert gp.Stack(paths).version() != version
    with pytest.raises(SourceError):
        before.identity()


@pytest.mark.parametrize(
    "labels",
    [
        list(DAYS),
        [date(2024, 1, 3), date(2024, 1, 8), date(2024, 1, 13)],
        [datetime(2024, 1, day, tzinfo=UTC) for day in (3, 8, 13)],
        np.array(DAYS, "M8[D]"),
        "date",
    ],
    ids=["texts", "dates", "datetimes", "numpy", "tags"],
)
def test_dates_in_any_form(scenes, labels):
    pytest.importorskip("xarray")
    paths, cells = scenes
    array = gp.reconstruct(
        gp.Stack(paths, labels=labels), lambda patch: patch, size=32, progress=False
    ).to_xarray()
    assert array.dims == ("time", "band", "y", "x")
    np.testing.assert_array_equal(array["time"].values, np.array(DAYS, "M8[ns]"))
    assert array["band"].values.tolist() == ["B04", "B08"]
    np.testing.assert_array_equal(array.values[cells != 0], cells[cells != 0])


def test_other_labels_and_rasters_without_bands():
    planes = [np.full((20, 30), value, "float32") for value in (3, 1, 2)]
    fields = [gp.RasterField.from_array(plane) for plane in planes]
    stack = gp.Stack(fields, "level", [850, 500.5, 300])
    assert (stack.domain.lengths, stack.domain.leading[0].values) == ((3,), (850.0, 500.5, 300.0))
    result = gp.reconstruct(stack, lambda patch: np.sort(patch, axis=0), size=16, progress=False)
    np.testing.assert_array_equal(result.array, np.sort(planes, axis=0))
    assert gp.Stack(fields, "model", ["a", "b", "c"]).domain.band_names == ("a", "b", "c")
    assert gp.Stack([gp.Stack(fields), gp.Stack(fields)], "run").domain.lengths == (2, 3)


def test_rasters_of_another_grid_are_refused_or_put_on_one(scenes, tmp_path):
    paths, cells = scenes
    other = tmp_path / "other.tif"
    scene(other, 7, transform=Affine(20, 0, 5e5 + 35, 0, -20, 5e6 - 45), shape=(2, 20, 25))
    with pytest.raises(
        SourceError, match=r"other.tif has 20x25 pixels .* 60x50 .*: rasters of a stack lie on one"
    ):
        gp.Stack([*paths, other])
    stack = gp.Stack([paths[0], other], grid=paths[0])
    whole = Box(0, 60, 0, 50)
    found = stack.read(whole)
    np.testing.assert_array_equal(found[:2][cells[0] != 0], cells[0][cells[0] != 0])
    with (
        rasterio.open(other) as dataset,
        WarpedVRT(dataset, crs="EPSG:32633", transform=PLACE, width=50, height=60, nodata=0) as warped,
    ):
        want = warped.read()
    known = stack.valid(whole, found)
    np.testing.assert_array_equal(known[2:], want != 0)
    np.testing.assert_array_equal(found[2:][known[2:]], want[want != 0])
    coarse = gp.Stack(paths, grid=gp.Grid(resolution=20))
    assert coarse.domain.array_shape == (3, 2, 30, 25)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda paths: gp.Stack([]), ValueError, "one raster at least"),
        (lambda paths: gp.Stack(str(paths[0])), TypeError, "a list of rasters"),
        (
            lambda paths: gp.Stack(paths, labels=["2024-01-03"]),
            ValueError,
            "labels has 1 values for 3 rasters",
        ),
        (lambda paths: gp.Stack(paths, labels="dates"), TypeError, 'one for each raster, or "date", not'),
        (lambda paths: gp.Stack(paths, labels=["a", "b", "c"]), ValueError, "'a' is no date"),
        (lambda paths: gp.Stack(paths, resampling="nearest"), ValueError, "give grid"),
        (lambda paths: gp.Stack([*paths, paths[0].with_name("no.tif")]), SourceError, "no.tif"),
        (lambda paths: gp.Stack([*paths, 3]), TypeError, "not int"),
    ],
)
def test_what_is_no_stack(scenes, make, error, words):
    with pytest.raises(error, match=words):
        make(scenes[0])


def test_rasters_of_another_kind_are_refused_by_name(scenes, tmp_path):
    scene(tmp_path / "float.tif", 0, dtype="float32")
    with pytest.raises(SourceError, match=r"float.tif and .*0.tif are not of one kind: one holds float32"):
        gp.Stack([*scenes[0], tmp_path / "float.tif"])
    scene(tmp_path / "undated.tif", 0)
    with pytest.raises(SourceError, match=r"undated.tif does not say when it was seen"):
        gp.Stack([*scenes[0], tmp_path / "undated.tif"], labels="date")


@pytest.mark.parametrize("how", [{}, {"workers": 2}])
def test_a_median_over_time_in_windows(scenes, tmp_path, how):
    paths, cells = scenes
    result = gp.reconstruct(
        gp.Stack(paths, labels="date"), median, tmp_path / "x.zarr", size=16, chunks=32, progress=False, **how
    )
    gaps = np.ma.masked_equal(cells, 0)
    want = np.ma.median(gaps, axis=0)
    held = np.asarray(result.valid[...])
    np.testing.assert_array_equal(held, ~np.ma.getmaskarray(want))
    np.testing.assert_allclose(np.asarray(result.array[...])[held], want.compressed())
    assert result.stats.read_amplification < 1.6


@gp.masked
def median(patch):
    return np.ma.median(patch, axis=0)


def test_bands_are_those_of_each_raster(scenes):
    paths, cells = scenes
    stack = gp.Stack(paths, labels=DAYS)
    for bands, own in ((["B08"], [1]), ([2, 1], [1, 0]), (["b04"], [0])):
        result = gp.reconstruct(stack, np.copy, size=16, window="boxcar", step=16, bands=bands)
        np.testing.assert_array_equal(np.asarray(result.array), cells[:, own])
        np.testing.assert_array_equal(np.asarray(result.valid), cells[:, own] != 0)
        assert [one.name for one in result.domain.leading] == ["time", "band"]
        assert result.domain.leading[0] == stack.domain.leading[0]
    assert result.domain.band_names == tuple(f"{day} B04" for day in DAYS)
    with pytest.raises(ValueError, match=r"has no band called B11; its bands are B04, B08"):
        gp.plan(stack, bands=["B11"])
    with pytest.raises(ValueError, match=r"has bands 1 to 2; asked for \[3\]"):
        gp.plan(stack, bands=[3])


def test_any_of_its_bands(scenes):
    paths, cells = scenes
    stack, box = gp.Stack(paths), Box(3, 20, 5, 40)
    flat = cells.reshape(6, 60, 50)[:, *box.slices()]
    some = stack.select_bands([5, 1, 0])
    assert (some.domain.leading, some.domain.band_names[0]) == ((), "time 3 B08")
    np.testing.assert_array_equal(some.read(box), flat[[5, 1, 0]])
    np.testing.assert_array_equal(some.select_bands([2, 0]).read(box), flat[[0, 5]])
    assert some.identity() != stack.identity()
    assert len(some.members) == 2


def test_only_the_bands_that_are_wanted_are_read(scenes, monkeypatch):
    read = []
    whole = RasterioSource.read
    monkeypatch.setattr(RasterioSource, "read", lambda self, box: read.append(self.bands) or whole(self, box))
    gp.reconstruct(gp.Stack(scenes[0]), np.copy, size=32, bands=["B08"])
    assert set(read) == {(2,)}
