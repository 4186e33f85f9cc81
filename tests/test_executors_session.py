"""What a run does with what an earlier one left: goes on, returns, mends, refuses, or begins anew."""

from __future__ import annotations

import os
import shutil
import signal
import threading

import numpy as np
import pytest
import rasterio

import geopatcher
from geopatcher.errors import InterruptedRunError, OperatorError, TargetError, TargetExistsError
from geopatcher.ledger.book import read_ledger

IMAGE = np.random.default_rng(3).random((2, 300, 200), dtype="float32") + 1
TARGETS = pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
BASE = {"size": 32, "step": 16, "chunks": 64}


class Double:
    """An operator that counts its calls, and stops the run when told to."""

    __name__ = "double"

    def __init__(self, fail_at=None, act=None):
        self.calls, self.fail_at, self.act = 0, fail_at, act
        self.shapes = []

    def fingerprint(self):
        return "double"

    def __call__(self, patch):
        self.calls += 1
        if self.calls == self.fail_at:
            if self.act is None:
                raise ArithmeticError("stopped here")
            self.act()
        return patch * 2 + np.roll(patch, 1, axis=-1)


def run(target, operator=None, image=IMAGE, **keywords):
    return geopatcher.reconstruct(image, operator or Double(), target, **{**BASE, **keywords})


def begun(target, fail_at=150, **keywords):
    """Leave an unfinished run at a target."""
    with pytest.raises(OperatorError) as caught:
        run(target, Double(fail_at), **keywords)
    return caught.value


def values(result):
    return np.asarray(result.array[...])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def truth():
    return values(run(None))


# -- going on -------------------------------------------------------------------------------------


@TARGETS
def test_a_failed_run_keeps_what_it_finished_and_says_so(tmp_path, name, truth):
    error = begun(tmp_path / name)
    assert names(tmp_path) == [f"{name}.partial"]
    account = read_ledger(tmp_path / f"{name}.partial" / "ledger.jsonl")
    assert account.rows > 0
    assert error.__notes__ == [
        (
            f"{account.rows} finished rows of blocks are kept in {tmp_path / name}.partial: "
            f"run the same again to go on from there"
        )
    ]
    operator = Double()
    result = run(tmp_path / name, operator)
    assert operator.calls < result.plan.n_patches
    assert np.array_equal(values(result), truth)
    assert result.stats.notes[0].startswith("goes on where an earlier run stopped")
    assert "note       goes on where an earlier run stopped" in str(result)


def test_a_run_that_finished_nothing_leaves_nothing(tmp_path):
    begun(tmp_path / "x.zarr", fail_at=5)
    begun(tmp_path / "x.zarr", fail_at=1)
    assert names(tmp_path) == []


def test_going_on_in_another_cut_of_regions_gives_the_same_pixels(tmp_path, truth):
    plan = geopatcher.plan(IMAGE, **BASE)
    narrow = min(limit for limit in range(40 << 20, plan.memory_bytes + 1, 1 << 20) if _fits(limit))
    assert geopatcher.plan(IMAGE, **BASE, memory_limit=narrow).n_regions > 1
    begun(tmp_path / "x.zarr", fail_at=100, memory_limit=narrow)
    begun(tmp_path / "x.zarr", fail_at=50)
    result = run(tmp_path / "x.zarr", memory_limit=narrow)
    assert np.array_equal(values(result), truth)


def _fits(limit):
    try:
        return geopatcher.plan(IMAGE, **BASE, memory_limit=limit).n_regions > 0
    except MemoryError:
        return False


def test_what_the_first_patch_said_is_taken_from_the_ledger(tmp_path):
    begun(tmp_path / "x.zarr")

    class Other(Double):
        def __call__(self, patch):
            return patch[:1]

    with pytest.raises(OperatorError, match="returned 1 bands .* and 2 for those before"):
        run(tmp_path / "x.zarr", Other())
    assert names(tmp_path) == ["x.zarr.partial"]


