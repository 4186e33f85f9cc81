"""Outputs of one blend of probabilities, against NumPy over the blended probabilities of the whole array."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.accumulators.scores import MEASURES, scores
from geopatcher.core.metadata import ClassLabel
from geopatcher.fields.open import as_field

N_CLASSES = 4
IMAGE = np.random.default_rng(1).random((N_CLASSES, 90, 70), dtype="float32")
NAMES = (
    ClassLabel(10, "open water", (0, 80, 255, 255)),
    ClassLabel(20, "forest", (0, 120, 0, 255)),
    ClassLabel(40, "bare", (190, 160, 90, 255)),
    ClassLabel(200, "snow", (255, 255, 255, 255)),
)


def soft(patch):
    powers = np.exp(4 * (patch - np.nanmax(patch, axis=0)))
    return powers / powers.sum(axis=0)


def run(outputs, target=None, image=IMAGE, classes=(), **more):
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(32),
        gp.SpatialRegularStride(16),
        gp.SpatialHann(),
        scores(N_CLASSES, outputs, classes),
    )
    result = gp.reconstruct(image, soft, target, patcher=patcher, chunks=32, **more)
    return result, {outputs[0]: np.asarray(result.array[...])} | {
        name: np.asarray(layer[...]) for name, layer in result.layers.items()
    }


def expected():
    probability = gp.reconstruct(IMAGE.astype("float64"), soft, size=32, dtype="float64").array
    ordered = np.sort(probability, axis=0)
    return {
        "class": probability.argmax(axis=0),
        "probability": probability,
        "confidence": ordered[-1],
        "gap": ordered[-1] - ordered[-2],
        "entropy": -(probability * np.log(probability)).sum(axis=0),
    }


@pytest.mark.parametrize("suffix", [None, "zarr", "tif"])
@pytest.mark.parametrize("first", MEASURES)
def test_every_output_may_be_first_and_is_what_the_whole_array_gives(first, suffix, tmp_path):
    outputs = (first, *(name for name in MEASURES if name != first))
    target = None if suffix is None else tmp_path / f"r.{suffix}"
    result, found = run(outputs, target)
    for name, values in expected().items():
        assert found[name].dtype == ("uint8" if name == "class" else "float32")
        np.testing.assert_allclose(found[name], values, atol=2e-6, err_msg=name)
    assert list(result.layers) == list(outputs[1:])


def test_cells_without_data_have_no_value_in_any_output():
    image = IMAGE.copy()
    image[2, 10:40, 5:30] = np.nan
    _, found = run(tuple(MEASURES), image=image)
    gone = np.zeros(IMAGE.shape[1:], bool)
    gone[10:40, 5:30] = True
    np.testing.assert_array_equal(found["class"] == 255, gone)
    for name in ("confidence", "gap", "entropy"):
        np.testing.assert_array_equal(np.isnan(found[name]), gone, err_msg=name)
    np.testing.assert_array_equal(np.isnan(found["probability"]), np.broadcast_to(gone, IMAGE.shape))


def test_the_class_is_that_of_a_soft_vote():
    vote = gp.reconstruct(IMAGE, soft, size=32, aggregation=f"soft-vote:{N_CLASSES}").array
    np.testing.assert_array_equal(run(("class",))[1]["class"], vote)


@pytest.mark.parametrize("workers", [2])
def test_workers_give_the_same_bytes(workers, tmp_path):
    outputs = ("class", "probability", "entropy")
    _, alone = run(outputs)
    _, together = run(outputs, tmp_path / "r.zarr", workers=workers)
    for name, values in alone.items():
        np.testing.assert_array_equal(together[name], values)


def test_classes_keep_their_values_names_and_colors(tmp_path):
    for target in (tmp_path / "r.tif", tmp_path / "r.zarr"):
        _, found = run(("class", "confidence"), target, classes=NAMES)
        values = np.array([label.value for label in NAMES])
        np.testing.assert_array_equal(found["class"], values[expected()["class"]])
        said = as_field(str(target)).domain.metadata.bands[0]
        assert [value for value, _ in said.classes] == [10, 20, 40, 200]
        assert [name.replace("_", " ") for _, name in said.classes] == [
            "open water",
            "forest",
            "bare",
            "snow",
        ]
        assert dict(said.colormap)[40][:3] == (190, 160, 90)
    with rasterio.open(tmp_path / "r.tif") as dataset:
        assert dataset.nodata == 255
        assert dataset.colormap(1)[20] == (0, 120, 0, 255)
        assert dataset.tags(1)["flag_meanings"] == "open_water forest bare snow"
    data = xr.open_zarr(tmp_path / "r.zarr")["data"]
    np.testing.assert_array_equal(data.attrs["flag_values"], [10, 20, 40, 200])
    assert data.attrs["flag_colors"] == "#0050ff #007800 #bea05a #ffffff"


def test_classes_beside_another_output_are_named_too(tmp_path):
    for suffix in ("tif", "zarr"):
        run(("confidence", "class"), tmp_path / f"r.{suffix}", classes=NAMES)
    with rasterio.open(tmp_path / "r.class.tif") as dataset:
        assert dataset.nodata == 255
        assert dataset.colormap(1)[200] == (255, 255, 255, 255)
    layer = xr.open_zarr(tmp_path / "r.zarr", mask_and_scale=False)["class"]
    assert layer.attrs["flag_meanings"] == "open_water forest bare snow"
    assert layer.attrs["_FillValue"] == 255


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=7))
def test_of_one_patch_the_measures_are_those_of_its_probabilities(values):
    patch = np.array(values, "float32").reshape(-1, 1, 1)
    aggregation = scores(len(values), ("confidence", "gap", "entropy"))
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(1), gp.SpatialRegularStride(1), gp.SpatialBoxcar(), aggregation
    )
    result = gp.reconstruct(patch, np.copy, patcher=patcher)
    ordered = np.sort(patch[:, 0, 0].astype(float))
    assert result.array[0, 0] == pytest.approx(ordered[-1], abs=1e-6)
    assert result.layers["gap"][0, 0] == pytest.approx(ordered[-1] - ordered[-2], abs=1e-6)
    shares = np.rint(ordered * 2**24)
    shares = shares[shares > 0] / max(shares.sum(), 1)
    assert result.layers["entropy"][0, 0] == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-5)


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        ((), "output names is none of: class, probability"),
        (("class", "clas"), "output clas is none of: class, probability, confidence, entropy, gap"),
        (("class", "class"), "outputs class, class name one of them twice"),
    ],
)
def test_names_that_cannot_be_are_refused(outputs, says):
    with pytest.raises(ValueError, match=says):
        scores(3, outputs)


def test_fractions_do_not_go_into_integers_and_classes_must_have_names_for_all():
    with pytest.raises(ValueError, match="confidence is a fraction, and dtype='uint8' has none"):
        run(("confidence",), dtype="uint8")
    with pytest.raises(ValueError, match="2 classes are named, and there are 4"):
        scores(4, ("class",), NAMES[:2])
