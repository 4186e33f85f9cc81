"""What outlives a run is the same to it on a disk and in a bucket."""

from __future__ import annotations

from pathlib import Path

import pytest

from geopatcher.targets import durable
from geopatcher.targets.bucket.cog_publisher import BucketCogPublisher
from geopatcher.targets.bucket.ledger import BucketLedger, BucketLog
from geopatcher.targets.bucket.publisher import BucketPublisher
from geopatcher.targets.bucket.target import BucketStore, BucketWork
from geopatcher.targets.bucket.work_here import LeasedFolder
from geopatcher.targets.publisher import Publisher
from geopatcher.targets.run_folder import RunFolder
from geopatcher.targets.work_store import WorkStore


def asked(protocol):
    return {name for name in vars(protocol) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("protocol", "classes"),
    [
        (durable.Log, (BucketLog,)),
        (durable.LedgerPlace, (BucketLedger,)),
        (durable.Work, (RunFolder, BucketWork, LeasedFolder)),
        (durable.Blocks, (WorkStore, BucketStore)),
        (durable.Publishing, (Publisher, BucketPublisher, BucketCogPublisher)),
    ],
)
def test_both_have_all_that_is_asked_for(protocol, classes):
    for each in classes:
        fields = set(each.__dataclass_fields__)
        assert asked(protocol) - fields - set(dir(each)) == set()
    assert Path(durable.__file__).name == "durable.py"