def test_layers_and_levels_and_shards_go_on_too(tmp_path):
    extra = {"layers": ("weight", "count"), "shards": 128}
    whole = run(tmp_path / "whole.zarr", **extra)
    begun(tmp_path / "x.zarr", fail_at=200, **extra)
    again = run(tmp_path / "x.zarr", **extra)
    for one, other in [
        (whole.array, again.array),
        *((whole.layers[k], again.layers[k]) for k in whole.layers),
    ]:
        assert np.array_equal(one[...], other[...])
    assert tree(tmp_path / "whole.zarr") == tree(tmp_path / "x.zarr")


def tree(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_blocks_the_ledger_does_not_hold_are_removed_before_they_are_made_again(tmp_path, truth):
    begun(tmp_path / "x.zarr")
    store = tmp_path / "x.zarr.partial" / "store.zarr"
    account = read_ledger(tmp_path / "x.zarr.partial" / "ledger.jsonl")
    missing_row = account.rows
    torn = store / "data" / "c" / "0" / str(missing_row) / "1"
    torn.parent.mkdir(exist_ok=True)
    torn.write_bytes(b"torn")
    (torn.parent / "1.0123.partial").write_bytes(b"litter")
    (store / "zarr.0123.partial").write_bytes(b"litter")
    result = run(tmp_path / "x.zarr")
    assert np.array_equal(values(result), truth)
    assert not list((tmp_path / "x.zarr").rglob("*.partial"))


def test_all_rows_recorded_and_not_published(tmp_path, truth, monkeypatch):
    def full(self):
        raise TargetError("no room to assemble")

    monkeypatch.setattr("geopatcher.sinks.disk.CogTarget.assemble", full)
    with pytest.raises(
        TargetError, match="no room to assemble; 5 finished rows of blocks are kept in .*x.tif.partial"
    ):
        run(tmp_path / "x.tif")
    monkeypatch.undo()
    operator = Double()
    assert np.array_equal(values(run(tmp_path / "x.tif", operator)), truth)
    assert operator.calls == 0


# -- being done -----------------------------------------------------------------------------------


@TARGETS
def test_a_finished_result_is_returned_and_nothing_is_computed(tmp_path, name, truth):
    first = run(tmp_path / name)
    operator = Double()
    seen = tree(tmp_path)
    result = run(tmp_path / name, operator)
    assert operator.calls == 0
    assert np.array_equal(values(result), truth)
    assert result.stats.notes[0].startswith("complete since 20")
    assert (result.stats.patches, result.path) == (first.stats.patches, first.path)
    assert str(result.domain) == str(first.domain)  # whose nodata is NaN, which equals nothing
    assert tree(tmp_path) == seen


@TARGETS
def test_other_arguments_are_refused_each_by_name(tmp_path, name):
    run(tmp_path / name)
    before = tree(tmp_path)
    for change, said in [
        ({"step": 8}, r"plan.step was 16x16 and is 8x8"),
        ({"window": "boxcar"}, r"window.weights was \w+ and is \w+"),
        ({"dtype": "uint8"}, r"result.dtype was None and is uint8"),
        ({"batch_size": 4}, r"batch_size was 1 and is 4"),
        ({"codec": "zstd-9"}, r"result.codec was zstd and is zstd-9"),
        ({"image": IMAGE + 1}, r"source.sample was \d+ and is \d+"),
        ({"operator": np.copy}, r"operator was double and is copy"),
        ({"aggregation": "max"}, r"aggregation was .*OverlapAdd.* and is .*Max"),
    ]:
        with pytest.raises(TargetExistsError, match=f"was made by another run: .*{said}") as caught:
            run(tmp_path / name, **change)
        assert "overwrite=True (--overwrite)" in str(caught.value)
    assert tree(tmp_path) == before


def test_an_unfinished_target_of_another_run_is_refused_too(tmp_path):
    begun(tmp_path / "x.zarr")
    before = tree(tmp_path)
    with pytest.raises(
        TargetExistsError, match="was begun by another run, not yet complete: plan.step was 16x16"
    ):
        run(tmp_path / "x.zarr", step=8)
    assert tree(tmp_path) == before


def test_how_a_run_is_carried_out_makes_no_difference(tmp_path):
    begun(tmp_path / "x.zarr")
    result = run(tmp_path / "x.zarr", memory_limit="2GiB", max_retries=3, progress=False, hooks=[])
    assert result.stats.notes


@TARGETS
def test_overwrite_begins_anew_and_keeps_the_old_result_until_then(tmp_path, name, truth):
    run(tmp_path / name, dtype="float64")
    with pytest.raises(OperatorError):
        run(tmp_path / name, Double(100), overwrite=True)
    assert values(run(tmp_path / name, dtype="float64")).dtype == np.float64
    operator = Double()
    result = run(tmp_path / name, operator, overwrite=True)
    assert operator.calls < result.plan.n_patches  # an unfinished run with overwrite is gone on with
    assert np.array_equal(values(result), truth)
    assert names(tmp_path) == [name, f"{name}.ledger.jsonl"]
    anew = Double()
    run(tmp_path / name, anew, overwrite=True)
    assert anew.calls == result.plan.n_patches


def test_resume_false_begins_anew_and_still_overwrites_nothing(tmp_path, truth):
    begun(tmp_path / "x.zarr")
    operator = Double()
    result = run(tmp_path / "x.zarr", operator, resume=False)
    assert operator.calls == result.plan.n_patches
    assert np.array_equal(values(result), truth)
    with pytest.raises(TargetExistsError, match=r"x.zarr exists: choose another target"):
        run(tmp_path / "x.zarr", resume=False)


@TARGETS
def test_what_has_no_ledger_is_never_touched(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "precious").write_text("data")
    with pytest.raises(TargetExistsError, match=f"{name} exists"):
        run(tmp_path / name)
    assert tree(tmp_path) == {f"{name}/precious": b"data"}


def test_a_folder_with_the_name_of_the_working_folder_is_never_removed(tmp_path):
    (tmp_path / "x.zarr.partial").mkdir()
    (tmp_path / "x.zarr.partial" / "precious").write_text("data")
    for overwrite in (False, True):
        with pytest.raises(TargetError, match=r"x.zarr.partial is in the way and was not made by a run"):
            run(tmp_path / "x.zarr", overwrite=overwrite)
    assert tree(tmp_path) == {"x.zarr.partial/precious": b"data"}


@TARGETS
def test_a_result_replaced_behind_the_ledgers_back_is_refused(tmp_path, name):
    run(tmp_path / name)
    other = geopatcher.reconstruct(IMAGE[:1, :50], np.copy, tmp_path / f"other-{name}", size=32)
    shutil.rmtree(tmp_path / name) if name == "x.zarr" else (tmp_path / name).unlink()
    other.path.rename(tmp_path / name)
    with pytest.raises(TargetError, match=r"it was replaced; choose another target, or pass overwrite=True"):
        run(tmp_path / name)


def test_a_result_that_was_deleted_is_made_again(tmp_path, truth):
    run(tmp_path / "x.zarr")
    shutil.rmtree(tmp_path / "x.zarr")
    assert np.array_equal(values(run(tmp_path / "x.zarr")), truth)


def test_a_damaged_ledger_is_refused_unless_overwrite_is_set(tmp_path, truth):
    begun(tmp_path / "x.zarr")
    (tmp_path / "x.zarr.partial" / "ledger.jsonl").write_bytes(b"\x80\x04cos\nsystem\n")
    with pytest.raises(TargetError, match=r"is not a ledger that can be continued.*overwrite=True"):
        run(tmp_path / "x.zarr")
    assert np.array_equal(values(run(tmp_path / "x.zarr", overwrite=True)), truth)


# -- mending --------------------------------------------------------------------------------------


class Picky(Double):
    """Fails on patches at some anchors, told by their first pixel."""

    def __init__(self, *anchors):
        super().__init__()
        self.bad = {float(IMAGE[0, row, col]) for row, col in anchors}

    def __call__(self, patch):
        if float(patch[0, 0, 0]) in self.bad:
            raise ArithmeticError("too bright")
        return super().__call__(patch)


@TARGETS
def test_skipped_patches_are_told_and_tried_again_by_the_next_run(tmp_path, name, truth):
    first = run(tmp_path / name, Picky((64, 64), (224, 0)), on_error="skip")
    assert [(e.anchor, e.message) for e in first.errors] == [
        ((64, 64), "ArithmeticError: too bright"),
        ((224, 0), "ArithmeticError: too bright"),
    ]
    assert not np.array_equal(values(first), truth)
    account = read_ledger(tmp_path / f"{name}.ledger.jsonl")
    assert {flaw.anchor for flaw in account.flaws()} == {(64, 64), (224, 0)}
    still = Picky((224, 0))
    second = run(tmp_path / name, still, on_error="skip")
    assert [e.anchor for e in second.errors] == [(224, 0)]
    assert 0 < still.calls < second.plan.n_patches
    last = Double()
    third = run(tmp_path / name, last, on_error="skip")
    assert (third.errors, third.stats.failed) == ([], 0)
    assert 0 < last.calls < third.plan.n_patches
    assert np.array_equal(values(third), truth)
    assert names(tmp_path) == [name, f"{name}.ledger.jsonl"]
    fourth = Picky()
    run(tmp_path / name, fourth, on_error="skip")
    assert fourth.calls == 0


@TARGETS
def test_a_run_that_mends_and_fails_leaves_the_result_as_it_was(tmp_path, name, truth):
    run(tmp_path / name, Picky((64, 64)), on_error="skip")
    result_before = tree(tmp_path)[name] if name == "x.tif" else tree(tmp_path / name)

    class Failing(Picky):
        def __call__(self, patch):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / name, Failing(), on_error="skip")
    assert (tree(tmp_path)[name] if name == "x.tif" else tree(tmp_path / name)) == result_before
    mended = run(tmp_path / name, Picky(), on_error="skip")
    assert np.array_equal(values(mended), truth)
    assert names(tmp_path) == [name, f"{name}.ledger.jsonl"]


