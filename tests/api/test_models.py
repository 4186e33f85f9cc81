"""Models in the place of operators, through the whole run: bands, classes, views, workers, the shell."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import xarray as xr
from click.testing import CliRunner

import geopatcher as gp
from geopatcher.cli import main
from geopatcher.operators.models.augmentation import Augmented
from geotiffs import write_geotiff
from networks import ConvNet

NET = ConvNet.random()
IMAGE = np.random.default_rng(3).random((4, 40, 48), dtype="float32")
ALL = {"size": (40, 48), "step": (40, 48), "window": "boxcar"}


class Threshold:
    """An estimator of single pixels, as sklearn has them."""

    def predict_proba(self, rows):
        wet = (rows[:, 0] > rows[:, 1]).astype("float64")
        return np.stack([1 - wet, wet], axis=1)


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "scene.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=4,
        height=40,
        width=48,
        dtype="float32",
        crs="EPSG:32633",
        transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6),
    ) as dataset:
        dataset.write(IMAGE)
        dataset.descriptions = ("B02", "B03", "B04", "B08")
    return path


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "net.onnx"
    NET.save(path)
    return path


def scores(bands):
    return NET.scores(IMAGE[bands])


def soft(values):
    powers = np.exp(values - values.max(axis=0))
    return powers / powers.sum(axis=0)


def test_bands_are_chosen_by_name_in_the_order_of_the_model(scene, weights):
    model = gp.Model(weights, bands=["B08", "B02", "B04"], activation="softmax", classes=["a", "b", "c"])
    result = gp.reconstruct(scene, model, outputs=("probability", "class"), **ALL)
    wanted = soft(scores([3, 0, 2]))
    np.testing.assert_allclose(result.array, wanted, atol=2e-6)
    np.testing.assert_array_equal(result.layers["class"], wanted.argmax(axis=0))
    assert result.stats.bytes_read == 3 * 40 * 48 * 4  # the other band is not read


@pytest.mark.parametrize("bands", [[4, 1, 3], [3, 3, 1], [1, 2, 3], ["B08", "B02", "B04"]])
@pytest.mark.parametrize("kind", ["alone", "views", "ensemble"])
def test_no_other_bands_are_read(scene, weights, bands, kind):
    model = gp.Model(weights, bands=bands)
    operator = gp.Ensemble([model, model]) if kind == "ensemble" else model
    how = {"tta": "flips"} if kind == "views" else {}
    result = gp.reconstruct(scene, operator, **ALL, **how)
    known = ["B02", "B03", "B04", "B08"]
    picked = IMAGE[[known.index(band) if isinstance(band, str) else band - 1 for band in bands]]
    plain = gp.Model(weights)
    wanted = Augmented(plain, "flips")(picked) if kind == "views" else plain(picked)
    np.testing.assert_allclose(result.array, wanted, atol=1e-6)
    assert result.stats.bytes_read == len(bands) * 40 * 48 * 4
    if kind == "alone":
        np.testing.assert_allclose(wanted, NET.scores(picked), rtol=1e-3, atol=1e-4)


def test_other_bands_of_a_file_may_be_missing(scene, weights):
    image = IMAGE.copy()
    image[1, :20] = np.nan
    with rasterio.open(scene, "r+") as dataset:
        dataset.write(image)
    result = gp.reconstruct(scene, gp.Model(weights, bands=[1, 3, 4]), **ALL)
    np.testing.assert_allclose(result.array, NET.scores(IMAGE[[0, 2, 3]]), rtol=1e-3, atol=1e-4)


@pytest.fixture
def counts():
    """Whole numbers of three bands; the third is missing in the upper half."""
    cells = np.random.default_rng(5).integers(1, 900, (3, 20, 24)).astype("int16")
    cells[2, :10] = -1
    return cells


@pytest.fixture(params=["file", "array", "series"])
def marked(request, counts, tmp_path):
    """Several kinds of source of these numbers."""
    if request.param == "array":
        return np.ma.masked_equal(counts, -1)
    path = write_geotiff(tmp_path / "counts.tif", counts, nodata=-1)
    return path if request.param == "file" else gp.Stack([path, path])


def test_bands_that_are_not_used_do_not_say_what_is_missing(marked, counts):
    sums = gp.reconstruct(marked, gp.Expression("b1 + b2"), size=8)
    wanted = counts[0].astype(float) + counts[1]
    np.testing.assert_allclose(sums.array, np.broadcast_to(wanted, sums.array.shape), rtol=1e-6)
    both = gp.reconstruct(marked, gp.Expression("b1 + b3"), size=8)
    assert np.isnan(both.array[..., :10, :]).all()
    assert not np.isnan(both.array[..., 10:, :]).any()


def test_nor_do_they_for_a_model_over_an_array(counts):
    cells = np.ma.masked_equal(counts, -1)
    result = gp.reconstruct(cells, gp.Model(Threshold(), bands=[2, 1]), outputs="probability", size=8)
    np.testing.assert_array_equal(result.array[1], (counts[1] > counts[0]).astype("float32"))


def test_arithmetic_reads_no_other_bands_in_python_as_in_the_shell(scene, tmp_path):
    result = gp.reconstruct(scene, gp.Expression("b4 - b2"), **ALL)
    assert result.stats.bytes_read == 2 * 40 * 48 * 4
    np.testing.assert_array_equal(result.array[0], IMAGE[3] - IMAGE[1])
    args = ["run", str(scene), str(tmp_path / "x.tif"), "--expr", "b4 - b2", "--no-progress"]
    assert CliRunner().invoke(main, args).exit_code == 0
    with rasterio.open(tmp_path / "x.tif") as dataset:
        np.testing.assert_allclose(dataset.read(1), result.array[0], rtol=1e-6)


def test_arithmetic_over_fewer_bands_than_it_needs_says_so(scene):
    with pytest.raises(gp.OperatorError, match=r"uses b7, but there are 4 band\(s\)"):
        gp.reconstruct(scene, gp.Expression("b7"), **ALL)


@pytest.mark.parametrize("workers", [None, 2])
def test_bands_of_arrays_are_chosen_by_number(weights, workers):
    field = gp.RasterField.from_array(IMAGE)
    result = gp.reconstruct(field, gp.Model(weights, bands=[4, 1, 3]), workers=workers, **ALL)
    np.testing.assert_allclose(result.array, scores([3, 0, 2]), rtol=1e-3, atol=1e-4)


def test_a_path_is_a_model(scene, weights):
    model = gp.Model(weights, bands=[1, 2, 3])
    raw = gp.reconstruct(scene, model, **ALL)
    np.testing.assert_allclose(raw.array, scores([0, 1, 2]), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(gp.reconstruct(IMAGE[:3], weights, **ALL).array, raw.array)


def test_bands_that_are_missing_are_refused_before_anything_is_read(scene, weights, tmp_path):
    model = gp.Model(weights, bands=["B08", "B11", "B04"])
    with pytest.raises(ValueError, match=r"B11.*B02, B03, B04, B08"):
        gp.reconstruct(scene, model, tmp_path / "r.zarr")
    assert not (tmp_path / "r.zarr.partial").exists()
    with pytest.raises(ValueError, match="4"):
        gp.reconstruct(scene, gp.Model(weights), tmp_path / "r.zarr")


def test_a_size_that_is_no_multiple_is_refused_before_anything_is_read(scene, weights):
    with pytest.raises(ValueError, match=r"32"):
        gp.reconstruct(scene, gp.Model(weights, bands=[1, 2, 3], multiple=32), size=40)


def test_a_class_map_has_names_and_colors(scene, weights, tmp_path):
    record = {"classes": ["land", "water", "cloud"], "activation": "softmax", "bands": [1, 2, 3]}
    result = gp.reconstruct(scene, gp.Model(weights, **record), tmp_path / "map.tif", **ALL)
    np.testing.assert_array_equal(result.array[...], scores([0, 1, 2]).argmax(axis=0))
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert dataset.tags(1)["flag_meanings"] == "land water cloud"
        assert len({dataset.colormap(1)[value] for value in range(3)}) == 3
    assert "water" in (tmp_path / "map.tif.aux.xml").read_text()


def test_a_model_without_names_of_classes_has_as_many_as_bands(scene, weights):
    model = gp.Model(weights, bands=[1, 2, 3], activation="softmax")
    result = gp.reconstruct(scene, model, outputs=("class", "gap"), **ALL)
    np.testing.assert_array_equal(result.array, scores([0, 1, 2]).argmax(axis=0))


def test_estimators_of_pixels_are_taken_bare_and_get_no_overlap():
    result = gp.reconstruct(IMAGE[:2], Threshold(), size=16)
    np.testing.assert_array_equal(result.array[1], IMAGE[0] > IMAGE[1])
    assert result.plan.overlap == 0
    assert gp.reconstruct(IMAGE[:2], Threshold(), size=16, step=8).plan.overlap > 0


def test_views_are_the_mean_of_mirrored_patches(weights):
    result = gp.reconstruct(IMAGE[:3, :40, :40], weights, size=40, step=40, window="boxcar", tta="d4")
    wanted = Augmented(gp.Model(weights), "d4")(IMAGE[:3, :40, :40])
    np.testing.assert_allclose(result.array, wanted, atol=1e-6)
    assert not np.allclose(wanted, gp.Model(weights)(IMAGE[:3, :40, :40]), atol=1e-3)


def test_a_device_may_be_said_of_a_run(weights):
    wanted = gp.reconstruct(IMAGE[:3], weights, **ALL).array
    both = gp.Ensemble([gp.Model(weights), gp.Model(weights)])
    for model in (weights, gp.Model(weights), both):
        found = gp.reconstruct(IMAGE[:3], model, device="cpu", **ALL).array
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    with pytest.raises(ValueError, match="device='gpu': choose one of auto, cpu, cuda"):
        gp.reconstruct(IMAGE[:3], weights, device="gpu")
    with pytest.raises(ValueError, match="precision"):
        gp.reconstruct(IMAGE[:3], weights, precision="bf16", **ALL)
    with pytest.raises(TypeError, match="device='cpu' is for models: wrap copy with"):
        gp.reconstruct(IMAGE, np.copy, device="cpu")


def test_views_of_a_function_are_refused():
    with pytest.raises(TypeError, match=r"tta='flips' is for models: wrap copy with geopatcher\.Model"):
        gp.reconstruct(IMAGE, np.copy, tta="flips")


def test_batches_and_workers_give_the_same_bytes(scene, weights, tmp_path):
    model = gp.Model(weights, bands=[1, 2, 3], activation="softmax", classes=["a", "b", "c"])
    how = {"size": 16, "chunks": 16, "outputs": ("class", "confidence")}
    one = gp.reconstruct(scene, model, **how)
    for more in ({"batch_size": 7}, {"workers": 2}):
        other = gp.reconstruct(scene, model, **how, **more)
        np.testing.assert_array_equal(other.array, one.array)
        np.testing.assert_allclose(other.layers["confidence"], one.layers["confidence"], atol=1e-6)


def test_other_weights_are_another_run(scene, weights, tmp_path):
    model = gp.Model(weights, bands=[1, 2, 3])
    gp.reconstruct(scene, model, tmp_path / "r.zarr", **ALL)
    ConvNet.random(seed=9).save(weights)
    with pytest.raises(gp.TargetExistsError):
        gp.reconstruct(scene, gp.Model(weights, bands=[1, 2, 3]), tmp_path / "r.zarr", **ALL)


def test_the_command_line_runs_a_model_with_the_record_beside_it(scene, weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrote = CliRunner().invoke(main, ["model", "net.onnx", "--write"], catch_exceptions=False)
    assert wrote.exit_code == 0, wrote.output
    arguments = ["run", "scene.tif", "r.zarr", "--model", "net.onnx", "--bands", "1,2,3", "--size", "48"]
    ran = CliRunner().invoke(main, [*arguments, "--tta", "flips", "--no-progress"], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    assert json.loads((tmp_path / "net.mlm.json").read_text())
    both = CliRunner().invoke(main, [*arguments, "--expr", "b1"])
    assert both.exit_code == 2
    assert "either --operator module:function, --expr TEXT or --model FILE" in both.output
    alone = CliRunner().invoke(main, ["run", "scene.tif", "q.tif", "--expr", "b1", "--device", "cpu"])
    assert "--device and --tta are for a --model" in alone.output


class Sums:
    """Two results of each pixel: of all its values, and of the first."""

    def predict(self, rows):
        return np.stack([rows.sum(axis=1), rows[:, 0]], axis=1)


class Wetter:
    classes_ = ("dry", "wet")

    def predict_proba(self, rows):
        wet = 1 / (1 + np.exp(-(rows[:, -1] - rows[:, 0])))
        return np.stack([1 - wet, wet], axis=1)


SERIES = xr.DataArray(
    np.random.default_rng(2).normal(size=(3, 2, 20, 30)).astype("float32"),
    dims=("time", "band", "y", "x"),
    coords={"time": np.array(["2024-01-03", "2024-02-03", "2024-03-03"], "M8[ns]")},
)


@pytest.mark.parametrize("how", [{}, {"batch_size": 4}])
def test_a_model_sees_dates_and_bands_of_a_series_as_its_bands(how):
    flat = SERIES.values.reshape(6, 20, 30)
    result = gp.reconstruct(SERIES, gp.Model(Sums()), size=10, **how)
    np.testing.assert_allclose(result.array, np.stack([flat.sum(axis=0), flat[0]]), rtol=1e-4, atol=1e-5)
    result = gp.reconstruct(SERIES, gp.Model(Sums(), bands=[6, 3]), size=10, **how)
    np.testing.assert_allclose(result.array, np.stack([flat[5] + flat[2], flat[5]]), rtol=1e-4, atol=1e-5)
    classes = gp.reconstruct(SERIES, gp.Model(Wetter()), size=10, outputs=("class", "confidence"), **how)
    np.testing.assert_array_equal(classes.array, flat[5] > flat[0])
    assert classes.layers["confidence"].shape == (20, 30)
    with pytest.raises(ValueError, match="takes 5 band"):
        gp.reconstruct(
            SERIES, gp.Model(Sums(), record={"mlm:input": [{"input": {"shape": [-1, 5, -1, -1]}}]})
        )


def test_a_model_runs_at_each_date_as_a_window_of_one_step():
    model = gp.Model(Sums())
    each = gp.rolling(lambda step: model(step[0]), 1)
    result = gp.reconstruct(SERIES, each, size=10)
    wanted = np.stack([SERIES.values.sum(axis=1), SERIES.values[:, 0]], axis=1)
    np.testing.assert_allclose(result.array, wanted, rtol=1e-4, atol=1e-5)
    assert result.to_xarray().dims[0] == "time"
