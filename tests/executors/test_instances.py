"""Objects across seams on workers, on a cluster, after kills, and by the command line: the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from click.testing import CliRunner
from scipy import ndimage

import far
import geopatcher as gp
import killed
from geopatcher.cli import main
from geopatcher.errors import InterruptedRunError, TransportError
from geopatcher.executors import DaskExecutor, ProcessExecutor
from geotiffs import write_geotiff
from places import CHILD_PATH
from stored import digest

distributed = pytest.importorskip("distributed")

noise = ndimage.gaussian_filter(np.random.default_rng(3).random((300, 420)), 5)
SCENE = (noise > np.median(noise)).astype(np.uint8)
WHOLE = ndimage.label(SCENE)[0]
OPTIONS = {"size": 64, "chunks": 64, "aggregation": "instances:0"}
KILLS = 8


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Results of one process."""
    folder = tmp_path_factory.mktemp("reference")
    for name in ("x.zarr", "x.tif"):
        gp.reconstruct(SCENE, far.label, folder / name, **OPTIONS)
    return {name: digest(folder / name) for name in ("x.zarr", "x.tif")}


class TestWorkers:
    @pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
    def test_processes(self, tmp_path, reference, name):
        result = gp.reconstruct(SCENE, far.label, tmp_path / name, **OPTIONS, executor=ProcessExecutor(2, 1))
        np.testing.assert_array_equal(result.array[...], WHOLE)
        assert digest(tmp_path / name) == reference[name]
        assert sorted(path.name for path in tmp_path.iterdir()) == [name, f"{name}.ledger.jsonl"]

    def test_in_memory(self):
        result = gp.reconstruct(SCENE, far.label, **OPTIONS, workers=2)
        np.testing.assert_array_equal(result.array, WHOLE)

    def test_narrow_regions(self, tmp_path, reference):
        result = gp.reconstruct(SCENE, far.label, tmp_path / "x.tif", **OPTIONS, memory_limit="44MiB")
        assert result.plan.n_regions > 1
        assert digest(tmp_path / "x.tif") == reference["x.tif"]

    def test_dask(self, tmp_path, reference):
        write_geotiff(tmp_path / "scene.tif", SCENE[np.newaxis])
        local = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        )
        with local as cluster, distributed.Client(cluster) as client:
            executor = DaskExecutor(client)
            with pytest.raises(TransportError, match="cannot write into the memory of this process"):
                gp.reconstruct(tmp_path / "scene.tif", far.label, **OPTIONS, executor=executor)
            for name in reference:
                result = gp.reconstruct(
                    tmp_path / "scene.tif", far.label, tmp_path / name, **OPTIONS, executor=executor
                )
                np.testing.assert_array_equal(np.squeeze(result.array[...]), WHOLE)


@pytest.fixture(scope="module")
def server():
    server = killed.Server()
    yield server
    server.close()


