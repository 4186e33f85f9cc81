"""Finding scenes against a STAC API and a file server of our own on loopback, with the real clients."""

import json
import subprocess
import sys
import traceback

import numpy as np
import planetary_computer
import pytest
import rasterio
from georeader.rasterio_reader import RasterioReader
from planetary_computer.sas import TOKEN_CACHE
from planetary_computer.settings import Settings
from rasterio.windows import Window

import geostack
from geopatcher import RasterField
from geostack import (
    API_VARIABLE,
    LAKE_TAHOE_TILE,
    MissingExtraError,
    NoItemsError,
    StacApiError,
    load_stac_items,
    stac,
)
from loopback import Catalogue, Tokens, scene, scenes, serving, serving_files

SUMMER = ("sentinel-2-l2a", (-180, -90, 180, 90), "2024-06-01/2024-07-15")

# The last section of the streaming document, as it stands there.
SECTION = """
from geostack import load_stac_items, LAKE_TAHOE_TILE
item = load_stac_items(
    "sentinel-2-l2a", (-180, -90, 180, 90), "2024-06-01/2024-07-15",
    tile=LAKE_TAHOE_TILE, max_cloud_cover=5,
)[0]
# Lazy windowed read straight from MPC — no full-tile fetch.
reader = RasterioReader(item.assets["B04"].href)
field = RasterField(reader)
"""


