"""A GeoTIFF in a bucket as a target: what it refuses, and what it leaves behind."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

from bucket_faults import apart
from geopatcher.core.box import Box
from geopatcher.core.domain import LayerSpec, RasterDomain, ResultSpec
from geopatcher.errors import TargetError, TargetExistsError, TargetLockedError
from geopatcher.formats.buckets import Bucket
from geopatcher.targets.bucket.cog_target import BucketCogTarget
from geopatcher.targets.open import target_for
from geopatcher.targets.places import BucketUrl
from geopatcher.targets.protocol import (
    ApartByIdentity,
    BlockStore,
    Claimable,
    DurableTarget,
    KnowsAlpha,
    Replacing,
)

SPEC = ResultSpec(RasterDomain((1, 16, 16), dtype=np.dtype("uint8")), (16, 16), 0)
WHOLE = Box(0, 16, 0, 16)


@pytest.fixture(scope="module")
def server():
    with apart() as server:
        yield server


@pytest.fixture
def here(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / f"geopatcher-{os.getuid()}"


def target(**options):
    return BucketCogTarget(BucketUrl("s3://bucket/x.tif"), **options)


def keys():
    return [entry.key for entry in Bucket("s3://bucket").entries("")]


def test_it_is_what_runs_and_copies_ask_for(here):
    made = target()
    for protocol in (DurableTarget, Claimable, ApartByIdentity, KnowsAlpha, Replacing):
        assert isinstance(made, protocol)
    assert isinstance(target_for("s3://bucket/x.TIFF", overwrite=False), BucketCogTarget)
    made.claim_afresh()
    assert isinstance(made.create(SPEC), BlockStore)
    with pytest.raises(TargetLockedError):
        target().claim_afresh()
    made.discard()
    made.discard()
    assert keys() == list(here.iterdir()) == []


def test_what_was_not_created_is_not_completed(here):
    with pytest.raises(TargetError, match="was completed before it was created"):
        target().complete()


def test_a_result_without_a_ledger(here):
    made = target()
    made.claim_afresh()
    made.create(SPEC).write([(WHOLE, {"data": np.full((1, 16, 16), 7, "uint8")})])
    assert keys() == ["x.tif.lock"]
    product = made.complete()
    assert (product.arrays["data"][...] == 7).all()
    assert keys() == ["x.tif"]
    assert list(here.iterdir()) == []
    with pytest.raises(TargetExistsError, match=r"x\.tif exists: choose another target"):
        target().claim_afresh()
    target(overwrite=True).check()


def test_what_an_interrupted_run_left_is_not_begun_afresh(here):
    made = target()
    made.claim_afresh()
    made.create(SPEC)
    made.work.ledger.touch()
    made.work.release()
    with pytest.raises(
        TargetExistsError, match="holds what an interrupted run finished for s3://bucket/x.tif"
    ):
        target().claim_afresh()
    other = target(overwrite=True)
    other.claim_afresh()
    other.create(SPEC)
    other.discard()
    assert keys() == []


def test_the_file_of_a_layer_that_is_there_is_not_replaced(here):
    Bucket("s3://bucket").put("x.count.tif", b"mine")
    layered = replace(SPEC, layers={"count": LayerSpec(np.dtype("uint16"), 0)})
    made = target()
    with pytest.raises(TargetExistsError, match=r"s3://bucket/x\.count\.tif, where the layer 'count' goes"):
        made.create(layered)
    made.discard()
    with pytest.raises(TargetError, match="a GeoTIFF cannot hold float16"):
        target().create(replace(SPEC, domain=RasterDomain((1, 16, 16), dtype=np.dtype("float16"))))


def test_a_bucket_that_is_not_there_is_told(here):
    with pytest.raises(TargetError, match="there is no such bucket"):
        BucketCogTarget(BucketUrl("s3://nowhere/x.tif")).check_place()
