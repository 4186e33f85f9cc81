"""Values as whole numbers, against plain NumPy on whole arrays."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import xarray as xr

import geopatcher as gp
from geopatcher.core.scaling import ScaleTo, Scaling

INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("ends", [(0.0, 1.0), (-1.0, 1.0), (250.0, 330.5), (-1e-6, 5e9)])
def test_values_come_back_within_half_a_step(dtype, ends):
    scaling = ScaleTo(dtype, ends).scaling(None)
    values = np.random.default_rng(0).uniform(*ends, 5000)
    numbers, beyond = scaling.numbers(np.concatenate([values, ends]))
    assert not beyond.any()
    stored = numbers.astype(dtype)
    np.testing.assert_array_equal(stored, numbers)
    assert scaling.nodata not in stored
    assert [stored[-2], stored[-1]] == [scaling.first, scaling.last]
    back = stored * scaling.scale + scaling.offset
    rounding = 4 * np.finfo(float).eps * max(map(abs, ends)) * 2
    assert np.abs(back[:-2] - values).max() <= scaling.scale / 2 + rounding


def test_which_number_says_missing():
    assert ScaleTo("uint8", (0, 1)).scaling(None) == Scaling(0, 1, 0, 254, 255)
    assert ScaleTo("uint8", (0, 1)).scaling(0) == Scaling(0, 1, 1, 255, 0)
    assert ScaleTo("int16", (-1, 1)).scaling(None) == Scaling(-1, 1, -32767, 32767, -32768)
    with pytest.raises(ValueError, match="nodata=7 lies among the numbers .* it is 0 or 255"):
        ScaleTo("uint8", (0, 1)).scaling(7)


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint64", "bool", "complex64"])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(ValueError, match=f"has the dtype {dtype}: give an integer of up to four bytes"):
        ScaleTo(dtype, (0, 1))


@pytest.mark.parametrize("ends", [(1, 0), (1, 1), (0, np.inf), (np.nan, 1)])
def test_a_range_goes_up(ends):
    with pytest.raises(ValueError, match="give its lowest value, then its highest"):
        ScaleTo("uint8", ends)


@pytest.mark.parametrize("ends", [(-1e308, 1e308), (0, 5e-324), (0, 1e-300)])
def test_a_range_has_steps(ends):
    with pytest.raises(ValueError, match="a step between two of its numbers is no float64"):
        ScaleTo("int32", ends)


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
@pytest.mark.parametrize("aggregation", ["max", "median", "mean"])
def test_half_floats_are_not_rounded_to_what_half_floats_hold(dtype, aggregation):
    """Numbers above 2048 are not all among them, and those above 65504 are infinite."""
    values = np.random.default_rng(3).uniform(0, 1, (1, 60, 70)).astype("float16")
    scale_to = ScaleTo(dtype, (0, 1))
    result = gp.reconstruct(
        values.astype("float32"),
        lambda patch: patch.astype("float16"),
        size=32,
        step=16,
        window="boxcar",
        aggregation=aggregation,
        scale_to=scale_to,
    )
    scaling = scale_to.scaling(None)
    steps = np.rint(values.astype("float64") * (scaling.last - scaling.first))
    np.testing.assert_array_equal(result.array[:], steps + scaling.first)


@pytest.fixture(scope="module")
def image():
    image = np.random.default_rng(1).uniform(-0.2, 1.2, (2, 150, 130)).astype("float32")
    image[:, 40:70, 20:90] = np.nan
    return image


def expected_of(image, dtype, low, high, first, last, nodata):
    """What the stored numbers are, by the definition."""
    with np.errstate(invalid="ignore"):
        numbers = np.clip(
            np.rint((image.astype(float) - low) / (high - low) * (last - first)) + first, first, last
        )
    return np.where(np.isnan(image), nodata, numbers).astype(dtype)


def run(image, target, dtype="uint8", **more):
    return gp.reconstruct(
        image, np.copy, target, size=32, step=32, chunks=64, scale_to=gp.ScaleTo(dtype, (0, 1)), **more
    )


@pytest.mark.parametrize(
    ("dtype", "first", "last", "nodata"), [("uint8", 0, 254, 255), ("int16", -32767, 32767, -32768)]
)
@pytest.mark.parametrize("name", [None, "r.zarr", "r.tif"])
def test_every_kind_of_target_has_the_numbers_and_what_they_stand_for(
    tmp_path, image, name, dtype, first, last, nodata
):
    target = None if name is None else tmp_path / name
    with pytest.warns(RuntimeWarning, match="cells were beyond the range of scale_to, 0 to 1"):
        result = run(image, target, dtype)
    expected = expected_of(image, dtype, 0, 1, first, last, nodata)
    np.testing.assert_array_equal(result.array[:], expected)
    step = 1 / (last - first)
    with np.errstate(invalid="ignore"):
        beyond = int(((image < -step / 2) | (image > 1 + step / 2)).sum())
    assert abs(result.stats.clipped - beyond) <= 2  # ties of half a step
    assert f"{result.stats.clipped:,} cells were beyond" in " ".join(result.stats.notes)
    assert (result.domain.nodata, str(result.domain.dtype)) == (nodata, dtype)
    if name == "r.tif":
        with rasterio.open(target) as dataset:
            assert dataset.nodata == nodata
            back = np.ma.filled(dataset.read(masked=True).astype(float), np.nan)
            back = back * np.array(dataset.scales)[:, None, None] + np.array(dataset.offsets)[:, None, None]
    elif name == "r.zarr":
        opened = xr.open_zarr(target)  # which unscales by itself
        back = opened[next(iter(opened.data_vars))].to_numpy()
    else:
        back = result.to_xarray().to_numpy().astype(float)
        back[back == nodata] = np.nan
        band = result.domain.metadata.bands[0]
        back = back * band.scale + band.offset
    inside = np.clip(image, 0, 1)
    np.testing.assert_array_equal(np.isnan(back), np.isnan(image))
    assert np.nanmax(np.abs(back - inside)) <= step / 2 + 1e-7
    if target is not None:
        again = gp.reconstruct(target, np.copy, size=32, step=32, scale_offset=True).array
        assert np.nanmax(np.abs(again - inside)) <= step / 2 + 1e-6


def test_overlapping_patches_are_averaged_before_they_are_scaled(image):
    plain = gp.reconstruct(image, np.abs, size=32, step=13)
    scaled = gp.reconstruct(image, np.abs, size=32, step=13, scale_to=gp.ScaleTo("uint16", (0, 2)))
    np.testing.assert_array_equal(scaled.array == 65535, np.isnan(plain.array))
    back = scaled.array * (2 / 65534)
    assert np.nanmax(np.abs(np.where(np.isnan(plain.array), np.nan, back) - plain.array)) <= 1 / 65534 + 1e-6
    assert scaled.stats.clipped == 0


def test_an_interrupted_run_goes_on_and_other_numbers_are_another_run(tmp_path, image):
    calls = []

    def failing(patch):
        calls.append(1)
        if len(calls) == 12:
            raise RuntimeError("in the middle")
        return patch

    target = tmp_path / "r.zarr"
    keywords = {"size": 32, "step": 32, "chunks": 32, "scale_to": gp.ScaleTo("uint8", (-1, 2))}
    with pytest.raises(gp.OperatorError):
        gp.reconstruct(image, failing, target, **keywords)
    calls[:] = [1] * 12
    result = gp.reconstruct(image, failing, target, **keywords, resume="always")
    assert len(calls) < 12 + 25
    np.testing.assert_array_equal(result.array[:], expected_of(image, "uint8", -1, 2, 0, 254, 255))
    with pytest.raises(gp.GeopatcherError, match="scale_to"):
        gp.reconstruct(
            image, failing, target, **{**keywords, "scale_to": gp.ScaleTo("uint8", (0, 2))}, resume="always"
        )


def test_workers_count_what_they_clip(tmp_path, image):
    with pytest.warns(RuntimeWarning, match="beyond the range"):
        alone = run(image, tmp_path / "a.zarr")
    with pytest.warns(RuntimeWarning, match="beyond the range"):
        shared = run(image, tmp_path / "b.zarr", workers=2)
    assert shared.stats.clipped == alone.stats.clipped
    np.testing.assert_array_equal(shared.array[:], alone.array[:])


def test_what_makes_no_sense_is_refused(image):
    scale_to = gp.ScaleTo("uint8", (0, 1))
    with pytest.raises(ValueError, match="scale_to says the dtype of the result, uint8: leave dtype out"):
        gp.reconstruct(image, np.copy, size=32, dtype="uint8", scale_to=scale_to)
    with pytest.raises(ValueError, match="scale_to is for quantities"):
        gp.reconstruct(image, np.copy, size=32, aggregation="mode", scale_to=scale_to)
    with pytest.raises(ValueError, match="nodata=3 lies among"):
        gp.reconstruct(image, np.copy, size=32, nodata=3, scale_to=scale_to)


def test_a_plan_knows_the_dtype(image):
    plain, scaled = (gp.plan(image, size=32, scale_to=each) for each in (None, gp.ScaleTo("uint8", (0, 1))))
    assert scaled.disk_bytes < plain.disk_bytes


def test_it_looks_as_its_values_do(image):
    result = gp.reconstruct(
        np.clip(image, 0, 1),
        np.copy,
        size=32,
        scale_to=gp.ScaleTo("uint8", (0, 1)),
        style=gp.Style(range=(0.5, 1)),
    )
    assert dict(result.domain.metadata.bands[0].tags)["display_range"] == "127.0 254.0"