@pytest.fixture(autouse=True)
def _no_proxy_and_no_default(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv(API_VARIABLE, raising=False)


@pytest.fixture
def api():
    usual = {
        "languages": ["query", "filter"],
        "obeys": True,
        "classes": ["core", "collections", "item-search"],
        "methods": ["GET", "POST"],
        "leads_back": None,
    }
    with serving(Catalogue, items=scenes(), refuses=[], failures=[], log=[], **usual) as server:
        yield server


def ids(items):
    return [item.id for item in items]


def searches(server):
    return [request for request in server.log if request.path == "/search"]


class TestSearch:
    @pytest.mark.parametrize("naming", ["s2:mgrs_tile", "grid:code"])
    @pytest.mark.parametrize("methods", [["GET", "POST"], ["GET"]])
    @pytest.mark.parametrize("languages", [["query", "filter"], ["filter"], []])
    @pytest.mark.parametrize("obeys", [True, False])
    def test_every_api_gives_the_same_answer(self, api, naming, methods, languages, obeys):
        api.items, api.methods, api.languages, api.obeys = scenes(naming=naming), methods, languages, obeys
        assert ids(load_stac_items(*SUMMER, tile=LAKE_TAHOE_TILE, max_cloud_cover=5, api=api.url)) == list(
            "daf"
        )
        assert {request.method for request in searches(api)} == {"GET" if methods == ["GET"] else "POST"}

    def test_without_limits_all_pages_come_clearest_first_and_unknown_last(self, api):
        assert ids(load_stac_items(*SUMMER, api=api.url)) == list("cdafbg")
        assert len(searches(api)) == 3
        assert not any({"query", "filter"} & set(request.parameters) for request in searches(api))

    def test_equally_clear_items_come_in_the_order_of_their_ids(self, api):
        api.items = [scene(name) for name in "tahoe"]
        assert ids(load_stac_items(*SUMMER, api=api.url)) == sorted("tahoe")

    def test_the_server_filters_when_it_can(self, api):
        load_stac_items(*SUMMER, tile=LAKE_TAHOE_TILE, max_cloud_cover=1, api=api.url)
        (request,) = searches(api)
        expected = {"s2:mgrs_tile": {"eq": "10SGJ"}, "eo:cloud_cover": {"lte": 1}}
        assert request.parameters["query"] == expected

    @pytest.mark.parametrize("refuses", [["s2:mgrs_tile"], ["s2:mgrs_tile", "grid:code"]])
    def test_an_api_that_refuses_a_property_is_asked_in_other_words(self, api, refuses):
        api.items, api.refuses = scenes(naming="grid:code"), refuses
        assert ids(load_stac_items(*SUMMER, tile=LAKE_TAHOE_TILE, max_cloud_cover=5, api=api.url)) == list(
            "daf"
        )

    def test_a_busy_api_is_asked_again(self, api):
        api.failures = [503]
        assert ids(load_stac_items(*SUMMER, tile="11SKD", api=api.url)) == ["c"]

    def test_the_environment_names_the_default_and_an_argument_wins(self, api, monkeypatch):
        monkeypatch.setenv(API_VARIABLE, api.url)
        assert ids(load_stac_items(*SUMMER, tile="11SKD")) == ["c"]
        monkeypatch.setenv(API_VARIABLE, "http://127.0.0.1:1")
        assert ids(load_stac_items(*SUMMER, tile="11SKD", api=api.url)) == ["c"]

    def test_relative_addresses_of_assets_become_absolute(self, api):
        (item,) = load_stac_items(*SUMMER, tile="11SKD", api=api.url)
        assert item.assets["B04"].href == "http://127.0.0.1/items/B04.tif"


class TestNothingFound:
    def test_says_what_was_asked_and_what_came_closest(self, api):
        api.languages = []
        with pytest.raises(LookupError) as caught:
            load_stac_items(*SUMMER, tile="10SGJ", max_cloud_cover=0.1, api=api.url)
        assert type(caught.value) is NoItemsError
        assert str(caught.value) == (
            f"{api.url} has no item of collection 'sentinel-2-l2a', bbox (-180, -90, 180, 90), "
            "datetime 2024-06-01/2024-07-15, tile 10SGJ, cloud cover <= 0.1 % (it sent 6 items, "
            "5 of the tile, the clearest with 0.25 % cloud): try a wider bbox or datetime, or another tile, "
            "or a higher max_cloud_cover"
        )

    def test_items_that_an_api_sends_for_each_wording_are_counted_once(self, api):
        api.obeys = False
        with pytest.raises(NoItemsError, match=r"\(it sent 6 items, 0 of the tile\)"):
            load_stac_items(*SUMMER, tile="12SGJ", api=api.url)
        assert len(searches(api)) == 2 * 3  # two wordings, in pages of two

    def test_an_unknown_collection_is_named(self, api):
        with pytest.raises(
            NoItemsError, match=f"{api.url} has no collection 'sentinel2': .*{api.url}/collections$"
        ):
            load_stac_items("sentinel2", *SUMMER[1:], api=api.url)

    def test_a_place_without_scenes(self, api):
        with pytest.raises(NoItemsError, match=r"\(it sent 0 items\): try a wider bbox or datetime$"):
            load_stac_items("sentinel-2-l2a", (10, 50, 11, 51), "2024", api=api.url)


class TestTrouble:
    @pytest.mark.parametrize("methods", [["GET", "POST"], ["GET"]])
    @pytest.mark.parametrize("first", [0, 4])
    def test_a_link_to_the_next_page_that_leads_back_ends(self, api, methods, first):
        """Else the same page would be asked for without end."""
        api.methods, api.leads_back = methods, first
        with pytest.raises(
            StacApiError, match=rf"^{api.url}.* sent a page of 2 item\(s\) twice, . first: its"
        ):
            load_stac_items(*SUMMER, api=api.url)

    def test_an_api_out_of_reach(self):
        with pytest.raises(
            ConnectionError, match=r"^http://127\.0\.0\.1:1/stac cannot be reached \(.*refused"
        ) as caught:
            load_stac_items(*SUMMER, api="http://127.0.0.1:1/stac")
        assert type(caught.value) is StacApiError

    @pytest.mark.parametrize(
        ("failures", "message"),
        [
            ([404], "refused the search with HTTP 404"),
            ([500], "failed with HTTP 500"),
            ([503] * 5, "failed with HTTP 503"),
        ],
    )
    def test_an_api_that_fails(self, api, failures, message, monkeypatch):
        monkeypatch.setattr("urllib3.util.retry.time.sleep", lambda _: None)
        api.failures = failures
        with pytest.raises(StacApiError, match=f"^{api.url} {message}"):
            load_stac_items(*SUMMER, api=api.url)

    @pytest.mark.parametrize("path", ["collections/sentinel-2-l2a", "page"])
    def test_a_page_that_is_no_stac_api(self, api, path):
        with pytest.raises(StacApiError, match=f"^{api.url}/{path} answered, but not as a STAC API does"):
            load_stac_items(*SUMMER, api=f"{api.url}/{path}")

    def test_a_catalogue_without_search(self, api):
        api.classes, api.languages = ["core"], []
        with pytest.raises(StacApiError, match=f"^{api.url} offers no item search: name the landing page"):
            load_stac_items(*SUMMER, api=api.url)

    def test_a_malformed_item(self, api):
        api.items[0].pop("assets")
        api.items[0]["properties"] = {"datetime": "2024-06-11 or so"}
        with pytest.raises(StacApiError, match="answered, but not as a STAC API does"):
            load_stac_items(*SUMMER, api=api.url)

    def test_an_answer_that_holds_no_item(self, api):
        for field in ("stac_version", "links", "assets"):
            api.items[0].pop(field)
        with pytest.raises(StacApiError, match="answered, but not as a STAC API does"):
            load_stac_items(*SUMMER, api=api.url)

    @pytest.mark.parametrize("address", ["localhost:8000", "/etc/passwd", "file:///etc/passwd", "http://"])
    def test_an_address_that_is_none(self, address, monkeypatch):
        with pytest.raises(ValueError, match=f"^api is '{address}': write the API's address with http"):
            load_stac_items(*SUMMER, api=address)
        monkeypatch.setenv(API_VARIABLE, address)
        with pytest.raises(ValueError, match=r"^environment variable GEOSTACK_STAC_API is"):
            load_stac_items(*SUMMER)

    @pytest.mark.parametrize("secret", ["ann:hunter2@{}", "{}/?subscription-key=hunter2"])
    def test_an_address_with_a_key_is_refused_without_repeating_it(self, secret):
        address = f"http://{secret.format('127.0.0.1:1')}"
        with pytest.raises(
            ValueError, match=r"^api is 'http://127\.0\.0\.1:1.* with a password or a query"
        ) as caught:
            load_stac_items(*SUMMER, api=address)
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))

    def test_a_key_in_the_answer_is_not_repeated(self, api):
        api.failures = [403]
        with pytest.raises(StacApiError, match=r"HTTP 403 .*quota of .*sig=…") as caught:
            load_stac_items(*SUMMER, api=api.url)
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))

    def test_without_the_extra(self):
        code = (
            "import sys, geostack; sys.modules['pystac_client'] = None\n"
            "late = {'pystac', 'requests', 'planetary_computer', 'geopatcher', 'numpy'}\n"
            "print(sorted(late & set(sys.modules)))\n"
            "try: geostack.load_stac_items('c', (0, 0, 1, 1), '2024')\n"
            "except ImportError as error: print(type(error).__name__, error)"
        )
        child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        loaded, message = child.stdout.splitlines()
        assert loaded == "[]"
        assert message.startswith(
            "MissingExtraError finding scenes needs pystac_client, which cannot be imported"
        )
        assert message.endswith("pip install 'geopatcher[stac]'")
        assert issubclass(MissingExtraError, ImportError)


