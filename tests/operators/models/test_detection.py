"""Networks that find objects: a box for each cell of 8 x 8 pixels, against NumPy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from geopatcher import DetectionModel, Model
from geopatcher.errors import OperatorError
from geopatcher.operators.models.detection import class_names, detector_of, names_in, rows_of
from networks import CELL, save_detector

PATCH = np.random.default_rng(0).random((1, 32, 32), dtype="float32")


def cells_of(patch, kind):
    """Return the boxes the network finds, in the order of its cells."""
    n = patch.shape[-1] // CELL
    largest = patch.reshape(n, CELL, n, CELL).max(axis=(1, 3))
    return [
        (col * CELL, row * CELL, (col + 1) * CELL, (row + 1) * CELL, largest[row, col], kind)
        for row in range(n)
        for col in range(n)
    ]


@pytest.mark.parametrize(("layout", "kind"), [("rows", 0), ("end-to-end", 1)])
@pytest.mark.parametrize("told", [True, False])
def test_each_layout_is_read(tmp_path, layout, kind, told):
    path = save_detector(tmp_path / "net.onnx", 32, layout=layout)
    model = DetectionModel(path, layout=layout if told else "auto")
    (found,) = model(PATCH)
    np.testing.assert_allclose(found, cells_of(PATCH[0], kind), rtol=1e-6)


def test_a_batch_gives_a_table_for_each_patch_and_a_fixed_one_is_filled_up(tmp_path):
    five = np.random.default_rng(1).random((5, 1, 32, 32), dtype="float32")
    for batch in ("n", 2):
        model = DetectionModel(save_detector(tmp_path / f"net{batch}.onnx", 32, batch=batch))
        found = model(five)
        assert model.fixed_batch == (None if batch == "n" else 2)
        for made, patch in zip(found, five, strict=True):
            np.testing.assert_allclose(made, cells_of(patch[0], 0), rtol=1e-6)


def test_bands_are_chosen_and_scaled(tmp_path):
    path = save_detector(tmp_path / "net.onnx", 32)
    model = DetectionModel(path, bands=[2], scale=1 / 255)
    two = np.stack([PATCH[0] * 0, PATCH[0] * 255]).astype("uint8")
    np.testing.assert_allclose(model(two)[0][:, 4], [one[4] for one in cells_of(two[1] / 255, 0)], rtol=1e-5)


def test_missing_pixels_are_nothing(tmp_path):
    patch = PATCH.copy()
    patch[0, :8, :8] = np.nan
    (found,) = DetectionModel(save_detector(tmp_path / "net.onnx", 32))(patch)
    assert found[0, 4] == 0
    assert np.isfinite(found).all()


def test_a_size_it_does_not_take_is_refused(tmp_path):
    model = DetectionModel(save_detector(tmp_path / "net.onnx", 32))
    with pytest.raises(ValueError, match="the model takes 32x32 only"):
        model(PATCH[:, :16])


def test_a_network_whose_results_are_rasters_is_refused(tmp_path):
    with pytest.raises(OperatorError, match="net returned 1x3x8x8 for 1 patch"):
        rows_of(np.zeros((1, 3, 8, 8)), 1, "auto", "net")
    with pytest.raises(OperatorError, match=r"net returned 1x4x8 for 1 patch.*layout="):
        rows_of(np.zeros((1, 4, 8)), 1, "rows", "net")
    with pytest.raises(OperatorError, match="net returned 2x9x6 for 1 patch"):
        rows_of(np.zeros((2, 9, 6)), 1, "end-to-end", "net")
    with pytest.raises(ValueError, match="layout='yolo': choose one of auto, rows, end-to-end"):
        DetectionModel(save_detector(tmp_path / "net.onnx", 32), layout="yolo")
    with pytest.raises(OperatorError, match="takes one raster, and is given s2, dem"):
        DetectionModel(tmp_path / "net.onnx")({"s2": PATCH, "dem": PATCH})


def test_names_are_those_that_were_told_or_those_in_the_file(tmp_path):
    path = save_detector(tmp_path / "net.onnx", 32, names={0: "ship", 1: "fisher's boat"})
    assert DetectionModel(path).names == {0: "ship", 1: "fisher's boat"}
    assert DetectionModel(path, classes=["a", "b"]).names == {0: "a", 1: "b"}
    assert DetectionModel(save_detector(tmp_path / "bare.onnx", 32)).names == {}
    assert class_names(None, DetectionModel(path)) == {0: "ship", 1: "fisher's boat"}
    assert class_names({7: "buoy"}, DetectionModel(path)) == {7: "buoy"}
    with pytest.raises(TypeError, match="classes are names in their order"):
        class_names("ship", abs)


def test_names_are_read_and_never_run():
    assert names_in("{0: __import__('os').system('true')}") == {}
    assert names_in("0: 'a'" * (1 << 18)) == {}


def test_what_it_is_follows_from_the_layout_too(tmp_path):
    path = save_detector(tmp_path / "net.onnx", 32)
    one, other = DetectionModel(path), DetectionModel(path, layout="rows")
    assert one.fingerprint() == DetectionModel(path).fingerprint() != other.fingerprint()
    assert repr(one) == "DetectionModel(net.onnx)"


def test_it_travels(tmp_path):
    model = DetectionModel(save_detector(tmp_path / "net.onnx", 32), layout="rows")
    again = pickle.loads(pickle.dumps(model))  # noqa: S301 - just packed
    np.testing.assert_array_equal(again(PATCH)[0], model(PATCH)[0])


def test_its_configuration_makes_it_again(tmp_path):
    model = DetectionModel(save_detector(tmp_path / "net.onnx", 32), layout="rows", scale=0.5)
    again = DetectionModel(**model.get_config())
    assert again.fingerprint() == model.fingerprint()


def test_a_detector_is_a_function_a_detection_model_or_its_path(tmp_path):
    path = save_detector(tmp_path / "net.onnx", 32)
    assert isinstance(detector_of(str(path)), DetectionModel)
    assert detector_of(abs) is abs
    for wrong, message in [
        (Model(path), r"Model\(net.onnx\) returns rasters"),
        ("ships.gpkg", "is no model by its ending"),
        (7, "a detector is a function of a patch"),
    ]:
        with pytest.raises(TypeError, match=message):
            detector_of(wrong)
