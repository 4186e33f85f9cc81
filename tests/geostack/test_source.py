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


class TestCatalogues:
    """Items as catalogues write them, in brief."""

    def test_one_of_stac_1_1_with_a_file_for_each_size_of_pixels(self):
        red = {"name": "B04", "eo:common_name": "red"}
        told = {"proj:code": "EPSG:32633", "data_type": "uint16", "nodata": 0, "raster:scale": 1e-4}
        assets = {"TCI_10m": {"href": "s3://b/TCI.jp2", "roles": ["visual"], "bands": [red, red, red]}}
        for side, pixels in ((60, 1830), (10, 10980), (20, 5490)):
            place = {"proj:shape": [pixels] * 2, "proj:transform": [side, 0, 300000, 0, -side, 5000040]}
            more = {"roles": ["data", f"sampling:{side}m"], "type": "image/jp2", "bands": [red]}
            assets[f"B04_{side}m"] = {"href": f"s3://b/{side}.jp2"} | told | place | more
        made = item(assets=assets) | {"stac_version": "1.1.0"}
        for name in ("B04", "red"):
            (band,) = from_stac(made, name).described_scenes[0].bands
            assert band.href == "s3://b/10.jp2"
            assert band.grid.is_whole
            assert (band.told.dtype, band.told.nodata, band.told.scale) == ("uint16", 0, 1e-4)

    def test_one_whose_assets_are_called_by_color_twice(self):
        bands = [{"name": "red", "common_name": "red"}]
        raster = [
            {"nodata": 0, "data_type": "uint16", "spatial_resolution": 10, "scale": 1e-4, "offset": -0.1}
        ]
        common = {"roles": ["data", "reflectance"], "eo:bands": bands, "raster:bands": raster}
        assets = {
            "red-jp2": {"href": "s3://b/B04.jp2", "type": "image/jp2"} | common,
            "red": {"href": "https://h/B04.tif", "type": "image/tiff; profile=cloud-optimized"} | common,
        }
        (band,) = from_stac(item(assets=assets), "red", scale_offset=True).described_scenes[0].bands
        assert (band.href, band.told.offset) == ("https://h/B04.tif", -0.1)

    def test_one_with_files_at_two_providers(self):
        other = {"s3": {"href": "s3://usgs/B4.TIF", "storage:requester_pays": True}}
        red = {
            "href": "https://h/B4.TIF",
            "alternate": other,
            "eo:bands": [{"name": "B4", "common_name": "red"}],
        }
        quality = {"href": "https://h/QA.TIF", "alternate": {"s3": {"href": "s3://usgs/QA.TIF"}}}
        made = item(assets={"red": red, "qa_pixel": quality}, **{"proj:epsg": 32610})
        mask = Mask("qa_pixel", bits=(1, 3, 4))
        (one,) = from_stac(made, "B4", mask=mask, alternate="s3").described_scenes
        assert (one.bands[0].href, one.mask.href) == ("s3://usgs/B4.TIF", "s3://usgs/QA.TIF")
        assert one.bands[0].grid.crs == "EPSG:32610"
