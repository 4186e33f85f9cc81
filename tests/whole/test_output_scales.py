"""Results on a finer or coarser grid than the source's: the bounds stay."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.cli import main
from geopatcher.errors import OperatorError, TargetError
from geopatcher.patching.samplers.explicit import SpatialExplicit

IMAGE = np.random.default_rng(3).integers(0, 100, (2, 84, 116)).astype("float64")


def finer(image, times=2):
    return image.repeat(times, axis=-2).repeat(times, axis=-1)


def coarser(image):
    """The mean of each four by four pixels."""
    *bands, height, width = image.shape
    return image.reshape(*bands, height // 4, 4, width // 4, 4).mean(axis=(-3, -1))


def run(operator, *arguments, image=IMAGE, **keywords):
    return gp.reconstruct(image, operator, *arguments, **({"size": 32, "step": 16, "chunks": 48} | keywords))


@pytest.mark.parametrize("window", ["boxcar", "hann"])
@pytest.mark.parametrize("boundary", ["cover", "shrink", "pad", "reflect"])
@pytest.mark.parametrize("margin", [0, 4])
def test_finer_and_coarser_results_equal_those_of_the_whole(window, boundary, margin):
    keywords = {"window": window, "boundary": boundary, "margin": margin}
    np.testing.assert_allclose(run(finer, output_scale=2, **keywords).array, finer(IMAGE))
    four = run(lambda image: finer(image, 4), output_scale=4, **keywords)
    np.testing.assert_allclose(four.array, finer(IMAGE, 4))
    quarter = run(coarser, output_scale="1/4", **keywords)
    np.testing.assert_allclose(quarter.array, coarser(IMAGE))


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.integers(1, 5),
    st.integers(0, 2),
    st.sampled_from([Fraction(1, 4), Fraction(2), Fraction(3)]),
)
def test_rasters_and_patches_of_any_size(shape, size, step, margin, scale):
    unit = scale.denominator
    image = np.random.default_rng(5).integers(0, 9, (1, shape[0] * unit, shape[1] * unit)).astype("float64")
    operator = coarser if unit == 4 else lambda given: finer(given, int(scale))
    result = gp.reconstruct(
        image,
        operator,
        size=(size[0] * unit, size[1] * unit),
        step=(min(step, size[0]) * unit, min(step, size[1]) * unit),
        margin=margin * unit,
        output_scale=scale,
        chunks=7,
    )
    np.testing.assert_allclose(result.array, operator(image))


def test_batches_regions_workers_and_disk_give_the_same_bytes(tmp_path):
    whole = run(finer, output_scale=2, margin=3)
    np.testing.assert_array_equal(run(finer, output_scale=2, margin=3, batch_size=3).array, whole.array)
    np.testing.assert_array_equal(run(finer, output_scale=2, margin=3, workers=2).array, whole.array)
    how = {"output_scale": 2, "margin": 3, "storage": gp.ZarrStorage(multiscales=True)}
    stored = run(finer, tmp_path / "x.zarr", layers=["count"], **how)
    np.testing.assert_array_equal(stored.array[:], whole.array)
    assert stored.layers["count"].shape == whole.array.shape[-2:]
    with pytest.raises(TargetError, match="plan.output_scale was 2 and is 4"):
        run(lambda image: finer(image, 4), tmp_path / "x.zarr", output_scale=4, margin=3)


class Stops:
    """Ends a run at its twentieth patch, if it is to."""

    def __init__(self, stop):
        self.stop, self.calls = stop, 0

    def __call__(self, image):
        self.calls += 1
        if self.stop and self.calls == 20:
            raise KeyboardInterrupt
        return finer(image)

    def fingerprint(self):
        return "finer"


def test_an_interrupted_run_goes_on_with_the_same_bytes(tmp_path):
    broken, whole = tmp_path / "broken.zarr", tmp_path / "whole.zarr"
    keywords = {"output_scale": 2, "margin": 3}
    with pytest.raises(KeyboardInterrupt):
        run(Stops(stop=True), broken, **keywords)
    rest = run(Stops(stop=False), broken, **keywords)
    assert rest.stats.blocks < run(Stops(stop=False), whole, **keywords).stats.blocks
    files = {path.relative_to(whole): path.read_bytes() for path in whole.rglob("c/*/*/*")}
    assert files
    assert {name: (broken / name).read_bytes() for name in files} == files


def test_a_cluster_gives_the_same_bytes(tmp_path):
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    keywords = {"output_scale": 2, "margin": 3}
    with distributed.Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
        far = run(finer, tmp_path / "x.zarr", executor=gp.executors.DaskExecutor(client), **keywords)
    np.testing.assert_array_equal(far.array[:], run(finer, **keywords).array)


@pytest.mark.parametrize(("operator", "scale"), [(finer, 2), (coarser, Fraction(1, 4))])
def test_a_small_memory_limit_cuts_the_result_into_regions(operator, scale):
    image = np.random.default_rng(1).integers(0, 9, (1, 64, 12_000)).astype("float64")
    size = {"size": 32, "step": 16, "chunks": 64 if scale == 2 else 16, "margin": 4}
    plan = gp.plan(image, memory_limit="46MiB", output_scale=scale, **size)
    assert plan.domain.grid_shape == operator(image).shape[-2:]
    result = run(operator, image=image, memory_limit="46MiB", output_scale=scale, **size)
    assert result.plan.n_regions == plan.n_regions
    assert result.plan.n_regions > 1
    np.testing.assert_allclose(result.array, operator(image))


def test_regions_and_positions():
    seen = []

    @gp.positioned
    def note(image, position):
        seen.append(position.anchor)
        return finer(image)

    region = gp.Box(96, 168, 0, 48)
    part = run(note, output_scale=2, region=region, step=32)
    inside = part.plan.region
    np.testing.assert_allclose(part.array[:, *inside.slices()], finer(IMAGE)[:, *inside.slices()])
    assert seen == [(32, 0), (52, 0)]  # pixels of the source


def test_the_bounds_stay_and_a_geotiff_says_so(tmp_path):
    transform = Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 6_000_000.0)
    source = tmp_path / "scene.tif"
    profile = {"driver": "GTiff", "count": 2, "height": 84, "width": 116, "dtype": "float64"}
    with rasterio.open(source, "w", crs="EPSG:32633", transform=transform, **profile) as file:
        file.write(IMAGE)
    with rasterio.open(source) as file:
        bounds = file.bounds
    for operator, scale, shape, size in ((finer, 2, (168, 232), 5.0), (coarser, "1/4", (21, 29), 40.0)):
        target = tmp_path / f"{size}.tif"
        run(operator, target, image=source, output_scale=scale)
        with rasterio.open(target) as file:
            assert (file.shape, file.bounds, file.res) == (shape, bounds, (size, size))
            assert file.crs.to_epsg() == 32633
            np.testing.assert_allclose(file.read(), operator(IMAGE))


def test_a_cell_counts_where_all_pixels_under_it_hold_data():
    image = np.full((1, 32, 32), 8, dtype="uint8")
    image[:, :5, :4] = 0
    field = gp.RasterField.from_array(image, nodata=0)
    keywords = {"image": field, "size": 16, "window": "boxcar"}
    quarter = run(lambda given: coarser(given).astype("uint8"), output_scale="1/4", **keywords)
    np.testing.assert_array_equal(np.argwhere(~quarter.valid[0]), [(0, 0), (1, 0)])
    double = run(finer, output_scale=2, **keywords)
    np.testing.assert_array_equal(double.valid, finer(image) > 0)


class Upscaler:
    output_scale = 2
    margin = 2

    def __call__(self, image):
        return finer(image)


def test_an_operator_says_its_scale_itself():
    result = run(Upscaler())
    np.testing.assert_allclose(result.array, finer(IMAGE))
    assert "margin 2, scale 2" in str(result.plan)
    np.testing.assert_allclose(run(gp.masked(Upscaler())).array, finer(IMAGE))


def test_a_border_of_a_finer_result_is_in_its_own_pixels():
    """As of a valid convolution before upsampling: two pixels of the source, four of the result."""
    result = run(lambda image: finer(image)[..., 4:-4, 4:-4], output_scale=2, margin=2)
    np.testing.assert_allclose(result.array, finer(IMAGE))


def test_what_does_not_come_to_whole_pixels_is_refused_with_what_would():
    keywords = {"output_scale": "1/4"}
    with pytest.raises(ValueError, match="multiples of 4 only, and size is 30: use size=28 or 32"):
        run(coarser, size=30, **keywords)
    with pytest.raises(ValueError, match="and step is 10x16: use step=8x16 or 12x16"):
        run(coarser, step=(10, 16), **keywords)
    with pytest.raises(ValueError, match="and margin is 3: use margin=4"):
        run(coarser, margin=3, **keywords)
    with pytest.raises(ValueError, match="the raster has 83x116 pixels: cut it to 80x116"):
        run(coarser, image=IMAGE[:, :83], **keywords)
    for wrong in (0, -2, "a", -0.5, 1e-9, float("nan"), float("inf"), "1/0", True):
        with pytest.raises(ValueError, match="output_scale is a whole number or a fraction above 0"):
            run(coarser, output_scale=wrong)


def test_results_of_another_shape_are_refused_with_the_scale_they_have():
    with pytest.raises(OperatorError, match="of the same height and width, or have output_scale=2$"):
        run(finer)
    with pytest.raises(OperatorError, match="or have output_scale='1/4'$"):
        run(coarser)
    with pytest.raises(OperatorError, match=r"\(bands, h, w\), 64x64 for output_scale=2"):
        run(coarser, output_scale=2)


def test_anchors_that_are_no_whole_pixels_of_the_result_are_refused():
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(16),
        SpatialExplicit([(0, 0), (5, 8)]),
        gp.SpatialBoxcar(),
        gp.SpatialOverlapAdd(),
    )
    keywords = {"patcher": patcher, "allow_gaps": True}
    with pytest.raises(ValueError, match=r"1 of 2 anchors, the first \(5, 8\), are no multiples of 4"):
        gp.reconstruct(IMAGE, coarser, output_scale="1/4", **keywords)
    result = gp.reconstruct(IMAGE, finer, output_scale=2, **keywords)
    np.testing.assert_allclose(result.array[:, :32, :32], finer(IMAGE)[:, :32, :32])


def test_the_command_line_takes_a_scale(tmp_path):
    source = tmp_path / "scene.tif"
    gp.reconstruct(IMAGE, lambda x: x, source, size=64)
    said = CliRunner().invoke(main, ["plan", str(source), "--size", "32", "--output-scale", "1/4"])
    assert "raster     21 x 29 pixels" in said.output
