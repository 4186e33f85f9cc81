"""The question as a value: what is refused, how it is sent, and what passes as an answer."""

import datetime as dt
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geostack import LAKE_TAHOE_TILE
from geostack.query import SceneQuery, cloud_cover, parse_tile

WORLD = (-180, -90, 180, 90)
DAY = "2024-06-11"

# Written out from the definition of MGRS: bands C to X, columns A to Z, rows A to V, no I and no O.
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
TILES = st.tuples(
    st.integers(1, 60),
    st.sampled_from(LETTERS[2:22]),
    st.sampled_from(LETTERS),
    st.sampled_from(LETTERS[:20]),
)


def ask(*, bbox=WORLD, datetime=DAY, **rest):
    return SceneQuery.of("sentinel-2-l2a", bbox, datetime, **rest)


class TestTile:
    @given(TILES, st.sampled_from(["", "T", "MGRS-", "t"]), st.booleans(), st.booleans())
    def test_every_way_of_writing_a_tile_is_the_same_tile(self, parts, prefix, padded, lower):
        zone, *letters = parts
        square = "".join(letters)
        text = prefix + (f"{zone:02d}" if padded else str(zone)) + (square.lower() if lower else square)
        assert parse_tile(text) == f"{zone:02d}{square}"

    @pytest.mark.parametrize(
        "text", ["", "Tahoe", "10SG", "10SGJJ", "61SGJ", "0SGJ", "00SGJ", "10IGJ", "10SOJ", "10SGW", "10BGJ"]
    )
    def test_other_texts_are_no_tiles(self, text):
        assert parse_tile(text) is None
        with pytest.raises(ValueError, match=re.escape(f"tile {text!r} is not an MGRS tile")):
            ask(tile=text)

    @pytest.mark.parametrize(
        "properties",
        [
            {"s2:mgrs_tile": "10SGJ"},
            {"s2:mgrs_tile": "T10SGJ"},
            {"grid:code": "MGRS-10SGJ"},
            {"s2:mgrs_tile": None, "grid:code": "MGRS-10SGJ"},
        ],
    )
    def test_is_found_under_either_name(self, properties):
        assert ask(tile=LAKE_TAHOE_TILE).is_tile(properties)

    @pytest.mark.parametrize(
        "properties",
        [
            {},
            {"s2:mgrs_tile": "11SKD"},
            {"grid:code": "WRS2-043033"},
            {"s2:mgrs_tile": 10},
            {"tile": "10SGJ"},
        ],
    )
    def test_other_items_are_not_of_the_tile(self, properties):
        assert not ask(tile=LAKE_TAHOE_TILE).is_tile(properties)
        assert ask().is_tile(properties)


class TestClouds:
    @pytest.mark.parametrize(
        ("cover", "clear"), [(0, True), (4.99, True), (5, True), (5.0001, False), (None, False)]
    )
    def test_limit_is_inclusive_and_unknown_is_not_known_to_be_clear(self, cover, clear):
        assert ask(max_cloud_cover=5).is_clear({"eo:cloud_cover": cover}) is clear
        assert ask().is_clear({"eo:cloud_cover": cover})

    @pytest.mark.parametrize("value", [None, "12", True, float("nan"), [3]])
    def test_what_is_not_a_number_states_nothing(self, value):
        assert cloud_cover({"eo:cloud_cover": value}) is None
        assert cloud_cover({}) is None

    @pytest.mark.parametrize("limit", [-1, 100.5, float("nan")])
    def test_limit_outside_per_cent_is_refused(self, limit):
        with pytest.raises(ValueError, match=f"max_cloud_cover is in per cent, from 0 to 100, not {limit}"):
            ask(max_cloud_cover=limit)


