"""One raster on the grid of a map."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from affine import Affine
from rasterio.control import GroundControlPoint

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.errors import SourceError
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.fields.scenes import AlignedScene, scene_on
from geopatcher.fields.some_bands import some_bands
from geopatcher.fields.warped_scene import WarpedScene
from geotiffs import write_geotiff

PLACE = Affine(30, 0, 500_000, 0, -30, 4_000_000)
CRS = "EPSG:32610"
PIXELS = np.arange(1, 1201, dtype="uint16").reshape(2, 20, 30)


@pytest.fixture
def source(tmp_path):
    return RasterioSource(str(write_geotiff(tmp_path / "a.tif", PIXELS)))


def test_a_raster_on_the_same_pixels_is_read_as_it_is(source):
    onto = RasterDomain((50, 60), PLACE @ Affine.translation(-5, 8), CRS)
    scene = scene_on(source, onto, "cubic")
    assert isinstance(scene, AlignedScene)
    assert scene.box == Box(0, 12, 5, 35)
    assert scene.hides_nothing
    pixels, said = scene.read(Box(3, 10, 6, 9), (256, 512))
    np.testing.assert_array_equal(pixels, PIXELS[:, 11:18, 1:4])
    assert said is None


def test_a_raster_beside_the_map_is_none_of_it(source):
    for shift in ((30, 0), (0, 20), (-61, 0), (30.5, 0.5), (900.3, 0)):
        onto = RasterDomain((50, 60), PLACE @ Affine.translation(*shift), CRS)
        assert scene_on(source, onto, "nearest") is None
    touching = RasterDomain((50, 60), PLACE @ Affine.translation(29, 19), CRS)
    assert scene_on(source, touching, "nearest").box == Box(0, 1, 0, 1)


def test_other_pixels_are_warped_in_tiles_that_make_no_difference(source):
    onto = RasterDomain((50, 60), PLACE @ Affine.translation(-5.3, -7.4), CRS)
    scene = scene_on(source, onto, "nearest")
    assert isinstance(scene, WarpedScene)
    assert scene.box == Box(7, 28, 5, 36)
    pixels, said = scene.read(Box(0, 50, 0, 60), (256, 512))
    rows, cols = np.mgrid[:50, :60]
    from_row, from_col = np.floor(rows + 0.5 - 7.4).astype(int), np.floor(cols + 0.5 - 5.3).astype(int)
    inside = (from_row >= 0) & (from_row < 20) & (from_col >= 0) & (from_col < 30)
    np.testing.assert_array_equal(said, np.broadcast_to(inside, said.shape))
    np.testing.assert_array_equal(pixels[:, inside], PIXELS[:, from_row[inside], from_col[inside]])
    again = pickle.loads(pickle.dumps(scene))  # noqa: S301 - our own bytes
    part, held = again.read(Box(9, 27, 4, 31), (8, 16))
    np.testing.assert_array_equal(held, said[:, 9:27, 4:31])
    np.testing.assert_array_equal(part[held], pixels[:, 9:27, 4:31][held])
    one, _ = scene.select_bands([1]).read(Box(9, 27, 4, 31), (8, 16))
    np.testing.assert_array_equal(one, part[[1]])


def test_the_density_is_that_of_its_pixels(source):
    for side, density in ((30 * 7, 49), (300, 100), (15, 1)):
        onto = RasterDomain((50, 60), Affine(side, 0, 500_000, 0, -side, 4_000_000), CRS)
        assert scene_on(source, onto, "average").density == pytest.approx(density, rel=0.5)


def test_what_has_no_transform_cannot_be_placed(tmp_path):
    points = [GroundControlPoint(row, col, -120 + col, 40 - row) for row, col in ((0, 0), (0, 9), (9, 0))]
    path = write_geotiff(
        tmp_path / "tied.tif", PIXELS, transform=Affine.identity(), crs="EPSG:4326", gcps=points
    )
    onto = RasterDomain((50, 60), PLACE, CRS)
    with pytest.raises(SourceError, match=r"tied\.tif is placed by 3 ground control points .* gdalwarp"):
        scene_on(RasterioSource(str(path)), onto, "nearest")


def test_what_is_no_whole_file_is_read_in_windows(source):
    onto = RasterDomain((50, 60), PLACE @ Affine.translation(0.5, 0), CRS)
    part = RasterioSource(source.path, window=Box(0, 5, 0, 5))
    for given in (part, ArraySource(PIXELS, source.domain)):
        assert isinstance(scene_on(given, onto, "nearest"), WarpedScene)


def test_wide_integers_are_not_warped(tmp_path):
    onto = RasterDomain((50, 60), PLACE @ Affine.translation(0.5, 0), CRS)
    array = ArraySource(
        np.ones((1, 9, 9), "float16"), RasterDomain((1, 9, 9), PLACE, CRS, None, np.dtype("float16"))
    )
    with pytest.raises(SourceError, match="GDAL warps float16 inexactly"):
        scene_on(array, onto, "nearest")
    for dtype in ("int64", "uint64", "complex64"):
        path = write_geotiff(tmp_path / f"{dtype}.tif", PIXELS.astype(dtype))
        with pytest.raises(SourceError, match=f"GDAL warps {dtype} inexactly"):
            scene_on(RasterioSource(str(path)), onto, "nearest")


def test_bands_of_what_cannot_choose_them():
    class Bare:
        domain = RasterDomain((2, 3, 4))
        name = "bare"

    with pytest.raises(ValueError, match="bands cannot be chosen from bare: give its path"):
        some_bands(Bare(), [0])
    flat = ArraySource.of(np.zeros((3, 4)))
    assert some_bands(flat, [0]) is flat
