"""Outputs asked for by name: of functions, whose classes are counted, and of operators that know them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

import geopatcher as gp
from geopatcher.cli import main
from networks import ConvNet, softmax

IMAGE = np.random.default_rng(2).random((3, 60, 50), dtype="float32")


def shares(patch):
    return patch / patch.sum(axis=-3, keepdims=True)


@dataclass(frozen=True)
class Named:
    value: int
    name: str
    color_hint: str | None = None


class Model:
    classes = (Named(3, "land", "00FF00"), Named(5, "sea"), Named(9, "cloud", "FFFFFF"))

    def __call__(self, patch):
        return shares(patch)


def test_a_function_says_by_the_vote_how_many_classes_there_are():
    result = gp.reconstruct(
        IMAGE, shares, size=32, aggregation="soft-vote:3", outputs=("class", "confidence", "spread")
    )
    blended = gp.reconstruct(IMAGE, shares, size=32).array
    np.testing.assert_array_equal(result.array, blended.argmax(axis=0))
    np.testing.assert_allclose(result.layers["confidence"], blended.max(axis=0), atol=1e-6)
    assert list(result.layers) == ["confidence", "spread"]


def test_an_operator_with_classes_gives_the_class_by_default(tmp_path):
    result = gp.reconstruct(IMAGE, Model(), tmp_path / "r.tif", size=32)
    blended = gp.reconstruct(IMAGE, shares, size=32).array
    np.testing.assert_array_equal(result.array[...], np.array([3, 5, 9])[blended.argmax(axis=0)])
    with rasterio.open(tmp_path / "r.tif") as dataset:
        assert dataset.colormap(1)[3] == (0, 255, 0, 255)
        assert dataset.tags(1)["flag_meanings"] == "land sea cloud"


def test_what_is_chosen_stays():
    np.testing.assert_array_equal(
        gp.reconstruct(IMAGE, Model(), size=32, aggregation="max").array,
        gp.reconstruct(IMAGE, shares, size=32, aggregation="max").array,
    )


def test_one_name_may_be_given_alone():
    result = gp.reconstruct(IMAGE, Model(), size=32, outputs="probability")
    np.testing.assert_allclose(result.array, gp.reconstruct(IMAGE, shares, size=32).array, atol=1e-6)
    assert result.layers == {}


def test_bands_of_probabilities_are_called_by_their_classes(tmp_path):
    gp.reconstruct(IMAGE, Model(), tmp_path / "p.tif", size=32, outputs=("probability",))
    with rasterio.open(tmp_path / "p.tif") as dataset:
        assert dataset.descriptions == ("land", "sea", "cloud")


def test_a_patcher_passes_them_on():
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(32), gp.SpatialRegularStride(16), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    result = patcher.reconstruct(IMAGE, Model(), outputs=("class", "gap"))
    assert result.array.dtype == "uint8"
    assert list(result.layers) == ["gap"]


def test_a_plan_knows_what_they_take():
    one = gp.plan(IMAGE, size=32, aggregation="soft-vote:3", outputs="class")
    all_of_them = gp.plan(IMAGE, size=32, aggregation="soft-vote:3", outputs=("class", "probability", "gap"))
    assert all_of_them.disk_bytes > one.disk_bytes
    assert all_of_them.memory_bytes > one.memory_bytes


def test_of_a_function_without_a_vote_they_are_refused():
    with pytest.raises(ValueError, match=r"of shares, which says .* aggregation=\"soft-vote:10\""):
        gp.reconstruct(IMAGE, shares, size=32, outputs="class")
    with pytest.raises(ValueError, match="output mood is none of: class, probability"):
        gp.reconstruct(IMAGE, Model(), size=32, outputs="mood")


NET = ConvNet.random()
SCENE = np.random.default_rng(8).normal(size=(3, 70, 90)).astype("float32")
CLASSES = ["land", "sea", "cloud"]


@pytest.fixture
def net(tmp_path):
    return NET.save(tmp_path / "net.onnx", twice=True)


@pytest.fixture
def model(net):
    return gp.Model(net, parts="scores", activation="softmax", classes=CLASSES)


def blended(operator, image=SCENE, size=32, step=16):
    """Return the overlap-add under a Hann window in NumPy, in double precision."""
    weights = gp.SpatialHann().weights(gp.SpatialRectangular(size))
    height, width = image.shape[1:]
    total, norm = 0.0, np.zeros((height, width))
    for row in sorted({*range(0, height - size + 1, step), height - size}):
        for col in sorted({*range(0, width - size + 1, step), width - size}):
            where = (slice(row, row + size), slice(col, col + size))
            made = np.asarray(operator(image[:, *where]), "float64")
            if np.isscalar(total):
                total = np.zeros((len(made), height, width))
            total[:, *where] += made * weights
            norm[where] += weights
    return total / norm


def expected(image=SCENE):
    scores = blended(NET.scores, image)
    chances = blended(lambda patch: softmax(NET.scores(patch)), image)
    ordered = np.sort(chances, axis=0)
    return {
        "raw": scores,
        "probability": chances,
        "class": chances.argmax(axis=0),
        "confidence": ordered[-1],
        "gap": ordered[-1] - ordered[-2],
        "entropy": -(chances * np.log(chances)).sum(axis=0),
        "negative": -scores,
    }


def compare(found, wanted):
    for name, values in found.items():
        if name == "class":
            margin = wanted["gap"] > 1e-4
            np.testing.assert_array_equal(values[margin], wanted["class"][margin])
        else:
            np.testing.assert_allclose(values, wanted[name], rtol=1e-4, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("suffix", [None, "zarr", "tif"])
@pytest.mark.parametrize(
    "outputs",
    [
        ("raw", "class", "probability"),
        ("class", "raw", "confidence", "negative", "gap", "spread"),
        ("negative", "probability", "entropy", "raw"),
        ("probability", "raw"),
        "raw",
    ],
)
def test_all_outputs_come_of_one_call_and_are_blended_each(model, outputs, suffix, tmp_path):
    target = None if suffix is None else tmp_path / f"r.{suffix}"
    result = gp.reconstruct(SCENE, model, target, size=32, outputs=outputs, chunks=32)
    names = (outputs,) if isinstance(outputs, str) else outputs
    assert (names[0], *result.layers) == names
    found = {names[0]: result.array, **result.layers}
    found = {name: np.asarray(array[...]) for name, array in found.items() if name != "spread"}
    compare(found, expected())
    assert result.stats.patches == result.plan.n_patches
    if "spread" in names:
        chances = gp.reconstruct(SCENE, model, size=32, outputs=("probability", "spread"))
        np.testing.assert_array_equal(result.layers["spread"][...], chances.layers["spread"])
    if outputs == "raw":
        assert result.domain.band_names == tuple(CLASSES)


def test_parts_are_arrays_of_their_own(net):
    result = gp.reconstruct(SCENE, gp.Model(net), size=32, outputs=("negative", "scores"))
    compare({"negative": result.array}, expected())
    np.testing.assert_array_equal(result.layers["scores"], -result.array)
    assert result.domain.band_names == ("negative 1", "negative 2", "negative 3")
    numbered = gp.reconstruct(SCENE, gp.Model(net), size=32, outputs=("1", "0"))
    np.testing.assert_array_equal(numbered.array, result.array)
    assert list(numbered.layers) == ["part0"]


class Twofold:
    """An object of no library, which predicts a mask and a height of each pixel."""

    def predict(self, rows):
        return {"mask": 1 / (1 + np.exp(-rows[:, :1])), "height": rows.sum(axis=1)}


@pytest.mark.parametrize("batch_size", [1, 3])
def test_an_object_may_return_a_dict(batch_size):
    how = {"size": 32, "step": 16, "batch_size": batch_size}
    result = gp.reconstruct(SCENE, Twofold(), outputs=("height", "mask"), **how)
    np.testing.assert_allclose(result.array, SCENE.sum(axis=0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(result.layers["mask"], 1 / (1 + np.exp(-SCENE[0])), rtol=1e-5)
    wet = gp.Model(Twofold(), parts="mask", classes=["dry", "wet"])
    both = gp.reconstruct(SCENE, wet, outputs=("class", "height"), **how)
    np.testing.assert_array_equal(both.array, SCENE[0] > 0)
    np.testing.assert_array_equal(both.layers["height"], result.array)


def test_a_model_that_says_nothing_of_its_classes_is_tried(net):
    result = gp.reconstruct(SCENE, gp.Model(net, parts=0, activation="softmax"), size=32, outputs="class")
    compare({"class": result.array}, expected())
    assert result.array.dtype == "uint8"


@pytest.mark.parametrize("more", [{"tta": "flips"}, {"margin": 4}, {"output_scale": 1}])
def test_views_and_margins_are_of_all_outputs(model, more):
    result = gp.reconstruct(SCENE, model, size=32, outputs=("raw", "negative", "probability"), **more)
    np.testing.assert_allclose(result.array, -result.layers["negative"], atol=1e-6)
    alone = gp.reconstruct(SCENE, model, size=32, outputs="probability", **more)
    np.testing.assert_array_equal(result.layers["probability"], alone.array)
    if "margin" in more:  # as wide as the network looks: the same as on the whole
        inner = (slice(None), slice(4, -4), slice(4, -4))
        np.testing.assert_allclose(result.array[inner], NET.scores(SCENE)[inner], rtol=1e-3, atol=1e-3)


def test_functions_have_no_activation_so_that_raw_is_what_they_return():
    how = {"size": 32, "aggregation": "soft-vote:3"}
    result = gp.reconstruct(IMAGE, shares, outputs=("class", "raw", "spread"), **how)
    np.testing.assert_array_equal(result.layers["raw"], gp.reconstruct(IMAGE, shares, size=32).array)
    np.testing.assert_array_equal(result.array, result.layers["raw"].argmax(axis=0))
    alone = gp.reconstruct(IMAGE, np.negative, size=32, outputs="raw")
    np.testing.assert_allclose(alone.array, -IMAGE, rtol=1e-6)


def test_pixels_without_data_have_none_in_any_array(tmp_path):
    image = np.random.default_rng(1).integers(1, 900, (2, 50, 60)).astype("uint16")
    image[:, 20:30, 10:40] = 0
    source = gp.RasterField(gp.fields.array_source.ArraySource.of(image, nodata=0))
    model = gp.Model(Twofold(), parts="mask", classes=["dry", "wet"], scale=1e-3)
    outputs = ("height", "class", "raw", "probability")
    result = gp.reconstruct(source, model, tmp_path / "r.tif", size=32, outputs=outputs)
    gone = image[0] == 0
    np.testing.assert_array_equal(result.layers["class"][...] == 255, gone)
    for array in (result.array, result.layers["raw"], *result.layers["probability"][...]):
        np.testing.assert_array_equal(np.isnan(array[...]), gone)
    np.testing.assert_allclose(result.array[...][~gone], image.sum(axis=0)[~gone] * 1e-3, rtol=1e-5)
    assert result.layers["raw"].shape == (50, 60)


class Refusing:
    """A source that must not be read."""

    shape, dtype = (3, 70, 90), np.dtype("float32")

    def __getitem__(self, index):
        raise AssertionError("pixels were read")


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        (
            "clas",
            r"net.onnx returns no part 'clas', but scores, negative; outputs are parts of it, and class",
        ),
        (("height", "scores"), r"net.onnx returns no part 'height', but scores, negative; outputs are parts"),
        (("scores", "7"), r"no part '7', but scores, negative; .* class, probability, .*, raw, spread"),
        (("class",), r"net.onnx: the model returns 2 parts \(scores, negative\): .* with parts="),
        (("raw", "negative"), "choose the one that is the result with parts="),
        (("scores", "scores"), "outputs scores, scores name one of them twice"),
        (("part1", "1"), "outputs part1, 1 name one of them twice"),
        ((), "name one or more of class, .*, raw, spread"),
        (("spread", "scores"), "spread not as the first"),
        (("scores", "a/b"), "output 'a/b' cannot be the name of an array: give the number of the part"),
        (("scores", "data"), "output 'data' cannot be the name of an array"),
    ],
)
def test_outputs_that_cannot_be_are_refused_before_the_first_pixel(net, outputs, says, tmp_path):
    source = gp.RasterField(gp.fields.array_source.ArraySource.of(Refusing()))
    with pytest.raises(ValueError, match=says):
        gp.reconstruct(source, gp.Model(net), tmp_path / "r.zarr", size=32, outputs=outputs)
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


def test_a_patch_beyond_the_memory_limit_is_refused_before_the_model_is_tried(model):
    with pytest.raises(gp.MemoryLimitError, match="patch 32x32, read as 100032x100032"):
        gp.reconstruct(SCENE, model, size=32, margin=50_000, outputs=("class", "raw"))


def test_layers_lie_beside_outputs(model):
    how = {"size": 32, "outputs": ("raw", "class")}
    result = gp.reconstruct(SCENE, model, layers=iter(["count", "spread", "weight"]), **how)
    assert list(result.layers) == ["class", "spread", "count", "weight"]
    scores = gp.reconstruct(
        SCENE, lambda patch: NET.scores(patch).astype("float32"), size=32, layers=["spread"]
    )
    np.testing.assert_allclose(result.layers["spread"], scores.layers["spread"], rtol=1e-2, atol=1e-3)
    with pytest.raises(ValueError, match=r"layers='spread' is one text"):
        gp.reconstruct(SCENE, model, layers="spread", **how)
    with pytest.raises(ValueError, match="'spread' is asked for twice"):
        gp.reconstruct(SCENE, model, size=32, outputs=("raw", "class", "spread"), layers=["spread"])


def test_of_functions_and_plans_there_are_no_parts():
    with pytest.raises(ValueError, match=r"output mask is none of: class, .* of what a geopatcher.Model"):
        gp.reconstruct(IMAGE, shares, size=32, outputs=("mask", "raw"))
    with pytest.raises(ValueError, match="output mask is none of: class"):
        gp.plan(IMAGE, size=32, outputs=("mask", "raw"))
    more = gp.plan(IMAGE, size=32, aggregation="soft-vote:3", outputs=("class", "raw"))
    assert (
        more.memory_bytes > gp.plan(IMAGE, size=32, aggregation="soft-vote:3", outputs="class").memory_bytes
    )


def test_two_workers_give_the_same_bytes(model, tmp_path):
    how = {"size": 32, "chunks": 32, "outputs": ("class", "raw", "negative", "probability", "spread")}
    alone = gp.reconstruct(SCENE, model, tmp_path / "one.zarr", **how)
    both = gp.reconstruct(gp.RasterField.from_array(SCENE), model, tmp_path / "two.zarr", workers=2, **how)
    assert alone.array[...].tobytes() == both.array[...].tobytes()
    for name, layer in alone.layers.items():
        assert layer[...].tobytes() == both.layers[name][...].tobytes(), name


def test_an_interrupted_run_goes_on_with_the_same_outputs_alone(model, tmp_path):
    class Stopping:
        def __init__(self):
            self.done = 0

        def on_patch_done(self, *_):
            self.done += 1
            if self.done == 12:
                raise KeyboardInterrupt

    how = {"size": 32, "chunks": 16, "memory_limit": "256MiB"}
    outputs = ("raw", "class", "negative")
    with pytest.raises(KeyboardInterrupt):
        gp.reconstruct(SCENE, model, tmp_path / "r.zarr", outputs=outputs, hooks=Stopping(), **how)
    for other in (("raw", "class"), ("class", "raw", "negative"), ("raw", "class", "negative", "gap"), "raw"):
        with pytest.raises(gp.TargetExistsError):
            gp.reconstruct(SCENE, model, tmp_path / "r.zarr", outputs=other, **how)
    went_on = gp.reconstruct(SCENE, model, tmp_path / "r.zarr", outputs=outputs, **how)
    straight = gp.reconstruct(SCENE, model, outputs=outputs, **how)
    assert 0 < went_on.stats.patches <= straight.stats.patches
    assert went_on.array[...].tobytes() == straight.array.tobytes()
    for name, layer in straight.layers.items():
        assert layer.tobytes() == went_on.layers[name][...].tobytes(), name


def test_other_outputs_are_another_run(tmp_path):
    gp.reconstruct(IMAGE, Model(), tmp_path / "r.zarr", size=32, outputs=("class",))
    with pytest.raises(gp.TargetExistsError):
        gp.reconstruct(IMAGE, Model(), tmp_path / "r.zarr", size=32, outputs=("class", "gap"))


def test_the_command_line_takes_them(tmp_path, monkeypatch):
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", count=3, height=60, width=50, dtype="float32"
    ) as dataset:
        dataset.write(IMAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mymodel.py").write_text("def predict(x):\n    return x / x.sum(axis=0)\n")
    arguments = ["run", "a.tif", "r.tif", "--operator", "mymodel:predict", "--size", "32"]
    arguments += ["--aggregation", "soft-vote:3", "--outputs", "class,entropy", "--no-progress"]
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    with rasterio.open("r.entropy.tif") as dataset:
        assert dataset.dtypes == ("float32",)
