"""Which file a name means."""

import pystac
import pytest

from geostack import ItemError
from geostack.bands import ItemFiles

COG = "image/tiff; application=geotiff; profile=cloud-optimized"


def band(name, common=None, **more):
    return {"name": name} | ({"common_name": common} if common else {}) | more


def asset(href, *bands, media=COG, roles=("data",), **more):
    return (
        {"href": href, "type": media, "roles": list(roles)}
        | ({"eo:bands": list(bands)} if bands else {})
        | more
    )


ASSETS = {
    "B04": asset("./B04.tif", band("B04", "red")),
    "B08": asset("./B08.tif", band("B08", "nir")),
    "visual": asset("./TCI.tif", band("B04", "red"), band("B03", "green"), band("B02", "blue")),
    "SCL": asset("./SCL.tif"),
    "preview": asset("./preview.png", band("B04", "red"), media="image/png", roles=["thumbnail"]),
}


def files(assets=None, *, self_link="https://host/items/S2A.json", **options):
    links = [{"rel": "self", "href": self_link}] if self_link else []
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "S2A",
        "geometry": None,
        "properties": {"datetime": "2024-06-11T18:49:21Z"},
        "links": links,
        "assets": assets or ASSETS,
    }
    return ItemFiles(pystac.Item.from_dict(item), **options)


class TestNames:
    @pytest.mark.parametrize(
        ("name", "href", "index"),
        [
            ("B04", "B04.tif", None),
            ("red", "B04.tif", None),
            ("nir", "B08.tif", None),
            ("green", "TCI.tif", 2),
            ("B02", "TCI.tif", 3),
            ("visual.1", "TCI.tif", 1),
            ("SCL", "SCL.tif", None),
            ("SCL.1", "SCL.tif", 1),
        ],
    )
    def test_of_assets_of_bands_and_common_ones(self, name, href, index):
        (found,) = files().find(name).values()
        assert (found.href, found.index) == (f"https://host/items/{href}", index)

    def test_an_asset_of_several_bands_has_all_of_them(self):
        found = files().find("visual")
        assert [(name, file.index) for name, file in found.items()] == [("B04", 1), ("B03", 2), ("B02", 3)]

    def test_a_name_of_an_asset_comes_before_that_of_a_band(self):
        other = {"red": asset("./other.tif"), "B04": ASSETS["B04"]}
        assert files(other).find("red")["red"].href.endswith("other.tif")

    def test_the_better_of_two_is_a_geotiff_in_small_pixels(self):
        several = {
            "nir-jp2": asset("./nir.jp2", band("B08", "nir"), media="image/jp2", gsd=5),
            "nir60": asset("./nir60.tif", band("B08", "nir"), gsd=60),
            "nir10": asset("./nir10.tif", band("B08", "nir"), gsd=10),
        }
        assert files(several).find("nir")["nir"].href.endswith("nir10.tif")

    def test_of_two_that_are_as_good_none_is_taken(self):
        twins = {"B08": asset("./B08.tif", band("B08", "nir")), "B8A": asset("./B8A.tif", band("B8A", "nir"))}
        with pytest.raises(ItemError, match="band 'nir' of item S2A may be that of assets B08, B8A"):
            files(twins).find("nir")

    def test_an_unknown_one_is_named_with_those_there_are(self):
        with pytest.raises(
            ItemError, match=r"^item S2A has no band 'B99': its assets are B04 \(red\), B08 \(nir"
        ):
            files().find("B99")

    @pytest.mark.parametrize("name", ["visual.4", "visual.0"])
    def test_bands_of_an_asset_are_counted(self, name):
        with pytest.raises(ItemError, match=r"item S2A, asset visual has 3 band\(s\), counted from 1"):
            files().find(name)


class TestAddresses:
    @pytest.mark.parametrize(
        ("href", "found"),
        [
            ("./B04.tif", "https://host/items/B04.tif"),
            ("../x/B04.tif", "https://host/x/B04.tif"),
            ("https://other/B04.tif?sig=abc", "https://other/B04.tif?sig=abc"),
            ("s3://bucket/B04.tif", "s3://bucket/B04.tif"),
            ("/vsicurl/https://other/B04.tif", "/vsicurl/https://other/B04.tif"),
            ("/data/B04.tif", "/data/B04.tif"),
            ("file:///data/B04.tif", "/data/B04.tif"),
        ],
    )
    def test_relative_and_absolute(self, href, found):
        assert files({"B04": asset(href)}).find("B04")["B04"].href == found

    def test_relative_to_the_file_it_was_read_from(self):
        found = files(self_link=None, home="/data/items/S2A.json").find("B04")
        assert found["B04"].href == "/data/items/B04.tif"

    def test_relative_to_nothing(self):
        with pytest.raises(
            ItemError, match=r"item S2A, asset B04 is at \./B04\.tif, and nothing says relative"
        ):
            files(self_link=None).find("B04")

    def test_alternates(self):
        other = asset("./B04.tif", alternate={"s3": {"href": "s3://bucket/B04.tif"}})
        assert files({"B04": other}, alternate="s3").find("B04")["B04"].href == "s3://bucket/B04.tif"
        with pytest.raises(ItemError, match="item S2A, asset B04 has no alternate 'gs'; it has s3"):
            files({"B04": other}, alternate="gs").find("B04")
        with pytest.raises(ItemError, match="has no alternate 's3'; it has none"):
            files(alternate="s3").find("B04")

    def test_signatures_are_not_shown(self):
        found = files({"B04": asset("https://host/B04.tif?sig=hunter2")}).find("B04")["B04"]
        assert "hunter2" in found.href
        assert "hunter2" not in repr(found)


def test_headers_leaves_everything_but_the_meaning_to_the_file():
    told = {"proj:shape": [1, 2], "proj:transform": [1, 0, 0, 0, -1, 0], "proj:code": "EPSG:4326"}
    said = {"raster:bands": [{"data_type": "uint8", "nodata": 0, "scale": 2}]}
    assets = {"B04": asset("./B04.tif") | told | said}
    trusting, asking = files(assets).find("B04")["B04"], files(assets, headers=True).find("B04")["B04"]
    assert trusting.grid.is_whole
    assert (trusting.told.dtype, trusting.told.nodata, trusting.told.scale) == ("uint8", 0, 2)
    assert asking.grid.crs is asking.grid.shape is asking.told.dtype is asking.told.nodata is None
    assert asking.told.scale == 2
