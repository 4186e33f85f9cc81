"""Models in other processes and on Dask, killed and gone on with, and weights that change between runs."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import rasterio

import geopatcher as gp
from doubling import begun_ledger
from geopatcher.errors import TargetError, TargetExistsError
from geopatcher.executors import DaskExecutor
from geopatcher.runs.ledger.book import read_ledger
from networks import ConvNet
from places import CHILD_PATH

pytestmark = pytest.mark.once

distributed = pytest.importorskip("distributed")

HEIGHT, WIDTH = 320, 256
NET = ConvNet.random(bands=2, hidden=8, seed=4)
RECORD = {
    "mlm:input": [
        {"bands": ["B08", "B04"], "value_scaling": [{"type": "z-score", "mean": 0.4, "stddev": 0.2}]}
    ],
    "mlm:output": [
        {"classification:classes": [{"value": n, "name": name} for n, name in ((1, "a"), (4, "b"), (5, "c"))]}
    ],
    "geopatcher:activation": "softmax",
    "geopatcher:margin": 2,
}
SIZES = {"size": 32, "step": 16, "chunks": 64, "outputs": ("class", "confidence", "spread")}


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    profile = {"driver": "GTiff", "count": 3, "height": HEIGHT, "width": WIDTH, "dtype": "float32"}
    profile["transform"] = rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)
    with rasterio.open(path, "w", tiled=True, blockxsize=64, blockysize=64, **profile) as out:
        out.write(np.random.default_rng(8).random((3, HEIGHT, WIDTH), dtype="float32"))
        out.descriptions = ("B03", "B04", "B08")
    return path


@pytest.fixture
def weights(tmp_path):
    (tmp_path / "net.mlm.json").write_text(json.dumps(RECORD))
    return NET.save(tmp_path / "net.onnx")


@pytest.fixture(scope="module")
def whole(scene, tmp_path_factory):
    """What a run gives that nobody interrupted, in one process."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "net.mlm.json").write_text(json.dumps(RECORD))
    net = NET.save(folder / "net.onnx")
    made = {name: folder / name.replace(".", "") / name for name in ("x.zarr", "x.tif")}
    for path in made.values():
        path.parent.mkdir()
        gp.reconstruct(scene, net, path, **SIZES)
    return made


def digest(path):
    """Return every file of a result, and of its layers, with a digest of its bytes."""
    names = [one for one in path.parent.glob(f"{path.stem}.*") if "ledger" not in one.name]
    files = [file for one in names for file in (one, *one.rglob("*")) if file.is_file()]
    assert files
    return {
        str(file.relative_to(path.parent)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }


def elsewhere(name, client):
    return {"here": {}, "processes": {"workers": 2}, "dask": {"executor": DaskExecutor(client)}}[name]


@pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
@pytest.mark.parametrize("where", ["processes", "dask"])
def test_the_bytes_are_those_of_one_process(client, scene, weights, whole, tmp_path, name, where):
    target = tmp_path / name
    gp.reconstruct(scene, weights, target, **SIZES, **elsewhere(where, client))
    assert digest(target) == digest(whole[name])
    assert gp.verify(target).is_intact


def test_they_are_what_the_network_computes(scene, whole):
    with rasterio.open(scene) as dataset:
        bands = (dataset.read([3, 2]) - np.float32(0.4)) / np.float32(0.2)
    scores = NET.scores(bands)
    values = np.array([1, 4, 5])[scores.argmax(axis=0)]
    with rasterio.open(whole["x.tif"]) as written:
        made = written.read(1)
    sure = np.sort(scores, axis=0)[-1] - np.sort(scores, axis=0)[-2] > 1e-3
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(made[sure], values[sure])


#: Runs until so many patches are done, and is killed as by `kill -9`.
DIES = """
import os, signal, sys, geopatcher
from geopatcher.executors import DaskExecutor
from tests.whole.test_models_elsewhere import SIZES

def heard(n, seen=[]):
    seen.append(n)
    if sum(seen) >= 170:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    scene, weights, target, where, address = sys.argv[1:]
    # As many workers as there are rows of blocks: some are left when three of them are told of.
    more = {"here": {}, "processes": {"workers": 5}, "dask": {}}[where]
    if where == "dask":
        more = {"executor": DaskExecutor(address)}
    geopatcher.reconstruct(scene, weights, target, progress=heard, **SIZES, **more)
"""


def die(client, *arguments):
    command = [sys.executable, "-c", DIES, *map(str, arguments), client.scheduler.address]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": CHILD_PATH}, check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("name", "first", "then"),
    [
        ("x.zarr", "here", "dask"),
        ("x.tif", "here", "here"),
        ("x.zarr", "processes", "here"),
        ("x.tif", "dask", "processes"),
    ],
)
def test_killed_and_gone_on_with_elsewhere(client, scene, weights, whole, tmp_path, name, first, then):
    target = tmp_path / name
    die(client, scene, weights, target, first)
    account = read_ledger(begun_ledger(target))
    missing = sum(box.n_pixels for box in account.finished.missing(gp.Box(0, HEIGHT, 0, WIDTH)))
    assert 0 < missing < HEIGHT * WIDTH, "some of it was finished"
    result = gp.reconstruct(scene, weights, target, **SIZES, **elsewhere(then, client))
    assert result.stats.patches < result.plan.n_patches
    assert digest(target) == digest(whole[name])
    assert gp.verify(target).is_intact


@pytest.mark.parametrize("where", ["here", "dask"])
def test_other_weights_neither_go_on_nor_pass_for_what_is_finished(client, scene, weights, tmp_path, where):
    begun, finished = tmp_path / "begun.zarr", tmp_path / "finished.zarr"
    die(client, scene, weights, begun, "here")
    gp.reconstruct(scene, weights, finished, **SIZES)
    before = digest(finished)
    other = ConvNet.random(bands=2, hidden=8, seed=5)
    other.save(weights)
    more = elsewhere(where, client)
    with pytest.raises(TargetExistsError, match=r"finished\.zarr.*operator"):
        gp.reconstruct(scene, weights, finished, **SIZES, **more)
    with pytest.raises(TargetError, match=r"begun\.zarr.*operator"):
        gp.reconstruct(scene, weights, begun, **SIZES, **more)
    assert digest(finished) == before
    again = gp.reconstruct(scene, weights, begun, overwrite=True, **SIZES, **more)
    with rasterio.open(scene) as dataset:
        bands = (dataset.read([3, 2]) - np.float32(0.4)) / np.float32(0.2)
    expected = np.array([1, 4, 5])[other.scores(bands).argmax(axis=0)]
    assert (again.array[:] == expected).mean() > 0.999, "what the new weights say"
