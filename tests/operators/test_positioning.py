"""Operators that know where a patch lies: the same numbers in whatever way it came to them."""

from __future__ import annotations

import functools
import pickle

import numpy as np
import pytest
import rasterio
from affine import Affine

import far
import geopatcher as gp
from geopatcher import (
    SpatialHann,
    SpatialMeanStd,
    SpatialOverlapAdd,
    SpatialRectangular,
    SpatialRegularStride,
)
from geopatcher.api.runners import parallel_map
from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.errors import OperatorError
from geopatcher.executors import NamedOperator
from geopatcher.operators.positioning import Position, Positioned
from geotoolz import patch_ops

SIZES = {"size": 16, "step": 8, "chunks": 16}
IMAGE = np.random.default_rng(1).random((2, 56, 40), dtype="float32")
PLACE = Affine(10, 0, 500_000, 0, -10, 5_000_000)


@gp.positioned(seed=7)
def noisy(patch, position):
    """Add noise of the patch's own."""
    return patch + position.rng().normal(size=patch.shape).astype("float32")


@gp.positioned(seed=7)
def noisy_batches(batch, positions):
    assert len(batch) == len(positions)
    return np.stack([noisy(one, at) for one, at in zip(batch, positions, strict=True)])


@gp.masked
@gp.positioned
def noisy_and_filled(patch, position):
    return patch.filled(0) + position.rng().normal(size=patch.shape).astype("float32")


def noisy_with(patch, statistics, position):
    assert set(statistics) == {"mean", "std"}
    return noisy(patch, position)


def oracle(image=IMAGE, seed=7):
    """Return what must come out: each patch with the numbers of its anchor, weighted, in float64."""
    sums, weights = np.zeros(image.shape), np.zeros(image.shape[1:])
    taper = SpatialHann().weights(SpatialRectangular(16)).astype("float64")
    for row in range(0, image.shape[1] - 15, 8):
        for col in range(0, image.shape[2] - 15, 8):
            where = (slice(row, row + 16), slice(col, col + 16))
            sequence = np.random.SeedSequence([seed, row, col])
            noise = np.random.default_rng(sequence).normal(size=(len(image), 16, 16)).astype("float32")
            sums[:, *where] += (image[:, *where] + noise) * taper
            weights[where] += taper
    return sums / weights


def patcher():
    axes = SpatialRectangular(16), SpatialRegularStride(8), SpatialHann(), SpatialOverlapAdd()
    return gp.SpatialPatcher(*axes)


@pytest.fixture(scope="module")
def whole():
    array = gp.reconstruct(IMAGE, noisy, **SIZES).array
    np.testing.assert_allclose(array, oracle(), rtol=1e-5, atol=1e-5)
    return array


def test_the_numbers_follow_from_seed_and_anchor(whole):
    assert not np.allclose(gp.reconstruct(IMAGE, gp.positioned(noisy._operator), **SIZES).array, whole)
    np.testing.assert_allclose(
        gp.reconstruct(IMAGE, noisy_and_filled, **SIZES).array, oracle(seed=0), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    "keywords",
    [
        {"executor": far.InlineExecutor((2, 2))},
        {"executor": far.InlineExecutor((3, 1), deaths=[1, 2])},
        {"max_retries": 2},
    ],
    ids=["regions", "deaths", "retries"],
)
def test_in_regions_and_on_workers_that_die_they_are_the_same(keywords, whole):
    result = gp.reconstruct(IMAGE, noisy, **SIZES, **keywords)
    assert result.array.tobytes() == whole.tobytes()


@pytest.mark.parametrize("batch_size", [2, 5])
def test_in_batches_they_are_the_same(batch_size, whole):
    result = gp.reconstruct(IMAGE, noisy_batches, batch_size=batch_size, **SIZES)
    assert result.array.tobytes() == whole.tobytes()


def test_on_two_processes_they_are_the_same(tmp_path, whole):
    result = gp.reconstruct(IMAGE, noisy, tmp_path / "x.zarr", workers=2, **SIZES)
    assert result.array[:].tobytes() == whole.tobytes()


class StopsOnce:
    """Fails at one place until it is told not to."""

    wants_position = True
    __name__ = "stops_once"
    fails = True

    def fingerprint(self):
        return "stops once"

    def __call__(self, patch, position):
        if self.fails and position.anchor == (32, 8):
            raise ArithmeticError("stopped here")
        return patch + position.rng().normal(size=patch.shape).astype("float32")


def test_after_an_interruption_they_are_the_same(tmp_path):
    operator = StopsOnce()
    with pytest.raises(OperatorError, match="stops_once failed on rows 32:48, columns 8:24") as caught:
        gp.reconstruct(IMAGE, operator, tmp_path / "x.zarr", **SIZES)
    assert "finished rows of blocks are kept" in caught.value.__notes__[0]
    operator.fails = False
    rest = gp.reconstruct(IMAGE, operator, tmp_path / "x.zarr", **SIZES)
    assert rest.stats.notes[0].startswith("goes on")
    np.testing.assert_allclose(rest.array[:], oracle(seed=0), rtol=1e-5, atol=1e-5)


