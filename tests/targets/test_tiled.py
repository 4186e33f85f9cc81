"""What a Cloud-Optimized GeoTIFF is put together from, and a disk that does not take it."""

from __future__ import annotations

import os
import resource
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
import rasterio
from affine import Affine

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.errors import TargetError
from geopatcher.formats.rasterio_warnings import no_georeference_warning
from geopatcher.targets.geotiff import write_cog
from geopatcher.targets.multiscales import halve, known_cells
from geopatcher.targets.storage import CogStorage
from geopatcher.targets.tiled import require_tiles

TRANSFORM = Affine(10, 0, 5e5, 0, -10, 4.6e6)


def write(image, folder, options=None, **record):
    known = {"transform": TRANSFORM, "crs": "EPSG:32633", "dtype": image.dtype}
    domain = RasterDomain(image.shape, **{**known, **record})
    spec = ResultSpec(domain, (64, 64), 0 if domain.nodata is None else domain.nodata)
    write_cog(image, spec, folder / "x.tif", folder, options or CogStorage(blocksize=128))
    return folder / "x.tif"


@contextmanager
def files_of_at_most(n_bytes):
    """Let writes behind ``n_bytes`` fail, as those on a full disk do (Python ignores SIGXFSZ)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize("overview", ["average", "mode", "nearest"])
@pytest.mark.parametrize("nodata", [None, 3])
def test_overviews_are_the_levels_a_store_would_have(tmp_path, dtype, overview, nodata):
    image = np.random.default_rng(0).integers(0, 9, (2, 301, 515)).astype(dtype)
    image[:, :150, :260] = 3
    path = write(image, tmp_path, CogStorage(blocksize=128, overview=overview), nodata=nodata)
    fill = 0 if nodata is None else nodata
    wanted = image
    for level in range(3):
        halved = [halve(band, overview, known_cells(band, nodata), fill, nodata) for band in wanted]
        wanted = np.stack(halved)
        with rasterio.open(path, overview_level=level) as dataset:
            np.testing.assert_array_equal(dataset.read(), wanted)
    with rasterio.open(path) as dataset:
        assert dataset.overviews(1) == [2, 4, 8]


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


@pytest.mark.parametrize(("n_bands", "side"), [(1, 512), (3, 512), (13, 256), (200, 128)])
def test_tiles_of_many_bands_are_smaller(tmp_path, n_bands, side):
    with rasterio.open(write(np.zeros((n_bands, 20, 20), "float32"), tmp_path, CogStorage())) as dataset:
        assert dataset.block_shapes[0] == (side, side)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_a_disk_that_fills_up_is_an_error_and_leaves_nothing(tmp_path, share):
    """GDAL says nothing of what it could not write while it closed a file."""
    image = np.random.default_rng(0).random((1, 500, 500)).astype("float32")
    whole = 4 * 512 * 512
    with files_of_at_most(int(whole * share)), pytest.raises(TargetError, match=r"cannot write .*x\.tif"):
        write(image, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_left_of_a_full_disk_is_told(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    image = np.random.default_rng(0).random((1, 500, 500)).astype("float32")
    with (
        files_of_at_most(200_000),
        pytest.raises(TargetError, match=r"has 0\.0 MB left and .* 1\.3 MB: make room"),
    ):
        write(image, tmp_path)


def test_a_file_that_was_cut_off_lacks_tiles(tmp_path):
    path = write(np.random.default_rng(0).random((1, 500, 500)).astype("float32"), tmp_path)
    tiles = [(1, box.row0 // 128, box.col0 // 128) for box in Box(0, 500, 0, 500).tiles((128, 128))]
    require_tiles(path, tiles)
    os.truncate(path, path.stat().st_size * 2 // 3)
    with pytest.raises(
        TargetError, match=r"pixels did not reach the disk: tile \(\d, \d\) of .*x\.tif is missing"
    ):
        require_tiles(path, tiles)


def test_holes_are_not_missed(tmp_path):
    image = np.full((2, 400, 400), -9999.0, "float32")
    image[1, 300, 300] = 5
    path = write(image, tmp_path, nodata=-9999.0)
    with no_georeference_warning(), rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), image)
