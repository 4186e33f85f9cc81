"""What a run takes, part by part: sums that can be checked by hand."""

from __future__ import annotations

import mmap
import time
from dataclasses import replace

import numpy as np
import pytest

import geopatcher as gp
from geopatcher.planning.footprint import KEPT_BYTES, Footprint, Setting
from geopatcher.targets.bucket.sending import sending_bytes
from geotiffs import write_geotiff

MIB = 1 << 20
IMAGE = np.zeros((600, 800), "float32")
SIZES = {"size": 64, "chunks": 256}
HERE = Footprint(
    process=100, mapped=0, working=70, operator=20, result=40, workers=0, relay=0, assembly=90,
    n_workers=0, memory_limit=256,
)  # fmt: skip


def greedy(n_bytes):
    """Return an operator that takes so much meanwhile; only at its first call, which is the one looked at."""
    calls = []

    def operator(patch):
        if not calls:
            calls.append(1)
            with mmap.mmap(-1, n_bytes + mmap.PAGESIZE) as fresh:  # not what earlier tests have left
                fresh.write(bytes(n_bytes))
                time.sleep(0.2)  # for a moment only it shows where the process never held more
        return patch

    return operator


def test_in_one_process_the_larger_stage_counts():
    # Libraries stay, and all of so little may be theirs.
    assert HERE.total == 100 + 40 + 20 + (70 + 90)
    large = replace(HERE, working=900 * MIB, assembly=90 * MIB)
    assert large.total == 100 + 40 + 20 + 900 * MIB
    assert replace(large, mapped=5).total == large.total + 5
    assert replace(large, assembly=870 * MIB).total == 100 + 40 + 20 + KEPT_BYTES + 870 * MIB
    assert replace(large, assembly=0).total == large.total


def test_with_workers_the_peaks_of_all_processes_add_up():
    there = replace(HERE, n_workers=3, workers=300, relay=8)
    assert there.total == (100 + 40 + max(8, 90)) + 300 + 70 + 20


def test_blocks_that_are_kept_are_taken_while_regions_are_computed():
    assert replace(HERE, blocks=30, assembly=0).total == replace(HERE, assembly=0).total + 30
    assert replace(HERE, blocks=30).total == HERE.total, "they are gone when the result is put together"
    assert replace(HERE, blocks=30, n_workers=2).total == replace(HERE, n_workers=2).total + 30
    assert [part.name for part in replace(HERE, blocks=30).parts()][2] == "blocks"


def test_blocks_of_what_is_warped_are_in_the_plan(tmp_path):
    path = write_geotiff(tmp_path / "a.tif", np.ones((2, 2000, 1500), "uint16"), tiled=True)
    source = gp.ReprojectingRasterField(str(path), "EPSG:32611")
    one = gp.plan(source, size=128)
    assert 0 < one.blocks_bytes == one.footprint.blocks
    assert "blocks     " in str(one.footprint)
    assert one.working_bytes <= one.memory_limit
    two = gp.plan(source, size=128, workers=2)
    assert two.footprint.blocks > 0
    tight = gp.plan(source, size=128, memory_limit=one.working_bytes - one.blocks_bytes + 5000)
    assert (tight.blocks_bytes, tight.working_bytes) == (5000, tight.memory_limit)
    assert gp.plan(str(path), size=128).footprint.blocks == 0


def test_the_text_has_a_line_for_each_part_that_takes_something():
    lines = str(replace(HERE, relay=0, assembly=0)).splitlines()
    assert lines[0] == "memory     230 B at the peak of the whole process:"
    assert [line.split()[0] for line in lines[1:]] == ["process", "working", "operator", "result"]
    assert "memory_limit is 256 B" in lines[2]
    assert str(replace(HERE, n_workers=1)).startswith(
        "memory     320 B at the peak of this process and 1 worker:"
    )


def test_a_plan_counts_the_result_where_it_will_be(tmp_path):
    in_memory = gp.plan(IMAGE, **SIZES)
    on_disk = gp.plan(IMAGE, target=tmp_path / "x.zarr", **SIZES)
    assembled = gp.plan(IMAGE, target=tmp_path / "x.tif", **SIZES)
    sent = gp.plan(IMAGE, target="s3://bucket/x.tif", **SIZES)
    assert in_memory.footprint.result == IMAGE.nbytes
    assert (on_disk.footprint.result, assembled.footprint.result) == (0, 0)
    assert on_disk.footprint.assembly == 0 < assembled.footprint.assembly
    assert sent.footprint.assembly == assembled.footprint.assembly, "a small one is sent in one piece"
    large = np.broadcast_to(IMAGE[:1, :1], (9000, 9000))
    there = gp.plan(large, target="s3://bucket/x.tif", **SIZES).footprint.assembly
    assert there == sending_bytes(large.nbytes) > gp.plan(large, target="x.tif", **SIZES).footprint.assembly
    assert in_memory.footprint.process > 20 * MIB, "the interpreter and what is loaded"
    assert list(tmp_path.iterdir()) == [], "a plan writes nothing"


def test_layers_of_a_result_in_memory_count():
    layered = gp.plan(IMAGE, layers=("weight", "count"), **SIZES)
    cell = 4 + sum(np.dtype(kind).itemsize for kind in ("float32", "uint32"))
    result = gp.reconstruct(IMAGE, np.sqrt, layers=("weight", "count"), **SIZES)
    arrays = [result.array, *result.layers.values()]
    assert result.plan.footprint.result == sum(array.nbytes for array in arrays)
    assert layered.footprint.result <= IMAGE.size * (cell + 8)