def test_on_the_other_ways_they_are_the_same(whole):
    grid = patcher()
    ways = {
        "patcher": grid.reconstruct(IMAGE, noisy).array,
        "threads": grid.merge(parallel_map(grid, IMAGE, noisy, n_workers=2, batch_size=5), IMAGE),
        "processes": grid.merge(parallel_map(grid, IMAGE, noisy, n_workers=1, backend="process"), IMAGE),
        "two passes": grid.two_pass(
            IMAGE, reduce_with=SpatialMeanStd(), apply=gp.positioned(noisy_with, seed=7)
        ),
        "delayed": grid.merge((task.compute() for task in grid.to_delayed(IMAGE, noisy)), IMAGE),
        "chips": patch_ops.Stitch(SpatialOverlapAdd(), IMAGE)(
            patch_ops.ApplyToChips(noisy)(patch_ops.GridSampler(grid)(IMAGE))
        ),
        "nested": patch_ops.SplitApplyStitch(grid, noisy)(IMAGE),
    }
    for way, found in ways.items():
        np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-5, err_msg=way)


@pytest.mark.parametrize("boundary", ["cover", "pad", "reflect", "shrink"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_position_says_where_the_patch_lies(tmp_path, boundary, batch_size):
    rows, cols = np.indices((30, 25))
    with rasterio.open(
        tmp_path / "a.tif",
        "w",
        driver="GTiff",
        width=25,
        height=30,
        count=2,
        dtype="int32",
        crs="EPSG:32633",
        transform=PLACE,
    ) as out:
        out.write(np.stack([rows, cols]).astype("int32"))
    seen = []

    @gp.positioned
    def look(patch, positions):
        for one, at in zip([patch] if batch_size == 1 else patch, np.atleast_1d(positions), strict=True):
            seen.append((one, at))
        return patch

    gp.reconstruct(tmp_path / "a.tif", look, size=12, step=7, boundary=boundary, batch_size=batch_size)
    assert len({at.anchor for _, at in seen}) == len(seen) > 4
    for patch, at in seen:
        row, col = at.anchor
        assert (at.window.height, at.window.width) == patch.shape[1:]
        inside = (slice(max(0, -row), 30 - row), slice(max(0, -col), 25 - col))
        np.testing.assert_array_equal(patch[0][inside], row + np.indices(patch.shape[1:])[0][inside])
        np.testing.assert_array_equal(patch[1][inside], col + np.indices(patch.shape[1:])[1][inside])
        assert at.transform == Affine(10, 0, 500_000 + 10 * col, 0, -10, 5_000_000 - 10 * row)
        assert "32633" in at.crs
        assert 0 <= at.seed < 2**32
    assert len({at.seed for _, at in seen}) == len(seen)


def test_a_seed_is_the_first_word_of_the_sequence():
    domain = RasterDomain((100, 100))
    at = Position.of(domain, Box(-3, 5, 8, 16))
    assert at.seed == np.random.SeedSequence([0, 2**64 - 3, 8]).generate_state(1)[0]
    assert (at.window.row_off, at.window.col_off, at.crs) == (-3, 8, None)
    with pytest.raises(ValueError, match="seed must be 0 or more, not -1"):
        gp.positioned(noisy, seed=-1)


def plain(patch, position, scale=1):
    return patch * scale


@pytest.mark.parametrize(
    "operator", [noisy, gp.positioned(plain, seed=3), gp.masked(gp.positioned(plain, seed=3))]
)
def test_it_pickles(operator):
    copy = pickle.loads(pickle.dumps(operator))  # noqa: S301 - our own bytes
    assert type(copy) is type(operator)
    assert copy.wants_position
    assert copy.__name__ == operator.__name__
    inner = copy if isinstance(copy, Positioned) else copy._operator
    assert inner.seed == (7 if operator is noisy else 3)
    if operator is noisy:
        assert copy is noisy
        assert (noisy.__name__, noisy.__doc__) == ("noisy", "Add noise of the patch's own.")


@pytest.mark.parametrize(
    "wrapped", [gp.masked(noisy), functools.partial(noisy), NamedOperator(f"{__name__}:noisy")]
)
def test_what_is_around_it_passes_it_on(wrapped, whole):
    found = gp.reconstruct(IMAGE, wrapped, **SIZES).array
    assert np.ma.getdata(found).tobytes() == whole.tobytes()


def test_one_that_asks_for_both_is_given_both():
    @gp.positioned
    @gp.masked
    def both(patch, position):
        assert isinstance(patch, np.ma.MaskedArray)
        assert isinstance(position, Position)
        return patch

    assert (both.wants_mask, both.wants_position, both.__name__) == (True, True, "both")
    field = gp.RasterField.from_array(np.ones((1, 16, 16), "uint8"), nodata=0)
    assert gp.reconstruct(field, both, size=8).array.sum() == 256


@pytest.mark.parametrize("wanted", [True, False])
def test_any_operator_may_ask_for_positions(wanted):
    class Model:
        wants_position = wanted

        def __call__(self, patch, *more):
            assert len(more) == wanted
            return patch

    assert gp.reconstruct(np.ones((1, 16, 16)), Model(), size=8).array.sum() == 256


def test_an_operator_without_a_name_is_called_by_its_type():
    class Model:
        def __call__(self, patch, *more):
            raise ValueError("no")

    with pytest.raises(TypeError, match="plain is called with a patch and its Position, not 3"):
        gp.positioned(plain)(np.ones(2), 3)
    for operator in (gp.masked(Model()), gp.positioned(functools.partial(Model()))):
        with pytest.raises(OperatorError, match="Model failed on rows 0:8"):
            gp.reconstruct(np.ones((1, 16, 16)), operator, size=8)


def test_tuning_looks_at_positions_too(tmp_path):
    calls = []

    @gp.positioned
    def seen(patch, position):
        calls.append(position.anchor)
        return patch

    tuned = gp.tune(IMAGE, seen, size=16, samples=1)
    assert tuned is not None
    assert len(set(calls)) > 1