def test_a_geotiff_whose_blocks_were_removed_is_mended_from_nothing(tmp_path, truth):
    run(tmp_path / "x.tif", Picky((64, 64)), on_error="skip")
    shutil.rmtree(tmp_path / "x.tif.partial")
    operator = Picky()
    result = run(tmp_path / "x.tif", operator, on_error="skip")
    assert operator.calls == result.plan.n_patches
    assert np.array_equal(values(result), truth)


def test_a_run_begun_without_a_nodata_value_cannot_go_on_leaving_patches_out(tmp_path):
    image = (IMAGE * 100).astype("uint8")
    begun(tmp_path / "x.zarr", image=image, dtype="uint8")
    with pytest.raises(TargetError, match="has no nodata value to stand for one: use that on_error"):
        run(tmp_path / "x.zarr", image=image, dtype="uint8", on_error="skip")
    assert names(tmp_path) == ["x.zarr.partial"]


# -- the source -----------------------------------------------------------------------------------


@pytest.fixture
def raster(tmp_path):
    path = tmp_path / "in folder" / "a.tif"
    path.parent.mkdir()
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=2,
        height=300,
        width=200,
        dtype="float32",
        tiled=True,
        blockxsize=64,
        blockysize=64,
        crs="EPSG:32633",
        transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6),
    ) as file:
        file.write(IMAGE)
    return path


