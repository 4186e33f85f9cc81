"""Bundles against each of their members alone, and against overlap-add in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.accumulators.bundle import Member, bundle
from geopatcher.accumulators.layers import SpreadLayer
from geopatcher.accumulators.pieces import Coverings, Piece, Taper, Tile
from geopatcher.accumulators.scores import scores
from geopatcher.accumulators.sums import WeightedMean
from geopatcher.core.metadata import ClassLabel
from geopatcher.errors import OperatorError

RNG = np.random.default_rng(5)
IMAGE = RNG.normal(size=(5, 70, 90)).astype("float32")
NAMES = (ClassLabel(4, "low", (1, 2, 3, 255)), ClassLabel(7, "high", (4, 5, 6, 255)))


def operator(patch):
    """Return two probabilities, and three bands of something else."""
    high = 1 / (1 + np.exp(-patch[0] + patch.mean()))
    return np.stack([1 - high, high, *(patch[2:] - patch.mean())]).astype("float32")


MEMBERS = {
    "class": Member("class", scores(2, ("class", "confidence"), NAMES), 0, 2),
    "rest": Member("rest", WeightedMean(), 2, 5, ("rest 1", "rest 2", "rest 3")),
    "last": Member("last", WeightedMean(), 4, 5, ("last",)),
    "spread": Member("spread", SpreadLayer(), 0, 2),
}


def run(order, target=None, image=IMAGE, **more):
    members = [MEMBERS[name] for name in order if name in MEMBERS]
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(32), gp.SpatialRegularStride(16), gp.SpatialHann(), bundle(members, order)
    )
    result = gp.reconstruct(image, operator, target, patcher=patcher, chunks=32, **more)
    return result, {order[0]: np.asarray(result.array[...])} | {
        name: np.asarray(layer[...]) for name, layer in result.layers.items()
    }


def blended(image=IMAGE):
    """Return the overlap-add of the operator in NumPy, in double precision."""
    weights = gp.SpatialHann().weights(gp.SpatialRectangular(32))
    total, norm = np.zeros(IMAGE.shape), np.zeros(IMAGE.shape)
    height, width = IMAGE.shape[1:]
    rows, cols = ({*range(0, length - 31, 16), length - 32} for length in (height, width))
    for row in rows:
        for col in cols:
            made = operator(image[:, row : row + 32, col : col + 32])
            counts = ~np.isnan(made)
            where = (slice(None), slice(row, row + 32), slice(col, col + 32))
            total[where] += np.where(counts, made, 0) * weights
            norm[where] += counts * weights
    with np.errstate(invalid="ignore"):
        return total / norm


ORDERS = [
    ("class", "confidence", "rest", "last", "spread"),
    ("rest", "class", "last", "confidence"),
    ("last", "confidence", "class", "rest", "spread"),
]


@pytest.mark.parametrize("suffix", [None, "zarr", "tif"])
@pytest.mark.parametrize("order", ORDERS)
def test_each_member_is_what_it_is_alone(order, suffix, tmp_path):
    order = tuple(order)
    result, found = run(order, None if suffix is None else tmp_path / f"r.{suffix}")
    assert (order[0], *result.layers) == order
    whole = blended()
    np.testing.assert_array_equal(found["class"], np.array([4, 7])[whole[:2].argmax(axis=0)])
    np.testing.assert_allclose(found["confidence"], whole[:2].max(axis=0), atol=1e-6)
    np.testing.assert_allclose(found["rest"], whole[2:], atol=1e-5)
    np.testing.assert_allclose(found["last"], whole[4], atol=1e-5)
    assert found["class"].dtype == "uint8"
    if "spread" in order:
        alone = gp.reconstruct(IMAGE, lambda patch: operator(patch)[:2], size=32, layers=("spread",))
        np.testing.assert_allclose(found["spread"], alone.layers["spread"], atol=1e-6)


def test_a_gap_in_one_member_is_none_in_another():
    image = IMAGE.copy()

    def gapped(patch):
        made = operator(patch)
        made[3][patch[3] > 1] = np.nan
        return made

    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(32),
        gp.SpatialRegularStride(32),
        gp.SpatialBoxcar(),
        bundle([MEMBERS["class"], MEMBERS["rest"]], ("class", "rest")),
    )
    result = gp.reconstruct(image[:, :64, :64], gapped, patcher=patcher)
    assert not (result.array == 255).any()
    gone = np.isnan(result.layers["rest"])
    np.testing.assert_array_equal(gone[1], image[3, :64, :64] > 1)
    assert not gone[[0, 2]].any()


def test_cells_without_data_have_no_value_in_any_member():
    image = IMAGE.copy()
    image[:, 20:44, 30:50] = np.nan

    def calm(patch):
        return np.concatenate([0 * patch[:2] + 0.5, patch[2:]])

    members = [MEMBERS["class"], MEMBERS["rest"]]
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(32),
        gp.SpatialRegularStride(16),
        gp.SpatialHann(),
        bundle(members, ("rest", "class")),
    )
    result = gp.reconstruct(image, calm, patcher=patcher)
    gone = np.isnan(image[0])
    np.testing.assert_array_equal(np.isnan(result.array), np.broadcast_to(gone, (3, 70, 90)))
    np.testing.assert_array_equal(result.layers["class"] == 255, gone)
    np.testing.assert_allclose(result.array[:, ~gone], image[2:][:, ~gone], rtol=1e-6)


@pytest.mark.parametrize("workers", [2])
def test_workers_give_the_same_bytes(workers, tmp_path):
    order = ORDERS[0]
    _, alone = run(order)
    _, together = run(order, tmp_path / "r.zarr", workers=workers)
    for name, values in alone.items():
        assert values.tobytes() == together[name].tobytes(), name


def test_states_of_halves_are_merged_into_that_of_all():
    both = bundle([MEMBERS["rest"], MEMBERS["class"]], ("rest", "class", "confidence"))
    tile = Tile((5, 32, 32), np.dtype("float32"), np.dtype("float64"), Coverings())
    taper = Taper.of(RNG.random((32, 32)) + 0.1, (32, 32), np.dtype("float64"))
    whole = (slice(0, 32), slice(0, 32))
    parts = [operator(RNG.normal(size=(5, 32, 32)).astype("float32")) for _ in range(4)]
    pieces = [Piece(whole, whole, made, taper, None, (0, 0)) for made in parts]
    halves = [both.zero(tile), both.zero(tile)]
    for number, piece in enumerate(pieces):
        halves[number % 2] = both.update(halves[number % 2], piece)
    rest, beside = both.finalise_all(both.merge_states(*halves))
    np.testing.assert_allclose(rest.values, np.mean(parts, axis=0)[2:], rtol=1e-5, atol=1e-6)
    chances = np.mean(parts, axis=0)[:2]
    np.testing.assert_array_equal(beside["class"].values[0], np.array([4, 7])[chances.argmax(axis=0)])
    np.testing.assert_allclose(beside["confidence"].values[0], chances.max(axis=0), atol=1e-6)


def test_bands_keep_names_and_classes_their_colors(tmp_path):
    result, _ = run(("rest", "class", "confidence"), tmp_path / "r.zarr")
    assert result.domain.band_names == ("rest 1", "rest 2", "rest 3")
    flat, _ = run(("last", "class", "confidence"), tmp_path / "f.tif")
    assert (flat.domain.shape, flat.domain.band_names) == ((70, 90), ("last",))
    labels, _ = run(("class", "rest", "confidence"), tmp_path / "c.tif")
    assert labels.domain.metadata.bands[0].classes == ((4, "low"), (7, "high"))
    beside = bundle([MEMBERS["rest"], MEMBERS["class"]], ("rest", "class", "confidence")).beside
    assert beside["class"].metadata.bands[0].classes == ((4, "low"), (7, "high"))


def test_bands_that_were_not_expected_are_refused():
    members = [Member("rest", WeightedMean(), 0, 3), Member("last", WeightedMean(), 3, 4)]
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(32),
        gp.SpatialRegularStride(16),
        gp.SpatialHann(),
        bundle(members, ("rest", "last")),
    )
    with pytest.raises(OperatorError, match="patches have 5 bands, and rest, last are made of 4"):
        gp.reconstruct(IMAGE, operator, patcher=patcher)


def test_it_takes_the_memory_of_all_of_them():
    members = [MEMBERS["class"], MEMBERS["rest"]]
    both = bundle(members, ("class", "rest"))
    exact = np.dtype("float32")
    one, other = (member.aggregation for member in members)
    for depth in (4, 1 << 30):
        assert both.state_bytes(5, exact, depth) == one.state_bytes(2, exact, depth) + other.state_bytes(
            3, exact, depth
        )
        assert both.gap_bytes(5, depth) == other.gap_bytes(3, depth)
    assert both.wide_bytes(5) == other.wide_bytes(3)
    assert both.takes_shares