class TestSigning:
    guarded = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/B04.tif"

    @pytest.fixture
    def tokens(self, monkeypatch):
        with serving(Tokens, status=200, log=[]) as server:
            monkeypatch.setenv("PC_SDK_SAS_URL", f"{server.url}/token")
            Settings.get.cache_clear()
            TOKEN_CACHE.clear()
            yield server
        Settings.get.cache_clear()
        TOKEN_CACHE.clear()

    @pytest.fixture
    def computer(self, api, monkeypatch):
        """Let the API on loopback pass for the Planetary Computer."""
        api.items = scenes(href=self.guarded)
        monkeypatch.setattr(stac, "PLANETARY_COMPUTER", api.url)
        return api

    def test_assets_of_the_planetary_computer_are_signed_with_one_token(self, computer, tokens):
        items = load_stac_items(*SUMMER)
        assert {item.assets["B04"].href for item in items} == {f"{self.guarded}?st=now&sig=abc"}
        assert tokens.log == ["/token/sentinel2l2a01/sentinel2-l2"]

    def test_assets_of_other_apis_are_left_alone(self, api, tokens):
        api.items = scenes(href=self.guarded)
        assert load_stac_items(*SUMMER, api=api.url)[0].assets["B04"].href == self.guarded
        assert tokens.log == []

    def test_a_refused_signature_is_named(self, computer, tokens):
        tokens.status = 403
        with pytest.raises(StacApiError, match=f"^{computer.url} gave no signature for the assets .*403"):
            load_stac_items(*SUMMER)

    def test_without_the_signing_library_a_warning_says_so(self, computer, monkeypatch):
        monkeypatch.setitem(sys.modules, planetary_computer.__name__, None)
        with pytest.warns(UserWarning, match=r"not signed .* pip install 'geopatcher\[stac\]'") as caught:
            items = load_stac_items(*SUMMER)
        assert items[0].assets["B04"].href == self.guarded
        assert caught[0].filename == __file__


