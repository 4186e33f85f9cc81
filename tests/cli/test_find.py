"""What is listed of a catalogue; `tests/whole/test_stac.py` asks one that has files, too."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from geopatcher.cli import main
from geostack import API_VARIABLE
from loopback import Catalogue, scenes, serving


@pytest.fixture
def api(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    usual = {"languages": ["query"], "obeys": True, "methods": ["POST"], "classes": ["core", "item-search"]}
    with serving(Catalogue, items=scenes(), refuses=[], failures=[], log=[], **usual) as server:
        monkeypatch.setenv(API_VARIABLE, server.url)
        yield server


def find(*arguments):
    asked = ["find", "sentinel-2-l2a", "--bbox", "-121,38,-119,40", "--datetime", "2024-06-01/2024-07-15"]
    return CliRunner().invoke(main, [*asked, *arguments])


def test_columns_and_what_is_not_known(api):
    lines = find().output.splitlines()
    assert lines[0].split() == ["id", "date", "cloud", "tile"]
    assert lines[1] == "c   2024-06-11  0 %     11SKD"
    assert lines[-1].split() == ["g", "2024-06-11", "-", "10SGJ"]
    assert len(lines) == 1 + 6


def test_a_tile_and_a_limit(api):
    rows = json.loads(find("--tile", "T10SGJ", "--cloud", "5", "--json").output)
    assert [row["id"] for row in rows] == ["d", "a", "f"]
    assert set(rows[0]) == {"id", "datetime", "cloud_cover", "tile", "assets"}


def test_nothing_is_an_error(api):
    found = find("--tile", "12SGJ")
    assert found.exit_code == 1
    assert found.output.startswith(f"Error: {api.url} has no item of collection 'sentinel-2-l2a'")


@pytest.mark.parametrize("wrong", [("--bbox", "1,2,3"), ("--bbox", "0,0,200,10"), ("--cloud", "101")])
def test_what_cannot_be_asked(api, wrong):
    found = find(*wrong)
    assert found.exit_code in {1, 2}
    assert "Error: " in found.output
