"""What travels of a store in a bucket, and what never does. It is read in test_zarr_places."""

from __future__ import annotations

import pickle

import pytest
from obstore.exceptions import GenericError

from geopatcher.errors import SourceError
from geopatcher.formats.object_stores import RemoteStore
from geopatcher.formats.opened_buckets import named


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
