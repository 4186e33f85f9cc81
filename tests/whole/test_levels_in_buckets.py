"""Overview levels of a store in a bucket: those of the local store, whatever happens while they are made."""

from __future__ import annotations

import re

import numpy as np
import pytest
import zarr

import geopatcher as gp
from bucket_cases import (
    Once,
    Overtaken,
    files,
    interrupted,
    keys,
    kill,
    killed_again_and_again,
    objects,
    spawned,
)
from bucket_faults import Fault
from bucket_run import Double, image, run, stored
from geopatcher.errors import TargetError
from geopatcher.targets.bucket.store import BucketPlace
from geopatcher.targets.places import BucketUrl

pytestmark = pytest.mark.once

TARGET = "s3://bucket/maps/x.zarr"
KEY = "maps/x.zarr"
LEVELS = stored(levels=True)


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The same run on the disk: every file of it."""
    return files(run(tmp_path_factory.mktemp("local") / "x.zarr", **LEVELS).path)


@pytest.mark.parametrize(
    "options",
    [
        {"layers": ("count", "spread")},
        {"storage": gp.ZarrStorage(shards=128, checksum=True, multiscales=True)},
        {"storage": gp.ZarrStorage("blosc-lz4", multiscales=True, overview="nearest"), "dtype": "int16"},
        {"dtype": "uint8", "nodata": 3},
        {"dtype": "uint8", "nodata": 255},
    ],
    ids=str,
)
def test_they_are_those_of_the_local_store_byte_for_byte(bucket, tmp_path, options):
    options = LEVELS | options
    here = run(tmp_path / "x.zarr", **options)
    there = run(TARGET, **options)
    assert objects(bucket, KEY) == files(here.path)
    assert {key.partition("/")[0] for key in files(here.path)} > {"1", "2", "data"}
    assert keys(bucket, KEY) == [f"{KEY}/{key}" for key in sorted(files(here.path))]
    read = zarr.open_array(BucketPlace(BucketUrl(TARGET)).reader(), path=f"{KEY}/2/data", mode="r")
    np.testing.assert_array_equal(read[...], zarr.open_array(here.path / "2/data", mode="r")[...])
    assert gp.verify(TARGET).is_intact
    assert gp.verify(TARGET).n_files == gp.verify(here.path).n_files
    assert run(TARGET, **options).stats.notes[0].startswith("complete since")
    np.testing.assert_array_equal(there.array[...], here.array[...])


def test_what_makes_a_store_of_them_is_put_behind_all_blocks(bucket, server):
    run(TARGET, **LEVELS)
    puts = [path.removeprefix(f"/bucket/{KEY}/") for method, path, _ in server.log if method == "PUT"]
    puts = [path for path in puts if not path.startswith("/")]
    blocks = [number for number, path in enumerate(puts) if re.search(r"data/c/", path)]
    documents = [number for number, path in enumerate(puts) if path.endswith("zarr.json")]
    assert max(blocks) < min(documents)
    assert puts[documents[-1]] == "zarr.json"
    assert len(set(puts)) == len(puts), "each is put once"


def test_killed_at_any_instant_and_gone_on_with(bucket, local, tmp_path):
    killed_again_and_again(TARGET, tmp_path, [2.2, 2.6, 3.0], levels=True)
    assert objects(bucket, KEY) == local


@pytest.mark.parametrize("where", [r"/1/data/c/0/1/0", r"/2/data/c/1/0/0", r"/1/data/zarr\.json"])
def test_killed_while_they_are_made_nothing_is_computed_again(bucket, server, local, tmp_path, where):
    server.faults.append(Fault("PUT", where, "hangs", 99))
    process = spawned(TARGET, tmp_path, levels=True)
    try:
        while not any(method == "PUT" and re.search(where, path) for method, path, _ in server.log):
            assert process.poll() is None
    finally:
        kill(process)
    server.faults.clear()
    assert bucket.head(f"{KEY}/zarr.json") is None
    operator = Double()
    run(TARGET, operator, **LEVELS)
    assert operator.count == 0
    assert objects(bucket, KEY) == local


@pytest.mark.parametrize("kind", [503, "reset", "lost"])
def test_what_passes_on_the_way_is_not_noticed(bucket, server, local, kind):
    blocks = [("PUT", r"/1/data/c/"), ("PUT", r"/2/data/c/"), ("GET", r"x\.zarr/data/c/")]
    for method, path in [*blocks, ("GET", r"/1/data/c/")]:
        server.faults += [Fault(method, path, kind, 1, after=after) for after in (0, 1)]
    server.faults.append(Fault("PUT", r"/1/data/zarr\.json", kind))
    run(TARGET, **LEVELS)
    assert [fault for fault in server.faults if fault.count] == []
    assert objects(bucket, KEY) == local


def test_a_block_that_cannot_be_read_back_ends_the_run_and_it_goes_on(bucket, server, local):
    server.faults.append(Fault("GET", r"x\.zarr/data/c/0/3/", 403, 10**6))
    with pytest.raises(gp.SourceError, match="not authorised"):
        run(TARGET, **LEVELS)
    server.faults.clear()
    operator = Double()
    run(TARGET, operator, **LEVELS)
    assert operator.count == 0
    assert objects(bucket, KEY) == local


def test_who_loses_the_lease_publishes_nothing(bucket):
    with pytest.raises(TargetError, match="was taken over"):
        run(TARGET, Overtaken(bucket, KEY, 120), **LEVELS)
    assert f"{KEY}/zarr.json" not in keys(bucket, KEY)


def test_a_run_that_failed_before_goes_on(bucket, local):
    interrupted(TARGET, **LEVELS)
    run(TARGET, **LEVELS)
    assert objects(bucket, KEY) == local


def test_patches_that_failed_are_mended_in_all_levels(bucket, local):
    """A whole block was missing, which levels made of it have not as fill any more."""

    class Gap(Once):
        def __call__(self, patch):
            self.count += 1
            if self.fails_at and 20 < self.count < 120:
                raise ValueError("not this time")
            return patch * 2

    assert len(run(TARGET, Gap(1), on_error="skip", **LEVELS).errors) == 99
    assert objects(bucket, KEY) != local
    assert run(TARGET, Gap(), on_error="skip", **LEVELS).errors == []
    assert objects(bucket, KEY) == local


def test_a_level_that_is_damaged_is_told_and_made_again(bucket, local):
    run(TARGET, **LEVELS)
    chunk = f"{KEY}/1/data/c/1/1/1"
    bucket.put(chunk, bucket.get(chunk)[:-3])
    found = gp.verify(TARGET)
    assert [str(damage.file) for damage in found.damages] == [f"{TARGET}/1/data/c/1/1/1"]
    operator = Double()
    run(TARGET, operator, **LEVELS)
    assert operator.count == 0
    assert objects(bucket, KEY) == local


def test_an_export_has_them_too(bucket, tmp_path):
    made = run(tmp_path / "y.tif")
    storage = gp.ZarrStorage(multiscales=True)
    for place in (tmp_path / "copy.zarr", "s3://bucket/copy.zarr"):
        gp.export(made.path, place, chunks=64, storage=storage)
    assert objects(bucket, "copy.zarr") == files(tmp_path / "copy.zarr")
    assert image().shape == zarr.open_array(tmp_path / "copy.zarr/data").shape