def test_a_source_that_changes_while_it_is_read_is_reported(tmp_path, raster):
    def touch():
        os.utime(raster, ns=(1, 1))

    with pytest.warns(
        RuntimeWarning, match=r"a.tif changed while it was read.*source.mtime_ns was \d+ and is 1\."
    ):
        result = run(tmp_path / "x.zarr", Double(50, touch), image=raster)
    assert any("the source changed during the run" in note for note in result.stats.notes)
    assert read_ledger(tmp_path / "x.zarr.ledger.jsonl").completion.changed
    with pytest.raises(TargetExistsError, match=r"source.mtime_ns was \d+ and is 1"):
        run(tmp_path / "x.zarr", image=raster)


def test_a_source_mounted_elsewhere_is_the_same_source(tmp_path, raster):
    begun(tmp_path / "x.zarr", image=raster)
    elsewhere = tmp_path / "elsewhere"
    raster.parent.rename(elsewhere)
    result = run(tmp_path / "x.zarr", image=elsewhere / "a.tif")
    assert result.stats.notes[0].startswith("goes on")


# -- being asked to stop --------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_between_two_strips(tmp_path, number, truth):
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    operator = Double(90, lambda: os.kill(os.getpid(), number))
    with pytest.raises(
        InterruptedRunError, match=rf"stopped by {number.name}; 2 finished rows .* go on from there"
    ):
        run(tmp_path / "x.zarr", operator)
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
    per_strip = 12
    assert operator.calls % per_strip == 0  # the strip in which it came was done to its end
    assert operator.calls == 96
    rest = Double()
    result = run(tmp_path / "x.zarr", rest)
    assert np.array_equal(values(result), truth)


