"""Files that are opened when they are read, and have to be what was said of them."""

from __future__ import annotations

import pickle

import numpy as np
import pyproj
import pytest

import geostack
from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain
from geopatcher.errors import SourceError
from geopatcher.fields.item_source import TILE
from geopatcher.fields.late_file import LateFile, LateScene
from items import asset, item

PIXELS = np.random.default_rng(4).integers(1, 99, (40, 30), dtype=np.uint16)
WHOLE = Box(0, 40, 0, 30)


def described(folder, made, **options):
    """Return the description of the band of an asset."""
    source = geostack.from_stac(item(folder, "S2A", {"B04": made}), "B04", **options)
    return source.described_scenes[0].bands[0]


def late(folder, made, dtype="uint16", **options):
    return LateFile.of(described(folder, made, **options), None if dtype is None else np.dtype(dtype))


def on_itself(file, method=None):
    domain = file.domain
    return LateScene.on(file, RasterDomain(domain.grid_shape, domain.transform, domain.crs), method)


class TestOpening:
    def test_is_left_to_the_first_read(self, tmp_path):
        made = asset(tmp_path, "B04", PIXELS)
        (tmp_path / "B04.tif").rename(tmp_path / "away.tif")
        file = late(tmp_path, made, None)
        assert (file.domain.shape, file.domain.dtype, file.domain.nodata) == ((1, 40, 30), np.uint16, 0)
        with pytest.raises(SourceError, match=r"^item S2A, asset B04: .*B04\.tif"):
            on_itself(file).read(WHOLE, TILE)
        (tmp_path / "away.tif").rename(tmp_path / "B04.tif")
        np.testing.assert_array_equal(on_itself(file).read(WHOLE, TILE)[0][0], PIXELS)

    def test_is_not_left_where_something_is_not_told(self, tmp_path):
        made = asset(tmp_path, "B04", PIXELS, told=False)
        assert late(tmp_path, made, None).domain.shape == (1, 40, 30)
        (tmp_path / "B04.tif").unlink()
        with pytest.raises(SourceError, match="^item S2A, asset B04: "):
            late(tmp_path, made)

    def test_a_type_that_others_have_will_do(self, tmp_path):
        made = asset(tmp_path, "B04", PIXELS) | {"raster:bands": [{}]}
        (tmp_path / "B04.tif").unlink()
        assert late(tmp_path, made, "uint16").domain.dtype == np.uint16

    @pytest.mark.parametrize("opened", [False, True])
    def test_it_travels(self, tmp_path, opened):
        scene = on_itself(late(tmp_path, asset(tmp_path, "B04", PIXELS)))
        if opened:
            scene.read(WHOLE, TILE)
        twin = pickle.loads(pickle.dumps(scene))  # noqa: S301 - our own
        np.testing.assert_array_equal(twin.read(WHOLE, TILE)[0][0], PIXELS)