class TestKilled:
    SHAPE = (200, 150)

    def wanted(self):
        return ndimage.label(killed.image(*self.SHAPE)[0] > killed.LABELLED)[0]

    def request(self, tmp_path, target):
        return {
            "target": str(target),
            "calls": str(tmp_path / "calls"),
            "shape": self.SHAPE,
            "labels": True,
            "keywords": {"aggregation": "instances:0"},
        }

    @pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
    def test_at_random_instants(self, server, tmp_path, name):
        chance = killed.seeded(f"kills of instances in {name}")
        whole = tmp_path / "whole" / name
        whole.parent.mkdir()
        assert server(**self.request(tmp_path, whole)) == 0
        np.testing.assert_array_equal(_read(whole), self.wanted())
        kills = rounds = 0
        while kills < KILLS:
            rounds += 1
            target = tmp_path / f"round {rounds}" / name
            target.parent.mkdir()
            ended = None
            while ended != 0:
                delay = chance.uniform(0.0, 0.6) if kills < KILLS else None
                ended = server(**self.request(tmp_path, target), delay_s=0.002, kill_after_s=delay)
                assert ended in (0, -signal.SIGKILL)
                kills += ended != 0
            assert digest(target) == digest(whole)
            assert sorted(path.name for path in target.parent.iterdir()) == [name, f"{name}.ledger.jsonl"]

    def test_before_every_fortieth_step_on_the_file_system(self, server, tmp_path):
        report = tmp_path / "steps"
        (tmp_path / "0").mkdir()
        request = self.request(tmp_path, tmp_path / "0" / "x.zarr")
        assert server(**request, kill_before_step=10**9, report=str(report)) == 0
        wanted, steps, n_killed = digest(tmp_path / "0" / "x.zarr"), int(report.read_text()), 0
        for number in range(1, steps + 1, 40):
            target = tmp_path / str(number) / "x.zarr"
            target.parent.mkdir()
            request = self.request(tmp_path, target)
            ended = server(**request, kill_before_step=number)
            assert ended in (0, -signal.SIGKILL)
            n_killed += ended != 0
            assert not target.exists() or digest(target) == wanted, "a result that is there is complete"
            assert server(**request) == 0
            assert digest(target) == wanted
            names = sorted(path.name for path in target.parent.iterdir())
            assert names == ["x.zarr", "x.zarr.ledger.jsonl"]
        assert n_killed > 0.8 * steps / 40

    def test_what_was_done_is_not_done_again(self, server, tmp_path):
        """Killed when the labels are there: the operator is not called any more."""
        target, calls = tmp_path / "x.zarr", tmp_path / "calls"
        request = self.request(tmp_path, target)
        assert server(**request, delay_s=0.001, kill_after_s=0.4) == -signal.SIGKILL
        first = calls.stat().st_size if calls.exists() else 0
        assert server(**request) == 0
        n_patches = gp.plan(killed.image(*self.SHAPE), size=killed.SIZE, step=killed.STEP).n_patches
        row = gp.plan(
            np.zeros((killed.CHUNK + killed.SIZE, 150)), size=killed.SIZE, step=killed.STEP
        ).n_patches
        # One row is written down, one is stored, and one waits for that.
        assert calls.stat().st_size <= n_patches + 3 * row
        assert first > 0

    def test_stopped_and_taken_up(self, server, tmp_path):
        target = tmp_path / "x.tif"
        request = self.request(tmp_path, target)
        ended = server(**request, delay_s=0.01, kill_after_s=0.8, signal="SIGTERM")
        assert ended not in (0, -signal.SIGKILL)
        assert not target.exists()
        assert (tmp_path / "x.tif.instances").is_dir()
        assert server(**request) == 0
        np.testing.assert_array_equal(_read(target), self.wanted())


def test_in_memory_a_signal_interrupts_at_once():
    """Nothing would be there to go on from."""

    def asked(pixels):
        os.kill(os.getpid(), signal.SIGINT)
        return far.label(pixels)

    with pytest.raises(KeyboardInterrupt) as caught:
        gp.reconstruct(SCENE, asked, **OPTIONS)
    assert not isinstance(caught.value, InterruptedRunError)


def _read(target):
    return gp.reconstruct(target, lambda x: x, size=64, step=64, aggregation="max").array.squeeze()


def test_failed_patches_of_labels_that_were_numbered_are_not_tried_again(tmp_path):
    """The result has begun: other labels would have other numbers."""
    broken = [True]

    class Fails:
        def fingerprint(self):
            return "one"

        def __call__(self, pixels):
            if pixels[0, 0] == 9 and broken[0]:
                raise ArithmeticError("told to")
            return far.label((pixels > 0).astype("uint8"))

    image = SCENE.copy()
    image[0, 0] = 9
    first = gp.reconstruct(image, Fails(), tmp_path / "x.zarr", **OPTIONS, on_error="skip")
    assert len(first.errors) == 1
    before = digest(tmp_path / "x.zarr")
    broken[0] = False
    gp.reconstruct(image, Fails(), tmp_path / "x.zarr", **OPTIONS, on_error="skip")
    assert digest(tmp_path / "x.zarr") == before
    redone = gp.reconstruct(image, Fails(), tmp_path / "x.zarr", **OPTIONS, on_error="skip", overwrite=True)
    np.testing.assert_array_equal(redone.array[...], ndimage.label(image)[0])


