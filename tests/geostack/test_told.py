"""What is read from the extensions of an item, in the words of each of their versions."""

import json
import math

import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geostack import ItemError
from geostack.told import ToldBand, ToldGrid, bands_told, grid_told, side_of

TRANSFORM = [10, 0, 500_000, 0, -10, 4_600_000]
GRID = {"proj:shape": [5, 6], "proj:transform": TRANSFORM}
ZONE = "EPSG:32633"


class TestGrid:
    @pytest.mark.parametrize("crs", [{"proj:epsg": 32633}, {"proj:code": ZONE}])
    @pytest.mark.parametrize("where", ["asset", "item"])
    def test_both_versions_of_the_extension_on_either_level(self, crs, where):
        asset, properties = ({**GRID, **crs}, {}) if where == "asset" else ({}, {**GRID, **crs})
        assert grid_told(asset, properties, "B04") == ToldGrid(ZONE, tuple(TRANSFORM), (5, 6))

    def test_an_asset_has_the_last_word(self):
        found = grid_told({"proj:shape": [9, 9]}, GRID | {"proj:code": ZONE}, "B04")
        assert found.shape == (9, 9)
        assert found.is_whole

    def test_other_ways_of_saying_a_crs(self):
        zone = pyproj.CRS(32633)
        assert grid_told({"proj:wkt2": zone.to_wkt()}, {}, "B04").crs == zone.to_wkt()
        projjson = grid_told({"proj:code": None, "proj:projjson": zone.to_json_dict()}, {}, "B04").crs
        assert pyproj.CRS.from_json(projjson) == zone
        assert json.loads(projjson)["type"] == "ProjectedCRS"

    def test_the_box_stands_in_for_the_transform(self):
        box = {"proj:shape": [5, 6], "proj:bbox": [500_000, 4_599_950, 500_060, 4_600_000]}
        assert grid_told(box, {}, "B04").transform == tuple(TRANSFORM)

    def test_what_is_left_out_is_not_made_up(self):
        assert grid_told({}, {}, "B04") == ToldGrid()
        assert not grid_told(GRID, {}, "B04").is_whole

    @pytest.mark.parametrize(
        "wrong",
        [
            {"proj:shape": [5]},
            {"proj:shape": [5, -6]},
            {"proj:shape": [5.5, 6]},
            {"proj:shape": "5x6"},
            {"proj:transform": TRANSFORM[:5]},
            {"proj:transform": [0, 0, 1, 0, 0, 1]},
            {"proj:transform": [10, 0, math.nan, 0, -10, 4]},
            {"proj:transform": [10, 0, "5", 0, -10, 4]},
        ],
    )
    def test_what_cannot_be_is_refused_by_name(self, wrong):
        with pytest.raises(ItemError, match=r"^item S2A, asset B04: proj:\w+ is .*give headers=True"):
            grid_told(wrong, {}, "item S2A, asset B04")

    @given(st.lists(st.floats(-1e7, 1e7, allow_nan=False), min_size=9, max_size=9))
    def test_nine_numbers_are_six(self, numbers):
        numbers[0], numbers[4], numbers[1] = 10.0, -10.0, 0.0
        assert grid_told({"proj:transform": numbers}, {}, "B04").transform == tuple(numbers[:6])


class TestBands:
    @pytest.mark.parametrize(
        "asset",
        [
            {
                "eo:bands": [{"name": "B04", "common_name": "red"}],
                "raster:bands": [{"nodata": 0, "data_type": "uint16", "scale": 1e-4, "offset": -0.1}],
            },
            {
                "bands": [
                    {
                        "name": "B04",
                        "eo:common_name": "red",
                        "nodata": 0,
                        "data_type": "uint16",
                        "raster:scale": 1e-4,
                        "raster:offset": -0.1,
                    }
                ]
            },
            {
                "bands": [{"name": "B04", "eo:common_name": "red"}],
                "nodata": 0,
                "data_type": "uint16",
                "raster:scale": 1e-4,
                "raster:offset": -0.1,
            },
        ],
    )
    def test_every_version_says_the_same(self, asset):
        assert bands_told(asset, {}) == (ToldBand("B04", "red", "uint16", 0, 1e-4, -0.1),)

    def test_lists_of_different_length_are_read_side_by_side(self):
        found = bands_told(
            {"eo:bands": [{"name": "R"}, {"name": "G"}], "raster:bands": [{"nodata": 255}]}, {}
        )
        assert [(band.name, band.nodata) for band in found] == [("R", 255), ("G", None)]

    def test_a_band_has_the_last_word(self):
        assert bands_told({"nodata": 0, "bands": [{"nodata": 7}]}, {})[0].nodata == 7

    def test_nothing_is_said(self):
        assert bands_told({"title": "Red"}, {}) == ()

    @pytest.mark.parametrize(
        ("value", "found"),
        [
            ("nan", math.nan),
            ("-inf", -math.inf),
            (2**60 + 1, 2**60 + 1),
            (True, None),
            ("x", None),
            (None, None),
            ("255", 255),
            ("-3.5", -3.5),
        ],
    )
    def test_nodata(self, value, found):
        told = bands_told({"raster:bands": [{"nodata": value}]}, {})[0].nodata
        assert repr(told) == repr(found)

    def test_what_is_said_of_all_assets_holds_where_the_asset_says_nothing_else(self):
        common = {"nodata": 3, "data_type": "int16", "raster:scale": 0.5, "name": "no band", "scale": 9}
        assert bands_told({"title": "Red"}, common) == (ToldBand(dtype="int16", nodata=3, scale=0.5),)
        (own,) = bands_told({"bands": [{"name": "B04", "nodata": 7}], "raster:scale": 2}, common)
        assert own == ToldBand("B04", dtype="int16", nodata=7, scale=2)

    def test_a_band_of_which_nothing_is_said_keeps_its_place(self):
        found = bands_told({"raster:bands": [None, {"nodata": 7}]}, {})
        assert [band.nodata for band in found] == [None, 7]

    @pytest.mark.parametrize("key", ["nodata", "scale", "offset"])
    @pytest.mark.parametrize("value", ["x", True, [0], {"a": 1}, ""])
    def test_what_is_no_number_is_refused_where_it_is_used(self, key, value):
        asset = {"raster:bands": [{key: value}]}
        assert bands_told(asset, {}) == (ToldBand(),)
        with pytest.raises(
            ItemError, match=rf"^item S2A, asset B04: {key} is .* and not a number.*: mend the"
        ):
            bands_told(asset, {}, "item S2A, asset B04")
        if key != "nodata":
            with pytest.raises(ItemError, match=f"{key} is inf, and not a number"):
                bands_told({"raster:bands": [{key: math.inf}]}, {}, "B04")

    @pytest.mark.parametrize("kind", ["cint16", "other", 5, None])
    def test_types_that_numpy_has_not_are_left_to_the_file(self, kind):
        assert bands_told({"raster:bands": [{"data_type": kind}]}, {})[0].dtype is None


def test_the_side_of_a_pixel():
    assert side_of({}, ToldGrid(transform=(20.0, 0.0, 0.0, 0.0, -20.0, 0.0))) == 20
    assert side_of({"raster:bands": [{"spatial_resolution": 60}], "gsd": 10}, ToldGrid()) == 60
    assert side_of({"gsd": 10}, ToldGrid()) == 10
    assert side_of({}, ToldGrid()) == math.inf
