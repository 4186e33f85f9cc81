"""Margins: with one as wide as an operator looks, tiles equal the whole array at every pixel."""

from __future__ import annotations

import functools

import numpy as np
import onnxruntime
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import geopatcher as gp
from geopatcher.cli import main
from geopatcher.errors import MemoryLimitError, OperatorError, TargetError
from networks import save_unet

RANDOM = np.random.default_rng(3)
IMAGE = RANDOM.integers(0, 100, (2, 83, 117)).astype("float64")
KERNEL = RANDOM.integers(-3, 4, (5, 5)).astype("float64")  # whole numbers: sums are exact in any order
RADIUS = 2


def convolved(image, mode="constant"):
    """A convolution of each band that takes zeros to lie beyond the edge: as a network's does."""
    return np.stack([ndimage.correlate(band, KERNEL, mode=mode) for band in image])


def batched(batch):
    return np.stack([convolved(image) for image in batch])


def valid_only(image):
    """Only where the kernel lies inside: a border of two pixels is missing."""
    return np.ascontiguousarray(convolved(image)[:, RADIUS:-RADIUS, RADIUS:-RADIUS])


def run(image=IMAGE, operator=convolved, *arguments, **keywords):
    sizes = {"size": 32, "step": 16, "chunks": 32, "margin": RADIUS}
    return gp.reconstruct(image, operator, *arguments, **(sizes | keywords))


@pytest.mark.parametrize("window", ["boxcar", "hann"])
@pytest.mark.parametrize("size", [(32, 32), (21, 33)])
@pytest.mark.parametrize("boundary", ["cover", "shrink"])
def test_tiles_equal_the_whole_at_every_pixel(window, size, boundary):
    result = run(size=size, step=None, window=window, boundary=boundary, margin=RADIUS + 1)
    np.testing.assert_allclose(result.array, convolved(IMAGE), rtol=0, atol=1e-9)


def test_with_a_smaller_margin_they_do_not():
    tiled = run(margin=RADIUS - 1, window="boxcar").array
    wrong = ~np.isclose(tiled, convolved(IMAGE), rtol=0, atol=1e-9)
    assert wrong.any()
    assert not wrong[:, :14, :14].any()  # the first patch ends behind


@pytest.mark.parametrize(("boundary", "mode"), [("reflect", "mirror"), ("pad", "constant")])
def test_what_is_filled_is_filled_for_the_margin_too(boundary, mode):
    result = run(boundary=boundary, window="boxcar")
    expected = convolved(IMAGE, mode)
    np.testing.assert_allclose(result.array, expected, rtol=0, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 17), st.integers(1, 17)),
    st.integers(RADIUS, 5),
    st.booleans(),
)
def test_rasters_and_patches_of_any_size(shape, size, margin, valid):
    """Along an axis shorter than what an operator is shown, and for valid convolutions, it is mirrored."""
    image = np.random.default_rng(5).integers(0, 9, (1, *shape)).astype("float64")
    operator = valid_only if valid else convolved
    result = gp.reconstruct(image, operator, size=size, margin=margin, window="boxcar", chunks=16)
    mirrored = [valid or side + 2 * margin > length for side, length in zip(size, shape, strict=True)]
    widths = [(9, 9) if along else (0, 0) for along in mirrored]
    expected = around(image[0], widths)
    expected = ndimage.correlate(expected, KERNEL, mode="constant")
    rows, cols = (slice(lo, lo + n) for (lo, _), n in zip(widths, shape, strict=True))
    np.testing.assert_allclose(result.array[0], expected[rows, cols], rtol=0, atol=1e-9)


def around(band, widths):
    """The band mirrored about its first and last pixels, however few there are."""
    for axis, (before, after) in enumerate(widths):
        length = band.shape[axis]
        index = np.abs(
            (np.arange(-before, length + after) + length - 1) % max(1, 2 * length - 2) - length + 1
        )
        band = band.take(index if length > 1 else np.zeros(len(index), dtype=int), axis=axis)
    return band


