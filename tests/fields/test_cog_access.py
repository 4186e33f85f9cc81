import pickle

import pytest

from geopatcher.errors import TransportError
from geopatcher.fields.cog_access import CogAccess


def access(url, options=None, store=None, path=None):
    return CogAccess.of(url, options, store, path, 60.0)


@pytest.mark.parametrize(
    ("url", "base", "path"),
    [
        ("s3://bucket/a/b.tif", "s3://bucket/a/", "b.tif"),
        ("s3://bucket/b.tif", "s3://bucket/", "b.tif"),
        ("https://host/a/b%20c.tif?sig=x", "https://host/a/?sig=x", "b c.tif"),
        ("/data/x/a b.tif", "file:///data/x/", "a b.tif"),
        ("file:///data/a.tif", "file:///data/", "a.tif"),
    ],
)
def test_a_url_is_a_store_and_a_path(url, base, path):
    found = access(url)
    assert (found.url, found.path) == (base, path)


def test_in_a_store_that_is_open_the_path_is_that_of_the_url():
    assert access("s3://bucket/a/b.tif", store=object()).path == "a/b.tif"
    assert access("s3://bucket/a/b.tif", store=object(), path="c.tif").path == "c.tif"


def test_what_is_shown_has_no_secrets():
    shown = str(access("https://me:hunter2@host/a.tif?sig=hunter3", {"token": "hunter4"}))
    assert "hunter" not in shown + repr(access("https://host/a.tif", {"token": "hunter4"}))
    assert shown.endswith("host/a.tif")


def test_what_is_pickled_has_no_secrets_and_says_so():
    given = access(
        "https://me:hunter2@host/a.tif?sig=hunter3",
        {"token": "hunter4", "region": "x", "ACCESS_KEY_ID": "hunter5"},
    )
    sent = pickle.dumps(given)
    assert b"hunter" not in sent
    other = pickle.loads(sent)  # noqa: S301
    assert other.options == {"region": "x"}
    assert other.url == "https://host/"
    assert "environment" in other.advice
    assert pickle.loads(pickle.dumps(other)).withheld  # noqa: S301
    plain = pickle.loads(pickle.dumps(access("s3://b/a.tif", {"region": "x"})))  # noqa: S301
    assert (plain.withheld, plain.advice) == (False, "")


def test_an_open_store_is_not_pickled():
    with pytest.raises(TransportError, match="pass the URL and storage_options instead"):
        pickle.dumps(access("s3://b/a.tif", store=object()))


def test_local_files_are_named():
    assert [str(path) for path in access("/data/x/a b.tif").files()] == ["/data/x/a b.tif"]
    assert access("s3://b/a.tif").files() == ()
