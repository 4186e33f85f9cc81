"""How a GeoTIFF appears in a bucket; whole runs are in ``tests/whole/test_cogs_in_buckets.py``."""

from __future__ import annotations

import numpy as np
import pytest

from bucket_faults import apart
from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.errors import TargetError
from geopatcher.targets.bucket.cog_target import BucketCogTarget
from geopatcher.targets.bucket.files import stamp_of
from geopatcher.targets.categories import sidecar_of
from geopatcher.targets.places import BucketUrl

SPEC = ResultSpec(RasterDomain((1, 16, 16), dtype=np.dtype("uint8")), (16, 16), 0)
WHOLE = Box(0, 16, 0, 16)


@pytest.fixture(scope="module")
def server():
    with apart() as server:
        yield server


@pytest.fixture
def target(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    made = BucketCogTarget(BucketUrl("s3://bucket/x.tif"))
    made.claim_afresh()
    made.create(SPEC).write([(WHOLE, {"data": np.full((1, 16, 16), 7, "uint8")})])
    yield made
    made.discard()


class Notes:
    def __init__(self):
        self.files = {}

    def tiff(self, name, record):
        self.files[name] = record


def test_what_is_noted_before_it_is_sent_is_what_is_there(target):
    publisher, notes = target.publisher, Notes()
    publisher.assemble()
    assert publisher.has_product
    assert not publisher.is_there
    publisher.note_files(notes)
    publisher.publish(replace=False)
    known = notes.files["data"]
    entry = target.work.bucket.head("x.tif")
    assert (known.n_bytes, known.mtime_ns) == (entry.n_bytes, stamp_of(entry.e_tag))
    assert publisher.tiff_record("data", known.piece_bytes) == known
    assert publisher.look_at_tiff("data", known, "all") == ("", False)
    assert publisher.is_there
    assert not publisher.has_product


def test_a_file_beside_it_goes_with_it_and_an_old_one_away(target):
    publisher, bucket = target.publisher, target.work.bucket
    bucket.put("x.tif.aux.xml", b"of a file before")
    publisher.assemble()
    sidecar = sidecar_of(publisher.local.product_of("data"))
    sidecar.write_bytes(b"<PAMDataset/>")
    publisher.publish(replace=False)
    assert bucket.get("x.tif.aux.xml") == b"<PAMDataset/>"
    sidecar.unlink()
    publisher.assemble()
    publisher.publish(replace=True)
    assert bucket.head("x.tif.aux.xml") is None


def test_a_layer_of_the_result_before_is_removed_if_it_is_as_it_was(target):
    publisher, bucket = target.publisher, target.work.bucket
    for key in ("x.count.tif", "x.count.tif.aux.xml"):
        bucket.put(key, b"cells")
    known = publisher.tiff_record("count", 1 << 20)
    publisher.remove_layer("count", known._replace(crcs=(1,), mtime_ns=1))
    assert bucket.head("x.count.tif") is not None
    publisher.remove_layer("count", known)
    assert list(bucket.entries("x.count.tif")) == []
    assert bucket.head("x.count.tif") is None
    with pytest.raises(TargetError, match=r"x\.count\.tif is missing"):
        publisher.tiff_record("count", 1 << 20)


def test_it_is_no_store(target):
    with pytest.raises(TargetError, match="which a GeoTIFF has not"):
        target.publisher.stored(SPEC)
