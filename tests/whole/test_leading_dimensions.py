"""Sources of any number of leading dimensions, from end to end: against NumPy and xarray over the whole."""

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher.inspect.info import describe

xarray = pytest.importorskip("xarray")
pytest.importorskip("rioxarray")

SHAPE = (5, 3, 90, 70)
CELLS = np.random.default_rng(0).integers(0, 200, SHAPE).astype("float32")
TIMES = np.array(["2024-01-03", "2024-01-08", "2024-01-13", "2024-01-18", "2024-01-23"], "M8[ns]")
BANDS = ["B02", "B03", "B04"]
QUICK = {"size": 32, "chunks": 48, "progress": False}


def series(cells=CELLS, **coords):
    coords = {"time": TIMES, "band": BANDS} | coords
    place = {"y": 5000.0 - 10 * np.arange(90), "x": 10.0 * np.arange(70)}
    return xarray.DataArray(cells, coords | place, ("time", "band", "y", "x"))


def double(patch):
    return patch * 2


def median(patch):
    return np.median(patch, axis=0)


class Classes:
    """Says which dimensions its results have."""

    output_dims = ("time", "class")

    def __call__(self, patch):
        return np.stack([patch.mean(axis=1), patch.max(axis=1)], axis=1)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    lengths=st.lists(st.integers(1, 3), min_size=0, max_size=4),
    batch=st.sampled_from([1, 3]),
    margin=st.sampled_from([0, 4]),
    fortran=st.booleans(),
)
def test_an_operator_sees_all_leading_dimensions_and_keeps_them(lengths, batch, margin, fortran):
    cells = np.random.default_rng(1).random((*lengths, 40, 37))
    cells = np.asfortranarray(cells) if fortran else cells
    seen = set()

    def operator(patch):
        seen.add(patch.shape[1:-2] if batch > 1 else patch.shape[:-2])
        return patch + 1

    result = gp.reconstruct(
        cells, operator, size=16, margin=margin, batch_size=batch, chunks=32, progress=False
    )
    assert seen == {tuple(lengths)}
    np.testing.assert_allclose(result.array, cells + 1, rtol=1e-12)


@pytest.mark.parametrize(
    "how", [{}, {"workers": 2}, {"storage": gp.ZarrStorage(multiscales=True, shards=96)}]
)
def test_names_and_dates_come_back_from_zarr(tmp_path, how):
    result = gp.reconstruct(series(), double, tmp_path / "x.zarr", **QUICK, **how)
    want = double(series())
    with xarray.open_zarr(tmp_path / "x.zarr", consolidated=False, chunks=None) as stored:
        for found in (result.to_xarray(), stored["data"]):
            assert found.dims == want.dims
            xarray.testing.assert_equal(found.drop_vars("spatial_ref"), want)
    assert gp.verify(result).is_intact
    again = gp.reconstruct(tmp_path / "x.zarr", median, **QUICK)
    np.testing.assert_array_equal(again.array, np.median(want, axis=0))
    assert again.to_xarray()["band"].values.tolist() == BANDS
    assert f"time 5 ({', '.join(str(day)[:10] for day in TIMES)}); band 3 (B02, B03, B04)" in str(
        describe(tmp_path / "x.zarr")
    )


def test_overviews_are_those_of_each_step(tmp_path):
    gp.reconstruct(series(), double, tmp_path / "x.zarr", storage=gp.ZarrStorage(multiscales=True), **QUICK)
    with xarray.open_zarr(tmp_path / "x.zarr", group="1", consolidated=False, chunks=None) as level:
        want = (2 * CELLS).reshape(5, 3, 45, 2, 35, 2).mean(axis=(3, 5))
        np.testing.assert_allclose(level["data"].values, want, rtol=1e-6)
        np.testing.assert_array_equal(level["time"].values, TIMES)


def test_a_geotiff_has_them_as_descriptions(tmp_path):
    gp.reconstruct(series(), double, tmp_path / "x.tif", **QUICK)
    with rasterio.open(tmp_path / "x.tif") as dataset:
        assert dataset.descriptions[:4] == (
            "2024-01-03 B02",
            "2024-01-03 B03",
            "2024-01-03 B04",
            "2024-01-08 B02",
        )
        np.testing.assert_array_equal(dataset.read(), 2 * CELLS.reshape(15, 90, 70))