class TestReading:
    @pytest.fixture
    def truth(self):
        # Noise does not compress: the file is as large as its pixels.
        return np.random.default_rng(7).integers(1, 10_000, (2048, 2048), dtype=np.uint16)

    @pytest.fixture
    def cog(self, truth, tmp_path):
        path = tmp_path / "served" / "B04.tif"
        path.parent.mkdir()
        size = {"height": truth.shape[0], "width": truth.shape[1], "count": 1, "dtype": "uint16"}
        grid = {"crs": "EPSG:32610", "transform": rasterio.Affine(10, 0, 699_960, 0, -10, 4_400_040)}
        with rasterio.open(path, "w", driver="COG", blocksize=256, nodata=0, **size, **grid) as target:
            target.write(truth, 1)
        return path

    def test_the_section_of_the_document_runs_and_reads_only_what_it_needs(
        self, api, cog, truth, tmp_path, monkeypatch
    ):
        monkeypatch.setenv(API_VARIABLE, api.url)
        log = tmp_path / "requests"
        window = Window(col_off=700, row_off=1300, width=100, height=60)
        with serving_files(cog.parent, log) as address:
            api.items = scenes(href=f"{address}/B04.tif")
            namespace = {"RasterioReader": RasterioReader, "RasterField": RasterField}
            exec(SECTION, namespace)  # noqa: S102 - the document's own code
            read = [namespace["reader"].read_from_window(window).load(), namespace["field"].select(window)]
            pixels = [np.squeeze(np.asarray(tensor.values)) for tensor in read]
        assert namespace["item"].id == "d"
        assert namespace["field"].domain.shape[-2:] == truth.shape
        for got in pixels:
            np.testing.assert_array_equal(got, truth[1300:1360, 700:800])
        asked = [note for note in map(json.loads, log.read_text().splitlines()) if note["path"] == "/B04.tif"]
        assert all(note["range"] is not None for note in asked)
        assert 0 < sum(note["n_bytes"] for note in asked) < cog.stat().st_size / 8


def test_the_package_exports_what_it_documents():
    assert all(name in vars(geostack) for name in geostack.__all__)
    assert {"load_stac_items", "LAKE_TAHOE_TILE", "PLANETARY_COMPUTER"} <= set(geostack.__all__)
