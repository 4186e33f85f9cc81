"""Items as one source: what it consists of, and what is refused before anything is opened."""

import pickle

import pytest

from geostack import ItemError, Mask, StacSource, from_stac
from loopback import scene


def item(name="a", *, assets=None, **properties):
    made = scene(name)
    made["properties"] |= properties
    made["properties"] = {key: value for key, value in made["properties"].items() if value is not None}
    made["assets"] = assets or {key: {"href": f"./{key}.tif"} for key in ("B04", "B08", "SCL")}
    return made


def scaled(name, **said):
    return item(name, assets={"B04": {"href": "./B04.tif", "raster:bands": [said]}})


class TestWhatItIs:
    def test_the_items_in_their_order_and_the_bands_in_theirs(self):
        source = from_stac([item("b"), item("a")], ["B08", "B04"], mask=Mask("SCL", (3,)))
        assert isinstance(source, StacSource)
        assert [one.name for one in source.described_scenes] == ["item b", "item a"]
        assert source.band_names == ("B08", "B04")
        assert [band.name for band in source.described_scenes[0].bands] == [
            "item b, asset B08",
            "item b, asset B04",
        ]
        assert source.described_scenes[1].mask.href == "http://127.0.0.1/items/SCL.tif"
        assert len(source) == 2

    def test_time_and_clouds_go_with_each(self):
        (one,) = from_stac(item(**{"eo:cloud_cover": 7}), "B04").described_scenes
        assert dict(one.tags) == {"datetime": "2024-06-11T18:49:21+00:00", "eo:cloud_cover": 7.0}

    def test_a_range_of_days_begins_with_its_first(self):
        days = {
            "datetime": None,
            "start_datetime": "2024-06-01T00:00:00Z",
            "end_datetime": "2024-06-30T00:00:00Z",
        }
        record = item(**days)
        record["properties"]["datetime"] = None
        (one,) = from_stac(record, "B04", order="newest").described_scenes
        assert dict(one.tags)["datetime"] == "2024-06-01T00:00:00+00:00"

    def test_nodata_goes_with_files_of_which_nothing_is_told(self):
        assets = {"B04": {"href": "./4.tif"}, "B08": {"href": "./8.tif", "raster:bands": [{"nodata": 7}]}}
        bands = from_stac(item(assets=assets), ["B04", "B08"], nodata=0).described_scenes[0].bands
        assert [(band.told.nodata, band.nodata) for band in bands] == [(None, 0), (7, 0)]

    def test_it_travels_and_does_not_show_signatures(self):
        assets = {"B04": {"href": "https://host/B04.tif?sig=hunter2"}}
        source = from_stac(item(assets=assets), "B04")
        assert "hunter2" not in repr(source)
        assert "hunter2" not in repr(source.described_scenes)
        assert pickle.loads(pickle.dumps(source)) == source  # noqa: S301 - our own


class TestRefused:
    def test_orders_need_what_they_go_by(self):
        with pytest.raises(ItemError, match="item b has no eo:cloud_cover: choose another order"):
            from_stac([item("a"), item("b", **{"eo:cloud_cover": None})], "B04", order="least-cloud")
        with pytest.raises(
            ValueError, match="order is one of first, newest, least-cloud, median, not 'best'"
        ):
            from_stac(item(), "B04", order="best")

    @pytest.mark.parametrize("bands", [[], "", [4], ["B04", ""]])
    def test_bands_are_names(self, bands):
        with pytest.raises(ValueError, match="bands are names of assets"):
            from_stac(item(), bands)

    def test_a_band_is_named_once(self):
        with pytest.raises(ItemError, match="item a has the band B04 twice among B04, B04"):
            from_stac(item(), ["B04", "B04"])

    def test_an_item_without_the_band_is_named(self):
        with pytest.raises(ItemError, match=r"^item b has no band 'B08': its assets are B04$"):
            from_stac([item("a"), item("b", assets={"B04": {"href": "x.tif"}})], ["B04", "B08"])

    def test_items_have_as_many_bands(self):
        three = {"B04": {"href": "x.tif", "eo:bands": [{"name": name} for name in "RGB"]}}
        with pytest.raises(ItemError, match="item b has the bands R, G, B, and the first B04"):
            from_stac([item("a"), item("b", assets=three)], "B04")

    def test_a_mask_is_one_band(self):
        three = {"B04": {"href": "x.tif", "eo:bands": [{"name": name} for name in "RGB"]}}
        with pytest.raises(ItemError, match=r"item a, asset B04 has 3 bands, and a mask is one"):
            from_stac(item(assets=three), "R", mask=Mask("B04", (1,)))
        with pytest.raises(ItemError, match="item a has no band 'QA'"):
            from_stac(item(), "B04", mask=Mask("QA", (1,)))
        with pytest.raises(TypeError, match=r"mask is a geostack\.Mask"):
            from_stac(item(), "B04", mask="SCL")

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({}, "a mask is an asset and its classes or bits"),
            ({"classes": (1.5,)}, "whole numbers"),
            ({"bits": (64,)}, "from 0, up to 63"),
            ({"bits": (-1,)}, "from 0, up to 63"),
        ],
    )
    def test_masks_say_what_is_missing(self, wrong, message):
        with pytest.raises(ValueError, match=message):
            Mask("SCL", **wrong)


class TestScales:
    new, old = {"scale": 1e-4, "offset": -0.1}, {"scale": 1e-4, "offset": 0}

    def test_numbers_that_mean_different_things_are_not_mixed(self):
        with pytest.raises(
            ItemError, match=r"item b, asset B04 has the scale and offset .*give scale_offset=True"
        ):
            from_stac([scaled("a", **self.new), scaled("b", **self.old)], "B04")
        from_stac([scaled("a", **self.new), scaled("b", **self.new)], "B04")
        assert (
            len(from_stac([scaled("a", **self.new), scaled("b", **self.old)], "B04", scale_offset=True)) == 2
        )

    def test_an_item_that_names_none_is_not_taken_for_one_that_does(self):
        with pytest.raises(
            ItemError, match="item a, asset B04 names a scale or offset, and item b, asset B04 none"
        ):
            from_stac([scaled("a", **self.new), item("b")], "B04", scale_offset=True)

    def test_where_nothing_is_named_nothing_can_be_applied(self):
        with pytest.raises(
            ItemError, match="item a names no scale or offset of B04 .*leave out scale_offset"
        ):
            from_stac(item("a"), "B04", scale_offset=True)
