"""The doors: a source and a target of a few lines, written from their protocols alone, are as good as ours.

What every target has to do stands in a small suite, which ours pass as well; that of sources is in
`test_doors_of_sources`.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zarr

import geopatcher as gp
from doors import IMAGE, PLACE, SHAPE, WHOLE, Coordinates, Tiles
from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.core.gaps import HELD, MISSING, VALID
from geopatcher.errors import TargetError, TransportError
from geopatcher.runs.executor import Executor
from geopatcher.targets.open import MemoryTarget, target_for
from geopatcher.targets.product import Product
from geopatcher.targets.protocol import BlockStore, DurableTarget, Target
from places import SUPPORT


class Kept:
    """Keeps pieces of a result in a dict, in memory: the same without a place."""

    path = None

    def __init__(self):
        self.kept, self.discarded = {}, 0

    def check(self):
        self.kept.clear()

    def create(self, spec):
        self.spec = spec
        return self

    def write(self, tiles):
        n_bytes = 0
        for box, arrays in tiles:
            for name, cells in arrays.items():
                self.kept[box, name] = cells.copy()
                n_bytes += cells.nbytes
        return n_bytes

    def complete(self):
        made = {name: np.full(shape, fill, kind) for name, (shape, kind, fill) in self.spec.arrays().items()}
        for (box, name), cells in self.kept.items():
            made[name][..., *box.slices()] = cells if made[name].ndim == 3 else cells[0]
        return Product(self.spec, made)

    def discard(self):
        self.discarded += 1


# --- what every target does --------------------------------------------------------------------

TARGETS = {
    "tiles of a few lines": lambda folder: Tiles(folder / "x.tiles"),
    "a dict of a few lines": lambda folder: Kept(),
    "memory": lambda folder: MemoryTarget(),
    "zarr": lambda folder: target_for(folder / "x.zarr", overwrite=False),
    "tif": lambda folder: target_for(folder / "x.tif", overwrite=False),
}


@pytest.fixture(params=list(TARGETS))
def target(request, tmp_path):
    return TARGETS[request.param](tmp_path)


def spec_of(dtype="int32", **options):
    return ResultSpec(RasterDomain(SHAPE, PLACE, "EPSG:32633", dtype=np.dtype(dtype)), (32, 32), 0, **options)


def rows():
    return Box(0, 64, 0, 96).tiles((32, 96))


def inside(box):
    return box.intersect(WHOLE)


def test_a_target_gives_back_what_was_written(target):
    assert isinstance(target, Target)
    target.check()
    sink = target.create(spec_of())
    for row in map(inside, rows()):
        assert sink.write([(row, {"data": IMAGE[:, *row.slices()]})]) == IMAGE[:, *row.slices()].nbytes
    product = target.complete()
    assert product.spec.domain.shape == SHAPE
    cells = product.arrays["data"]
    assert (cells.shape, cells.dtype) == (SHAPE, IMAGE.dtype)
    np.testing.assert_array_equal(cells[...], IMAGE)
    np.testing.assert_array_equal(cells[:, 3:9, 70:83], IMAGE[:, 3:9, 70:83])


def test_blocks_that_are_never_written_hold_the_fill(target):
    spec = ResultSpec(RasterDomain(SHAPE[1:], dtype=np.dtype("int16"), nodata=-7), (32, 32), -7)
    target.check()
    sink = target.create(spec)
    first = inside(next(iter(rows())))
    sink.write([(first, {"data": np.ones((1, *first.shape), "int16")})])
    cells = target.complete().arrays["data"]
    assert cells.shape == SHAPE[1:]
    assert (cells[:32] == 1).all()
    assert (cells[32:] == -7).all()


def test_a_target_keeps_what_says_which_cells_are_missing(target):
    target.check()
    sink = target.create(spec_of(masked=True))
    for row in map(inside, rows()):
        said = np.full((SHAPE[0], *row.shape), HELD, "uint8")
        if row.row0 == 0:
            said[:, 2, 3] = MISSING
        sink.write([(row, {"data": IMAGE[:, *row.slices()], VALID: said})])
    product = target.complete()
    assert product.spec.masked
    held = np.asarray(product.arrays[VALID][...]) != MISSING
    assert not held[:, 2, 3].any()
    assert held.sum() == held.size - SHAPE[0]


def test_a_target_is_written_by_another_thread(target):
    target.check()
    sink = target.create(spec_of())
    with ThreadPoolExecutor(1) as pool:
        for row in map(inside, rows()):
            pool.submit(sink.write, [(row, {"data": IMAGE[:, *row.slices()]})]).result()
    np.testing.assert_array_equal(target.complete().arrays["data"][...], IMAGE)


def test_nothing_is_left_of_a_target_that_is_discarded(target, tmp_path):
    target.check()
    target.discard()  # before anything was made
    target.create(spec_of()).write([(inside(next(iter(rows()))), {"data": IMAGE[:, :32]})])
    target.discard()
    assert [file for file in tmp_path.rglob("*") if file.is_file() and file.suffix != ".lock"] == []


@pytest.mark.parametrize("workers", [None, 2])
def test_a_target_object_stands_in_the_place_of_a_path(target, workers):
    image = gp.RasterField.from_array(IMAGE.astype("float32"), transform=PLACE, crs="EPSG:32633")
    sizes = {"size": 16, "step": 8, "chunks": 32, "layers": ["weight"]}
    result = gp.reconstruct(image, np.sqrt, target, workers=workers, **sizes)
    expected = gp.reconstruct(image, np.sqrt, **sizes)
    np.testing.assert_array_equal(result.array[...], expected.array)
    np.testing.assert_array_equal(result.layers["weight"][...], expected.layers["weight"])
    assert result.path == target.path
    assert result.plan.n_patches == expected.plan.n_patches
    assert gp.plan(image, target=target, size=16).n_patches > 0


def test_an_error_discards_what_a_target_was_given():
    def fail(patch):
        if patch[0, 0, 0] > 30_000:
            raise KeyError("lost")
        return patch

    target = Kept()
    with pytest.raises(gp.errors.OperatorError, match="lost"):
        gp.reconstruct(Coordinates(), fail, target, size=16, step=8, chunks=16)
    assert target.discarded == 1


def test_what_a_target_object_decides_itself_is_not_asked_for_beside_it(tmp_path):
    with pytest.raises(ValueError, match=r"overwrite=.* for a target given as a path: a Kept is made with"):
        gp.reconstruct(Coordinates(), np.copy, Kept(), size=16, overwrite=True)
    with pytest.raises(ValueError, match="storage= is for a target given as a path: a Tiles has its own"):
        gp.reconstruct(Coordinates(), np.copy, Tiles(tmp_path / "x.tiles"), size=16, storage=gp.ZarrStorage())
    with pytest.raises(TargetError, match="is there"):
        gp.reconstruct(Coordinates(), np.copy, Tiles(tmp_path), size=16)


# --- all doors at once ---------------------------------------------------------------------------


def test_a_source_and_a_target_of_a_few_lines_meet(tmp_path):
    target = Tiles(tmp_path / "x.tiles")
    result = gp.reconstruct(Coordinates(), np.copy, target, size=16, step=8, aggregation="mode", chunks=32)
    np.testing.assert_array_equal(result.array, IMAGE)
    assert result.domain.crs == "EPSG:32633"
    assert result.domain.transform == PLACE


def test_they_travel_to_processes_and_back(tmp_path):
    """In a program of its own, whose classes workers import from a module."""
    here = repr(str(SUPPORT))
    imported = "from doors import Coordinates, Tiles"
    (tmp_path / "mine.py").write_text(f"import sys\nsys.path.insert(0, {here})\n{imported}\n")
    program = """
        import sys
        import numpy as np, geopatcher
        from pathlib import Path
        from mine import Coordinates, Tiles
        if __name__ == "__main__":
            result = geopatcher.reconstruct(
                Coordinates(), np.copy, Tiles(Path(sys.argv[1])), size=16, step=8, aggregation="mode",
                chunks=32, workers=2)
            np.save(sys.argv[2], result.array)
    """
    (tmp_path / "main.py").write_text(textwrap.dedent(program))
    places = [str(tmp_path / "x.tiles"), str(tmp_path / "made.npy")]
    done = subprocess.run(
        [sys.executable, str(tmp_path / "main.py"), *places], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(places[1]), IMAGE)


def test_only_a_target_that_outlives_a_run_keeps_what_it_finished(target):
    """Which one does is asked of it by a protocol; so is whether workers write by themselves."""
    lasting = target.path is not None and target.path.suffix in (".zarr", ".tif")
    assert isinstance(target, DurableTarget) is lasting
    target.check()
    assert isinstance(target.create(spec_of()), BlockStore) is lasting
    target.discard()


def test_a_store_of_blocks_travels_as_its_place(tmp_path):
    target = target_for(tmp_path / "x.zarr", overwrite=False)
    store = target.create(spec_of())
    there = pickle.loads(pickle.dumps(store))  # noqa: S301 - our own bytes
    for row in map(inside, rows()):
        there.write([(row, {"data": IMAGE[:, *row.slices()]})])
        there.sync(row)
    target.complete()
    np.testing.assert_array_equal(zarr.open_group(tmp_path / "x.zarr", mode="r")["data"][...], IMAGE)


class OneByOne(Executor):
    """Computes the rows of blocks of a run in this process, last first."""

    def memory_for(self, plan):
        return plan.memory_limit

    def cut(self, job):
        whole, height = job.plan.region, job.plan.chunks[0]
        return list(whole.tiles((height, whole.width)))[::-1]

    def compute(self, run, regions):
        for region in regions:
            plan = run.job.plan.restrict(region)
            made = list(run.job.stream(plan, run.operate, run.watch))
            if run.session.sink is None:
                run.start(made[0])
            run.region(plan, iter(made))


def test_an_executor_of_a_few_lines_gives_the_same_bytes(target):
    image = gp.RasterField.from_array(IMAGE.astype("float32"), transform=PLACE, crs="EPSG:32633")
    result = gp.reconstruct(image, np.sqrt, target, size=16, step=8, chunks=32, executor=OneByOne())
    expected = gp.reconstruct(image, np.sqrt, size=16, step=8, chunks=32)
    np.testing.assert_array_equal(result.array[...], expected.array)


def test_on_a_cluster_a_target_that_workers_cannot_reach_is_refused(tmp_path):
    pytest.importorskip("distributed")
    from geopatcher.executors.dask import DaskExecutor

    class NoCluster:
        status = "running"

        def scheduler_info(self):
            return {"workers": {}}

    with pytest.raises(TransportError, match="cannot write into the memory of this process"):
        gp.reconstruct(
            Coordinates(), np.copy, Tiles(tmp_path / "x.tiles"), size=16, executor=DaskExecutor(NoCluster())
        )