def test_workers_and_what_passes_between_them_and_this_process_count(tmp_path):
    image = np.zeros((2048, 2048), "float32")
    one = gp.plan(image, target=tmp_path / "x.zarr", **SIZES).footprint
    two = gp.plan(image, target=tmp_path / "x.zarr", workers=2, **SIZES).footprint
    assert (one.n_workers, two.n_workers) == (0, 2)
    assert two.workers == 2 * Setting().worker_bytes
    assert two.working > one.working / 2
    assert two.relay == 0 < gp.plan(image, workers=2, **SIZES).footprint.relay


def test_no_more_workers_count_than_there_are_tasks():
    assert gp.plan(IMAGE, workers=64, size=64, chunks=512, memory_limit="8GiB").footprint.n_workers <= 4


def test_a_plan_knows_nothing_of_the_operator_and_that_of_a_result_does():
    assert gp.plan(IMAGE, **SIZES).footprint.operator == 0
    result = gp.reconstruct(IMAGE, greedy(60 * MIB), **SIZES)
    assert result.plan.footprint.operator == pytest.approx(60 * MIB, rel=0.2)
    assert result.plan.memory_bytes == result.plan.footprint.total


def test_an_operator_is_counted_in_each_worker():
    kept = []

    def keeping(patch):
        if not kept:
            kept.append(np.ones(40 * MIB // 8))
        return patch

    result = gp.reconstruct(np.zeros((1024, 1024), "float32"), keeping, workers=2, **SIZES)
    assert result.plan.footprint.n_workers == 2
    assert result.plan.footprint.operator == pytest.approx(2 * 40 * MIB, rel=0.2)


def test_an_operator_that_takes_much_leaves_less_of_the_limit_to_regions():
    image = np.zeros((256, 20_000), "float32")

    given = {"size": 64, "chunks": 64, "memory_limit": "90MiB"}
    plain = gp.reconstruct(image, greedy(0), **given)
    cut = gp.reconstruct(image, greedy(40 * MIB), **given)
    assert plain.plan.n_regions < cut.plan.n_regions
    assert cut.plan.working_bytes <= cut.plan.memory_limit
    assert plain.array.tobytes() == cut.array.tobytes()


def test_an_operator_that_takes_more_than_there_is_comes_on_top():
    image = np.zeros((256, 20_000), "float32")

    given = {"size": 64, "chunks": 64, "memory_limit": "90MiB"}
    plain = gp.reconstruct(image, greedy(0), **given)
    same = gp.reconstruct(image, greedy(200 * MIB), **given)
    assert plain.plan.n_regions == same.plan.n_regions, "narrower regions would not help"
    assert same.plan.footprint.operator == pytest.approx(200 * MIB, rel=0.2)


def test_a_mapped_source_counts_as_far_as_it_may_be_looked_at(tmp_path):
    np.save(tmp_path / "image.npy", IMAGE)
    mapped = np.load(tmp_path / "image.npy", mmap_mode="r")
    assert gp.plan(mapped, **SIZES).footprint.mapped == IMAGE.nbytes
    assert gp.plan(np.asarray(mapped), **SIZES).footprint.mapped == IMAGE.nbytes
    assert gp.plan(IMAGE, **SIZES).footprint.mapped == 0


def test_the_peak_of_a_run_on_workers_is_the_sum_of_theirs_and_its_own():
    image = np.random.default_rng(0).random((1024, 1024), dtype="float32")
    one, two = gp.reconstruct(image, np.sqrt, **SIZES), gp.reconstruct(image, np.sqrt, workers=2, **SIZES)
    assert two.stats.peak_bytes > one.stats.peak_bytes + 2 * 30 * MIB, "two more interpreters"
    assert "of this process and 2 workers, planned" in str(two)
    assert "of the whole process, planned" in str(one)


def holed(patch):
    """Mask what is below 10."""
    return np.ma.masked_less(patch, 10)


LABELS = np.random.default_rng(0).integers(0, 100, (3, 600, 800), dtype="uint8")


@pytest.mark.parametrize(("operator", "n_masks"), [(np.copy, 0), (holed, 1)])
@pytest.mark.parametrize("workers", [None, 2])
def test_a_mask_of_integers_is_counted_where_cells_are_missing(operator, n_masks, workers):
    """One byte a cell and band on top of the result's own, which is one here."""
    made = gp.reconstruct(LABELS, operator, workers=workers, aggregation="max", **SIZES)
    assert made.plan.footprint.result == LABELS.nbytes * (1 + n_masks)
    assert made.valid[...].all() == (n_masks == 0)


def test_a_plan_assumes_a_mask_where_the_source_may_have_gaps():
    sure = gp.plan(LABELS, **SIZES, aggregation="max", dtype="uint8")
    floats = gp.plan(np.zeros((3, 600, 800), "float32"), **SIZES, aggregation="max", dtype="uint8")
    as_floats = gp.plan(np.zeros((3, 600, 800), "float32"), **SIZES, aggregation="max")
    assert sure.footprint.result == LABELS.nbytes
    assert floats.footprint.result == 2 * LABELS.nbytes
    assert as_floats.footprint.result == 4 * LABELS.nbytes
