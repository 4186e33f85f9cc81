"""Which predictor and level a GeoTIFF has follows from its cells, however its blocks came to be."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import rasterio

import geopatcher as gp

pytestmark = pytest.mark.once

RANDOM = np.random.default_rng(0)
#: Smooth above, of which the usual predictor is best; below floats of few values, of which none is.
SMOOTH = 900 + np.cumsum(RANDOM.normal(0, 1, (60, 300)), axis=1)
FEW = RANDOM.integers(0, 12, (140, 300)) / 7
RATIOS = np.concatenate([SMOOTH, FEW]).astype("float32")
OPTIONS = {"size": 32, "chunks": 32, "layers": ("weight",), "progress": False}
STORED = {"deflate": gp.CogStorage(), "fast": gp.CogStorage("DEFLATE", 1), "zstd": gp.CogStorage("ZSTD", 1)}

#: Runs in a process of its own, which is killed when its operator is called for the 160th time.
KILLED = """
import json, os, signal, sys
import numpy as np, geopatcher as gp

class Copy:
    calls = 0
    def __call__(self, patch):
        self.calls += 1
        if self.calls == 160:
            os.kill(os.getpid(), signal.SIGKILL)
        return patch
    def fingerprint(self):
        return "copy"

gp.reconstruct(np.load(sys.argv[1]), Copy(), sys.argv[2], storage=gp.CogStorage(**json.loads(sys.argv[3])),
               **json.loads(sys.argv[4]))
"""


class Copy:
    """Copies patches."""

    def __call__(self, patch):
        return patch

    def fingerprint(self):
        return "copy"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "ratios.npy"
    np.save(path, RATIOS)
    return path


def made(folder, storage, image=RATIOS, **more):
    """Return the bytes of the files, and the predictor of the first."""
    gp.reconstruct(image, Copy(), folder / "x.tif", storage=storage, **OPTIONS, **more)
    return *((folder / name).read_bytes() for name in ("x.tif", "x.weight.tif")), predictor_of(
        folder / "x.tif"
    )


def predictor_of(path):
    with rasterio.open(path) as dataset:
        return int(dataset.tags(ns="IMAGE_STRUCTURE").get("PREDICTOR", "1"))


@pytest.fixture(scope="module", params=[*STORED])
def case(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return STORED[request.param], made(folder, STORED[request.param]), folder / "x.tif"


def test_the_file_is_the_smallest_there_is(case, tmp_path):
    cogeo = pytest.importorskip("rio_cogeo")
    storage, (content, _, predictor), path = case
    assert predictor == 1
    assert cogeo.cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), RATIOS)
    with rasterio.open(path, overview_level=0) as dataset:
        wanted = RATIOS.reshape(100, 2, 150, 2).mean(axis=(1, 3), dtype="float64").astype("float32")
        np.testing.assert_array_equal(dataset.read(1), wanted)
    sizes = {}
    for number in (1, 2, 3):
        (tmp_path / str(number)).mkdir()
        asked = gp.CogStorage(storage.compress, storage.level, predictor=number)
        sizes[number] = len(made(tmp_path / str(number), asked)[0])
    assert len(content) == sizes[1] == min(sizes.values())
    assert len(content) < 0.85 * sizes[3]


def test_by_two_workers(case, tmp_path):
    storage, wanted, _ = case
    assert made(tmp_path, storage, workers=2) == wanted


def test_after_it_was_killed(case, source, tmp_path):
    storage, wanted, _ = case
    said = json.dumps({"compress": storage.compress, "level": storage.level})
    call = [sys.executable, "-c", KILLED, str(source), str(tmp_path / "x.tif"), said, json.dumps(OPTIONS)]
    assert subprocess.run(call, check=False).returncode == -9
    assert list((tmp_path / "x.tif.partial").glob("run-*/tiles/data/c/0/0/*"))
    assert list((tmp_path / "x.tif.partial").glob("run-*/levels.data/1/c/0/0/*"))
    assert made(tmp_path, storage) == wanted


def test_on_dask(case, tmp_path):
    distributed = pytest.importorskip("distributed")
    storage, wanted, _ = case
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    path = tmp_path / "scene.npy"
    np.save(path, RATIOS)
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        assert made(tmp_path, storage, executor=gp.executors.DaskExecutor(client)) == wanted


def test_of_an_export(case, tmp_path):
    storage, wanted, path = case
    plain = gp.CogStorage("NONE", blocksize=32)
    gp.reconstruct(RATIOS, Copy(), tmp_path / "plain.tif", storage=plain, size=32, progress=False)
    gp.export(tmp_path / "plain.tif", tmp_path / "x.tif", storage=storage, chunks=32, progress=False)
    assert predictor_of(tmp_path / "x.tif") == predictor_of(path) == wanted[-1]
    with rasterio.open(tmp_path / "x.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), RATIOS)


def test_smooth_floats_have_the_usual_predictor(tmp_path):
    image = 900 + np.cumsum(RANDOM.normal(0, 1, (200, 300)), axis=1).astype("float32")
    assert made(tmp_path, gp.CogStorage("ZSTD", 1), image)[-1] == 3


def test_a_raster_without_data_has_the_usual_predictor(tmp_path):
    image = np.full((200, 300), np.nan, "float32")
    assert made(tmp_path, gp.CogStorage("ZSTD", 1), image, nodata=np.nan)[-1] == 3


def test_missing_cells_stay_missing_where_tiles_are_encoded_anew(tmp_path):
    image = RATIOS.copy()
    image[:40, :100] = image[150:, 200:] = np.nan
    by_one = made(tmp_path, gp.CogStorage("ZSTD", 1), image)
    assert by_one[-1] == 1
    with rasterio.open(tmp_path / "x.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), image)
    (tmp_path / "two").mkdir()
    assert made(tmp_path / "two", gp.CogStorage("ZSTD", 1), image, workers=2) == by_one


def test_the_level_is_fast_where_that_costs_little(tmp_path):
    """Of noise the fast level makes as little as the usual one, of classes much more."""
    noise = RANDOM.integers(0, 5000, (200, 300)).astype("uint16")
    classes = (np.indices((200, 300)).sum(axis=0) // 37 % 5).astype("uint8")
    for name, image, level in [("noise", noise, 1), ("classes", classes, 6)]:
        for asked in (None, 1, 6):
            gp.reconstruct(
                image,
                Copy(),
                tmp_path / f"{name}-{asked}.tif",
                size=32,
                storage=gp.CogStorage(level=asked),
                chunks=32,
                progress=False,
            )
        content = (tmp_path / f"{name}-None.tif").read_bytes()
        assert content == (tmp_path / f"{name}-{level}.tif").read_bytes()
    assert (tmp_path / "classes-1.tif").stat().st_size > 1.05 * (tmp_path / "classes-6.tif").stat().st_size
