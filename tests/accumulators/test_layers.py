from __future__ import annotations

import math

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

import cells
import geopatcher as gp
from geopatcher.accumulators.layers import LAYERS, CountLayer, layers_from_names
from geopatcher.accumulators.pieces import Coverings, Piece, Tile, unit_taper

NAMES = ("weight", "count", "spread")


def patches_of(image, operator, plan, window):
    """What an operator makes of each patch of a plan, the raster's own part of it."""
    weights = window.weights(gp.SpatialRectangular(plan.anchors.patch_shape))
    for strip in plan.strips():
        for box in strip.boxes:
            data = image[:, box.row0 : box.row1, box.col0 : box.col1]
            taper = weights[: data.shape[1], : data.shape[2]]
            yield gp.Patch(operator(data.copy()), (box.row0, box.col0), None, taper)


def bend(pixels):
    """An operator that makes patches disagree, and leaves missing cells missing."""
    known = pixels[~np.isnan(pixels)]
    return pixels * (1 + 0.1 * (known.sum() if known.size else 0.0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@how(max_examples=15)
@given(
    scene=cells.scenes(gaps=False),
    holes=st.sampled_from([0.0, 0.3, 0.95]),
    window=st.sampled_from(cells.WINDOWS),
)
def test_weight_count_and_spread(dtype, scene, holes, window, tmp_path_factory):
    rng = np.random.default_rng(3)
    image = rng.normal(size=(2, *scene.shape)).astype(dtype)
    image[rng.random(image.shape) < holes] = np.nan
    axes = scene.plan.anchors
    options = {"size": axes.patch_shape, "step": (axes.rows.step, axes.cols.step), "window": window}
    size_fits = min(np.subtract(scene.shape, axes.patch_shape)) >= 0
    options["boundary"] = "cover" if size_fits else "shrink"
    plan = gp.plan(image, **options)
    result = gp.reconstruct(image, bend, layers=NAMES, chunks=scene.chunks, **options)
    found = cells.Scene(scene.shape, 2, list(patches_of(image, bend, plan, window)), plan, (1, 1))
    per_cell = cells.contributions(found)

    weight, count, spread = (np.zeros(scene.shape) for _ in range(3))
    bands_known = np.zeros(scene.shape)
    for patch in found.patches:
        rows, cols = (slice(a, a + n) for a, n in zip(patch.anchor, patch.data.shape[1:], strict=True))
        any_band = ~np.isnan(patch.data).all(axis=0)
        weight[rows, cols] += any_band * patch.weights
        count[rows, cols] += any_band
    for (_, row, col), ones in per_cell.items():
        if ones:
            total = math.fsum(o.weight for o in ones)
            middle = math.fsum(o.weight * o.value for o in ones) / total
            spread[row, col] += math.fsum(o.weight * (o.value - middle) ** 2 for o in ones) / total
            bands_known[row, col] += 1
    with np.errstate(invalid="ignore"):
        spread = np.sqrt(spread / bands_known)

    assert [(name, result.layers[name].dtype.name) for name in result.layers] == [
        ("weight", "float32"),
        ("count", "uint16"),
        ("spread", "float32"),
    ]
    np.testing.assert_allclose(result.layers["weight"], weight, rtol=2e-6)
    np.testing.assert_array_equal(result.layers["count"], count)
    np.testing.assert_allclose(result.layers["spread"], spread, rtol=1e-4, atol=1e-6)
    plain = gp.reconstruct(image, bend, chunks=scene.chunks, **options)
    assert plain.array.tobytes() == result.array.tobytes()
    if scene.on_disk:
        target = tmp_path_factory.mktemp("layers") / "x.zarr"
        stored = gp.reconstruct(image, bend, target, layers=NAMES, chunks=scene.chunks, **options)
        group = zarr.open_group(target, mode="r")
        for name in NAMES:
            assert group[name][...].tobytes() == result.layers[name].tobytes()
            assert stored.layers[name][...].tobytes() == result.layers[name].tobytes()


def test_patches_that_agree_have_no_spread_wherever_they_lie():
    far = np.full((1, 30, 40), 1e15)
    result = gp.reconstruct(far, lambda x: x, size=8, layers=("spread",))
    assert not result.layers["spread"].any()


def test_a_spread_far_from_zero():
    steps = iter(range(1000))

    def operator(pixels):
        return np.full_like(pixels, 1e9 + 2 * (next(steps) % 2))

    image = np.zeros((1, 4, 16))
    result = gp.reconstruct(image, operator, size=(4, 8), step=(4, 4), window="boxcar", layers=("spread",))
    np.testing.assert_allclose(result.layers["spread"][:, 4:12], 1.0, rtol=1e-6)


def test_what_no_patch_touched(tmp_path):
    image = np.ones((1, 40, 10), "float32")
    image[0, 16:32] = np.nan
    for target in (None, tmp_path / "x.zarr"):
        result = gp.reconstruct(
            image,
            lambda x: x,
            target,
            size=4,
            step=8,
            chunks=8,
            layers=NAMES,
            allow_gaps=True,
            skip_empty=True,
        )
        holes = np.isnan(result.array[0])
        assert holes[16:32].all()
        assert not result.layers["weight"][...][holes].any()
        assert not result.layers["count"][...][holes].any()
        assert np.isnan(result.layers["spread"][...][holes]).all()
        assert not result.layers["spread"][...][~holes].any()


def test_counts_stay_at_their_limit():
    layer = CountLayer()
    whole = (slice(0, 1), slice(0, 1))
    tile = Tile((1, 1, 1), np.dtype("float64"), np.dtype("float64"), Coverings())
    state = layer.zero(tile)
    state[...] = 65_534
    piece = Piece(whole, whole, np.ones((1, 1, 1)), unit_taper((1, 1), np.dtype("float64")), None, (0, 0))
    for _ in range(3):
        state = layer.update(state, piece)
    assert state[0, 0] == 65_535
    assert layer.merge_states(state, state)[0, 0] == 65_535


def test_the_plan_counts_them():
    image = np.zeros((3, 100, 100), "float32")
    alone = gp.plan(image, size=16).model
    beside = gp.plan(image, size=16, layers=NAMES).model
    assert beside.state_bytes - alone.state_bytes == 4 + 2 + 3 * 33
    assert beside.out_bytes - alone.out_bytes == 4 + 2 + 4


def test_names():
    assert list(layers_from_names(("spread", "weight"))) == ["spread", "weight"]
    assert layers_from_names(()) == {}
    assert tuple(LAYERS) == NAMES


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("weights",), "layer 'weights' is none of: weight, count, spread"),
        (("count", "count"), "layer 'count' is asked for twice"),
        ("count", r"layers='count' is one text: write layers=\('count',\)"),
    ],
)
def test_what_is_no_layer(names, words):
    with pytest.raises(ValueError, match=words):
        gp.reconstruct(np.zeros((8, 8)), lambda x: x, size=4, layers=names)