def test_a_damaged_block_is_made_again(tmp_path, reference):
    gp.reconstruct(SCENE, far.label, tmp_path / "x.zarr", **OPTIONS)
    chunk = tmp_path / "x.zarr" / "data" / "c" / "1" / "2"
    chunk.write_bytes(b"damaged")
    again = gp.reconstruct(SCENE, far.label, tmp_path / "x.zarr", **OPTIONS)
    np.testing.assert_array_equal(again.array[...], WHOLE)
    assert digest(tmp_path / "x.zarr") == reference["x.zarr"]


class TestByHand:
    def test_polygons_one_for_each_object(self, tmp_path):
        result = gp.reconstruct(SCENE, far.label, tmp_path / "x.zarr", **OPTIONS)
        gp.polygons(result, tmp_path / "x.gpkg", connectivity=8)
        found = geopandas.read_file(tmp_path / "x.gpkg").dissolve("class")
        assert list(found.index) == list(range(1, WHOLE.max() + 1))
        counts = np.bincount(WHOLE.ravel())[1:]
        np.testing.assert_allclose(shapely.area(found.geometry.values), counts)

    def test_command_line(self, tmp_path):
        write_geotiff(tmp_path / "scene.tif", SCENE[np.newaxis])
        out = tmp_path / "x.tif"

        def run(*arguments):
            ended = CliRunner().invoke(main, [*map(str, arguments)])
            assert ended.exit_code == 0, ended.output
            return ended.output

        labels = ("--operator", "far:label", "--size", 64, "--aggregation")
        run("run", tmp_path / "scene.tif", out, *labels, "instances:0")
        with rasterio.open(out) as dataset:
            np.testing.assert_array_equal(dataset.read(1), WHOLE)
        assert "uint32" in run("info", out)
        run("report", out, tmp_path / "report.html")
        run("verify", out)
        run("polygons", out, tmp_path / "x.gpkg")
        assert len(geopandas.read_file(tmp_path / "x.gpkg")) >= WHOLE.max()
        wrong = CliRunner().invoke(
            main, [*map(str, ("run", out, tmp_path / "y.tif", *labels, "instances:x"))]
        )
        assert wrong.exit_code != 0
        assert "instances:IOU (from 0 to 1)" in wrong.output


PROGRAM = """
import sys
import numpy as np
import geopatcher as gp
from geopatcher.engine.resident import peak_rss_bytes

def label(pixels):
    found = np.zeros(pixels.shape, np.int32)
    found[8::16, 8::16] = np.arange(found[8::16, 8::16].size).reshape(found[8::16, 8::16].shape) + 1
    return found

height = int(sys.argv[2])
image = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (height, 1024), (0, 0))
result = gp.reconstruct(image, label, sys.argv[1], size=128, step=64, chunks=256, aggregation="instances",
                        memory_limit="96MiB", progress=False)
print(peak_rss_bytes(), result.stats.notes[-1])
"""


def test_memory_does_not_grow_with_the_raster(tmp_path):
    """Four times the rows, and as many objects, in the same memory."""
    peaks = []
    for height in (2048, 8192):
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path / f"{height}.zarr"), str(height)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": CHILD_PATH},
            check=True,
        )
        peak, *note = ended.stdout.split()
        assert note == [f"{height * 1024 // 256:,}", "objects"]
        peaks.append(int(peak))
    assert peaks[1] < peaks[0] + (24 << 20), peaks
