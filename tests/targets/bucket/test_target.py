"""A target in a bucket: what it refuses, and what it leaves behind."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.errors import TargetError, TargetExistsError, TargetLockedError
from geopatcher.targets.bucket.target import BucketTarget
from geopatcher.targets.places import BucketUrl
from geopatcher.targets.protocol import ApartByIdentity, BlockStore, Claimable, DurableTarget

SPEC = ResultSpec(RasterDomain((16, 16), dtype=np.dtype("uint8")), (16, 16), 0)


def target(**options):
    return BucketTarget(BucketUrl("s3://bucket/x.zarr"), **options)


def test_it_is_what_runs_and_copies_ask_for(bucket):
    made = target()
    for protocol in (DurableTarget, Claimable, ApartByIdentity):
        assert isinstance(made, protocol)
    made.claim_afresh()
    assert isinstance(made.create(SPEC), BlockStore)
    with pytest.raises(TargetLockedError):
        target().claim_afresh()
    made.discard()
    made.discard()
    assert list(made.work.place.bucket.entries("")) == []


def test_what_was_not_created_is_not_completed(bucket):
    with pytest.raises(TargetError, match="was completed before it was created"):
        target().complete()


def test_what_an_interrupted_run_left_is_not_begun_afresh(bucket):
    made = target()
    made.work.claim()
    made.work.ledger.begin([b"line\n"])
    made.work.release()
    with pytest.raises(TargetExistsError, match="holds what an interrupted run finished"):
        target().claim_afresh()
    again = target(overwrite=True)
    again.claim_afresh()
    again.create(SPEC)
    assert again.work.ledger.entries() == []
    again.discard()


def test_a_bucket_that_is_not_there_is_named(bucket):
    with pytest.raises(TargetError, match="there is no such bucket"):
        BucketTarget(BucketUrl("s3://nobody/x.zarr")).check()


@pytest.mark.parametrize(
    ("address", "is_apart"),
    [
        ("s3://bucket/x.zarr", False),
        ("s3://bucket/x.zarr/data", False),
        ("s3://bucket", False),
        ("s3://bucket/x.zarr2", True),
        ("s3://other/x.zarr", True),
        ("x.zarr", True),
    ],
)
def test_a_source_is_apart_or_refused(bucket, address, is_apart):
    if is_apart:
        target().require_apart({"source.path": address, "n": 3})
    else:
        with pytest.raises(TargetError, match="would be written over"):
            target().require_apart({"source.path": address, "n": 3})
