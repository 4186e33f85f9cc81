"""Pipelines pass on what their steps want, and the classes and results of a model at their end."""

import functools
import pickle

import numpy as np
import pytest

import geopatcher
from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.operators.positioning import Position
from geotoolz import (
    ApplyMask,
    Branch,
    Fanout,
    Identity,
    Lambda,
    ModelOp,
    Scale,
    SelectBands,
    Sequential,
    Tap,
    Threshold,
)
from networks import ConvNet, softmax

NET = ConvNet.random()
IMAGE = np.random.default_rng(3).integers(0, 3000, (4, 64, 48)).astype("uint16")
SCALED = IMAGE[:3].astype("float32") * np.float32(1e-3)
HOW = {"size": (64, 48), "step": (64, 48), "window": "boxcar"}


@pytest.fixture
def model(tmp_path):
    path = NET.save(tmp_path / "net.onnx", twice=True)
    return geopatcher.Model(path, parts="scores", activation="softmax", classes=["land", "sea", "cloud"])


def filled(patch):
    return patch.filled(9)


class Rows:
    """Adds the row of the raster that a patch begins with."""

    wants_position = True

    def __call__(self, patch, position):
        return patch + np.float32(position.window.row_off)


def double(patch):
    return patch * 2


class Shares:
    """A function that has classes, and is no model."""

    def __init__(self):
        self.classes = geopatcher.Model(Two(), classes=["a", "b"]).classes

    def __call__(self, patch):
        return patch / patch.sum(axis=-3, keepdims=True)


class Two:
    def predict(self, rows):
        return {"sum": rows.sum(axis=1), "first": rows[:, 0]}