def test_what_is_gone_is_left_out_of_the_names():
    array = gp.reconstruct(series(), median, **QUICK).to_xarray()
    assert array.dims == ("band", "y", "x")
    assert array["band"].values.tolist() == BANDS
    np.testing.assert_array_equal(array, np.median(CELLS, axis=0))
    array = gp.reconstruct(series(), lambda patch: patch[:, 1:2].mean(axis=1), **QUICK).to_xarray()
    np.testing.assert_array_equal(array["time"].values, TIMES)
    flat = gp.reconstruct(series(), lambda patch: patch[0, 0], **QUICK)
    assert flat.array.shape == (90, 70)


@pytest.mark.parametrize("batch", [1, 4])
def test_what_is_new_is_said_by_the_operator_or_the_caller(batch):
    operator = Classes() if batch == 1 else lambda patches: np.stack([Classes()(one) for one in patches])
    said = {} if batch == 1 else {"output_dims": {"time": None, "class": ["mean", "max"]}}
    array = gp.reconstruct(series(), operator, batch_size=batch, **said, **QUICK).to_xarray()
    assert array.sizes == {"time": 5, "class": 2, "y": 90, "x": 70}
    np.testing.assert_array_equal(array["time"].values, TIMES)
    np.testing.assert_allclose(array, np.stack([CELLS.mean(axis=1), CELLS.max(axis=1)], axis=1), rtol=1e-6)
    if said:
        assert array["class"].values.tolist() == ["mean", "max"]


def test_what_cannot_be_known_is_an_error_before_anything_is_written(tmp_path):
    square = series()[:3]
    with pytest.raises(
        gp.OperatorError, match=r"may be \(time: 3\), \(band: 3\): say what they are by output_dims"
    ):
        gp.reconstruct(square, lambda patch: patch.mean(axis=1), tmp_path / "x.zarr", **QUICK)
    assert not (tmp_path / "x.zarr").exists()
    said = gp.reconstruct(square, lambda patch: patch.mean(axis=1), output_dims=["time"], **QUICK)
    np.testing.assert_array_equal(said.to_xarray()["time"].values, TIMES[:3])
    with pytest.raises(gp.TargetError, match="are both called 'data'"):
        gp.reconstruct(square, double, tmp_path / "x.zarr", output_dims=["data", "band"], **QUICK)


def test_dimensions_must_not_change_midway():
    def turning(patch):
        return patch if turning.calls.append(1) or len(turning.calls) < 4 else patch.swapaxes(0, 1)

    turning.calls = []
    with pytest.raises(gp.OperatorError, match=r"returned 3x5 bands .* and 5x3 bands for those before"):
        gp.reconstruct(CELLS, turning, **QUICK)


@pytest.mark.parametrize("target", [None, "x.zarr"])
def test_nodata_masks_and_layers_are_those_of_each_band(tmp_path, target):
    cells = series(np.where(CELLS < 60, 0, CELLS).astype("uint8"))
    cells.attrs["_FillValue"] = 0
    known = cells.values != 0
    place = None if target is None else tmp_path / target
    result = gp.reconstruct(cells, lambda patch: patch - 60, place, layers=["count"], **QUICK)
    np.testing.assert_array_equal(result.valid[...], known)
    np.testing.assert_array_equal(np.asarray(result.array[...])[known], (cells.values - 60)[known])
    assert result.layers["count"].shape == (90, 70)
    assert result.to_xarray()["valid"].dims == cells.dims
    masked = gp.reconstruct(
        np.ma.masked_equal(cells.values, 0), gp.masked(lambda patch: patch.mean(axis=0)), **QUICK
    )
    np.testing.assert_allclose(
        np.where(masked.valid[...], masked.array[...], np.nan),
        np.ma.masked_equal(cells.values, 0).mean(axis=0).filled(np.nan),
        rtol=1e-6,
    )


