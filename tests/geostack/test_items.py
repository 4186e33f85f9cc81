"""What items may be given as."""

import json
import warnings

import pystac
import pytest

from geostack import ItemError, from_stac
from geostack.items import items_of
from loopback import scene, serving_files


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def collection(*names):
    return {"type": "FeatureCollection", "features": [scene(name) for name in names]}


def ids(given):
    return [item.id for item, _ in items_of(given)]


class TestForms:
    def test_objects_mappings_and_files(self, tmp_path):
        (tmp_path / "a.json").write_text(json.dumps(scene("a")))
        (tmp_path / "bc.json").write_text(json.dumps(collection("b", "c")))
        given = [
            pystac.Item.from_dict(scene("d")),
            scene("e"),
            collection("f", "g"),
            tmp_path / "a.json",
            str(tmp_path / "bc.json"),
        ]
        assert ids(given) == list("defgabc")

    @pytest.mark.parametrize("alone", [scene("a"), pystac.Item.from_dict(scene("a")), collection("a")])
    def test_one_alone(self, alone):
        assert ids(alone) == ["a"]

    def test_a_collection_of_pystac(self):
        assert ids(pystac.ItemCollection.from_dict(collection("a", "b"))) == ["a", "b"]

    def test_a_page(self, tmp_path):
        folder = tmp_path / "served"
        folder.mkdir()
        (folder / "a.json").write_text(json.dumps(scene("a")))
        with serving_files(folder, tmp_path / "log") as address:
            assert ids(f"{address}/a.json?sig=hunter2") == ["a"]
            with pytest.raises(
                ItemError, match=r"^http://127.*/b\.json\?… cannot be read as an item: 404"
            ) as caught:
                items_of(f"{address}/b.json?sig=hunter2")
        assert "hunter2" not in str(caught.value)

    def test_a_page_of_a_search_leads_to_more(self, tmp_path):
        """The items of the pages behind it are not in it."""
        more = {
            "links": [{"rel": "self", "href": "x"}, {"rel": "next", "href": "https://api/search?token=2"}]
        }
        page, last = collection("a", "b") | more, collection("c")
        (tmp_path / "a b.json").write_text(json.dumps(page))
        place = tmp_path / "a b.json"
        for given in (page, pystac.ItemCollection.from_dict(page), place, place.as_uri(), [last, page]):
            with pytest.warns(
                UserWarning, match=r"is one page of a search, and those that follow are left out"
            ):
                assert ids(given)[-2:] == ["a", "b"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert ids([page, last]) == ["a", "b", "c"]

    def test_what_is_given_is_not_changed(self):
        item, record = pystac.Item.from_dict(scene("a")), scene("b")
        before = (item.to_dict(), json.dumps(record))
        for mine, _ in items_of([item, record]):
            mine.assets["B04"].href = "elsewhere"
        assert (item.to_dict(), json.dumps(record)) == before

    def test_an_item_without_an_address_is_at_home_where_it_was_read(self, tmp_path):
        bare, path = scene("a") | {"links": []}, tmp_path / "a.json"
        path.write_text(json.dumps(bare))
        assert [home for _, home in items_of([path, bare, scene("b")])] == [str(path), None, None]

    @pytest.mark.parametrize("links", [[], [{"rel": "self", "href": "./a.json"}]])
    def test_a_relative_path_is_that_of_the_working_directory(self, tmp_path, monkeypatch, links):
        (tmp_path / "a.json").write_text(json.dumps(scene("a") | {"links": links}))
        monkeypatch.chdir(tmp_path)
        (scene_of_it,) = from_stac("a.json", "B04").described_scenes
        assert scene_of_it.bands[0].href == str(tmp_path / "B04.tif")


class TestTrouble:
    def test_there_are_none(self):
        for none in ([], collection()):
            with pytest.raises(ItemError, match="there are no items"):
                items_of(none)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "cannot be read as an item"),
            ("[1]", "is no STAC item, but list"),
            ('{"type": "Catalog"}', "nor a collection of items: its type is 'Catalog'"),
            ('{"type": "FeatureCollection", "features": [3]}', "has no item in place 1, but int"),
            ('{"type": "Feature", "id": "x"}', r"\(x\) is no STAC item"),
        ],
    )
    def test_files_that_are_none_are_named(self, tmp_path, text, message):
        (tmp_path / "wrong.json").write_text(text)
        with pytest.raises(ItemError, match=rf"wrong\.json.*{message}"):
            items_of(tmp_path / "wrong.json")

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(ItemError, match=r"gone\.json cannot be read as an item: .*No such file"):
            items_of(tmp_path / "gone.json")

    @pytest.mark.parametrize("wrong", [3, [3], None])
    def test_other_things_are_no_items(self, wrong):
        with pytest.raises(TypeError, match="not (int|NoneType)"):
            items_of(wrong)
