"""What a run does with what an earlier one left: it goes on, and stops when it is asked to."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import threading

import numpy as np
import pytest
import rasterio

import geopatcher
from doubling import (
    BASE,
    IMAGE,
    TARGETS,
    Double,
    begun,
    begun_ledger,
    names,
    run,
    run_folder,
    values,
)
from geopatcher.errors import InterruptedRunError, OperatorError, SourceError, TargetError
from geopatcher.runs.ledger.book import read_ledger
from stored import tree


@pytest.fixture(scope="module")
def truth():
    return values(run(None))


@TARGETS
def test_a_failed_run_keeps_what_it_finished_and_says_so(tmp_path, name, truth):
    error = begun(tmp_path / name)
    assert names(tmp_path) == [f"{name}.partial"]
    account = read_ledger(begun_ledger(tmp_path / name))
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
    narrow = min(limit for limit in range(20 << 20, plan.working_bytes + 1, 1 << 20) if _fits(limit))
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

    with pytest.raises(OperatorError, match="returned 1 bands .* and 2 bands for those before"):
        run(tmp_path / "x.zarr", Other())
    assert names(tmp_path) == ["x.zarr.partial"]


def test_layers_and_levels_and_shards_go_on_too(tmp_path):
    extra = {"layers": ("weight", "count"), "storage": geopatcher.ZarrStorage(shards=128)}
    whole = run(tmp_path / "whole.zarr", **extra)
    begun(tmp_path / "x.zarr", fail_at=200, **extra)
    again = run(tmp_path / "x.zarr", **extra)
    for one, other in [
        (whole.array, again.array),
        *((whole.layers[k], again.layers[k]) for k in whole.layers),
    ]:
        assert np.array_equal(one[...], other[...])
    assert tree(tmp_path / "whole.zarr") == tree(tmp_path / "x.zarr")


def test_blocks_the_ledger_does_not_hold_are_removed_before_they_are_made_again(tmp_path, truth):
    begun(tmp_path / "x.zarr")
    store = run_folder(tmp_path / "x.zarr") / "store.zarr"
    account = read_ledger(begun_ledger(tmp_path / "x.zarr"))
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
    def full(self, statistics):
        raise TargetError("no room to assemble")

    monkeypatch.setattr("geopatcher.targets.disk.CogPublisher.assemble", full)
    with pytest.raises(
        TargetError, match="no room to assemble; 5 finished rows of blocks are kept in .*x.tif.partial"
    ):
        run(tmp_path / "x.tif")
    monkeypatch.undo()
    operator = Double()
    assert np.array_equal(values(run(tmp_path / "x.tif", operator)), truth)
    assert operator.calls == 0


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


def test_a_source_that_changes_while_it_is_read_is_an_error(tmp_path, raster):
    def touch():
        os.utime(raster, ns=(1, 1))

    with pytest.raises(
        SourceError, match=r"a.tif changed while it was read \(source.mtime_ns was \d+ and is 1\)"
    ):
        run(tmp_path / "x.zarr", Double(50, touch), image=raster)
    assert not (tmp_path / "x.zarr").exists()
    # Nothing of the version before is taken for one of this.
    result = run(tmp_path / "x.zarr", image=raster, overwrite=True)
    again = run(tmp_path / "y.zarr", image=raster)
    np.testing.assert_array_equal(result.array[...], again.array[...])


def test_a_source_mounted_elsewhere_is_the_same_source(tmp_path, raster):
    begun(tmp_path / "x.zarr", image=raster)
    elsewhere = tmp_path / "elsewhere"
    raster.parent.rename(elsewhere)
    result = run(tmp_path / "x.zarr", image=elsewhere / "a.tif")
    assert result.stats.notes[0].startswith("goes on")


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


def test_a_loop_over_scenes_that_goes_on_after_errors_stops_at_ctrl_c(tmp_path):
    begun_scenes = []

    def loop():
        for scene in range(3):
            begun_scenes.append(scene)
            with contextlib.suppress(Exception):
                run(tmp_path / f"{scene}.zarr", Double(90, lambda: os.kill(os.getpid(), signal.SIGINT)))

    with pytest.raises(KeyboardInterrupt, match="stopped by SIGINT; 2 finished rows") as caught:
        loop()
    assert begun_scenes == [0]
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - just made
    assert (str(again), again.signal_number) == (str(caught.value), signal.SIGINT)


@TARGETS
def test_ctrl_c_in_the_last_strip_is_not_forgotten(tmp_path, name, truth):
    whole = Double()
    run(tmp_path / "whole.zarr", whole)
    operator = Double(whole.calls, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(InterruptedRunError, match=r"stopped by SIGINT; \d+ finished rows of blocks are kept"):
        run(tmp_path / name, operator)
    rest = Double()
    assert np.array_equal(values(run(tmp_path / name, rest)), truth)
    assert rest.calls == 0


def test_ctrl_c_that_comes_too_late_to_stop_anything_is_told_after_the_result(tmp_path, truth):
    class AtTheEnd:
        def on_split_end(self):
            pass

        def on_merge_end(self, nbytes):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError, match=r"stopped by SIGINT; the result is complete: .*x\.zarr"):
        run(tmp_path / "x.zarr", hooks=AtTheEnd())
    again = Double()
    assert np.array_equal(values(run(tmp_path / "x.zarr", again)), truth)
    assert again.calls == 0


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


class PickyLater:
    """Gives ``(h, w)``, and fails on patches whose first pixel is among those that a file names."""

    def __init__(self, bad):
        self.bad = bad

    def fingerprint(self):
        return "picky later"

    def __call__(self, patch):
        if str(patch[0, 0, 0]) in self.bad.read_text().split():
            raise ArithmeticError("bad patch")
        return patch[0].astype("float32")


@pytest.mark.parametrize("on_error", ["skip", "mask"])
def test_of_patches_that_are_tried_again_some_fail_again(tmp_path, on_error):
    image = np.random.default_rng(5).integers(1, 200, (2, 96, 80), dtype=np.int16)
    image[0, 32, [0, 8]] = 777, 778  # the first patches of a row of blocks
    operator = PickyLater(tmp_path / "bad")
    options = {"size": 8, "step": 8, "window": "boxcar", "chunks": 32, "on_error": on_error}
    for bad, failed in (("777 778", [0, 8]), ("777", [0]), ("", [])):
        operator.bad.write_text(bad)
        result = geopatcher.reconstruct(image, operator, tmp_path / "x.zarr", **options)
        assert [error.anchor for error in result.errors] == [(32, col) for col in failed]
        wanted = image[0].astype("float32")
        for col in failed:
            wanted[32:40, col : col + 8] = np.nan
        np.testing.assert_array_equal(result.array[...], wanted)
