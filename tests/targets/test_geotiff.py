"""Cloud-Optimized GeoTIFFs, read back by rasterio and judged by rio-cogeo."""

from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine

from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.errors import TargetError
from geopatcher.targets import tiled
from geopatcher.targets.geotiff import require_storable, write_cog
from geopatcher.targets.storage import CogStorage

TRANSFORM = Affine(10, 0, 5e5, 0, -10, 4.6e6)


def domain_of(image, **record):
    shape = image.shape
    names = tuple(f"band {n}" for n in range(shape[0])) if len(shape) == 3 else ()
    known = {"transform": TRANSFORM, "crs": "EPSG:32633", "dtype": image.dtype, "band_names": names}
    return RasterDomain(shape, **{**known, **record})


def write(image, folder, options=None, **record):
    spec = ResultSpec(domain_of(image, **record), (64, 64), record.get("nodata", 0))
    gaps = write_cog(image, spec, folder / "x.tif", folder, options or CogStorage())
    assert gaps == (0, 0, 0)  # it was told of none
    assert [path.name for path in folder.iterdir()] == ["x.tif"]  # no scratch is left
    return folder / "x.tif"


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
)
def test_every_dtype_comes_back_and_the_file_is_a_valid_cog(tmp_path, dtype):
    cogeo = pytest.importorskip("rio_cogeo")
    random = np.random.default_rng(0)
    kind = np.dtype(dtype)
    limits = np.iinfo(kind) if kind.kind in "iu" else None
    image = (
        random.standard_normal((2, 700, 600)).astype(kind)
        if limits is None
        else random.integers(limits.min, limits.max, (2, 700, 600), kind, endpoint=True)
    )
    path = write(image, tmp_path, nodata=5)
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), image)
        assert dataset.transform == TRANSFORM
        assert dataset.crs.to_epsg() == 32633
        assert dataset.nodata == 5
        assert dataset.descriptions == ("band 0", "band 1")
        assert dataset.overviews(1) == [2]
    valid, errors, _ = cogeo.cog_validate(path)
    assert valid, errors


@pytest.mark.parametrize("crs", [None, "EPSG:4326"])
@pytest.mark.parametrize(
    "transform", [Affine.identity(), Affine(1, 0, 0, 0, -1, 0), TRANSFORM, Affine(8, 6, 0, 6, -8, 0)]
)
def test_every_georeference_comes_back_without_a_warning(tmp_path, crs, transform):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = write(np.ones((20, 30), "uint8"), tmp_path, crs=crs, transform=transform)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(path) as dataset:
            assert (dataset.crs is None) == (crs is None)
            # GDAL does not tell the flipped identity from none.
            flipped = transform == Affine(1, 0, 0, 0, -1, 0)
            assert dataset.transform in ((transform, Affine.identity()) if flipped else (transform,))


@pytest.mark.parametrize("nodata", [np.nan, -9999.0])
def test_blocks_of_nodata_read_as_nodata(tmp_path, nodata):
    image = np.full((1, 1200, 1200), nodata, "float32")
    image[0, 700, 700] = 4
    with rasterio.open(write(image, tmp_path, nodata=nodata)) as dataset:
        np.testing.assert_array_equal(dataset.read(), image)
        assert np.count_nonzero(dataset.read_masks()) == 1


def test_zero_is_not_a_hole_where_nothing_is_nodata(tmp_path):
    image = np.zeros((1, 600, 600), "uint8")
    with rasterio.open(write(image, tmp_path)) as dataset:
        assert dataset.nodata is None
        assert dataset.read_masks().all()


def test_options_reach_the_file(tmp_path):
    image = np.random.default_rng(0).integers(0, 3, (1, 700, 700)).astype("uint8")
    colors = {0: (0, 0, 0, 255), 1: (255, 0, 0, 255), 2: (0, 255, 0, 255)}
    options = CogStorage(
        compress="ZSTD", level=3, blocksize=256, overview="mode", tags={"made": "here"}, colormap=colors
    )
    with rasterio.open(write(image, tmp_path, options)) as dataset:
        assert dataset.compression.name == "zstd"
        assert dataset.block_shapes == [(256, 256)]
        assert dataset.tags()["made"] == "here"
        assert dataset.colormap(1)[2] == (0, 255, 0, 255)
        small = dataset.read(1, out_shape=(350, 350))
        assert set(np.unique(small)) <= {0, 1, 2}  # the mode, not the mean
        np.testing.assert_array_equal(dataset.read(), image)


def test_a_wide_raster_is_copied_in_pieces(tmp_path, monkeypatch):
    """Rows of tiles of a raster this wide would not fit the memory that copying may take."""

    class Wide:
        largest = 0

        def __getitem__(self, index):
            _, rows, cols = index
            Wide.largest = max(Wide.largest, (rows.stop - rows.start) * (cols.stop - cols.start))
            return np.full((rows.stop - rows.start, cols.stop - cols.start), rows.start % 7, "uint8")

    monkeypatch.setattr(tiled, "PIECE_BYTES", 4 << 20)
    spec = ResultSpec(RasterDomain((700, 40_000), dtype=np.dtype("uint8")), (64, 64), 0)
    tracemalloc.start()
    write_cog(Wide(), spec, tmp_path / "x.tif", tmp_path, CogStorage(overviews=False))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert Wide.largest <= 4 << 20
    assert peak < 16 << 20
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(tmp_path / "x.tif") as dataset:
            assert dataset.read(1)[[0, 511, 512, 699], 39_999].tolist() == [0, 0, 1, 1]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    image = np.ones((20, 20), "uint8")
    spec = ResultSpec(domain_of(image), (64, 64), 0)
    with pytest.raises(TargetError, match=r"cannot write .*nowhere.x.tif"):
        write_cog(image, spec, tmp_path / "nowhere" / "x.tif", tmp_path, CogStorage())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("dtype", "nodata", "complaint"),
    [
        ("complex64", None, "a GeoTIFF cannot hold complex64: choose another dtype, or a .zarr target"),
        ("bool", None, "cannot hold bool"),
        ("float16", None, "cannot hold float16"),
        ("int64", -(2**63), "cannot hold the nodata value -9223372036854775808 of int64 exactly"),
        ("uint64", 2**60, "cannot hold the nodata value"),
    ],
)
def test_what_a_geotiff_cannot_hold_is_refused(dtype, nodata, complaint):
    domain = RasterDomain((4, 4), dtype=np.dtype(dtype), nodata=nodata)
    with pytest.raises(TargetError, match=complaint):
        require_storable(domain)


def test_what_it_can_hold_is_not():
    for dtype, nodata in [
        ("int64", 2**53),
        ("uint64", 0),
        ("float64", 1e300),
        ("int8", -128),
        ("uint8", None),
    ]:
        require_storable(RasterDomain((4, 4), dtype=np.dtype(dtype), nodata=nodata))
