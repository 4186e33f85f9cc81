"""Batches: filled across rows of patches, found by themselves, and the same result whatever they are."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

import far
import geopatcher as gp
from geopatcher.errors import OperatorError
from geopatcher.runs.ledger.book import read_ledger
from places import ROOT

sys.path.insert(0, str(ROOT))  # benchmarks/ is not part of the package

from benchmarks import planned

SIZES = {"size": 16, "step": 8, "chunks": 32}


def image(height, width, bands=2):
    return np.random.default_rng(height * 1000 + width).random((bands, height, width), dtype="float32")


def blurred(batch):
    """Return something of neighbours: two bands, and each cell's last bit depends on the order of sums."""
    given = batch.astype("float32")
    return given * 0.3 + np.roll(given, 1, axis=-1) * 0.7 + given.mean(axis=(-2, -1), keepdims=True)


class Seen:
    """What an operator was given; more than ``most`` patches are too many."""

    def __init__(self, most=None, error=MemoryError):
        self.sizes, self.most, self.error = [], most, error

    def __call__(self, batch):
        self.sizes.append(len(batch))
        if self.most is not None and len(batch) > self.most:
            batch[...] = -1  # an operator may write into what it is given, and end in the middle
            raise self.error("no room")
        return blurred(batch)


@settings(deadline=None, max_examples=25)
@given(
    height=st.integers(8, 61),
    width=st.integers(8, 61),
    batch_size=st.sampled_from([2, 3, 7, 32, "auto"]),
    size=st.sampled_from([8, 16]),
    chunks=st.sampled_from([16, 32]),
    boundary=st.sampled_from(["cover", "pad", "shrink"]),
)
def test_the_result_is_the_same_to_the_last_bit(height, width, batch_size, size, chunks, boundary):
    pixels = image(height, width)
    how = {"size": size, "step": size // 2, "chunks": chunks, "boundary": boundary, "allow_gaps": True}
    one = gp.reconstruct(pixels, blurred, **how)
    many = gp.reconstruct(pixels, blurred, batch_size=batch_size, **how)
    np.testing.assert_array_equal(one.array, many.array)
    assert one.stats.patches == many.stats.patches


@pytest.mark.parametrize("side", [8, 8 + 4 * 4, 8 + 4 * 6, 8 + 4 * 10])  # 1, 25, 49 and 121 patches
@pytest.mark.parametrize("batch_size", [2, 5, 32])
def test_only_the_last_batch_is_short(side, batch_size):
    seen = Seen()
    result = gp.reconstruct(image(side, side), seen, size=8, step=4, chunks=16, batch_size=batch_size)
    full, rest = divmod(result.plan.n_patches, batch_size)
    assert seen.sizes == [batch_size] * full + [rest] * bool(rest)
    assert result.stats.batch_size == batch_size


def test_one_batch_is_short_in_each_region():
    seen = Seen()
    pixels = image(64, 6000, bands=4)
    result = gp.reconstruct(
        pixels, seen, size=64, step=32, chunks=64, batch_size=32, memory_limit="56MiB", target=None
    )
    assert result.plan.n_regions > 1
    assert len([n for n in seen.sizes if n < 32]) <= result.plan.n_regions


def test_patches_without_data_leave_no_hole_in_a_batch():
    pixels = image(40, 40)
    pixels[:, :, 16:32] = np.nan
    seen = Seen()
    result = gp.reconstruct(pixels, seen, size=8, step=8, chunks=16, batch_size=4, skip_empty=True)
    assert result.stats.skipped == 10
    assert seen.sizes == [4, 4, 4, 3]


def test_a_stop_comes_after_what_was_waiting_is_done(tmp_path):
    """Strips are told when all their patches are done, and the log of a run adds up."""
    log = tmp_path / "log.json"
    result = gp.reconstruct(image(40, 40), blurred, size=8, step=4, chunks=16, batch_size=7, log_json=log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    strips = [line for line in lines if line["event"] == "strip"]
    assert [line["rows"][0] for line in strips] == list(range(0, 33, 4))
    done = [line["done"] for line in strips]
    assert done == sorted(done)
    assert all(n >= 9 * (number + 1) for number, n in enumerate(done)), "none of a strip is waiting"
    assert done[-1] == result.plan.n_patches == sum(line["patches"] for line in strips)


def test_auto_finds_a_size_and_says_it():
    seen = Seen()
    result = gp.reconstruct(image(300, 300), seen, size=16, step=8, chunks=64, batch_size="auto")
    assert seen.sizes[:3] == [1, 1, 1]
    assert result.stats.batch_size in {1, 2, 4, 8, 16, 32, 64}
    assert result.stats.as_dict()["batch_size"] == result.stats.batch_size
    assert result.stats.batch_size <= result.plan.model.batch_size == 64
    assert sum(seen.sizes) == result.plan.n_patches


def test_auto_plans_for_no_more_patches_than_the_limit_has_room_for():
    pixels = np.zeros((8, 2000, 2000), "float32")
    small, large = (
        gp.plan(pixels, size=256, batch_size="auto", memory_limit=limit) for limit in ("300MiB", "2GiB")
    )
    assert 1 <= small.model.batch_size < large.model.batch_size
    assert small.model.patch_bytes <= 300 << 18
    assert small.working_bytes <= 300 << 20
    alone = gp.plan(pixels, size=256, batch_size="auto", memory_limit="2GiB", workers=4)
    assert alone.model.batch_size < large.model.batch_size, "each worker has a quarter"


@pytest.mark.parametrize("workers", [None, 2])
def test_where_one_patch_at_a_time_just_fits_a_size_that_is_found_does_too(workers):
    pixels = image(400, 300)
    model = gp.plan(pixels, **SIZES).model
    limit = (model.bytes_for(64, 400, alone=False) + 10_000) * (workers or 1)
    one, found = (
        gp.reconstruct(pixels, far.bent_each, batch_size=n, memory_limit=limit, workers=workers, **SIZES)
        for n in (1, "auto")
    )
    np.testing.assert_array_equal(one.array, found.array)
    assert found.plan.working_bytes - found.plan.model.growth_bytes <= limit


@pytest.mark.parametrize("most", [1, 3, 5])
@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("error", [MemoryError, type("OutOfMemoryError", (RuntimeError,), {})])
def test_where_memory_is_short_batches_are_halved_and_the_run_goes_on(most, on_error, error, monkeypatch):
    monkeypatch.setattr("geopatcher.engine.batching.PAYS", 0.0)  # so that larger ones are tried for sure
    pixels, seen = image(100, 100), Seen(most, error)
    how = {"size": 16, "step": 8, "chunks": 32}
    result = gp.reconstruct(pixels, seen, batch_size="auto", on_error=on_error, **how)
    np.testing.assert_array_equal(result.array, gp.reconstruct(pixels, blurred, **how).array)
    assert not result.errors
    assert result.stats.failed == 0
    assert max(seen.sizes) > most, "or nothing was shown"
    assert len([n for n in seen.sizes if n > most]) <= 3, "what was too much is not tried again"
    assert result.stats.batch_size <= most


def test_one_patch_that_has_no_room_is_an_error_as_any_other():
    with pytest.raises(OperatorError, match=r"Seen failed on rows 0:16, columns 0:16 .*MemoryError: no room"):
        gp.reconstruct(image(64, 64), Seen(0), size=16, batch_size="auto")
    with pytest.raises(OperatorError, match=r"no room; take a smaller batch_size, or \"auto\""):
        gp.reconstruct(image(64, 64), Seen(3), size=16, batch_size=8)


@pytest.mark.parametrize("wrong", [0, -1, "8", "AUTO", 2.5, None])
def test_what_is_no_size_is_refused(wrong):
    with pytest.raises(ValueError, match='batch_size must be 1 or more, or "auto"'):
        gp.reconstruct(image(16, 16), blurred, size=8, batch_size=wrong)


def scene(folder, side=200):
    path = folder / "scene.tif"
    profile = {"driver": "GTiff", "height": side, "width": side, "count": 2, "dtype": "float32"}
    with rasterio.open(path, "w", transform=Affine(10, 0, 5e5, 0, -10, 5e6), **profile) as dataset:
        dataset.write(image(side, side))
    return path


def content(store):
    return {file.relative_to(store): file.read_bytes() for file in store.rglob("*") if file.is_file()}


def test_two_workers_write_the_same_bytes_and_say_which_size_they_found(tmp_path):
    source = scene(tmp_path)
    one = gp.reconstruct(source, far.bent_each, tmp_path / "one.zarr", **SIZES)
    two = gp.reconstruct(source, far.bent_each, tmp_path / "two.zarr", batch_size="auto", workers=2, **SIZES)
    assert content(one.path) == content(two.path)
    assert two.stats.batch_size >= 1
    account = read_ledger(tmp_path / "two.zarr.ledger.jsonl")
    assert account.header.how["batch_size"] == "auto"
    assert account.completion.stats["batch_size"] == two.stats.batch_size


def test_a_worker_that_is_killed_in_a_batch_is_replaced(tmp_path):
    source = scene(tmp_path)
    values = image(200, 200)[0, [40, 150], [70, 20]]
    one = gp.reconstruct(source, far.bent_each, tmp_path / "one.zarr", **SIZES)
    operator = far.DiesInBatches(tmp_path, values.tolist())
    two = gp.reconstruct(source, operator, tmp_path / "two.zarr", batch_size="auto", workers=2, **SIZES)
    assert sorted(file.name for file in tmp_path.glob("death *")) == ["death 0", "death 1"]
    assert content(one.path) == content(two.path)


@pytest.mark.parametrize(("before", "after"), [(5, "auto"), ("auto", 3), ("auto", "auto"), (1, "auto")])
def test_a_run_that_was_killed_goes_on_in_batches_of_another_size(tmp_path, before, after):
    source = scene(tmp_path)
    values = image(200, 200)[0, [150], [20]].tolist()
    code = f"""
import sys
sys.path.insert(0, {str(Path(far.__file__).parent)!r})
import far, geopatcher as gp
operator = far.DiesInBatches({str(tmp_path)!r}, {values})
gp.reconstruct({str(source)!r}, operator, {str(tmp_path / "x.zarr")!r}, batch_size={before!r}, **{SIZES})
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    operator = far.DiesInBatches(tmp_path, values)
    result = gp.reconstruct(source, operator, tmp_path / "x.zarr", batch_size=after, **SIZES)
    assert any("goes on where an earlier run stopped" in note for note in result.stats.notes)
    assert any("goes on in batches of" in note for note in result.stats.notes) is (before != after)
    whole = gp.reconstruct(source, far.bent_each, tmp_path / "whole.zarr", **SIZES)
    assert content(result.path) == content(whole.path)


@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux's")
@pytest.mark.parametrize("case", ["activations in batches of 4", "activations in batches that are found"])
def test_the_plan_has_what_a_model_takes_meanwhile(case, tmp_path):
    found = planned.measure(case, tmp_path)
    sizes = {name: n_bytes >> 20 for name, n_bytes in found["parts"].items()}
    assert found["taken"] <= found["planned"], (sizes, found["taken"] >> 20)
    assert found["parts"]["operator"] > 4 << 20, "the activations are many times the patches"