@pytest.mark.parametrize(
    ("step", "mask", "position"),
    [
        (double, False, False),
        (geopatcher.masked(filled), True, False),
        (geopatcher.positioned(Rows()), False, True),
        (functools.partial(Rows()), False, True),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_one_step_wants_the_pipeline_wants(step, mask, position, place):
    steps = [double, double]
    steps.insert(place, step)
    inner = Sequential(steps)
    for pipeline in (inner, Sequential([inner, double]), Scale(2) | inner, Lambda(step), ModelOp(step)):
        assert (pipeline.wants_mask, pipeline.wants_position) == (mask, position)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_step_is_given_the_mask(batch_size):
    image = (IMAGE[:1] % 3).astype("uint8")
    field = geopatcher.RasterField(geopatcher.fields.array_source.ArraySource.of(image, nodata=0))
    how = {"size": 16, "step": 16, "batch_size": batch_size}
    pipeline = Sequential([double, geopatcher.masked(filled), double])
    found = geopatcher.reconstruct(field, pipeline, **how).array
    np.testing.assert_array_equal(found, np.where(image == 0, 18, 4 * image))
    plain = geopatcher.reconstruct(field, Sequential([double, double]), **how)
    assert not plain.valid[...][image == 0].any()


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_step_is_told_the_position(batch_size):
    def rows(patch, position):
        places = position if isinstance(position, tuple) else (position,)
        offsets = np.array([one.window.row_off for one in places], "float32")
        return patch + (offsets[:, None, None, None] if patch.ndim == 4 else offsets[0])

    pipeline = Sequential([double, geopatcher.positioned(rows), double])
    image = np.zeros((1, 64, 48), "float32")
    found = geopatcher.reconstruct(image, pipeline, size=16, step=16, batch_size=batch_size).array
    np.testing.assert_array_equal(found[0, :, 0], np.arange(64) // 16 * 16 * 2)


def test_errors_still_say_which_step_it_was():
    def odd(patch, position):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError) as caught:
        (Scale(2) | geopatcher.positioned(odd))(
            np.zeros((1, 2, 2)), Position.of(RasterDomain((4, 4)), Box(0, 2, 0, 2))
        )
    assert "in step 1 (of 0 to 1)" in "".join(caught.value.__notes__)


@pytest.mark.parametrize("kind", ["op", "bare", "nested"])
def test_outputs_of_a_pipeline_are_those_of_the_model_at_its_end(model, kind, tmp_path):
    end = model if kind == "bare" else ModelOp(model)
    pipeline = SelectBands([1, 2, 3]) | Scale(1e-3) | end
    if kind == "nested":
        pipeline = Sequential([SelectBands([1, 2, 3]), Sequential([Scale(1e-3), end])])
    assert [one.name for one in pipeline.classes] == ["land", "sea", "cloud"]
    outputs = ("class", "raw", "probability", "negative", "spread")
    result = geopatcher.reconstruct(IMAGE, pipeline, tmp_path / "r.tif", outputs=outputs, **HOW)
    scores = NET.scores(SCALED)
    np.testing.assert_allclose(result.layers["raw"][...], scores, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(result.layers["probability"][...], softmax(scores), atol=1e-4)
    np.testing.assert_array_equal(result.array[...], result.layers["probability"][...].argmax(axis=0))
    np.testing.assert_allclose(result.layers["negative"][...], -scores, rtol=1e-3, atol=1e-3)
    assert [name for _, name in result.domain.metadata.bands[0].classes] == ["land", "sea", "cloud"]
    usual = geopatcher.reconstruct(IMAGE, pipeline, **HOW)
    np.testing.assert_array_equal(usual.array, result.array[...])


def test_two_workers_give_the_same_bytes(model):
    field = geopatcher.RasterField.from_array(IMAGE)
    pipeline = SelectBands([1, 2, 3]) | Scale(1e-3) | ModelOp(model)
    how = {"size": 16, "chunks": 16, "outputs": ("raw", "class", "negative")}
    one, two = (geopatcher.reconstruct(field, pipeline, workers=workers, **how) for workers in (None, 2))
    assert one.array.tobytes() == two.array.tobytes()
    for name, layer in one.layers.items():
        assert layer.tobytes() == two.layers[name].tobytes()


def test_what_ends_in_a_function_gives_one_result():
    pipeline = Scale(2) | Shares()
    assert not pipeline.gives_several
    assert not ModelOp(double).gives_several
    assert Sequential([]).classes == ()
    image = IMAGE[:2].astype("float32") + 1
    result = geopatcher.reconstruct(image, pipeline, outputs=("class", "raw"), **HOW)
    np.testing.assert_allclose(result.layers["raw"], image / image.sum(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(result.array, image[1] > image[0])
    with pytest.raises(TypeError, match="Sequential gives one result: only one that ends in a model"):
        pipeline.giving(["", "raw"])
    with pytest.raises(ValueError, match="output first is none of"):
        geopatcher.reconstruct(image, pipeline, outputs=("class", "first"), **HOW)


def test_a_pipeline_that_is_told_positions_cannot_be_tried():
    pipeline = Lambda(geopatcher.positioned(Rows())) | ModelOp(Two())
    with pytest.raises(ValueError, match="a step of this Sequential wants to know where patches lie"):
        geopatcher.reconstruct(IMAGE[:2], pipeline, outputs=("sum", "first"), **HOW)


def test_what_it_gives_travels_and_stays_the_same_kind(model):
    pipeline = (Scale(1e-3) | ModelOp(model)).giving(["raw", "negative"])
    again = pickle.loads(pickle.dumps(pipeline))  # noqa: S301 - our own bytes
    assert isinstance(again, Sequential)
    np.testing.assert_array_equal(again(IMAGE[:3])[:3], -again(IMAGE[:3])[3:])
    assert again.places(IMAGE[:3]) == ((0, 3), (3, 6))
    assert Lambda(model, name="net").giving(["raw"]).name == "net"


def test_a_margin_that_is_none_is_refused():
    class Wide:
        margin = "wide"

        def __call__(self, patch):
            return patch

    with pytest.raises(ValueError, match="the margin of Wide is 'wide', which is no number of pixels"):
        geopatcher.reconstruct(IMAGE, Sequential([double, Wide()]), size=16)


class Around:
    """The mean of a pixel and those around it."""

    margin = 1

    def __call__(self, patch):
        wide = np.pad(patch, [(0, 0)] * (patch.ndim - 2) + [(1, 1), (1, 1)], mode="reflect")
        height, width = patch.shape[-2:]
        shifted = [wide[..., r : r + height, c : c + width] for r in range(3) for c in range(3)]
        return sum(shifted) / np.float32(9)


class Finer:
    output_scale = 2

    def __call__(self, patch):
        return patch.repeat(2, axis=-2).repeat(2, axis=-1)


def always(patch):
    return True


BESIDE = {
    "fanout": lambda step: Fanout([Identity(), step, double]),
    "mask": lambda step: ApplyMask(Sequential([step, Threshold(1000)])),
    "chosen": lambda step: Branch(always, step),
    "asked": lambda step: Branch(Sequential([step, np.mean, bool]), double),
    "tap": Tap,
    "nested": lambda step: double | Fanout([ApplyMask(Identity()), Branch(always, step)]),
}


@pytest.mark.parametrize("kind", BESIDE)
def test_operators_beside_others_want_what_these_want(kind):
    make = BESIDE[kind]
    operators = {name: make(step) for name, step in (("plain", double), ("around", Around()))}
    operators |= {"mask": make(geopatcher.masked(double)), "place": make(geopatcher.positioned(Rows()))}
    wanted = {name: (o.margin, o.wants_mask, o.wants_position) for name, o in operators.items()}
    assert wanted == {
        "plain": (0, False, False),
        "around": (1, False, False),
        "mask": (0, True, False),
        "place": (0, False, True),
    }


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("kind", BESIDE)
def test_in_patches_an_operator_beside_others_is_as_on_the_whole(kind, batch_size):
    image = IMAGE.astype("float32")
    operator = BESIDE[kind](Around())
    found = geopatcher.reconstruct(
        image, operator, size=16, step=16, window="boxcar", batch_size=batch_size
    ).array
    expected = operator(image)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def rows_of(patch, position):
    places = position if isinstance(position, tuple) else (position,)
    offsets = np.array([one.window.row_off for one in places], "float32")
    return patch * 0 + (offsets[:, None, None, None] if patch.ndim == 4 else offsets[0])


def far_down(patch, position):
    return position.window.row_off >= 32 and position.window.col_off < 32


@pytest.mark.parametrize("batch_size", [1, 5])
def test_each_is_told_its_position(batch_size):
    image = np.ones((1, 64, 48), "float32")
    rows = geopatcher.positioned(rows_of)
    how = {"size": 16, "step": 16, "batch_size": batch_size}
    expected = np.broadcast_to((np.arange(64) // 16 * 16)[:, None], (64, 48))
    both = geopatcher.reconstruct(image, Fanout([Identity(), rows]), **how).array
    np.testing.assert_array_equal(both, [image[0], expected])
    seen = []
    tap = Tap(geopatcher.positioned(lambda patch, position: seen.append(position)))
    np.testing.assert_array_equal(geopatcher.reconstruct(image, tap, **how).array, image)
    assert len(seen) >= 12 // batch_size
    branch = Branch(geopatcher.positioned(far_down), rows, double)
    found = geopatcher.reconstruct(image, branch, **how).array
    expected = np.where((expected >= 32) & (np.arange(48) < 32), expected, 2)
    np.testing.assert_array_equal(found, [expected])
    masked = geopatcher.reconstruct(image, ApplyMask(Sequential([rows, Threshold(20)])), **how).array
    np.testing.assert_array_equal(np.isnan(masked[0, :, 0]), np.arange(64) // 16 * 16 > 20)


def without_gaps(patch):
    return patch.filled(0).astype("float32")


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_model_beside_others_sees_no_nodata_value(batch_size):
    image = IMAGE[:1].astype("int16")
    image[0, 20:30, 7:19] = -9999
    field = geopatcher.RasterField(geopatcher.fields.array_source.ArraySource.of(image, nodata=-9999))
    network = Lambda(geopatcher.masked(without_gaps)) | Around()
    found = geopatcher.reconstruct(
        field, Fanout([Scale(1), network]), size=16, step=16, window="boxcar", batch_size=batch_size
    )
    missing = image == -9999
    np.testing.assert_array_equal(found.array[:1][~missing], image[~missing])
    np.testing.assert_allclose(
        found.array[1:], Around()(np.where(missing, 0, image).astype("float32")), rtol=1e-5, atol=1e-3
    )


def test_the_scale_of_results_is_passed_on_and_has_to_be_one():
    assert Fanout([Finer(), Finer()]).output_scale == 2
    assert Branch(always, Finer(), Finer()).output_scale == 2
    assert Tap(Finer()).output_scale == ApplyMask(Finer()).output_scale == 1
    image = IMAGE[:1].astype("float32")
    found = geopatcher.reconstruct(image, Fanout([Finer(), Scale(2) | Finer()]), size=16, step=16).array
    np.testing.assert_array_equal(found, np.concatenate([Finer()(image), Finer()(2 * image)]))
    with pytest.raises(ValueError, match="Fanout has results of scales 1, 2, which lie on different pixels"):
        geopatcher.reconstruct(image, Fanout([Identity(), Finer()]), size=16)
