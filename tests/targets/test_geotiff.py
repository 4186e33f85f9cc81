"""Cloud-Optimized GeoTIFFs, read back by rasterio and judged by rio-cogeo."""

from __future__ import annotations

import resource
import shutil
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
import rasterio
from affine import Affine

from cogs import TRANSFORM, spec_of, written
from geopatcher.core.domain import RasterDomain
from geopatcher.errors import TargetError
from geopatcher.targets.cog.levels import Levels, TileFolder
from geopatcher.targets.cog.tile_store import create_tiles
from geopatcher.targets.cog.work import arrays_of
from geopatcher.targets.geotiff import assemble, require_storable
from geopatcher.targets.storage import CogStorage
from geopatcher.targets.tiff_records import Records


def write(image, folder, options=None, **record):
    product = written(image, folder, options, **record)
    assert product.gaps == (0, 0, 0)  # they were not looked for
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
        assert dataset.overviews(1) == [2, 4, 8, 16]
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


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    image = np.ones((20, 20), "uint8")
    arrays = arrays_of(spec_of(image), CogStorage())
    create_tiles(tmp_path / "tiles", arrays)
    tiles = TileFolder(arrays["data"], tmp_path / "tiles/data")
    levels = Levels(tiles, tmp_path / "levels", spec_of(image))
    with pytest.raises(TargetError, match=r"cannot write .*nowhere.x.tif"):
        assemble(levels, "data", tmp_path / "nowhere" / "x.tif", tmp_path, Records({}))
    assert [path.name for path in tmp_path.iterdir()] == ["tiles"]


@contextmanager
def files_of_at_most(n_bytes):
    """Let writes behind ``n_bytes`` fail, as those on a full disk do (Python ignores SIGXFSZ)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("share", [0.1, 0.6, 0.99])
def test_a_disk_that_fills_up_is_an_error_and_leaves_nothing(tmp_path, share):
    image = np.random.default_rng(0).random((1, 500, 500)).astype("float32")
    whole = write(image, tmp_path, CogStorage(blocksize=128)).stat().st_size
    (tmp_path / "x.tif").unlink()
    with files_of_at_most(int(whole * share)), pytest.raises(TargetError, match=r"cannot write .*x\.tif"):
        write(image, tmp_path, CogStorage(blocksize=128))
    assert list(tmp_path.iterdir()) == []


def test_what_is_left_of_a_full_disk_is_told(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=4 << 10)  # none is refused before it begins
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    image = np.random.default_rng(0).random((1, 500, 500)).astype("float32")
    with (
        files_of_at_most(200_000),
        pytest.raises(TargetError, match=r"has 0\.0 MB left and .* 1\.3 MB: make room"),
    ):
        write(image, tmp_path, CogStorage(blocksize=128))


def test_a_fourth_band_of_bytes_is_not_alpha(tmp_path):
    """GDAL takes it for alpha by default, and readers then mask what is 0 in it."""
    image = np.random.default_rng(0).integers(0, 2, (4, 60, 60)).astype("uint8")
    with rasterio.open(write(image, tmp_path)) as dataset:
        assert dataset.read_masks().all()
        assert "alpha" not in {kind.name for kind in dataset.colorinterp}


def test_alpha_is_alpha_when_it_is_called_that(tmp_path):
    image = np.ones((4, 60, 60), "uint8")
    image[3, :30] = 0
    names = ("red", "green", "blue", "alpha")
    with rasterio.open(write(image, tmp_path, CogStorage(colorinterp=names))) as dataset:
        assert tuple(kind.name for kind in dataset.colorinterp) == names
        assert not dataset.read_masks(1)[:30].any()


@pytest.mark.parametrize(("n_bands", "interleave"), [(1, "BAND"), (3, "PIXEL"), (40, "BAND")])
def test_tiles_have_all_bands_as_long_as_they_are_small(tmp_path, n_bands, interleave):
    image = np.random.default_rng(0).random((n_bands, 200, 300), "float32")
    with rasterio.open(write(image, tmp_path, CogStorage(blocksize=192))) as dataset:
        assert dataset.block_shapes == [(192, 192)] * n_bands
        assert dataset.tags(ns="IMAGE_STRUCTURE")["INTERLEAVE"] == interleave
        np.testing.assert_array_equal(dataset.read(), image)


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


def test_the_predictor_of_floats_is_for_floats():
    domain, storage = RasterDomain((4, 4), dtype=np.dtype("uint16")), CogStorage(predictor=3)
    with pytest.raises(TargetError, match="predictor=3 is for floats, not for uint16: use 2"):
        require_storable(domain, storage)
    require_storable(domain, CogStorage(predictor=2))
    require_storable(RasterDomain((4, 4), dtype=np.dtype("float32")), storage)


def test_webp_takes_four_bands_only_where_the_fourth_is_alpha():
    """Where it is 0 the others are lost: of an infrared band that is water."""
    four, three = (RasterDomain((n, 20, 30), dtype=np.dtype("uint8")) for n in (4, 3))
    webp = CogStorage("webp")
    with pytest.raises(TargetError, match="takes its fourth band for alpha.*if it is alpha, say so"):
        require_storable(four, webp)
    require_storable(three, webp)
    require_storable(four, CogStorage("JPEG"))
    require_storable(four, CogStorage("WEBP", colorinterp=("red", "green", "blue", "alpha")))