class TestWhatWasSaid:
    @pytest.mark.parametrize(
        ("said", "message"),
        [
            ({"proj:shape": [40, 31]}, r"has \(40, 30\) pixels, and its item says \(40, 31\)"),
            ({"proj:transform": [10, 0, 500_005, 0, -10, 4_600_000]}, "has the bounds .* its item says"),
            ({"proj:transform": [20, 0, 500_000, 0, -20, 4_600_000]}, "has the bounds .* its item says"),
            ({"proj:epsg": 32634}, "has the bounds .* in EPSG:32633, and its item says .* in EPSG:32634"),
            ({"raster:bands": [{"data_type": "int16"}]}, "holds uint16, and its item says int16"),
            (
                {"raster:bands": [{"data_type": "uint16", "nodata": 7}]},
                "has the nodata value 0, and its item says 7",
            ),
        ],
    )
    def test_has_to_be_so(self, tmp_path, said, message):
        made = asset(tmp_path, "B04", PIXELS) | said
        with pytest.raises(
            SourceError, match=rf"^item S2A, asset B04 \(.*B04\.tif\) {message}.*headers=True"
        ):
            on_itself(late(tmp_path, made)).read(WHOLE, TILE)
        if "nodata" not in str(said):
            said = late(tmp_path, made, None, headers=True)
            np.testing.assert_array_equal(on_itself(said).read(WHOLE, TILE)[0][0], PIXELS)

    def test_a_crs_in_other_words_is_the_same(self, tmp_path):
        zone = pyproj.CRS(32633)
        for words in ({"proj:wkt2": zone.to_wkt()}, {"proj:projjson": zone.to_json_dict()}):
            made = asset(tmp_path, "B04", PIXELS) | {"proj:epsg": None} | words
            np.testing.assert_array_equal(on_itself(late(tmp_path, made)).read(WHOLE, TILE)[0][0], PIXELS)

    def test_a_crs_that_is_none_is_refused(self, tmp_path):
        made = asset(tmp_path, "B04", PIXELS) | {"proj:epsg": 999_999}
        with pytest.raises(SourceError, match="item S2A, asset B04 is described as what cannot be: the CRS"):
            late(tmp_path, made)

    def test_a_file_of_several_bands_is_not_one_band(self, tmp_path):
        made = asset(tmp_path, "B04", np.stack([PIXELS, PIXELS + 1])) | {
            "raster:bands": [{"data_type": "uint16"}]
        }
        with pytest.raises(
            SourceError, match=r"item S2A, asset B04: .*has 2 bands: say which one, as in KEY\.1"
        ):
            on_itself(late(tmp_path, made)).read(WHOLE, TILE)
        source = geostack.from_stac(
            item(tmp_path, "S2A", {"B04": made | {"raster:bands": [{"data_type": "uint16"}] * 2}}), "B04.2"
        )
        second = LateFile.of(source.described_scenes[0].bands[0], None)
        np.testing.assert_array_equal(on_itself(second).read(WHOLE, TILE)[0][0], PIXELS + 1)


#: What is said of a band of which no nodata value is known.
BARE = {"raster:bands": [{"data_type": "uint16"}]}


class TestNodata:
    def held(self, file, onto=None):
        scene = on_itself(file) if onto is None else LateScene.on(file, onto, None)
        pixels, held = scene.read(scene.box, TILE)
        return pixels[0], None if held is None else held[0]

    def test_of_the_item_where_the_file_has_none(self, tmp_path):
        said = {"raster:bands": [{"data_type": "uint16", "nodata": 7}]}
        made = asset(tmp_path, "B04", PIXELS, nodata=None) | said
        pixels, held = self.held(late(tmp_path, made))
        np.testing.assert_array_equal(held, pixels != 7)

    def test_of_the_caller_where_neither_has_one(self, tmp_path):
        made = asset(tmp_path, "B04", PIXELS, nodata=None) | BARE
        assert self.held(late(tmp_path, made))[1] is None
        np.testing.assert_array_equal(self.held(late(tmp_path, made, nodata=7))[1], PIXELS != 7)

    def test_of_the_file_stands_above_that_of_the_caller(self, tmp_path):
        made = asset(tmp_path, "B04", PIXELS, nodata=9) | BARE
        np.testing.assert_array_equal(self.held(late(tmp_path, made, nodata=7))[1], PIXELS != 9)

    def test_in_floats(self, tmp_path):
        made = asset(tmp_path, "B04", PIXELS.astype("float32"), nodata=None)
        made |= {"raster:bands": [{"data_type": "float32", "nodata": 7}]}
        pixels, held = self.held(late(tmp_path, made, "float32"))
        assert held is None
        np.testing.assert_array_equal(pixels, np.where(PIXELS == 7, np.nan, PIXELS))

    @pytest.mark.parametrize("dtype", ["uint16", "float32"])
    def test_does_not_run_into_its_neighbours_where_pixels_are_warped(self, tmp_path, dtype):
        array = np.full((40, 30), 50, dtype)
        array[10:20, 10:20] = 7
        made = asset(tmp_path, "B04", array, nodata=None)
        made |= {"raster:bands": [{"data_type": dtype, "nodata": 7}]}
        file = late(tmp_path, made, dtype)
        domain = file.domain
        a, _, c, _, e, f = domain.transform[:6]
        fine = RasterDomain((120, 90), type(domain.transform)(a / 3, 0, c, 0, e / 3, f), domain.crs)
        scene = LateScene.on(file, fine, "bilinear")
        pixels, held = scene.read(scene.box, TILE)
        known = pixels[0][held[0]] if held is not None else pixels[~np.isnan(pixels)]
        assert set(np.unique(known)) == {50}
        assert 700 < 120 * 90 - known.size < 1100  # the hole is 30 x 30 pixels, less or more a border