def test_the_second_signal_stops_at_once(tmp_path):
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    operator = Double(90, twice)
    with pytest.raises(KeyboardInterrupt) as caught:
        run(tmp_path / "x.zarr", operator)
    assert not isinstance(caught.value, InterruptedRunError)
    assert operator.calls == 90


def test_a_result_in_memory_is_interrupted_at_once():
    operator = Double(90, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt) as caught:
        run(None, operator)
    assert not isinstance(caught.value, InterruptedRunError)
    assert operator.calls == 90


def test_handlers_of_others_and_other_threads_are_left_alone(tmp_path):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append("mine"))
    try:
        run(tmp_path / "x.zarr", Double(50, lambda: os.kill(os.getpid(), signal.SIGTERM)))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == ["mine"]
    done = []
    thread = threading.Thread(target=lambda: done.append(run(tmp_path / "y.zarr")))
    thread.start()
    thread.join()
    assert len(done) == 1


# -- odd places -----------------------------------------------------------------------------------


@TARGETS
def test_spaces_unicode_and_links(tmp_path, name, truth):
    folder = tmp_path / "Größe & co" / "данные"
    folder.mkdir(parents=True)
    target = folder / f"résultat 1%20.{name}"
    begun(target)
    assert np.array_equal(values(run(target)), truth)
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    assert run(tmp_path / "link" / target.name).stats.notes[0].startswith("complete since")
    (tmp_path / f"alias-{name}").symlink_to(folder / f"real-{name}")
    result = run(tmp_path / f"alias-{name}")
    assert (tmp_path / f"alias-{name}").is_symlink()
    assert names(folder)[:2] == sorted([f"real-{name}", f"real-{name}.ledger.jsonl"])
    assert np.array_equal(values(result), truth)
    result = run(tmp_path / f"alias-{name}", overwrite=True)
    assert (tmp_path / f"alias-{name}").is_symlink()
    assert np.array_equal(values(result), truth)


def test_a_relative_target_and_an_operator_that_changes_folder(tmp_path, monkeypatch, truth):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    result = run("x.zarr", Double(5, lambda: os.chdir(tmp_path / "b")))
    assert names(tmp_path / "a") == ["x.zarr", "x.zarr.ledger.jsonl"]
    assert np.array_equal(values(result), truth)
