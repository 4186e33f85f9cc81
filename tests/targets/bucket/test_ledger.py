"""Lines of a ledger as objects: in order, whole, and of one run at a time."""

from __future__ import annotations

import pytest

from geopatcher.errors import TargetError
from geopatcher.targets.bucket.lease import Lease
from geopatcher.targets.bucket.ledger import BucketLedger


def ledger(bucket, token="one"):  # noqa: S107 - no secret
    made = BucketLedger(Lease(bucket, "x.lock", "x", token), "x.ledger")
    made.lease.take()
    return made


def read(place):
    with place.open() as file:
        return file.read()


def test_lines_come_back_in_order_and_another_run_goes_on(bucket):
    first = ledger(bucket)
    with pytest.raises(FileNotFoundError):
        first.open()
    log = first.begin([b"a\n", b"b\n"])
    for number in range(11):
        log.append(b"%d\n" % number)
    whole = b"a\nb\n" + b"".join(b"%d\n" % number for number in range(11))
    assert read(first) == whole
    assert b"".join(first.start(4)) == b"a\nb\n"
    assert log.is_current
    first.lease.release()
    second = ledger(bucket, "two")
    further = second.go_on(second, len(whole), b"session\n")
    further.append(b"more\n")
    assert read(second) == whole + b"session\nmore\n"
    with pytest.raises(TargetError, match="another run has taken over"):
        log.append(b"late\n")
    assert not log.is_current
    assert read(second) == whole + b"session\nmore\n"
    second.begin([b"new\n"])
    assert read(second) == b"new\n"
    second.lease.release()


def test_a_line_of_a_run_that_did_not_know_that_its_lease_had_ended_gives_way(bucket):
    mine = ledger(bucket)
    log = mine.begin([b"a\n"])
    bucket.put("x.ledger/one/0000000001", b"late\n")
    log.append(b"b\n")
    assert read(mine) == b"a\nb\n"
    bucket.put("x.ledger/zero/0000000002", b"of another ledger\n")
    assert read(mine) == b"a\nb\n"
    mine.lease.release()


def test_behind_a_gap_or_good_lines_nothing_counts(bucket):
    mine = ledger(bucket)
    log = mine.begin([b"a\n", b"b\n", b"c\n", b"d\n"])
    log.close()
    bucket.remove(["x.ledger/one/0000000002"])
    assert read(mine) == b"a\nb\n"
    mine.go_on(mine, 2, b"again\n")
    assert read(mine) == b"a\nagain\n" + (b"" if bucket.head("x.ledger/one/0000000002") is None else b"?")
    mine.lease.release()
