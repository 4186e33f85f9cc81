"""The store in a bucket that tests write, and the same on the disk."""

from __future__ import annotations

import pytest

from bucket_cases import files
from bucket_cases import keys as keys_of
from bucket_run import run

TARGET = "s3://bucket/maps/x.zarr"
KEY = "maps/x.zarr"
CHUNK = f"{KEY}/data/c/1/2/2"


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The same run on the disk: every file of it."""
    return files(run(tmp_path_factory.mktemp("local") / "x.zarr").path)


def beside(bucket):
    """Return what else there is but the result and the lines of its ledger."""
    return [key for key in keys_of(bucket, KEY) if not key.startswith(f"{KEY}/")]