@pytest.mark.parametrize("boundary", ["cover", "shrink", "reflect"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_valid_convolutions_are_known_by_the_shape_of_their_results(boundary, batch_size):
    operator = valid_only if batch_size == 1 else lambda batch: np.stack([valid_only(each) for each in batch])
    for margin in (RADIUS, RADIUS + 3):
        result = run(operator=operator, boundary=boundary, batch_size=batch_size, margin=margin)
        np.testing.assert_allclose(result.array, convolved(IMAGE, "mirror"), rtol=0, atol=1e-9)


def test_an_operator_that_writes_into_its_pixels_before_its_border_is_known():
    def spoils(image):
        result = valid_only(image)
        image[:] = -1.0
        return result

    np.testing.assert_allclose(run(operator=spoils).array, convolved(IMAGE, "mirror"), rtol=0, atol=1e-9)


def test_results_smaller_than_the_margin_allows_are_refused_with_the_margin_that_would():
    with pytest.raises(
        OperatorError, match=r"patch of 34x34 pixels with a margin of 1 .* margin=2 \(--margin 2\)"
    ):
        run(operator=valid_only, margin=1)
    with pytest.raises(OperatorError, match=r"of the same height and width, or have margin=2"):
        run(operator=valid_only, margin=0)
    with pytest.raises(
        OperatorError, match=r"must return \(h, w\) or \(bands, h, w\) of the same height and width$"
    ):
        run(operator=lambda image: image[:, 1:])


def test_results_whose_border_changes_are_refused():
    calls = []

    def changing(image):
        calls.append(1)
        return valid_only(image) if len(calls) < 4 else image

    with pytest.raises(OperatorError, match="height and width smaller by 2 on each side, as before"):
        run(operator=changing)


def test_batches_regions_and_workers_give_the_same_bytes(tmp_path):
    whole = run().array
    np.testing.assert_array_equal(run(operator=batched, batch_size=4).array, whole)
    np.testing.assert_array_equal(run(workers=2).array, whole)
    bordered = run(operator=valid_only, workers=2).array
    np.testing.assert_array_equal(bordered, run(operator=valid_only).array)
    stored = run(IMAGE, convolved, tmp_path / "x.zarr")
    np.testing.assert_array_equal(stored.array[:], whole)


def test_regions_of_a_small_memory_limit_read_their_margins():
    image = np.random.default_rng(1).integers(0, 9, (1, 64, 6000)).astype("float64")
    plan = gp.plan(image, size=32, chunks=64, margin=RADIUS, memory_limit="46MiB")
    assert plan.n_regions > 1
    result = run(image, chunks=64, memory_limit="46MiB")
    assert result.plan.n_regions > 1
    np.testing.assert_allclose(result.array, convolved(image), rtol=0, atol=1e-9)


class Stops:
    """Ends the run, once, at a patch in the middle."""

    def __init__(self):
        self.calls = 0

    def __call__(self, image):
        self.calls += 1
        if self.calls == 20:
            raise KeyboardInterrupt
        return convolved(image)

    def fingerprint(self):
        return "stops"


def test_a_run_goes_on_with_its_own_margin_only(tmp_path):
    target, whole = tmp_path / "x.zarr", tmp_path / "whole.zarr"
    operator = Stops()
    with pytest.raises(KeyboardInterrupt):
        run(IMAGE, operator, target)
    with pytest.raises(TargetError, match="plan.margin was 2x2 and is 3x3"):
        run(IMAGE, operator, target, margin=3)
    run(IMAGE, operator, target)
    run(IMAGE, convolved, whole)
    files = {path.relative_to(whole): path.read_bytes() for path in whole.rglob("c/*/*/*") if path.is_file()}
    assert files
    assert {name: (target / name).read_bytes() for name in files} == files


def test_what_a_margin_holds_is_neither_missing_nor_empty():
    """Whether a cell counts, and whether a patch is left out, is about the patch."""
    image = np.full((1, 64, 96), 7, dtype="uint8")
    image[:, :, 32:64] = 0
    field = gp.RasterField.from_array(image, nodata=0)
    seen = []

    def double(patch):
        seen.append(patch.shape)
        return patch * np.uint8(2)

    result = gp.reconstruct(field, double, size=32, step=32, window="boxcar", margin=8, chunks=32)
    assert seen == [(1, 48, 48)] * 4  # those of the empty columns are left out
    np.testing.assert_array_equal(result.array[0, :, :32], 14)
    np.testing.assert_array_equal(result.array[0, :, 32:64], 0)
    np.testing.assert_array_equal(result.valid[0, :, 32:64], False)


def test_nan_in_a_margin_spoils_what_the_operator_makes_of_it_and_no_more():
    image = IMAGE.copy()
    image[0, 40, 50] = np.nan
    expected = convolved(image)
    assert 0 < np.isnan(expected).sum() <= KERNEL.size
    np.testing.assert_allclose(run(image).array, expected, rtol=0, atol=1e-9)


def test_masks_and_positions_are_those_of_what_is_shown():
    shown = []

    @gp.positioned
    @gp.masked
    def look(patch, position):
        shown.append((patch.mask.shape, position.anchor, position.window.height, position.window.width))
        row, col = position.anchor
        height, width = patch.shape[-2:]
        np.testing.assert_array_equal(patch.data, IMAGE[:, row : row + height, col : col + width])
        return patch

    result = run(operator=look, step=32)
    assert shown[0] == ((2, 36, 36), (0, 0), 36, 36)
    assert shown[1] == ((2, 36, 36), (0, 30), 36, 36)
    assert shown[-1] == ((2, 36, 36), (47, 81), 36, 36)
    np.testing.assert_allclose(result.array, IMAGE)


class Network:
    """An operator that knows how far it looks."""

    margin = RADIUS

    def __call__(self, image):
        return convolved(image)


@pytest.mark.parametrize(
    "operator",
    [Network(), functools.partial(Network()), gp.masked(Network())],
    ids=["itself", "partial", "masked"],
)
def test_an_operator_says_its_margin_itself(operator):
    result = run(operator=operator, margin=None)
    assert result.plan.reading.margin == (RADIUS, RADIUS)
    np.testing.assert_allclose(result.array, convolved(IMAGE), rtol=0, atol=1e-9)
    assert run(operator=operator, margin=0).plan.reading.is_plain


def test_an_attribute_that_is_no_margin_is_refused():
    class Odd(Network):
        margin = 1.5

    with pytest.raises(ValueError, match="attribute margin is 1.5, not a number of pixels"):
        run(operator=Odd(), margin=None)


def test_a_patch_that_cannot_be_read_in_its_margin_is_left_out_and_masked_in_its_own_size():
    def fails(image):
        if image[0, 0, 0] == IMAGE[0, 0, 0]:
            raise OSError("torn")
        return convolved(image)

    for on_error in ("skip", "mask"):
        result = run(operator=fails, on_error=on_error, window="boxcar", allow_gaps=True)
        assert result.errors[0].anchor == (0, 0)
        missing = np.isnan(result.array)
        assert missing[:, :16, :16].all()
        np.testing.assert_allclose(result.array[~missing], convolved(IMAGE)[~missing], rtol=0, atol=1e-9)


def test_the_plan_says_the_margin_and_holds_room_for_it():
    bare, wide = (gp.plan(IMAGE, size=32, margin=margin) for margin in (0, 64))
    assert "margin" not in str(bare)
    assert "patches    35 of 32x32, overlap 50%, margin 64" in str(wide).splitlines()
    assert wide.memory_bytes > bare.memory_bytes
    assert wide.n_patches == bare.n_patches
    with pytest.raises(
        MemoryLimitError, match="patch 32x32, read as 100032x100032, .* a smaller size or margin"
    ):
        run(margin=50_000)


def test_the_command_line_takes_a_margin(tmp_path):
    source = tmp_path / "scene.tif"
    gp.reconstruct(IMAGE, lambda x: x, source, size=64)
    said = CliRunner().invoke(main, ["plan", str(source), "--size", "32", "--margin", "9"])
    assert "margin 9" in said.output
    arguments = [
        "run",
        str(source),
        str(tmp_path / "out.zarr"),
        "--expr",
        "b1",
        "--margin",
        "4",
        "--no-progress",
    ]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert CliRunner().invoke(main, ["plan", str(source), "--margin", "-1"]).exit_code == 2


@pytest.fixture(scope="module")
def unet(tmp_path_factory):
    return save_unet(tmp_path_factory.mktemp("unet") / "unet.onnx", levels=2, seed=1)


@pytest.fixture(scope="module")
def scene():
    return np.random.default_rng(2).random((2, 256, 320), dtype="float32")


@pytest.fixture(scope="module")
def at_once(unet, scene):
    """What the network makes of the whole array, in one call of its session."""
    session = onnxruntime.InferenceSession(unet, providers=["CPUExecutionProvider"])
    return session.run(None, {"patch": scene[None]})[0][0]


def test_a_unet_in_tiles_equals_itself_over_the_whole_with_the_margin_that_is_measured(unet, scene, at_once):
    """Up to 2 ** levels - 1 pixels more than its kernels reach, as it works on blocks of 2 ** levels."""
    model = gp.Model(unet, multiple=4)
    measured = gp.tune_margin(scene, model, size=64).recommended
    assert 8 < measured <= 1 + 2 + 4 + 2 + 1 + 1 + 3
    span = np.ptp(at_once)
    for size, window, step in ((48, "boxcar", 48), (64, "hann", 32)):
        how = {"size": size, "step": step, "window": window, "chunks": 64}
        tiled = gp.reconstruct(scene, model, margin=measured, batch_size=3, **how).array
        np.testing.assert_allclose(tiled, at_once, rtol=0, atol=1e-5 * span)
        narrow = gp.reconstruct(scene, model, margin=measured - 4, **how).array
        assert np.abs(narrow - at_once).max() > 1e-3 * span


def test_two_passes_keep_the_margin_of_what_they_apply(tmp_path):
    class Standardised(Network):
        def __call__(self, image, found):
            return convolved(image) - found["mean"][:, None, None]

    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(32), gp.SpatialRegularStride(16), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    expected = convolved(IMAGE) - IMAGE.mean(axis=(1, 2))[:, None, None]
    for target in (None, tmp_path / "x.zarr"):
        made = patcher.two_pass(IMAGE, reduce_with=gp.SpatialMeanStd(), apply=Standardised(), target=target)
        np.testing.assert_allclose(made[:], expected, rtol=0, atol=1e-9)
