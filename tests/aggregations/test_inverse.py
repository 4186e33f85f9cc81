from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how

import cells
import geopatcher as gp
from geopatcher import Patch
from geopatcher.errors import OperatorError


def dressed(kind, mean, variance):
    if kind == "pair":
        return (mean, variance)
    if kind == "dict":
        return {"mean": mean, "var": variance}
    if kind == "other names":
        return {"variance": variance, "mu": mean}
    bands = [a if a.ndim == 3 else a[np.newaxis] for a in (mean, variance)]
    return np.ma.concatenate(bands)


@pytest.mark.parametrize("kind", ["pair", "dict", "other names", "array"])
@how(max_examples=9)
@given(scene=cells.scenes(dtypes=("float32", "float64", "uint8")))
def test_means_and_variances(kind, scene, tmp_path_factory):
    rng = np.random.default_rng(5)
    few = np.array([0.5, 1.0, 3.0, 1e-3, 0.0, -1.0, np.nan, np.inf, 1e-320, 2.0, 4.0])
    variances = [rng.choice(few, p.data.shape) for p in scene.patches]
    patches = [
        Patch(dressed(kind, p.data, v), p.anchor, None, p.weights)
        for p, v in zip(scene.patches, variances, strict=True)
    ]
    order = rng.permutation(len(patches))
    domain = np.empty(scene.shape)
    ways = [
        gp.SpatialInvVarWeightedMean().merge(patches, domain),
        gp.SpatialInvVarWeightedMean(chunks=scene.chunks).merge((patches[i] for i in order), domain),
        gp.SpatialInvVarWeightedMean(chunks=scene.chunks).merge(
            cells.Stream(scene._replace(patches=patches)), domain
        ),
    ]
    if scene.on_disk:
        target = tmp_path_factory.mktemp("merge") / "x.zarr"
        ways.append(
            gp.SpatialInvVarWeightedMean(
                streaming=True, target_path=target, chunks=scene.chunks, dtype="float64"
            ).merge(patches, domain)
        )
    for way in ways:
        assert list(way) == ["mu", "var", "mean"]
        assert way["mean"] is way["mu"]
        for name in way:
            assert way[name].shape == (scene.shape if scene.bands == 1 else (scene.bands, *scene.shape))
            assert way[name].dtype == "float64"
            assert np.asarray(way[name][...]).tobytes() == ways[0][name].tobytes()

    precision = np.zeros((scene.bands, *scene.shape))
    total = np.zeros_like(precision)
    for patch, variance in zip(scene.patches, variances, strict=True):
        data = patch.data.reshape(scene.bands, *patch.data.shape[-2:])
        spread = variance.reshape(data.shape)
        for band, row, col in np.ndindex(data.shape):
            cell = (band, patch.anchor[0] + row, patch.anchor[1] + col)
            value = data[band, row, col]
            known = (
                value is not np.ma.masked and not np.isnan(value) and 1e-300 < spread[band, row, col] < np.inf
            )
            if known and cell[1] < scene.shape[0] and cell[2] < scene.shape[1]:
                precision[cell] += 1 / spread[band, row, col]
                total[cell] += float(value) / spread[band, row, col]
    with np.errstate(all="ignore"):
        mean, var = total / precision, np.where(precision > 0, 1 / precision, np.nan)
    np.testing.assert_allclose(ways[0]["mean"], mean.reshape(ways[0]["mean"].shape), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        ways[0]["var"], var.reshape(mean.shape if scene.bands > 1 else scene.shape), rtol=1e-12
    )


def test_infinite_means_stay():
    one, other = np.array([[np.inf, np.inf]]), np.array([[1.0, -np.inf]])
    patches = [Patch((mean, np.ones((1, 2))), (0, 0), None) for mean in (one, other)]
    result = gp.SpatialInvVarWeightedMean().merge(patches, np.empty((1, 2)))
    np.testing.assert_array_equal(result["mean"], [[np.inf, np.nan]])
    np.testing.assert_array_equal(result["var"], [[0.5, 0.5]])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            (np.ones((2, 2)),) * 3,
            "carries 3 items, shaped [(2, 2), (2, 2), (2, 2)]: expected a mean and a variance",
        ),
        ({"mean": np.ones((2, 2))}, "carries a dict of mean, shaped [(2, 2)]"),
        ((np.ones((2, 2)), np.ones((2, 3))), "shaped [(2, 2), (2, 3)]"),
        (np.ones((3, 2, 2)), "patches of 3 bands cannot be halved into means and variances"),
        (np.ones((2, 2)), "patches of 1 bands cannot be halved"),
    ],
)
def test_what_carries_no_variance(data, words):
    with pytest.raises(OperatorError, match=re.escape(words)):
        gp.SpatialInvVarWeightedMean().merge([Patch(data, (0, 0), None)], np.empty((2, 2)))


def test_on_disk_each_is_read_when_it_is_sliced(tmp_path):
    mean, var = np.arange(12.0).reshape(3, 4), np.full((3, 4), 2.0)
    result = gp.SpatialInvVarWeightedMean(streaming=True, target_path=tmp_path / "x.zarr").merge(
        [Patch((mean, var), (0, 0), None)], mean
    )
    assert (result["mean"].shape, result["mean"].ndim, result["mean"].dtype) == ((3, 4), 2, "float32")
    np.testing.assert_array_equal(result["mean"][1:, 2], mean[1:, 2])
    np.testing.assert_array_equal(result["var"][:], var)
    np.testing.assert_array_equal(np.asarray(result["mean"], dtype="float64"), mean)
    two = gp.SpatialInvVarWeightedMean(streaming=True, target_path=tmp_path / "y.zarr").merge(
        [Patch((np.stack([mean, -mean]), np.stack([var, var])), (0, 0), None)], mean
    )
    assert two["mean"].shape == (2, 3, 4)
    np.testing.assert_array_equal(two["mean"][1, :2], -mean[:2])


def test_reconstruct_gives_means_then_variances():
    image = np.random.default_rng(0).normal(size=(16, 24)).astype("float32")
    result = gp.reconstruct(
        image,
        lambda x: np.stack([x, np.full_like(x, 2.0)]),
        size=8,
        step=8,
        aggregation="inv-var-weighted-mean",
    )
    assert result.array.shape == (2, 16, 24)
    np.testing.assert_allclose(result.array[0], image, rtol=1e-6)
    np.testing.assert_array_equal(result.array[1], 2.0)
