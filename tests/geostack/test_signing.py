"""Signatures of assets, by a function and as the Planetary Computer gives them."""

import sys

import planetary_computer
import pystac
import pytest
from planetary_computer.sas import TOKEN_CACHE
from planetary_computer.settings import Settings

from geostack import MissingExtraError, from_stac
from geostack.signing import PLANETARY_COMPUTER
from loopback import Tokens, scene, serving

GUARDED = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/B04.tif"


@pytest.fixture
def tokens(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(Tokens, status=200, log=[]) as server:
        monkeypatch.setenv("PC_SDK_SAS_URL", f"{server.url}/token")
        Settings.get.cache_clear()
        TOKEN_CACHE.clear()
        yield server
    Settings.get.cache_clear()
    TOKEN_CACHE.clear()


def item(href=GUARDED, *, page=None):
    made = pystac.Item.from_dict(scene("a", href=href))
    if page is not None:
        made.set_self_href(page)
    return made


def href(given, sign=None):
    """Return the address of an asset as it is opened."""
    (band,) = from_stac(given, "B04", sign=sign).described_scenes[0].bands
    return band.href if band.sign is None else band.sign(band.href)


class TestPlanetaryComputer:
    page = f"{PLANETARY_COMPUTER}/collections/sentinel-2-l2a/items/a"

    def test_items_of_it_are_signed_unasked_and_others_are_not(self, tokens):
        assert href(item(page=self.page)) == f"{GUARDED}?st=now&sig=abc"
        assert href(item()) == GUARDED

    def test_others_are_when_it_is_asked(self, tokens):
        assert href(item(), "planetary-computer") == f"{GUARDED}?st=now&sig=abc"

    def test_a_signature_from_before_is_replaced(self, tokens):
        old = f"{GUARDED}?se=2020-01-01&sig=old"
        assert href(item(old), "planetary-computer") == f"{GUARDED}?st=now&sig=abc"

    def test_other_addresses_keep_their_queries(self, tokens):
        other = "https://host/B04.tif?scene=1&sig=x"
        assert href(item(other), "planetary-computer") == other

    def test_without_its_library_asking_for_it_is_an_error_that_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, planetary_computer.__name__, None)
        with pytest.raises(MissingExtraError, match=r"pip install 'geopatcher\[stac\]'"):
            from_stac(item(), "B04", sign="planetary-computer")

    def test_without_its_library_a_warning_says_so(self, monkeypatch):
        monkeypatch.setitem(sys.modules, planetary_computer.__name__, None)
        with pytest.warns(UserWarning, match=r"not signed .* pip install 'geopatcher\[stac\]'"):
            assert href(item(page=self.page)) == GUARDED


class TestFunctions:
    def test_one_that_changes_an_item_and_one_that_gives_another(self):
        def in_place(given):
            given.assets["B04"].href += "?sig=1"

        def another(given):
            copy = given.clone()
            copy.assets["B04"].href += "?sig=2"
            return copy

        assert href(item(), in_place).endswith("sig=1")
        assert href(item(), another).endswith("sig=2")

    def test_the_items_of_the_caller_stay_as_they_are(self):
        mine = item()
        source = from_stac(
            mine, "B04", sign=lambda given: setattr(given.assets["B04"], "href", "/signed.tif")
        )
        (band,) = source.described_scenes[0].bands
        assert band.href == GUARDED
        assert band.sign(GUARDED) == "/signed.tif"
        assert mine.assets["B04"].href == GUARDED

    def test_files_beside_an_asset_are_signed_like_it(self):
        def in_place(given):
            for asset in given.assets.values():
                asset.href += "?sig=3"

        (band,) = from_stac(item(), "B04", sign=in_place).described_scenes[0].bands
        assert band.sign(f"{GUARDED}.msk") == f"{GUARDED}.msk?sig=3"

    def test_what_is_no_item_is_refused(self):
        with pytest.raises(TypeError, match="sign gave str for item a: return the signed item, or None"):
            href(item(), lambda given: given.assets["B04"].href)
        with pytest.raises(TypeError, match="sign is a function of an item"):
            from_stac(item(), "B04", sign="azure")
