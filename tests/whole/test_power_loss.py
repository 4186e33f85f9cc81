"""The power goes at any step of a run: the same call gives the right bytes, and a result is old or new."""

from __future__ import annotations

import dataclasses
import itertools
import os
from functools import partial

import numpy as np
import pytest
import zarr
from rasterio.windows import Window

import geopatcher as gp
from disks import Disk
from doubling import names
from geopatcher.executors import LocalExecutor
from geopatcher.runs import recorder as scribe
from geopatcher.runs.ledger import places
from stored import tree

pytestmark = pytest.mark.once

IMAGE = np.random.default_rng(3).random((2, 100, 60), dtype="float32") + 1
#: States tried of each case; the soak tries all.
MOST = int(os.environ.get("GEOPATCHER_POWER_LOSSES", "20"))
TARGETS = pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
SECONDS = pytest.mark.parametrize("seconds", [0.0, 30.0], ids=["synced", "short"])


class OneByOne(LocalExecutor):
    """One step after another in one thread, so that a run takes the same steps each time."""

    def run(self, job, target):
        return super().run(dataclasses.replace(job, pipelined=False), target)


class Times:
    def __init__(self, factor, stop_after=None):
        self.factor, self.left = factor, stop_after

    def fingerprint(self):
        return f"times {self.factor}"

    def __call__(self, patch):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        return patch * self.factor


def run(target, factor, stop_after=None, image=IMAGE, **keywords):
    with zarr.config.set({"threading.max_workers": 1}):
        return gp.reconstruct(
            image,
            Times(factor, stop_after),
            target,
            size=32,
            step=32,
            chunks=32,
            executor=OneByOne(),
            **keywords,
        )


@pytest.fixture(scope="module")
def truth():
    return {factor: run(None, factor).array for factor in (2, 3)}


@pytest.fixture(scope="module")
def counts():
    return run(None, 2, layers=("count",)).layers["count"]


def values(path):
    """Return the cells of a result, ``None`` where they cannot be read."""
    try:
        return gp.RasterField(path).select(Window(0, 0, 60, 100))
    except OSError:
        return None


@pytest.fixture
def boots(monkeypatch):
    """Each run after a loss of power is under another start of the system."""
    numbers = itertools.count()
    now = ["the first"]
    monkeypatch.setattr(places, "boot_id", lambda: now[0])
    return lambda: now.__setitem__(0, f"boot {next(numbers)}")


def some(states):
    """Return a sample, evenly spread."""
    step = max(1, len(states) // MOST)
    return [*states[::step], states[-1]]


def after_each(states, tmp_path, boots, again, check=None):
    """Run the same call again after each loss of power; the result has the right bytes."""
    for number, state in enumerate(states):
        folder = tmp_path / f"after {number}"
        folder.mkdir()
        state.put_into(folder)
        boots()
        told = f"after step {state.step}, {state.what_is_lost} lost: {sorted(tree(folder))}"
        if check is not None:
            check(folder, told)
        again(folder, told)
    print(f"{len(states)} losses of power")


@TARGETS
@SECONDS
def test_a_new_result(tmp_path, monkeypatch, boots, truth, counts, name, seconds):
    monkeypatch.setattr(scribe, "SYNC_SECONDS", seconds)
    disk = Disk(tmp_path / "disk")
    disk.root.mkdir()
    with disk.recording():
        run(disk.root / name, 2, layers=("count",))

    def again(folder, told):
        result = run(folder / name, 2, layers=("count",))
        assert result.array[...].tobytes() == truth[2].tobytes(), told
        assert (result.layers["count"][...] == counts).all(), told
        beside = ["x.count.tif"] if name == "x.tif" else []
        assert names(folder) == [*beside, name, f"{name}.ledger.jsonl"], told
        assert gp.verify(folder / name).is_intact, told

    after_each(some(disk.states), tmp_path, boots, again)


@TARGETS
@SECONDS
@pytest.mark.parametrize("stays", [False, True], ids=["goes", "stays"])
@pytest.mark.filterwarnings("ignore:.* cells that hold data have the nodata value 7:RuntimeWarning")
def test_integers_with_a_mask_that_stays_or_goes(tmp_path, monkeypatch, boots, name, seconds, stays):
    monkeypatch.setattr(scribe, "SYNC_SECONDS", seconds)
    counted = (IMAGE * 100).astype("uint8")
    counted[:, :40] = 0  # of which nothing is written
    counted[:, 70:80] = 7 if stays else 8
    image = gp.RasterField.from_array(counted, nodata=0)
    same = partial(run, factor=1, image=image, nodata=7)
    truth = same(None)
    assert truth.valid[...].sum() == 2 * 60 * 60
    assert (truth.mask is not None) is stays
    disk = Disk(tmp_path / "disk")
    disk.root.mkdir()
    with disk.recording():
        same(disk.root / name)

    def again(folder, told):
        result = same(folder / name)
        assert result.array[...].tobytes() == truth.array.tobytes(), told
        assert (result.valid[...] == truth.valid[...]).all(), told
        assert gp.verify(folder / name).is_intact, told

    after_each(some(disk.states), tmp_path, boots, again)


@TARGETS
def test_replacing_a_result(tmp_path, boots, truth, name):
    disk = Disk(tmp_path / "disk")
    disk.root.mkdir()
    run(disk.root / name, 2)
    with disk.recording():
        run(disk.root / name, 3, overwrite=True)

    def check(folder, told):
        found = [values(path) for path in [folder / name, *folder.rglob("replaced")] if path.exists()]
        whole = [cells for cells in found if cells is not None]
        assert any(cells.tobytes() in (truth[2].tobytes(), truth[3].tobytes()) for cells in whole), told
        if (folder / name).exists():
            assert found[0] is not None, told
            assert found[0].tobytes() in (truth[2].tobytes(), truth[3].tobytes()), told

    def again(folder, told):
        result = run(folder / name, 3, overwrite=True)
        assert result.array[...].tobytes() == truth[3].tobytes(), told
        assert names(folder) == [name, f"{name}.ledger.jsonl"], told
        assert gp.verify(folder / name).is_intact, told

    after_each(some(disk.states), tmp_path, boots, again, check)


@TARGETS
def test_going_on_and_mending(tmp_path, boots, truth, name):
    disk = Disk(tmp_path / "disk")
    disk.root.mkdir()
    with pytest.raises(KeyboardInterrupt):
        run(disk.root / name, 2, stop_after=5)
    with disk.recording():
        run(disk.root / name, 2)

    def again(folder, told):
        result = run(folder / name, 2)
        assert result.array[...].tobytes() == truth[2].tobytes(), told
        assert gp.verify(folder / name).is_intact, told

    after_each(some(disk.states), tmp_path, boots, again)


def test_mending_a_damaged_result(tmp_path, boots, truth):
    disk = Disk(tmp_path / "disk")
    disk.root.mkdir()
    run(disk.root / "x.zarr", 2, storage=gp.ZarrStorage(multiscales=True))
    (disk.root / "x.zarr/data/c/0/1/0").unlink()
    with disk.recording():
        assert (
            "damaged since"
            in run(disk.root / "x.zarr", 2, storage=gp.ZarrStorage(multiscales=True)).stats.notes[0]
        )

    def again(folder, told):
        result = run(folder / "x.zarr", 2, storage=gp.ZarrStorage(multiscales=True))
        assert result.array[...].tobytes() == truth[2].tobytes(), told
        assert gp.verify(folder / "x.zarr").is_intact, told

    after_each(some(disk.states), tmp_path, boots, again)
