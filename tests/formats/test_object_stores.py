"""What an environment says of buckets, and what is said of an error. Stores are read in test_zarr_places."""

from __future__ import annotations

import pickle

import pytest
from obstore.exceptions import GenericError, PermissionDeniedError

from geopatcher.errors import SourceAccessError, SourceError
from geopatcher.formats.object_stores import RemoteStore, named


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (PermissionDeniedError("no"), SourceAccessError, "cannot read s3://b/k: not authorised"),
        (GenericError("status code: 403 Forbidden"), SourceAccessError, "not authorised"),
        (GenericError("<Code>NoSuchBucket</Code>"), SourceAccessError, "there is no such bucket"),
        (GenericError("lost\nDebug source: x"), SourceError, "cannot read s3://b/k: lost$"),
    ],
)
def test_errors_are_named(error, kind, words):
    with pytest.raises(kind, match=words), named("s3://b/k"):
        raise error


@pytest.mark.parametrize(
    ("address", "variable"),
    [
        ("s3://b/k", "AWS_ACCESS_KEY_ID"),
        ("gs://b/k", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("az://b/k", "AZURE_STORAGE_CONNECTION_STRING"),
    ],
)
def test_a_refusal_names_a_variable_of_its_cloud(address, variable):
    with pytest.raises(SourceAccessError, match=f"in the environment, such as {variable};"), named(address):
        raise PermissionDeniedError("no")


def test_secrets_are_in_no_message_and_no_pickle(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2hunter2")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDHUNTER")
    store = RemoteStore("s3://bucket", None)
    assert b"hunter2" not in pickle.dumps(store)
    with pytest.raises(SourceError) as caught, named("s3://bucket/k"):
        raise GenericError("a hunter2hunter2 b https://host/k?sig=hunter3")
    assert "hunter" not in str(caught.value)
    assert "hunter" not in repr(store)
    with pytest.raises(SourceError, match="is only read"):
        store.with_read_only(read_only=False)
    assert store.with_read_only(read_only=True) is store
