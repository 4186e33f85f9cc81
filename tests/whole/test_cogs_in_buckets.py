"""GeoTIFFs written straight into a bucket: the bytes of the local file, whatever happens on the way."""

from __future__ import annotations

import os
import pickle
import re
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rio_cogeo import cog_validate

import buckets
import geopatcher as gp
from bucket_cases import (
    Once,
    Overtaken,
    all_told,
    interrupted,
    keys,
    kill,
    killed_again_and_again,
    spawned,
)
from bucket_faults import Fault, apart
from bucket_run import SIZES, Double, run
from geopatcher.cli import main
from geopatcher.core.box import Box
from geopatcher.errors import TargetError, TargetExistsError, TargetLockedError
from geopatcher.formats import opened_buckets
from geopatcher.formats.buckets import Bucket
from geopatcher.targets.bucket import sending
from geopatcher.targets.open import target_for
from same_tiff import assert_same_tiff

pytestmark = pytest.mark.once

TARGET = "s3://bucket/maps/x.tif"
KEY = "maps/x.tif"


@pytest.fixture(scope="module")
def server():
    with apart() as server:
        yield server


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Where results are built; it is empty behind every test that ends well."""
    (tmp_path / "built").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "built"))
    return tmp_path / "built" / f"geopatcher-{os.getuid()}"


@pytest.fixture
def bucket(server, gdal_variables, here):
    gdal_variables(**buckets.variables(server.server_port))
    server.begin_anew()
    return Bucket("s3://bucket")


@pytest.fixture
def small_parts(monkeypatch):
    """As small as stores take."""
    monkeypatch.setattr(sending, "PART_BYTES", 5 << 20)


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The same run on the disk."""
    return run(tmp_path_factory.mktemp("local") / "x.tif").path.read_bytes()


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The same of a large one."""
    return run(tmp_path_factory.mktemp("local") / "x.tif", large=True).path.read_bytes()


def asked(server, method, pattern):
    return [path for sent, path, _ in server.log if sent == method and re.search(pattern, path)]


def wait_for(what):
    deadline = time.monotonic() + 300  # of a machine with much else to do
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layers": ("count", "spread")},
        {"storage": gp.CogStorage("ZSTD", 1, overviews=False), "dtype": "int16"},
        {"dtype": "uint8", "nodata": 3},
    ],
    ids=str,
)
def test_it_is_the_local_file_byte_for_byte(bucket, here, tmp_path, options):
    given = run(tmp_path / "x.tif", **options)
    there = run(TARGET, **options)
    assert there.path == TARGET
    files = [file for file in tmp_path.glob("x*.tif*") if not file.name.endswith(".jsonl")]
    assert {key: bucket.get(key) for key in keys(bucket, KEY)} == {
        f"maps/{file.name}": file.read_bytes() for file in files
    }
    assert cog_validate(given.path, strict=True, quiet=True)[0]
    np.testing.assert_array_equal(there.array[...], given.array[...])
    np.testing.assert_array_equal(there.valid[...], given.valid[...])
    for name in options.get("layers", ()):
        np.testing.assert_array_equal(there.layers[name][...], given.layers[name][...])
    assert set(there.rasters()) == set(given.rasters())
    assert list(here.iterdir()) == []


def test_a_large_one_is_sent_in_parts_and_there_when_all_are(bucket, server, small_parts, large):
    run(TARGET, large=True)
    assert_same_tiff(bucket.get(KEY), large)
    parts = [
        int(headers.get("content-length", headers.get("Content-Length")))
        for method, path, headers in server.log
        if method == "PUT" and "partNumber=" in path
    ]
    assert max(parts) == 5 << 20
    assert sum(parts) == len(large)
    assert len(parts) == -(-len(large) // (5 << 20)) > 3
    sent = [f"{method} {path}" for method, path, _ in server.log]
    completed = next(n for n, each in enumerate(sent) if re.match(r"POST .*uploadId=", each))
    assert not any(f"PUT /bucket/{KEY}.ledger/" in each for each in sent[:completed])
    assert any(f"PUT /bucket/{KEY}.ledger/" in each for each in sent[completed:])


def test_a_run_that_failed_goes_on_and_a_finished_one_is_returned(bucket, local, here, tmp_path, monkeypatch):
    kept = "".join(interrupted(TARGET).__notes__)
    assert f"finished rows of blocks are kept in {here}" in kept
    assert keys(bucket, KEY) == []
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    operator = Double()
    result = run(TARGET, operator)
    assert 0 < operator.count < result.plan.n_patches
    assert result.stats.notes[0].startswith("goes on where an earlier run stopped")
    assert_same_tiff(bucket.get(KEY), local)
    again = Double()
    assert run(TARGET, again).stats.notes[0].startswith("complete since")
    assert again.count == 0
    assert list(Path.cwd().iterdir()) == list(here.iterdir()) == []
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert run(TARGET, again).stats.notes[0].startswith("complete since"), "another machine knows it, too"
    assert again.count == 0


def test_killed_at_any_instant_and_gone_on_with(bucket, local, tmp_path):
    killed_again_and_again(TARGET, tmp_path, [1.8, 2.2, 2.6, 3.0])
    assert_same_tiff(bucket.get(KEY), local)
    assert keys(bucket, KEY) == [KEY]


@pytest.mark.parametrize("where", [r"partNumber=2", r"uploadId=[^&]*$"])
def test_killed_while_it_is_sent_it_is_sent_again_and_not_computed_again(
    bucket, server, large, tmp_path, where
):
    method = "PUT" if "part" in where else "POST"
    server.fail(Fault(method, rf"{KEY}\?.*{where}", "hangs", 99))
    process = spawned(TARGET, tmp_path, large=True)
    wait_for(lambda: asked(server, method, where))
    kill(process)
    assert keys(bucket, KEY) == [f"{KEY}.lock"], "nobody sees a part of it"
    server.heal()
    operator = Double()
    run(TARGET, operator, large=True)
    assert operator.count == 0
    assert_same_tiff(bucket.get(KEY), large)
    assert keys(bucket, KEY) == [KEY]


@pytest.mark.parametrize("kind", [503, "reset", "lost", "hangs"])
def test_what_passes_on_the_way_is_not_noticed(bucket, server, small_parts, large, monkeypatch, kind):
    if kind == "hangs":
        monkeypatch.setitem(opened_buckets.CLIENT, "timeout", timedelta(seconds=3))
    faults = [
        Fault("POST", r"x\.tif\?uploads", kind),
        Fault("PUT", r"partNumber=2", kind),
        Fault("PUT", r"partNumber=3", kind),
        Fault("POST", r"x\.tif\?uploadId=", kind),
        Fault("PUT", r"\.ledger/", kind),
        Fault("PUT", r"\.lock$", kind),
    ]
    server.fail(*faults)
    run(TARGET, large=True)
    assert [fault for fault in server.left if fault.count] == []
    assert_same_tiff(bucket.get(KEY), large)
    assert keys(bucket, KEY) == [KEY]


def test_an_upload_that_was_completed_and_nobody_heard_of_it(bucket, server, small_parts, large):
    complete = r"x\.tif\?uploadId="
    server.fail(Fault("POST", complete, "lost"), Fault("POST", complete, 404, 1))
    run(TARGET, large=True)
    assert_same_tiff(bucket.get(KEY), large)
    assert len(asked(server, "POST", r"x\.tif\?uploads")) == 1, "it is not sent again"


@pytest.mark.parametrize("where", [("PUT", r"partNumber=3"), ("POST", r"x\.tif\?uploadId=")])
def test_an_upload_that_fails_is_aborted_and_what_was_made_is_kept(
    bucket, server, small_parts, large, here, where
):
    server.fail(Fault(*where, 403, 99))
    with pytest.raises(TargetError, match=rf"cannot write {TARGET}: .*not authorised.*what was made is kept"):
        run(TARGET, large=True)
    begun = asked(server, "POST", r"x\.tif\?uploads")
    aborted = set(asked(server, "DELETE", "uploadId="))
    assert len(aborted) == len(begun) == sending.TRIES
    assert keys(bucket, KEY) == []
    assert list(here.iterdir()) != []
    server.heal()
    operator = Double()
    run(TARGET, operator, large=True)
    assert operator.count == 0
    assert_same_tiff(bucket.get(KEY), large)
    assert list(here.iterdir()) == []


def test_another_writer_is_refused(bucket, local, tmp_path):
    process = spawned(TARGET, tmp_path, delay_s=0.05)
    try:
        wait_for(lambda: bucket.head(f"{KEY}.lock"))
        with pytest.raises(
            TargetLockedError, match=rf"{TARGET} is being written by process {process.pid} on .* s ago: wait"
        ):
            run(TARGET)
    finally:
        kill(process)
    run(TARGET)
    assert_same_tiff(bucket.get(KEY), local)
    assert keys(bucket, KEY) == [KEY]


def test_who_loses_the_lease_publishes_nothing(bucket, local):
    with pytest.raises(TargetError, match="another run has taken over"):
        run(TARGET, Overtaken(bucket, KEY, 120))
    assert keys(bucket, KEY) == [f"{KEY}.lock"]
    bucket.remove([f"{KEY}.lock"])
    operator = Overtaken(bucket, KEY)
    run(TARGET, operator)
    assert operator.count == 0
    assert_same_tiff(bucket.get(KEY), local)


def test_what_is_there_stays_until_the_new_one_is_complete(bucket, local, here):
    run(TARGET, np.negative, layers=("count",))
    before = bucket.get(KEY)
    with pytest.raises(TargetExistsError, match="was made by another run: layers was"):
        run(TARGET)
    seen = []

    class Looking(Double):
        def __call__(self, patch):
            seen.append(bucket.get(KEY) == before)
            return super().__call__(patch)

    run(TARGET, Looking(), overwrite=True)
    assert all(seen)
    assert_same_tiff(bucket.get(KEY), local)
    assert keys(bucket, KEY) == [KEY], "the layer of the result before is gone"
    assert list(here.iterdir()) == []


def test_what_another_one_has_put_meanwhile_is_not_replaced(bucket, local):
    class Late(Double):
        def __init__(self, at):
            super().__init__()
            self.at = at

        def __call__(self, patch):
            if self.count == self.at:
                bucket.put(KEY, b"mine")
            return super().__call__(patch)

    with pytest.raises(TargetExistsError, match="was not there when the run began, and is now"):
        run(TARGET, Late(100))
    assert bucket.get(KEY) == b"mine"
    bucket.remove([KEY])
    operator = Late(None)
    run(TARGET, operator)
    assert operator.count == 0
    assert_same_tiff(bucket.get(KEY), local)


def test_a_source_is_never_written_over(bucket, local):
    run(TARGET)
    for source in (TARGET, "/vsis3/bucket/maps/x.tif"):
        with pytest.raises(TargetError, match="would be written over, and pixels are read from"):
            gp.reconstruct(source, np.copy, TARGET, overwrite=True, **SIZES)
    assert_same_tiff(bucket.get(KEY), local)


@pytest.mark.parametrize("how", ["gone", "cut", "other"])
def test_what_was_changed_since_is_told(bucket, local, how):
    run(TARGET)
    changed = bytearray(local)
    changed[-9] ^= 1
    if how == "gone":
        bucket.remove([KEY])
        return run(TARGET) and None
    bucket.put(KEY, bytes(changed) if how == "other" else local[:-1])
    with pytest.raises(TargetError, match=r"is not as its run wrote it|cannot open"):
        run(TARGET)
    found = gp.verify(TARGET)
    assert not found.is_intact
    assert str(found.damages[0].file) == TARGET
    run(TARGET, overwrite=True)
    assert_same_tiff(bucket.get(KEY), local)
    assert gp.verify(TARGET).is_intact
    return None


def test_patches_that_failed_are_tried_again(bucket, local, here):
    assert len(run(TARGET, Once(100), on_error="skip").errors) == 1
    again = Once()
    result = run(TARGET, again, on_error="skip")
    assert 0 < again.count < result.plan.n_patches
    assert result.errors == []
    assert_same_tiff(bucket.get(KEY), local)
    assert list(here.iterdir()) == []


def test_processes_write_the_tiles(bucket, local):
    operator = Double()
    run(TARGET, operator, workers=2)
    assert operator.count == 0
    assert_same_tiff(bucket.get(KEY), local)


def test_secrets_are_nowhere(bucket, server, here, tmp_path, capfd):
    log = tmp_path / "log.jsonl"
    server.fail(Fault("PUT", r"x\.tif$", 403, 10**6))
    with pytest.raises(TargetError) as caught:
        run(TARGET, log_json=log)
    told = all_told(caught.value)
    left = [file.read_bytes() for file in here.rglob("*") if file.is_file()]
    assert left
    server.heal()
    result = run(TARGET, log_json=log)
    printed = capfd.readouterr()
    everything = [
        *left,
        *(bucket.get(entry.key) for entry in bucket.entries("")),
        log.read_bytes(),
        pickle.dumps(result.path),
        pickle.dumps(target_for(TARGET, overwrite=False).path),
        (told + str(result) + repr(result) + printed.out + printed.err).encode(),
        *(path.encode() for _, path, _ in server.log),
    ]
    for content in everything:
        assert buckets.SECRET.encode() not in content
        assert buckets.KEY.encode() not in content


def test_the_commands_read_and_write_it(bucket, here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(TARGET, layers=("count",))
    called = lambda *words: CliRunner().invoke(main, list(words))  # noqa: E731
    described = called("info", TARGET)
    assert described.exit_code == 0, described.output
    assert f"file       {TARGET} (GTiff" in described.output
    verified = called("verify", TARGET)
    assert (verified.exit_code, "was compared with its ledger: 2 files" in verified.output) == (0, True)
    assert called("report", TARGET, "report.html").exit_code == 0
    assert called("export", TARGET, "x.tif").exit_code == 0
    np.testing.assert_array_equal(gp.RasterField("x.tif").source.read(Box(0, 250, 0, 200)), result.array[...])
    copied = called("export", "x.tif", "s3://bucket/copy.tif", "--chunks", "64")
    assert copied.exit_code == 0, copied.output
    read = gp.RasterField("s3://bucket/copy.tif").source.read(Box(0, 250, 0, 200))
    np.testing.assert_array_equal(read, result.array[...])
    assert called("export", "x.tif", "s3://bucket/copy.tif", "--chunks", "64").exit_code == 1
    assert called("export", "x.tif", "s3://bucket/copy.tif", "--chunks", "64", "--overwrite").exit_code == 0
    assert called("verify", "s3://bucket/copy.tif").exit_code == 0
    assert called("verify", "s3://bucket/none.tif").exit_code == 1
    assert list(here.iterdir()) == []
