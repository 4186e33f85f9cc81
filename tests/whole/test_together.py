"""Several rasters at once, against the operator over whole arrays."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
import rasterio
from affine import Affine

import geopatcher as gp
from geopatcher.errors import InterruptedRunError, SourceError
from geotiffs import write_geotiff
from warps import or_nan, warped_whole

RNG = np.random.default_rng(11)
HEIGHT, WIDTH = 240, 300
EAST, NORTH = 500_000, 4_600_000
S2 = RNG.integers(1, 1000, (3, HEIGHT, WIDTH)).astype("uint16")
DEM = RNG.normal(500, 100, (1, HEIGHT, WIDTH)).astype("float32")


def place(side=10.0, col=0.0, row=0.0):
    """Return the transform of a raster that begins at a column and a row of pixels of 10 m."""
    return Affine(side, 0, EAST + 10 * col, 0, -side, NORTH - 10 * row)


def written(path, array, transform, **keywords):
    more = {"crs": "EPSG:32633", "transform": transform, "tiled": True, "blockxsize": 64, "blockysize": 64}
    return write_geotiff(path, array, **(more | keywords))


@pytest.fixture
def files(tmp_path):
    """Sentinel-2 and a DEM of 30 m in another zone, and one of 5 m."""
    coarse = RNG.normal(500, 100, (1, 150, 180)).astype("float32")
    return {
        "s2": written(tmp_path / "s2.tif", S2, place(), nodata=0),
        "dem": written(
            tmp_path / "dem.tif",
            coarse,
            Affine(30, 0, 498_000, 0, -30, 4_601_500),
            crs="EPSG:32633",
        ),
        "fine": written(
            tmp_path / "fine.tif",
            RNG.integers(0, 200, (1, 2 * HEIGHT, 2 * WIDTH)).astype("uint8"),
            place(5.0),
        ),
        "coarse": written(
            tmp_path / "coarse.tif",
            RNG.integers(0, 200, (2, HEIGHT // 3, WIDTH // 3)).astype("int16"),
            place(30.0),
        ),
    }


def warped(path, method):
    """Return a raster warped whole onto the grid of Sentinel-2."""
    return or_nan(*warped_whole(path, gp.RasterDomain((HEIGHT, WIDTH), place(), "EPSG:32633"), method))


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


def weighted(patch):
    """Give a result of all three bands and the DEM."""
    return patch["s2"] * patch["dem"]


def mean_of_fine(fine):
    height, width = (side // 2 for side in fine.shape[-2:])
    return fine.reshape(*fine.shape[:-2], height, 2, width, 2).mean((-3, -1))


def half_of_it(patch):
    """Use pixels of 5 and 10 m."""
    return patch["s2"] + mean_of_fine(patch["fine"])


def all_of(patch):
    """Use pixels of 5, 10 and 30 m."""
    coarse = patch["coarse"].repeat(3, -2).repeat(3, -1)
    return patch["s2"][..., :1, :, :] + mean_of_fine(patch["fine"]) + coarse[..., 1:, :, :]


def test_arrays_of_one_shape():
    seen = []

    def operator(patch):
        seen.append({name: (array.dtype, array.shape) for name, array in patch.items()})
        return patch["s2"][1:] * patch["dem"]

    result = gp.reconstruct({"s2": S2, "dem": DEM[0]}, operator, size=64)
    assert seen[0] == {"s2": (np.dtype("u2"), (3, 64, 64)), "dem": (np.dtype("f4"), (1, 64, 64))}
    assert np.allclose(result.array, S2[1:] * DEM, rtol=1e-6)


@pytest.mark.parametrize(
    ("method", "how"),
    [
        (None, {}),
        ("cubic", {"batch_size": 5}),
        ("nearest", {"margin": 7}),
        (None, {"workers": 2, "chunks": 128}),
    ],
)
def test_a_raster_on_another_grid_is_what_gdal_warps(files, tmp_path, method, how):
    sources = {name: files[name] for name in ("s2", "dem")}
    target = tmp_path / "result.zarr"
    result = gp.reconstruct(
        sources,
        weighted,
        target,
        size=64,
        aggregation="mean",
        **({"resampling": method} if method else {}),
        **how,
    )
    wanted = S2 * warped(files["dem"], method or "bilinear")
    assert np.allclose(result.array[:], wanted, rtol=1e-6)
    assert result.stats.bytes_read >= S2.nbytes + wanted[0].nbytes
    with rasterio.open(files["s2"]) as dataset:
        assert result.to_xarray().rio.crs == dataset.crs
        assert result.to_xarray().rio.transform() == dataset.transform


def test_resampling_by_name_and_from_another_zone(tmp_path, files):
    other = written(
        tmp_path / "s1.tif", RNG.random((2, 300, 300), "float32"), place(12.0, -20, -20), crs="EPSG:32634"
    )
    with rasterio.open(other, "r+") as dataset:  # the same place in the next zone
        left, top = rasterio.warp.transform("EPSG:32633", "EPSG:32634", [EAST - 400], [NORTH + 400])
        dataset.transform = Affine(14, 0, left[0] - 200, 0, -14, top[0] + 200)
    sources = {"s2": files["s2"], "s1": other, "dem": files["dem"]}
    result = gp.reconstruct(
        sources,
        lambda patch: patch["s1"] + patch["dem"],
        size=64,
        step=64,
        resampling={"s1": "nearest", "dem": "cubic"},
    )
    s1 = warped(other, "nearest")
    assert np.isnan(s1).mean() < 0.5
    assert np.allclose(result.array, s1 + warped(files["dem"], "cubic"), equal_nan=True, rtol=1e-6)


@pytest.mark.parametrize("how", [{}, {"batch_size": 4}, {"margin": 6}])
def test_native_pixels_are_the_files_own(files, how):
    sources = {name: files[name] for name in ("s2", "fine", "coarse")}
    result = gp.reconstruct(sources, all_of, size=60, native=("fine", "coarse"), **how)
    wanted = all_of({name: read(path).astype(float) for name, path in sources.items()})
    assert np.allclose(result.array, wanted, rtol=1e-6)


def test_output_scale_and_native_pixels(files):
    """The result has the pixels of the finer raster."""

    def sharpened(patch):
        return 1.0 * patch["fine"] * patch["s2"][:1].repeat(2, -2).repeat(2, -1)

    sources = {"s2": files["s2"], "fine": files["fine"]}
    result = gp.reconstruct(
        sources, sharpened, size=64, native="fine", output_scale=2, margin=4, dtype="float64"
    )
    wanted = sharpened({"s2": S2.astype(float), "fine": read(files["fine"]).astype(float)})
    assert np.allclose(result.array, wanted)


def test_a_part_is_the_part_of_the_whole(files):
    sources = {name: files[name] for name in ("s2", "fine", "coarse")}
    how = {"size": 60, "native": ("fine", "coarse"), "margin": 6}
    wanted = gp.reconstruct(sources, all_of, **how).array
    box = gp.Box(45, 200, 71, 260)
    assert np.allclose(
        gp.reconstruct(sources, all_of, region=box, crop=True, **how).array, wanted[:, 45:200, 71:260]
    )
    x, y = place() @ (71, 45) if hasattr(Affine, "__matmul__") else place() * (71, 45)
    triangle = {"type": "Polygon", "coordinates": [[(x, y), (x + 900, y), (x, y - 900), (x, y)]]}
    part = gp.reconstruct(sources, all_of, region=triangle, **how).array
    assert 0 < np.isfinite(part).sum() < 10_000
    assert np.allclose(part[np.isfinite(part)], wanted[np.isfinite(part)])


def holed(array, at, value):
    made = array.copy()
    made[:, at : at + 70, at : at + 80] = value
    return made


def test_a_cell_counts_where_all_hold_data(tmp_path):
    s2 = written(tmp_path / "s2.tif", holed(S2, 20, 0), place(), nodata=0)
    dem = written(tmp_path / "dem.tif", holed(DEM, 100, -9999), place(), nodata=-9999)
    calls = []

    def operator(patch):
        calls.append(patch["dem"].shape)
        return patch["s2"][:1] * patch["dem"]

    result = gp.reconstruct({"s2": s2, "dem": dem}, operator, size=32, step=32)
    wanted = S2[0] * DEM[0]
    wanted[20:90, 20:100] = np.nan
    wanted[100:170, 100:180] = np.nan
    assert np.allclose(result.array[0], wanted, equal_nan=True)
    assert result.stats.skipped > 0
    assert len(calls) + result.stats.skipped == result.plan.n_patches
    whole = gp.reconstruct({"s2": s2, "dem": dem}, operator, size=32, step=32, skip_empty=False)
    assert whole.stats.skipped == 0
    assert np.array_equal(whole.array, result.array, equal_nan=True)


@pytest.mark.parametrize("batch_size", [1, 6])
def test_a_masked_operator_fills_one_from_the_other(tmp_path, batch_size):
    s2 = written(tmp_path / "s2.tif", holed(S2, 20, 0), place(), nodata=0)
    dem = written(tmp_path / "dem.tif", holed(DEM, 60, -9999), place(), nodata=-9999)

    @gp.masked
    def filled(patch):
        return np.ma.where(patch["s2"].mask[..., :1, :, :], patch["dem"], patch["s2"][..., :1, :, :])

    result = gp.reconstruct({"s2": s2, "dem": dem}, filled, size=32, step=32, batch_size=batch_size)
    wanted = S2[0].astype("float32")
    wanted[20:90, 20:100] = DEM[0, 20:90, 20:100]
    wanted[60:90, 60:100] = np.nan
    assert np.allclose(result.array[0], wanted, equal_nan=True)


def test_positions_are_those_of_the_first(files):
    @gp.positioned
    def where(patch, position):
        assert patch["dem"].shape[-2:] == (64, 64)
        return np.full((1, 64, 64), position.anchor[0], "float32")

    result = gp.reconstruct({"s2": files["s2"], "dem": files["dem"]}, where, size=64, step=64)
    assert result.array[0, 0, 0] == 0
    assert result.array[0, 70, 0] == 64


@pytest.mark.parametrize("boundary", ["pad", "reflect", "shrink", "cover"])
def test_patches_that_overhang(files, boundary):
    sources = {name: files[name] for name in ("s2", "fine", "coarse")}
    geometry = gp.SpatialRectangular(48, boundary=boundary)
    patcher = gp.SpatialPatcher(
        geometry, gp.SpatialRegularStride(36), gp.SpatialHann(), gp.SpatialOverlapAdd()
    )
    result = patcher.reconstruct(sources, all_of, native=("fine", "coarse"))
    wanted = all_of({name: read(path).astype(float) for name, path in sources.items()})
    assert np.allclose(result.array, wanted, rtol=1e-6)


class Stopping:
    """Stops a run after some patches."""

    def __init__(self, after):
        self.left = after

    def on_patch_done(self, anchor, seconds, nbytes):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def touched(path):
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 10**9))


def test_a_run_goes_on_and_another_version_of_any_raster_is_refused(files, tmp_path):
    sources = {"s2": files["s2"], "dem": files["dem"]}
    target = tmp_path / "result.zarr"
    how = {"size": 48, "chunks": 48}
    with pytest.raises((InterruptedRunError, KeyboardInterrupt)):
        gp.reconstruct(sources, weighted, target, hooks=Stopping(70), **how)
    again = gp.reconstruct(sources, weighted, target, **how)
    assert 0 < again.stats.patches < again.plan.n_patches
    assert np.array_equal(again.array[:], gp.reconstruct(sources, weighted, **how).array)
    assert np.array_equal(gp.reconstruct(sources, weighted, target, **how).array[:], again.array[:])
    for changed in (dict(reversed(sources.items())), {**sources, "more": files["coarse"]}):
        with pytest.raises(gp.errors.GeopatcherError, match="source"):
            gp.reconstruct(changed, weighted, target, **how)
    with pytest.raises(gp.errors.GeopatcherError, match=r"source\.dem\.resampling"):
        gp.reconstruct(sources, weighted, target, resampling={"dem": "cubic"}, **how)
    touched(files["dem"])
    with pytest.raises(gp.errors.GeopatcherError, match=r"source\.dem\."):
        gp.reconstruct(sources, weighted, target, **how)


def test_a_second_raster_that_changes_while_it_is_read(files, tmp_path):
    sources = {"s2": files["s2"], "dem": files["dem"]}
    seen = []

    def operator(patch):
        seen.append(1)
        if len(seen) == 30:
            touched(files["dem"])
        return weighted(patch)

    with pytest.raises(SourceError, match="changed while it was read"):
        gp.reconstruct(sources, operator, tmp_path / "result.zarr", size=48, chunks=48)


def test_no_source_is_written_over(files):
    with pytest.raises(gp.errors.GeopatcherError, match=r"dem\.tif"):
        gp.reconstruct({"s2": files["s2"], "dem": files["dem"]}, weighted, files["dem"], overwrite=True)
    assert files["dem"].exists()


def test_a_bad_tile_of_the_second_costs_its_patches(files):
    with files["fine"].open("r+b") as file:  # the last tile ends the file
        file.truncate(files["fine"].stat().st_size - 2000)
    sources = {"s2": files["s2"], "fine": files["fine"]}
    with pytest.raises(SourceError, match=r"fine\.tif"):
        gp.reconstruct(sources, half_of_it, size=48, native="fine")
    result = gp.reconstruct(sources, half_of_it, size=48, native="fine", on_error="skip", allow_gaps=True)
    assert 0 < result.stats.failed < result.plan.n_patches


def test_a_mosaic_is_one_of_them(files, tmp_path):
    left = written(tmp_path / "left.tif", DEM[:, :, :160], place())
    right = written(tmp_path / "right.tif", DEM[:, :, 160:], place(col=160))
    for second in ([left, right], gp.Mosaic([left, right])):
        result = gp.reconstruct({"s2": files["s2"], "dem": second}, weighted, size=64)
        assert np.allclose(result.array, S2 * DEM, rtol=1e-6)


def test_the_first_on_another_grid(files):
    sources = {"s2": files["s2"], "dem": files["dem"]}
    result = gp.reconstruct(sources, weighted, size=32, resolution=20, resampling={"s2": "average"})
    assert result.array.shape == (3, HEIGHT // 2, WIDTH // 2)


def test_refusals_name_the_raster(files, tmp_path):
    far = written(tmp_path / "far.tif", DEM, place(col=5000))
    askew = written(tmp_path / "askew.tif", DEM, place(25.0))
    between = written(tmp_path / "between.tif", DEM, place(5.0, col=0.2))
    s2 = files["s2"]
    refused = [
        ({"dem": far}, {}, SourceError, r"dem \(.*far\.tif\) lies nowhere on s2"),
        (
            {"dem": askew},
            {"native": "dem"},
            SourceError,
            r"a pixel of dem .* is 2\.5x2\.5 of s2.*whole number",
        ),
        ({"dem": between}, {"native": "dem"}, SourceError, "pixels of dem .* begin within pixels of s2"),
        ({"dem": DEM[:, :9]}, {}, SourceError, "dem .* has 9x300 pixels and s2 240x300"),
        ({"dem": askew}, {"native": "s1"}, ValueError, "native names 's1', and the rasters are s2, dem"),
        ({"dem": askew}, {"native": "s2"}, ValueError, "s2 is the first"),
        ({"dem": askew}, {"resampling": "best"}, ValueError, "resampling is one of"),
        ({"dem": askew}, {"resampling": {"b": "cubic"}}, ValueError, "resampling names 'b'"),
        ({"dem": tmp_path / "none.tif"}, {}, SourceError, r"none\.tif"),
    ]
    for more, how, kind, text in refused:
        with pytest.raises(kind, match=text):
            gp.plan({"s2": s2, **more}, **how)
    with pytest.raises(ValueError, match="at least, not by \\[\\]"):
        gp.plan({})
    with pytest.raises(ValueError, match="native='dem' is for several rasters"):
        gp.plan(s2, native="dem")
    with pytest.raises(ValueError, match="is for several rasters: give one method"):
        gp.plan(s2, resampling={"dem": "cubic"})


def test_the_plan_counts_all_of_them(files):
    one = gp.plan(S2, size=64)
    three = gp.plan({"s2": S2, "a": DEM, "b": DEM}, size=64)
    assert three.n_patches == one.n_patches
    assert three.model.in_bytes >= S2.itemsize * 3 + 2 * DEM.itemsize
    assert "s2=" in str(three)


def test_it_travels(files):
    source = gp.api.opening.opened({"s2": files["s2"], "dem": files["dem"]}, {}, gp.ErrorPolicy(), "plan", ())
    box = gp.Box(3, 50, 7, 80)
    again = pickle.loads(pickle.dumps(source))  # noqa: S301 - made here
    assert np.array_equal(again.read(box), source.read(box))
    assert again.identity() == source.identity()
