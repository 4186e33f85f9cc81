"""What networks are given: bands by name or number, and no gaps."""

from __future__ import annotations

import numpy as np
import pytest

import geopatcher
from geopatcher import DetectionModel, Ensemble, Model
from geopatcher.fields.array_source import ArraySource
from geopatcher.operators.models.inputs import Inputs, positions_of
from geopatcher.operators.models.scaling import Scaling
from networks import ConvNet, save_detector

NAMES = ("B02", "B03", "B04")
STEPS = ((Scaling("offset", value=-1),),)


@pytest.mark.parametrize(
    ("bands", "wanted", "n_bands", "names", "positions"),
    [
        (("B04", "B02"), 2, 3, NAMES, (2, 0)),
        ((3, 1), 2, 3, NAMES, (2, 0)),
        ((3, 1), 2, 3, (), (2, 0)),
        (None, None, 5, NAMES, None),
        (("red", "nir"), 2, 2, (), None),
        (("red", "nir"), 2, 2, ("", ""), None),
    ],
)
def test_bands_are_found(bands, wanted, n_bands, names, positions):
    assert positions_of(bands, wanted, n_bands, names) == positions


@pytest.mark.parametrize(
    ("bands", "wanted", "names", "message"),
    [
        (("B04", "B11"), 2, NAMES, "the band B11, which is not there: the source has B02, B03, B04"),
        (("B11", "B12"), 2, NAMES, "the bands .'B11', 'B12'., which are not there"),
        ((4,), 1, NAMES, "takes band 4, and there are 3 band"),
        (("red", "nir"), 2, (), "takes 2 band.s. .red, nir., and is given 3 without names"),
        (None, 4, NAMES, "takes 4 band.s., and is given 3"),
        (("B02",), 1, ("B02", "B02", "B03"), "2 bands of the source are called B02"),
    ],
)
def test_bands_that_are_missing_are_named(bands, wanted, names, message):
    with pytest.raises(ValueError, match=message):
        positions_of(bands, wanted, 3, names)


def test_integers_are_scaled_and_their_source_is_left_alone():
    stack = np.arange(8, dtype="uint16").reshape(1, 2, 2, 2)
    batch, missing = Inputs((1,), STEPS)(stack)
    assert (batch.dtype, missing) == (np.float32, None)
    np.testing.assert_array_equal(batch[0, 0], stack[0, 1] + 1)
    assert stack.ravel().tolist() == list(range(8))


@pytest.mark.parametrize(("nodata", "filled"), [(None, 0), (5, 6)])
@pytest.mark.parametrize("kind", ["nan", "mask", "both"])
def test_gaps_are_filled(kind, nodata, filled):
    stack = np.ones((2, 2, 2, 2), "float32")
    expected = np.zeros((2, 2, 2), bool)
    if kind != "mask":
        stack[0, 1, 0, 0], expected[0, 0, 0] = np.nan, True
    if kind != "nan":
        stack = np.ma.array(stack, mask=False)
        stack[1, 0, 1, 1], expected[1, 1, 1] = np.ma.masked, True
    batch, missing = Inputs(None, STEPS, nodata)(stack)
    np.testing.assert_array_equal(missing, expected)
    assert (batch[np.broadcast_to(missing[:, None], batch.shape)] == filled).all()
    assert (batch[~np.broadcast_to(missing[:, None], batch.shape)] == 2).all()


def test_a_gap_in_a_band_that_is_not_taken_is_none():
    stack = np.ones((1, 2, 2, 2), "float32")
    stack[0, 0] = np.nan
    assert Inputs((1,), ())(stack)[1] is None


def test_a_name_may_be_the_first_word_of_what_a_band_is_called():
    names = ("B02 blue", "B04 red", "B8A", "B08")
    assert positions_of(("b04", "B08"), 2, 4, names) == (1, 3)
    with pytest.raises(ValueError, match="the band B8, which is not there"):
        positions_of(("B8",), 1, 4, names)
    with pytest.raises(ValueError, match="2 bands of the source are called B04: choose by number"):
        positions_of(("B04",), 1, 2, ("B04 red", "B04 again"))
    assert positions_of(("B04",), 1, 2, ("B04 red", "B04")) == (1,)


@pytest.mark.parametrize(("nodata", "filled"), [(None, 0), (40, 40)])
@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("several", [False, True])
def test_neighbours_of_missing_integers_do_not_see_what_stands_there(
    tmp_path, nodata, filled, batch_size, several
):
    net = ConvNet.random(bands=2)
    path = net.save(tmp_path / "net.onnx")
    image = np.random.default_rng(3).integers(1, 90, (3, 20, 24)).astype("int16")
    image[1, 9:13, 5:14] = image[2, 2, 20] = image[0, 17, 3] = -9999
    model = Model(path, bands=[3, 2], margin=2, record={"geopatcher:nodata": nodata})
    if several:
        model = Ensemble([model, model])
    field = geopatcher.RasterField(ArraySource.of(image, nodata=-9999))
    made = geopatcher.reconstruct(field, model, size=8, step=8, batch_size=batch_size, window="boxcar")
    missing = (image[[2, 1]] == -9999).any(axis=0)  # the first band is not used
    wanted = net.scores(np.where(missing, filled, image[[2, 1]]))
    np.testing.assert_array_equal(np.isnan(made.array[:]), np.broadcast_to(missing, (3, 20, 24)))
    np.testing.assert_allclose(made.array[:][:, ~missing], wanted[:, ~missing], rtol=1e-3, atol=1e-2)


def test_a_detector_is_given_zeros_for_missing_integers(tmp_path):
    image = np.ones((1, 32, 32), "uint16")
    image[0, 20:23, 12:15] = 65535
    field = geopatcher.RasterField(ArraySource.of(image, nodata=65535))
    detector = DetectionModel(save_detector(tmp_path / "net.onnx", 32))
    found = geopatcher.detect(field, detector, tmp_path / "found.geojson", size=32, step=32, score=0)
    scores = found.to_geodataframe()["score"]
    assert scores.max() == 1


def test_a_missing_integer_of_any_band_is_missing_in_all_results_of_an_estimator():
    class Sums:
        def predict(self, rows):
            return np.stack([rows[:, 0] + rows[:, 1], rows[:, 0] - rows[:, 1]], axis=1)

    image = np.array([[[5, 0, 7]], [[2, 3, 0]]], "uint16")
    field = geopatcher.RasterField(ArraySource.of(image, nodata=0))
    made = geopatcher.reconstruct(field, Model(Sums()), size=(1, 3)).array[:]
    np.testing.assert_array_equal(made, [[[7, np.nan, np.nan]], [[3, np.nan, np.nan]]])