class TestConditions:
    def test_query_extension(self):
        assert ask(tile="5QKB", max_cloud_cover=5).conditions("query") == [
            {"query": {"s2:mgrs_tile": {"eq": "05QKB"}, "eo:cloud_cover": {"lte": 5}}},
            {"query": {"grid:code": {"eq": "MGRS-05QKB"}, "eo:cloud_cover": {"lte": 5}}},
            {"query": {"grid:code": {"eq": "MGRS-5QKB"}, "eo:cloud_cover": {"lte": 5}}},
        ]

    def test_filter_extension(self):
        clear = {"op": "<=", "args": [{"property": "eo:cloud_cover"}, 5]}
        tiles = [
            {"op": "=", "args": [{"property": "s2:mgrs_tile"}, "10SGJ"]},
            {"op": "=", "args": [{"property": "grid:code"}, "MGRS-10SGJ"]},
        ]
        assert [c["filter"] for c in ask(tile="10SGJ", max_cloud_cover=5).conditions("filter")] == [
            {"op": "and", "args": [tile, clear]} for tile in tiles
        ]
        assert [c["filter"] for c in ask(tile="10SGJ").conditions("filter")] == tiles
        assert ask(max_cloud_cover=5).conditions("filter") == [{"filter": clear, "filter_lang": "cql2-json"}]

    @pytest.mark.parametrize("language", ["query", "filter"])
    def test_nothing_to_filter_sends_nothing(self, language):
        assert ask().conditions(language) == []


class TestBox:
    @pytest.mark.parametrize(
        "bbox", [WORLD, (170, -20, -170, -10), [-121, 38, 0, -119, 40, 3000], (7, 50, 7, 50)]
    )
    def test_boxes_of_geojson_are_kept(self, bbox):
        assert ask(bbox=bbox).bbox == tuple(bbox)

    @pytest.mark.parametrize(
        "bbox",
        [
            (),
            (1, 2, 3),
            (0, 50, 10, 40),
            (0, 0, 0, 91),
            (-200, 0, 0, 1),
            (0, 0, float("nan"), 1),
            (5e5, 4e6, 6e5, 5e6),
        ],
    )
    def test_other_boxes_are_refused(self, bbox):
        with pytest.raises(ValueError, match=r"bbox .*\(west, south, east, north\) in degrees"):
            ask(bbox=bbox)


class TestDatetime:
    noon = dt.datetime(2024, 6, 1, 12)  # noqa: DTZ001 - without a zone it is read as UTC
    paris = dt.datetime(2024, 7, 15, 2, tzinfo=dt.timezone(dt.timedelta(hours=2)))

    @pytest.mark.parametrize(
        ("given_as", "sent"),
        [
            ("2024-06-01/2024-07-15", "2024-06-01/2024-07-15"),
            ("2024", "2024"),
            ("2024-06/2024", "2024-06/2024"),
            ("2024-06-01T10:00:00Z/..", "2024-06-01T10:00:00Z/.."),
            ("/2024-06-01T10:00:00.5+02:00", "../2024-06-01T10:00:00.5+02:00"),
            (noon, "2024-06-01T12:00:00Z"),
            ((noon, paris), "2024-06-01T12:00:00Z/2024-07-15T00:00:00Z"),
            (("2024-06-01", None), "2024-06-01/.."),
        ],
    )
    def test_forms(self, given_as, sent):
        assert ask(datetime=given_as).datetime == sent

    @pytest.mark.parametrize(
        ("given_as", "message"),
        [
            ("", "names no time"),
            ("../..", "names no time"),
            ("2024-06-01/2024-06-02/2024-06-03", "names no time"),
            ("June 2024", "'June 2024' is no date or time"),
            ("2024-02-30", "'2024-02-30' is no date or time"),
            ("2024-13/2025", "'2024-13' is no date or time"),
            ("2024-07-15/2024-06-01", "ends before it starts"),
        ],
    )
    def test_what_names_no_time_is_refused(self, given_as, message):
        with pytest.raises(ValueError, match=re.escape(message)):
            ask(datetime=given_as)


def test_a_query_reads_as_what_was_asked():
    assert str(ask(bbox=(-121, 38, -119, 40), tile="T10SGJ", max_cloud_cover=5.0)) == (
        "collection 'sentinel-2-l2a', bbox (-121, 38, -119, 40), datetime 2024-06-11, tile 10SGJ, "
        "cloud cover <= 5 %"
    )


def test_a_collection_has_a_name():
    with pytest.raises(ValueError, match="collection is empty"):
        SceneQuery.of("", WORLD, DAY)
