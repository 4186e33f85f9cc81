"""A lease: one has it, as long as it is renewed."""

from __future__ import annotations

import json
import multiprocessing
import time

import pytest

from bucket_faults import Fault
from geopatcher.errors import TargetError, TargetLockedError
from geopatcher.formats.buckets import Bucket
from geopatcher.targets.bucket.lease import Lease


def lease(token="mine", seconds=60.0):  # noqa: S107 - no secret
    return Lease(Bucket("s3://bucket"), "x.zarr.lock", "s3://bucket/x.zarr", token, seconds)


def test_one_has_it_until_it_is_let_go(bucket):
    mine, theirs = lease(), lease("theirs")
    mine.take()
    mine.take()
    assert mine.held
    assert mine.confirm()
    with pytest.raises(TargetLockedError, match=r"x.zarr is being written by process \d+ on .* was heard of"):
        theirs.take()
    assert not theirs.held
    theirs.release()
    mine.release()
    mine.release()
    assert not mine.held
    assert [entry.key for entry in Bucket("s3://bucket").entries("")] == []
    theirs.take()
    theirs.release()


def test_it_is_renewed_and_ends_when_it_is_not(bucket, server):
    mine = lease(seconds=2.0)
    mine.take()
    time.sleep(3.0)
    assert mine.held
    server.faults.append(Fault("PUT", r"\.lock", 403, 10**6))
    time.sleep(2.6)
    assert not mine.held
    with pytest.raises(TargetError, match="cannot write s3://bucket/x.zarr.lock: not authorised"):
        mine.require()
    server.faults.clear()
    mine.require()  # nobody else has taken it meanwhile
    mine.release()


def test_one_that_another_has_taken_is_lost_and_stays_theirs(bucket):
    mine = lease()
    mine.take()
    held = Bucket("s3://bucket").get("x.zarr.lock")
    Bucket("s3://bucket").put("x.zarr.lock", held.replace(b"mine", b"else"))
    with pytest.raises(TargetError, match="another run has taken over s3://bucket/x.zarr: what was finished"):
        mine.ensure()
    assert not mine.held
    mine.release()
    assert b"else" in Bucket("s3://bucket").get("x.zarr.lock")


@pytest.mark.parametrize(("machine", "is_free"), [(None, True), ("another", False)])
def test_of_a_process_that_is_no_more_it_is_free_where_that_can_be_known(bucket, machine, is_free):
    process = multiprocessing.get_context("spawn").Process(target=int)
    process.start()
    process.join()
    mine = lease()
    mine.take()
    held = json.loads(Bucket("s3://bucket").get("x.zarr.lock")) | {"process": process.pid}
    held |= {} if machine is None else {"machine": machine}
    Bucket("s3://bucket").put("x.zarr.lock", json.dumps(held).encode())
    theirs = lease("theirs")
    if is_free:
        theirs.take()
        assert theirs.held
    else:
        with pytest.raises(TargetLockedError, match=f"by process {process.pid} on"):
            theirs.take()
    theirs.release()
    mine.release()


def test_a_stale_one_is_taken_by_one_of_many(bucket):
    Bucket("s3://bucket").put("x.zarr.lock", lease()._content().replace(b"60.0", b"0.5"))
    time.sleep(2.0)
    taken = []
    for number in range(3):
        other = lease(str(number))
        try:
            other.take()
            taken.append(other)
        except TargetLockedError:
            other.release()
    assert len(taken) == 1
    taken[0].release()


@pytest.mark.parametrize("content", [b"", b"mine, keep off", b"[1]", b'{"lease": 2}'])
def test_what_is_no_lease_is_left_alone(bucket, content):
    Bucket("s3://bucket").put("x.zarr.lock", content)
    with pytest.raises(TargetError, match=r"x.zarr.lock is in the way and is not a lease"):
        lease().take()
    assert Bucket("s3://bucket").get("x.zarr.lock") == content
