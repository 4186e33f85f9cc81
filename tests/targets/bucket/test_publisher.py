"""How a store in a bucket appears; whole runs are in ``tests/whole/test_in_buckets.py``."""

from __future__ import annotations

import numpy as np
import pytest

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.core.gaps import MET, MISSING, VALID
from geopatcher.errors import TargetError, TargetExistsError
from geopatcher.targets.bucket.target import BucketTarget
from geopatcher.targets.digests import TiffRecord
from geopatcher.targets.places import BucketUrl

SPEC = ResultSpec(RasterDomain((1, 16, 16), dtype=np.dtype("uint8"), nodata=7), (16, 16), 7, masked=True)
WHOLE = Box(0, 16, 0, 16)


@pytest.fixture
def target(bucket):
    made = BucketTarget(BucketUrl("s3://bucket/x.zarr"))
    yield made
    made.work.release()


def keys(target):
    return [entry.key for entry in target.work.place.bucket.entries("x.zarr")]


@pytest.mark.parametrize("is_met", [False, True])
def test_a_mask_stays_where_a_value_does_not_say_what_is_missing(target, is_met):
    cells, said = np.full((1, 16, 16), 3, "uint8"), np.full((1, 16, 16), 1, "uint8")
    cells[0, 0, 0], said[0, 0, 0] = 7, MISSING
    if is_met:
        cells[0, 0, 1], said[0, 0, 1] = 7, MET
    target.create(SPEC).write([(WHOLE, {"data": cells, VALID: said})])
    assert not target.publisher.is_there
    product = target.complete()
    assert product.spec.masked == is_met
    assert any(f"/{VALID}/" in key for key in keys(target)) == is_met
    assert product.spec.domain.nodata == (None if is_met else 7)
    np.testing.assert_array_equal(product.arrays["data"][...], cells)
    assert target.publisher.is_taken


def test_what_appeared_meanwhile_is_not_replaced(target):
    target.create(SPEC)
    target.publisher.assemble()
    target.work.place.bucket.put("x.zarr/zarr.json", b"{}")
    with pytest.raises(TargetExistsError, match="was not there when the run began, and is now"):
        target.publisher.publish(replace=False)
    target.publisher.publish(replace=True)
    assert target.publisher.open(SPEC).spec.domain.shape == (1, 16, 16)


def test_nothing_appears_without_the_lease(target):
    target.create(SPEC)
    target.publisher.assemble()
    target.work.place.bucket.put("x.zarr.lock", b"{}")
    with pytest.raises(TargetError, match="another run has taken over"):
        target.publisher.publish(replace=False)
    assert not target.publisher.is_there


def test_a_store_has_no_geotiff(target):
    for call in (
        lambda: target.publisher.look_at_tiff("data", TiffRecord(1, 0, 1, (0,)), "all"),
        lambda: target.publisher.tiff_record("data", 1),
    ):
        with pytest.raises(TargetError, match="has not"):
            call()
