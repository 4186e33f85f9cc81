"""Regions done elsewhere: the same bytes, errors, hooks and records as here."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

import far
import geopatcher as gp
from doubling import begun_ledger
from geopatcher.errors import InterruptedRunError, OperatorError, WorkerLostError
from geopatcher.executors.workers.pickling import unpack
from geopatcher.executors.workers.region_task import pack_job
from geopatcher.executors.workers.scheduler import Scheduler
from geopatcher.planning.tasks import cut_tasks
from geopatcher.runs.ledger.book import read_ledger
from tests.whole.test_aggregations import FLOATING, OPERATORS, VOTES

IMAGE = np.random.default_rng(4).random((2, 300, 260), dtype="float32")
SIZES = {"size": 32, "step": 16, "chunks": 64}


@pytest.mark.parametrize("name", [*FLOATING, *VOTES])
@how(max_examples=6)
@given(
    shape=st.tuples(st.integers(20, 60), st.integers(20, 60)),
    size=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    cut=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    holes=st.sampled_from([0.0, 0.1, 0.8]),
    batch=st.integers(1, 3),
    boundary=st.sampled_from(["cover", "reflect", "pad", "shrink"]),
    seed=st.integers(0, 2**32),
)
def test_the_same_bytes_for_every_aggregation(*, name, shape, size, cut, holes, batch, boundary, seed):
    chance = np.random.default_rng(seed)
    image = chance.normal(size=(2, *shape)).astype("float32")
    image[chance.random(image.shape) < holes] = np.nan
    cut = (min(cut[0], -(-shape[0] // 16)), min(cut[1], -(-shape[1] // 16)))
    keywords = {
        "size": size,
        "chunks": 16,
        "boundary": boundary,
        "batch_size": batch,
        "aggregation": {**FLOATING, **VOTES}[name],
        "allow_gaps": True,
    }
    single = OPERATORS.get(name, far.bend)
    operator = single if batch == 1 else lambda stack: np.stack([single(patch) for patch in stack])
    here = gp.reconstruct(image, operator, **keywords)
    there = gp.reconstruct(image, operator, executor=far.InlineExecutor(cut), **keywords)
    assert here.array.dtype == there.array.dtype
    assert here.array.tobytes() == there.array.tobytes()
    assert {name: layer.tobytes() for name, layer in here.layers.items()} == {
        name: layer.tobytes() for name, layer in there.layers.items()
    }


@pytest.mark.parametrize("ending", ["zarr", "tif"])
def test_the_same_files(tmp_path, ending):
    targets = [tmp_path / f"{where}.{ending}" for where in ("here", "there")]
    gp.reconstruct(IMAGE, far.bend, targets[0], **SIZES)
    there = gp.reconstruct(IMAGE, far.bend, targets[1], executor=far.InlineExecutor((3, 2)), **SIZES)
    assert files_of(targets[0]) == files_of(targets[1])
    assert there.stats.blocks == 6 + 4  # rows of blocks: five in all, in three and two bands, in each column
    assert there.stats.bytes_written == IMAGE.nbytes


def files_of(path):
    if path.is_file():
        return path.read_bytes()
    return {file.relative_to(path): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_an_empty_beginning_says_nothing_of_the_result():
    image = IMAGE.copy()
    image[:, :150] = np.nan
    executor = far.InlineExecutor((5, 1))
    keywords = SIZES | {"skip_empty": True}
    there = gp.reconstruct(image, lambda x: x[:1] > 0.5, executor=executor, **keywords)
    here = gp.reconstruct(image, lambda x: x[:1] > 0.5, **keywords)
    assert here.array.tobytes() == there.array.tobytes()
    looks = [task.region.row0 for task in executor.crew.assignments if task.handle is None]
    assert looks == [0, 64, 128], "regions are looked at until one holds something"
    assert [task.region.row0 for task in executor.crew.assignments if task.handle] == [128, 192, 256]
    assert there.stats.skipped >= here.stats.skipped > 0


def test_nothing_but_emptiness():
    image = np.full((64, 64), np.nan, "float32")
    there = gp.reconstruct(image, far.bend, executor=far.InlineExecutor(), skip_empty=True, size=8, chunks=32)
    assert np.isnan(there.array).all()


@pytest.mark.parametrize("policy", ["skip", "mask"])
def test_errors_under_a_policy_are_those_of_one_process(tmp_path, policy):
    keywords = SIZES | {"on_error": policy}
    here = gp.reconstruct(IMAGE, far.fails_on_a_minimum, tmp_path / "here.zarr", **keywords)
    executor = far.InlineExecutor((5, 2))
    there = gp.reconstruct(
        IMAGE, far.fails_on_a_minimum, tmp_path / "there.zarr", executor=executor, **keywords
    )
    assert here.errors
    assert sorted(map(told, here.errors)) == sorted(map(told, there.errors))
    assert here.array[:].tobytes() == there.array[:].tobytes()
    flaws = [read_ledger(tmp_path / f"{where}.zarr.ledger.jsonl").flaws() for where in ("here", "there")]
    assert sorted(flaws[0]) == sorted(flaws[1])


def told(error):
    return (error.anchor, error.stage, error.message, error.retry_count)


def test_an_error_that_raises_is_that_of_one_process(tmp_path):
    with pytest.raises(OperatorError) as here:
        gp.reconstruct(IMAGE, far.fails_on_a_minimum, **SIZES)
    with pytest.raises(OperatorError) as there:
        gp.reconstruct(
            IMAGE, far.fails_on_a_minimum, tmp_path / "x.zarr", executor=far.InlineExecutor((5, 1)), **SIZES
        )
    assert str(there.value) == str(here.value)
    assert "ArithmeticError: too low" in str(there.value.__cause__), "the worker's traceback is the cause"


class Hears:
    def __init__(self):
        self.heard = []

    def on_split_start(self, n):
        self.heard.append(("split", n))

    def on_patch_start(self, anchor):
        self.heard.append(("start", anchor))

    def on_patch_done(self, anchor, seconds, nbytes):
        assert seconds >= 0
        self.heard.append(("done", anchor, nbytes))

    def on_error(self, anchor, exc):
        self.heard.append(("error", anchor, str(exc)))

    def on_merge_end(self, nbytes):
        self.heard.append(("end", nbytes))


def test_hooks_hear_the_same_once_per_region_a_patch_is_in():
    here, there = Hears(), Hears()
    keywords = SIZES | {"on_error": "skip"}
    gp.reconstruct(IMAGE, far.fails_on_a_minimum, hooks=here, **keywords)
    gp.reconstruct(
        IMAGE, far.fails_on_a_minimum, hooks=there, executor=far.InlineExecutor((1, 1)), **keywords
    )
    assert here.heard == there.heard
    cut = Hears()
    pieces = far.InlineExecutor((2, 3))
    gp.reconstruct(IMAGE, far.fails_on_a_minimum, hooks=cut, executor=pieces, **keywords)
    assert set(cut.heard[1:]) == set(here.heard[1:])
    assert len(cut.heard) > len(here.heard)


def test_progress_comes_to_the_number_of_patches_of_all_regions():
    seen = []
    executor = far.InlineExecutor((3, 2))
    result = gp.reconstruct(IMAGE, far.bend, progress=seen.append, executor=executor, **SIZES)
    boxes = [result.plan.restrict(box).n_patches for box in far.Tasks(result.plan, 3, 2)]
    assert sum(seen) == sum(boxes) == result.stats.patches > result.plan.n_patches


def test_a_region_whose_worker_died_goes_on_behind_its_last_row(tmp_path):
    executor = far.InlineExecutor((1, 2), deaths=(2, 4))
    result = gp.reconstruct(IMAGE, far.bend, tmp_path / "x.zarr", executor=executor, **SIZES)
    plain = gp.reconstruct(IMAGE, far.bend, **SIZES)
    assert result.array[:].tobytes() == plain.array.tobytes()
    regions = [task.region for task in executor.crew.assignments if task.handle]
    assert len(regions) == 4
    assert sum(region.row0 > 0 for region in regions) == 2, "what is left begins behind what was recorded"
    notes = [note for note in result.stats.notes if "a worker ended by an early death" in note]
    assert len(notes) == 2
    assert read_ledger(tmp_path / "x.zarr.ledger.jsonl").rows == 10, "each row of blocks is recorded once"
    assert not list((tmp_path / "x.zarr").rglob("*.partial"))


def test_a_region_that_kills_every_worker_ends_the_run_and_keeps_the_others(tmp_path):
    executor = far.InlineExecutor((5, 1), deaths=range(4, 99))
    with pytest.raises(
        WorkerLostError, match=r"4 workers ended over rows .* an early death: .*memory_limit"
    ) as info:
        gp.reconstruct(IMAGE, far.bend, tmp_path / "x.zarr", executor=executor, **SIZES)
    assert "3 finished rows of blocks are kept" in info.value.__notes__[0]
    second = far.InlineExecutor((5, 1))
    again = gp.reconstruct(IMAGE, far.bend, tmp_path / "x.zarr", executor=second, **SIZES)
    assert len(second.crew.assignments) == 2
    assert again.array[:].tobytes() == gp.reconstruct(IMAGE, far.bend, **SIZES).array.tobytes()


def test_a_run_begun_here_goes_on_there_and_back(tmp_path):
    whole = gp.reconstruct(IMAGE, far.bend, **SIZES).array.tobytes()
    target = tmp_path / "x.zarr"
    for executor in (
        far.InlineExecutor((1, 1), deaths=range(2, 99)),
        far.InlineExecutor((2, 2), deaths=range(3, 99)),
    ):
        with pytest.raises(WorkerLostError):
            gp.reconstruct(IMAGE, far.bend, target, executor=executor, **SIZES)
    assert gp.reconstruct(IMAGE, far.bend, target, **SIZES).array[:].tobytes() == whole


def test_a_request_to_stop_keeps_what_workers_had_closed(tmp_path, monkeypatch):
    class Stopping(far.InlineExecutor):
        def compute(self, run, regions):
            asked = []
            watch = type(run.watch)(lambda: len(asked.append(0) or asked) > 4, run.watch.listeners)
            super().compute(type(run)(run.job, run.session, run.operate, watch), regions)

    with pytest.raises(InterruptedRunError, match="finished rows of blocks are kept"):
        gp.reconstruct(IMAGE, far.bend, tmp_path / "x.zarr", executor=Stopping((5, 1)), **SIZES)
    account = read_ledger(begun_ledger(tmp_path / "x.zarr"))
    assert 0 < account.rows < 5
    result = gp.reconstruct(IMAGE, far.bend, tmp_path / "x.zarr", **SIZES)
    assert result.array[:].tobytes() == gp.reconstruct(IMAGE, far.bend, **SIZES).array.tobytes()


def test_the_log_has_a_line_for_each_row_of_blocks(tmp_path):
    log = tmp_path / "log.jsonl"
    gp.reconstruct(IMAGE, far.bend, log_json=log, executor=far.InlineExecutor((2, 1)), **SIZES)
    lines = [line for line in log.read_text().splitlines() if '"strip"' in line]
    assert len(lines) == 5


def test_workers_and_an_executor_are_not_both_taken():
    with pytest.raises(ValueError, match="workers=2 and an executor were both given"):
        gp.reconstruct(IMAGE, far.bend, workers=2, executor=far.InlineExecutor(), **SIZES)


def test_hooks_that_fail_there_are_warnings_here():
    class Fails:
        def on_patch_start(self, anchor):
            raise ValueError("no")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gp.reconstruct(IMAGE, far.bend, hooks=Fails(), executor=far.InlineExecutor(), **SIZES)
    assert any("a hook raised" in str(warning.message) for warning in caught)


def test_an_operator_that_returns_more_than_assumed_has_regions_cut_anew():
    image = np.random.default_rng(1).random((1, 64, 2048), dtype="float32")
    cuts = []

    class Cuts(far.InlineExecutor):
        def cut(self, job):
            assumed = job.plan.model.out_bytes == 4
            cut = far.Tasks(job.plan, 1, 1) if assumed else cut_tasks(job.plan, 1, job.plan.memory_limit)
            cuts.append(cut)
            return cut

    def many(pixels):
        return np.repeat(far.bend(pixels), 100, axis=0)

    keywords = {"size": 16, "chunks": 64, "memory_limit": "120MiB"}
    executor = Cuts()
    there = gp.reconstruct(image, many, executor=executor, **keywords)
    assert len(cuts[-1]) > len(cuts[0])
    assert cuts[-1].memory_bytes <= 120 << 20
    assert {task.region for task in executor.crew.assignments} == set(cuts[-1]), "nothing was begun before"
    assert there.array.tobytes() == gp.reconstruct(image, many, **keywords).array.tobytes()


def test_a_region_done_by_two_workers_at_once_is_the_same_bytes(tmp_path):
    class Twice(far.InlineExecutor):
        def compute(self, run, regions):
            self.crew = far.InlineCrew(pack_job(run.job))
            first, second = self.crew.serve, unpack(pack_job(run.job))

            def both(task, channel):
                with ThreadPoolExecutor(1) as pool:
                    twin = pool.submit(second, far.sent(task), Deaf())
                    result = first(task, channel)
                    assert type(twin.result()) is type(result)
                return result

            self.crew.serve = both
            Scheduler(run, self.crew, run.job.plan.memory_limit).work(regions)

    class Deaf:
        def tell(self, message):
            pass

        def stop_requested(self):
            return False

    gp.reconstruct(IMAGE, far.bend, tmp_path / "once.zarr", **SIZES)
    gp.reconstruct(IMAGE, far.bend, tmp_path / "twice.zarr", executor=Twice((3, 2)), **SIZES)
    assert files_of(tmp_path / "once.zarr") == files_of(tmp_path / "twice.zarr")
