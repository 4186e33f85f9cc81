"""Results written straight into a bucket: the bytes of the local store, whatever happens on the way."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import buckets
import geopatcher as gp
from bucket_cases import (
    Once,
    all_told,
    files,
    interrupted,
    killed_again_and_again,
    objects,
)
from bucket_faults import Fault
from bucket_run import SIZES, Double, image, run
from bucket_store import CHUNK, KEY, TARGET, beside, local
from geopatcher.cli import main
from geopatcher.core.box import Box
from geopatcher.errors import SourceError, TargetError, TargetExistsError
from geopatcher.runs.ledger.book import read_ledger
from geopatcher.targets.open import target_for

pytestmark = pytest.mark.once

__all__ = ["local"]  # a fixture


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layers": ("count", "spread")},
        {"storage": gp.ZarrStorage(shards=128, checksum=True)},
        {"storage": gp.ZarrStorage("blosc-lz4"), "dtype": "int16"},
        {"dtype": "uint8", "nodata": 3},
        {"scale_to": gp.ScaleTo("int16", (-1e5, 1e5))},
    ],
    ids=str,
)
def test_it_is_the_local_store_byte_for_byte(bucket, tmp_path, options):
    here = run(tmp_path / "x.zarr", **options)
    there = run(TARGET, **options)
    assert objects(bucket, KEY) == files(here.path)
    assert there.path == TARGET
    np.testing.assert_array_equal(there.array[...], here.array[...])
    np.testing.assert_array_equal(there.valid[...], here.valid[...])
    for name in options.get("layers", ()):
        np.testing.assert_array_equal(there.layers[name][...], here.layers[name][...])
    xr.testing.assert_identical(there.to_xarray().load(), here.to_xarray().load())
    assert beside(bucket) == []


def test_blocks_are_put_once_and_what_makes_a_store_of_them_last(bucket, server):
    seen = []

    class Looking(Double):
        def __call__(self, patch):
            if self.count % 40 == 0:
                seen.append([entry.key for entry in bucket.entries(KEY) if entry.key.endswith("zarr.json")])
            return super().__call__(patch)

    run(TARGET, Looking())
    assert len(seen) > 3
    assert not any(seen), "no reader finds a store, nor an array, before all blocks are there"
    puts = [path.removeprefix("/bucket/") for method, path, _ in server.log if method == "PUT"]
    blocks = [path for path in puts if "/data/c/" in path]
    assert len(blocks) == len(set(blocks)) == sum("/data/c/" in key for key in map(str, puts))
    last = [path for path in puts if path.startswith(f"{KEY}/")][-1]
    assert last == f"{KEY}/zarr.json"
    assert all(puts.index(path) < puts.index(f"{KEY}/data/zarr.json") for path in blocks)


def test_a_run_that_failed_goes_on_and_a_finished_one_is_returned(bucket, local, tmp_path, monkeypatch):
    kept = "".join(interrupted(TARGET).__notes__)
    assert f"finished rows of blocks are kept in {TARGET}" in kept
    assert f"{KEY}/zarr.json" not in [entry.key for entry in bucket.entries("")]
    with pytest.raises(SourceError, match="there is no"):
        gp.RasterField(TARGET)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    operator = Double()
    result = run(TARGET, operator)
    assert 0 < operator.count < result.plan.n_patches
    assert result.stats.notes[0].startswith("goes on where an earlier run stopped")
    assert objects(bucket, KEY) == local
    again = Double()
    assert run(TARGET, again).stats.notes[0].startswith("complete since")
    assert again.count == 0
    assert list(Path.cwd().iterdir()) == []


def test_a_run_that_finished_nothing_leaves_nothing(bucket):
    interrupted(TARGET, at=2)
    assert [entry.key for entry in bucket.entries("")] == []


def test_killed_at_any_instant_and_gone_on_with_from_another_folder(bucket, local, tmp_path):
    def killed():
        if f"{KEY}/zarr.json" in [entry.key for entry in bucket.entries(KEY)]:  # it is put last
            assert objects(bucket, KEY) == local

    killed_again_and_again(TARGET, tmp_path, [1.6, 2.0, 2.4, 2.8, 3.2], killed)
    assert objects(bucket, KEY) == local
    assert beside(bucket) == []


@pytest.mark.parametrize("where", [f"{KEY}/x/c", f"{KEY}/zarr.json", f"{KEY}.ledger/.*[1-9]"])
def test_a_run_that_ends_while_it_is_completed_is_completed_by_the_next(bucket, server, local, where):
    server.faults.append(Fault("PUT", where, 403, 99))
    with pytest.raises(TargetError, match="not authorised"):
        run(TARGET)
    server.faults.clear()
    operator = Double()
    run(TARGET, operator)
    assert operator.count == 0 or "ledger" in where
    assert objects(bucket, KEY) == local


def test_overwriting_takes_the_old_result_away_when_the_first_block_is_ready(bucket, local):
    gp.reconstruct(image(), np.negative, TARGET, **SIZES)
    with pytest.raises(TargetExistsError, match="was made by another run: operator"):
        run(TARGET)
    seen = []

    class Looking(Double):
        def __call__(self, patch):
            seen.append(bucket.head(f"{KEY}/zarr.json") is not None)
            return super().__call__(patch)

    run(TARGET, Looking(), overwrite=True)
    assert seen[0]
    assert not seen[-1]
    assert seen == sorted(seen, reverse=True)
    assert objects(bucket, KEY) == local


def test_what_is_no_store_is_never_replaced(bucket):
    bucket.put(f"{KEY}/notes.txt", b"mine")
    for overwrite in (False, True):
        with pytest.raises(TargetExistsError, match="notes.txt is not of a zarr store"):
            run(TARGET, overwrite=overwrite)
    bucket.remove([f"{KEY}/notes.txt"])
    bucket.put(f"{KEY}/.zgroup", b'{"zarr_format": 2}')
    with pytest.raises(TargetExistsError, match="exists: choose another target"):
        run(TARGET)
    assert [entry.key for entry in bucket.entries("")] == [f"{KEY}/.zgroup"]


def test_a_source_is_never_written_over(bucket):
    run(TARGET)
    for target in (TARGET, f"{TARGET}/deep.zarr"):
        with pytest.raises(TargetError, match="would be written over, and pixels are read from"):
            gp.reconstruct(TARGET, np.copy, target, overwrite=True, **SIZES)
    assert bucket.head(f"{KEY}/zarr.json") is not None


@pytest.mark.parametrize("how", ["gone", "cut", "other", "empty"])
@pytest.mark.parametrize("when", ["unfinished", "finished"])
def test_blocks_that_are_damaged_are_made_again(bucket, local, how, when):
    if when == "unfinished":
        interrupted(TARGET)
    else:
        run(TARGET)
    chunk = CHUNK.replace("/2/2", "/0/2")
    content = bucket.get(chunk)
    if how == "gone":
        bucket.remove([chunk])
    else:
        bucket.put(chunk, {"cut": content[:-3], "other": bytes(len(content)), "empty": b""}[how])
    operator = Double()
    result = run(TARGET, operator)
    assert 0 < operator.count < result.plan.n_patches
    assert objects(bucket, KEY) == local
    assert any("damaged since it was written" in note for note in result.stats.notes)


def test_patches_that_failed_are_tried_again(bucket, local):
    assert len(run(TARGET, Once(100), on_error="skip").errors) == 1
    again = Once()
    result = run(TARGET, again, on_error="skip")
    assert 0 < again.count < result.plan.n_patches
    assert result.errors == []
    assert objects(bucket, KEY) == local


def test_a_result_whose_mask_went_is_made_anew_when_it_is_damaged(bucket, tmp_path):
    here = run(tmp_path / "x.zarr", dtype="uint8", nodata=255)
    assert not (here.path / "valid").exists()
    run(TARGET, dtype="uint8", nodata=255)
    bucket.remove([CHUNK])
    operator = Double()
    result = run(TARGET, operator, dtype="uint8", nodata=255)
    assert operator.count == result.stats.patches
    assert objects(bucket, KEY) == files(here.path)


def test_a_copied_object_is_the_same(bucket, server):
    run(TARGET)
    bucket.put(CHUNK, bucket.get(CHUNK))
    server.log.clear()
    assert run(TARGET).stats.notes[0].startswith("complete since")
    assert not any(CHUNK in path for method, path, _ in server.log), "its ETag says so"


@pytest.mark.parametrize("kind", [503, "reset", "lost"])
def test_what_passes_on_the_way_is_not_noticed(bucket, server, local, kind):
    for method, path in (
        ("PUT", r"/data/c/"),
        ("PUT", r"\.ledger/"),
        ("PUT", r"\.lock$"),
        ("PUT", r"x\.zarr/zarr\.json"),
        ("PUT", r"x\.zarr/data/zarr\.json"),
        ("GET", r"list-type=2"),
        ("GET", r"\.lock$"),
        ("POST", r"delete"),
    ):
        server.faults += [Fault(method, path, kind, 1, after=after) for after in (0, 3)]
    run(TARGET)
    assert [fault for fault in server.faults if fault.count and fault.after == 0] == []
    assert objects(bucket, KEY) == local
    assert beside(bucket) == []


def test_a_store_that_takes_no_more_keeps_what_is_finished(bucket, server, local):
    server.faults.append(Fault("PUT", r"/data/c/./2/", 403, 10**6))
    with pytest.raises(TargetError, match=r"cannot write s3://.*/data/c/./2/.: not auth.*kept in"):
        run(TARGET)
    server.faults.clear()
    operator = Double()
    assert operator.count < run(TARGET, operator).plan.n_patches
    assert objects(bucket, KEY) == local


def test_a_function_gives_credentials_where_it_is_written(bucket, server, local, monkeypatch):
    monkeypatch.setenv("THEIR_KEY", "AKIDOFAFUNCTION")
    monkeypatch.setenv("THEIR_SECRET", "of-a-function")
    storage = gp.ZarrStorage(credentials="buckets:given_here")
    server.log.clear()
    result = run(TARGET, storage=storage)
    said = [headers.get("authorization", headers.get("Authorization", "")) for *_, headers in server.log]
    assert all("Credential=AKIDOFAFUNCTION/" in each for each in said)
    assert run(TARGET).stats.notes[0].startswith("complete since"), "it is the same result"
    np.testing.assert_array_equal(result.to_xarray().values, result.array[...])


def test_secrets_are_nowhere(bucket, server, tmp_path, capfd):
    log = tmp_path / "log.jsonl"
    server.faults.append(Fault("PUT", r"/data/c/./2/", 403, 10**6))
    with pytest.raises(TargetError) as caught:
        run(TARGET, log_json=log, workers=2)
    told = all_told(caught.value)
    server.faults.clear()
    result = run(TARGET, log_json=log)
    target = target_for(TARGET, overwrite=False)
    sink = pickle.dumps(target.blocks.open(read_ledger(target.publisher.ledger).header.spec))
    printed = capfd.readouterr()
    everything = [
        *(bucket.get(entry.key) for entry in bucket.entries("")),
        *(entry.key.encode() for entry in bucket.entries("")),
        log.read_bytes(),
        sink,
        pickle.dumps(result.path),
        (told + str(result) + repr(result) + printed.out + printed.err).encode(),
        *(path.encode() for _, path, _ in server.log),
    ]
    for content in everything:
        assert buckets.SECRET.encode() not in content
        assert buckets.KEY.encode() not in content


def test_the_commands_read_it(bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(TARGET, layers=("count",))
    called = lambda *words: CliRunner().invoke(main, list(words))  # noqa: E731
    described = called("info", TARGET)
    assert described.exit_code == 0, described.output
    assert f"file       {TARGET} (zarr v3)" in described.output
    assert "layers     count" in described.output
    assert "damaged" not in described.output
    verified = called("verify", TARGET)
    assert (verified.exit_code, "was compared with its ledger" in verified.output) == (0, True)
    assert called("report", TARGET, "report.html").exit_code == 0
    assert "x.zarr" in Path("report.html").read_text()
    assert called("export", TARGET, "x.tif").exit_code == 0
    np.testing.assert_array_equal(gp.RasterField("x.tif").source.read(Box(0, 250, 0, 200)), result.array[...])
    assert called("export", "x.tif", "s3://bucket/copy.zarr", "--chunks", "64").exit_code == 0
    copied = gp.RasterField("s3://bucket/copy.zarr").source.read(Box(0, 250, 0, 200))
    np.testing.assert_array_equal(copied, result.array[...])
    assert called("export", "x.tif", "s3://bucket/copy.zarr", "--chunks", "64").exit_code == 1
    assert called("verify", "s3://bucket/copy.zarr").exit_code == 0
    assert set(result.rasters()) == {"result", "count"}
    bucket.remove([CHUNK])
    assert f"{TARGET}/data/c/1/2/2" in called("info", TARGET).output
    damaged = called("verify", TARGET)
    assert (damaged.exit_code, f"{TARGET}/data/c/1/2/2" in damaged.output) == (1, True)
    assert called("verify", "s3://bucket/none.zarr").exit_code == 1
