"""What is said of an error of obstore's, and that a forked child is refused and does not wait for ever."""

from __future__ import annotations

import os
import traceback

import pytest
from obstore.exceptions import GenericError, PermissionDeniedError

from geopatcher.errors import SourceAccessError, SourceError
from geopatcher.formats.opened_buckets import named, store_of


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


@pytest.mark.timeout(60)
def test_a_forked_child_of_who_used_obstore_is_refused(monkeypatch):
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    store_of("s3://bucket", None)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with pytest.raises(SourceError, match="cannot ask s3://bucket in a process that was forked"):
                store_of("s3://bucket", None)
            code = 0
        except BaseException:  # noqa: BLE001 - it ends here, whatever it is
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    store_of("s3://bucket", None)
