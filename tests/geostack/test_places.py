"""Addresses of files of this machine."""

import pytest

from geostack.places import path_of


@pytest.mark.parametrize("name", ["a.tif", "a b.tif", "ä.tif", "100%.tif", "a?b#c.tif", "%20.tif"])
def test_what_pathlib_writes_is_read(tmp_path, name):
    assert path_of((tmp_path / name).as_uri()) == str(tmp_path / name)


def test_this_machine_may_be_named():
    assert path_of("file://localhost/data/a%20b.tif") == "/data/a b.tif"


@pytest.mark.parametrize(
    "address", ["s3://bucket/a%20b.tif", "/vsizip/a%20b.zip/c.tif", "file://other/a.tif"]
)
def test_other_addresses_stay(address):
    assert path_of(address) == address


def test_what_is_not_escaped_stays():
    assert path_of("file:///data/a b?c#d.tif") == "/data/a b?c#d.tif"
