"""What `reconstruct` gives back."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import zarr
from affine import Affine

import geopatcher as gp
from geopatcher.targets.tiff_array import TiffArray

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # rioxarray multiplies affines
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]
IMAGE = np.random.default_rng(0).random((2, 40, 50)).astype("float32")
TRANSFORMS = {
    "north up": Affine(10, 0, 5e5, 0, -10, 4.6e6),
    "south up": Affine(10, 0, 5e5, 0, 10, 4.6e6),
    "rotated": Affine(8, 6, 5e5, 6, -8, 4.6e6),
}


def run(target=None, image=IMAGE, transform=TRANSFORMS["north up"], crs="EPSG:32633", **options):
    names = ("red", "nir") if image.ndim == 3 and len(image) == 2 else ()
    field = gp.RasterField.from_array(image, transform=transform, crs=crs, nodata=-1, band_names=names)
    known = {"size": 16, "step": 16, "window": "boxcar", "nodata": -1}
    return gp.reconstruct(field, lambda x: x, target, **{**known, **options})


@pytest.mark.parametrize(("name", "kind"), [(None, np.ndarray), ("x.zarr", zarr.Array), ("x.tif", TiffArray)])
@pytest.mark.parametrize("shape", [(2, 40, 50), (40, 50)])
def test_the_array_has_a_shape_a_dtype_and_slices(tmp_path, name, kind, shape):
    image = IMAGE if len(shape) == 3 else IMAGE[0]
    result = run(None if name is None else tmp_path / name, image)
    assert isinstance(result.array, kind)
    assert result.array.shape == shape
    assert result.array.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(result.array[:]), image)
    np.testing.assert_array_equal(np.asarray(result.array[..., 5:7, 3]), image[..., 5:7, 3])
    np.testing.assert_array_equal(np.asarray(result.array), image)
    assert result.path == (None if name is None else tmp_path / name)
    assert result.errors == []


@pytest.mark.parametrize("name", [None, "x.zarr", "x.tif"])
@pytest.mark.parametrize("turn", list(TRANSFORMS))
@pytest.mark.parametrize("shape", [(2, 40, 50), (40, 50)])
def test_xarray_gets_values_coordinates_crs_transform_and_nodata(tmp_path, name, turn, shape):
    pytest.importorskip("rioxarray")
    image = IMAGE if len(shape) == 3 else IMAGE[0]
    transform = TRANSFORMS[turn]
    array = run(None if name is None else tmp_path / name, image, transform).to_xarray()
    assert array.dims == ("band", "y", "x")[-len(shape) :]
    np.testing.assert_array_equal(array.values, image)
    assert array.rio.crs.to_epsg() == 32633
    assert array.rio.transform() == transform
    assert array.rio.nodata == -1
    if turn == "rotated":
        assert "x" not in array.coords
    else:
        np.testing.assert_array_equal(array.x, transform.c + transform.a * (np.arange(50) + 0.5))
        np.testing.assert_array_equal(array.y, transform.f + transform.e * (np.arange(40) + 0.5))
    if len(shape) == 3:
        assert array.band.values.tolist() == [1, 2]
        assert list(array.attrs["long_name"]) == ["red", "nir"]


@pytest.mark.parametrize("name", [None, "x.zarr", "x.tif"])
def test_what_is_not_known_is_not_made_up(tmp_path, name):
    pytest.importorskip("rioxarray")
    result = gp.reconstruct(
        np.ones((20, 30), "uint8"), lambda x: x, None if name is None else tmp_path / name, size=8
    )
    array = result.to_xarray()
    assert array.rio.crs is None
    assert array.rio.nodata is None
    assert result.domain.nodata is None
    np.testing.assert_array_equal(array.x, np.arange(30) + 0.5)


def test_an_xarray_of_a_store_is_lazy(tmp_path):
    pytest.importorskip("rioxarray")
    result = run(tmp_path / "x.zarr")
    array = result.to_xarray()
    assert not array.variable._in_memory
    np.testing.assert_array_equal(array.isel(band=1, y=slice(3, 5)).values, IMAGE[1, 3:5])


def test_a_result_goes_round_through_xarray():
    pytest.importorskip("rioxarray")
    first = run()
    again = gp.reconstruct(first.to_xarray(), lambda x: x, size=16, step=16, window="boxcar")
    np.testing.assert_array_equal(again.array, IMAGE)
    assert again.domain.transform == first.domain.transform
    assert np.isnan(again.domain.nodata)
    assert again.domain.band_names == ("red", "nir")


def test_the_summary_says_what_was_done(tmp_path):
    text = str(run(tmp_path / "x.zarr"))
    for words in (
        "2,000 (40 x 50), 2 x float32",
        "patches    12, overlap 0%",
        "read ",
        "1.00 times the raster",
        "1.00 times the result",
        f"result     {tmp_path / 'x.zarr'}",
    ):
        assert words in text
    assert "result     in memory" in str(run())


@pytest.mark.parametrize("name", [None, "x.zarr", "x.tif"])
def test_a_quicklook_is_thin_and_shows_gaps(tmp_path, name):
    image = np.ones((1, 100, 3000), "float32")
    image[0, :, :1500] = -1
    quick = run(None if name is None else tmp_path / name, image).quicklook()
    assert max(quick.shape) <= 1024
    assert np.isnan(quick[:, : quick.shape[1] // 2 - 2]).all()
    assert (quick[:, quick.shape[1] // 2 + 2 :] == 1).all()


def test_a_plot_is_in_coordinates_of_the_crs(monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    ax = run().plot(band=1)
    left, right = ax.get_xlim()
    assert (min(left, right), max(left, right)) == (5e5, 5e5 + 500)
    with pytest.raises(ValueError, match="band"):
        run().plot(band=7)


def test_a_region_leaves_the_rest_as_nodata(tmp_path):
    result = run(tmp_path / "x.tif", region=gp.Box(0, 10, 0, 10), chunks=16)
    assert result.plan.region == gp.Box(0, 16, 0, 16)
    with rasterio.open(result.path) as dataset:
        pixels = dataset.read()
        np.testing.assert_array_equal(pixels[:, :16, :16], IMAGE[:, :16, :16])
        assert (pixels[:, 16:] == -1).all()
        assert (pixels[:, :, 16:] == -1).all()