def test_regions_scales_and_parts_are_as_of_one_dimension(tmp_path):
    whole = gp.reconstruct(series(), double, **QUICK).array
    part = gp.reconstruct(series(), double, region=gp.Box(20, 60, 10, 50), crop=True, **QUICK)
    assert part.array.shape == (5, 3, 40, 40)
    np.testing.assert_array_equal(part.array, whole[..., 20:60, 10:50])
    finer = gp.reconstruct(series(), lambda patch: patch.repeat(2, -1).repeat(2, -2), output_scale=2, **QUICK)
    np.testing.assert_array_equal(finer.array, CELLS.repeat(2, -1).repeat(2, -2))
    copy = gp.export(series(), tmp_path / "x.zarr", region=gp.Box(0, 30, 0, 40))
    with xarray.open_zarr(copy, consolidated=False, chunks=None) as stored:
        np.testing.assert_array_equal(stored["data"], CELLS[..., :30, :40])
        np.testing.assert_array_equal(stored["time"].values, TIMES)


class EndingError(Exception):
    """Ends a run."""


class Ending:
    """An operator that ends the run after some patches."""

    def __init__(self, after):
        self.left = after

    def fingerprint(self):
        return "doubles"

    def __call__(self, patch):
        self.left -= 1
        if not self.left:
            raise EndingError
        return patch * 2


def test_an_interrupted_run_goes_on_and_another_source_is_refused(tmp_path):
    with pytest.raises(gp.OperatorError):
        gp.reconstruct(series(), Ending(17), tmp_path / "x.zarr", **QUICK)
    with pytest.raises(gp.TargetError, match="source"):
        gp.reconstruct(series(time=TIMES + np.timedelta64(1, "D")), Ending(0), tmp_path / "x.zarr", **QUICK)
    operator = Ending(0)
    result = gp.reconstruct(series(), operator, tmp_path / "x.zarr", **QUICK)
    assert -operator.left < result.plan.n_patches
    np.testing.assert_array_equal(result.array[...], 2 * CELLS)
    np.testing.assert_array_equal(result.to_xarray()["time"].values, TIMES)


def test_calendars_of_xarray_come_back(tmp_path):
    days = xarray.date_range("2001-02-28", periods=5, freq="D", calendar="noleap", use_cftime=True)
    array = series(time=days)
    for target in (None, tmp_path / "x.zarr"):
        found = gp.reconstruct(array, double, target, **QUICK).to_xarray()
        assert found["time"].values.tolist() == days.tolist()


def test_patches_have_them_and_merge_back():
    patcher = gp.SpatialPatcher(
        gp.SpatialRectangular(32), gp.SpatialRegularStride(16), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    for field in (gp.fields.XarrayField(series()), gp.RasterField.from_array(CELLS)):
        patches = list(patcher.split(field))
        assert {np.asarray(patch.data).shape for patch in patches} == {(5, 3, 32, 32)}
        np.testing.assert_allclose(patcher.merge(patches, field.domain), CELLS, rtol=1e-6)
    np.testing.assert_array_equal(gp.IndexedPatchView(patcher, CELLS)[0].data, CELLS[..., :32, :32])
    odd = [patch.with_data(np.stack([patch.data] * 2)) for patch in patcher.split(CELLS)]
    assert patcher.merge(odd, gp.RasterField.from_array(CELLS).domain).shape == (2, *SHAPE)


def test_what_a_patch_of_the_whole_series_takes_is_said_before_it_is_read():
    days = np.lib.stride_tricks.as_strided(np.zeros(1, "f4"), (400, 10, 4096, 4096), (0, 0, 0, 0))
    with pytest.raises(gp.MemoryLimitError, match=r"patch 512x512 with 400 x 10 x float32 .* needs 3.9 GiB"):
        gp.reconstruct(days, double, size=512, memory_limit="1GiB", progress=False)
    plan = gp.plan(days, size=64, chunks=64, memory_limit="8GiB")
    size = f"{64 * 64 * 4000 * 4 / 2**20:.1f} MiB"
    assert f"bands      dim_0: 400, band: 10: {size} in a patch of 64x64" in str(plan)
