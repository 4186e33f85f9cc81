"""A run goes on under another memory limit, batch size, number of workers or executor: the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import far
import geopatcher as gp
from doubling import begun_ledger
from geopatcher.core.box import Box
from geopatcher.errors import OperatorError
from geopatcher.executors import DaskExecutor
from geopatcher.runs.ledger.book import read_ledger
from geotiffs import write_geotiff
from stored import digest

pytestmark = pytest.mark.once

distributed = pytest.importorskip("distributed")

IMAGE = np.random.default_rng(8).random((2, 400, 300), dtype="float32")
SIZES = {"size": 32, "step": 16, "chunks": 64}
WHOLE = Box(0, 400, 0, 300)


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    return write_geotiff(path, IMAGE, tiled=True, blockxsize=64, blockysize=64)


@pytest.fixture(scope="module")
def whole(scene, tmp_path_factory):
    """What runs give that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    for name in ("x.zarr", "x.tif"):
        gp.reconstruct(scene, far.Counted(folder), folder / name, **SIZES)
    return folder


def narrow_limit():
    """Return a limit that a run only keeps in several column regions."""
    model = gp.plan(IMAGE, **SIZES).model
    limit = model.bytes_for(128, 400, alone=False) + 10_000
    assert gp.plan(IMAGE, memory_limit=limit, **SIZES).n_regions > 1
    return limit


def ways(client):
    """Return how the sessions of a run are carried out, one after another."""
    narrow = narrow_limit()
    return [
        {"memory_limit": "1GiB", "batch_size": 1},
        {"memory_limit": 2 * narrow, "batch_size": "auto", "workers": 2},
        {"memory_limit": "512MiB", "batch_size": 3, "executor": DaskExecutor(client)},
        {"memory_limit": narrow, "batch_size": 2},
        {"memory_limit": "1GiB", "batch_size": "auto"},
        {"memory_limit": "1GiB", "batch_size": 5},
    ]


def places_of(calls):
    """Return the windows of the patches whose first cells were noted; no two cells are alike."""
    at = {value: divmod(number, 300) for number, value in enumerate(IMAGE[0].ravel().tolist())}
    values = np.fromfile(calls, np.float32) if calls.exists() else np.zeros(0, np.float32)
    corners = [at[value] for value in values.tolist()]
    return [Box(row, row + 32, col, col + 32) for row, col in corners]


@pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
def test_a_run_goes_on_in_any_way_and_computes_nothing_again(client, scene, whole, tmp_path, name):
    target = tmp_path / name
    operator = far.Counted(tmp_path)
    sessions, recorded = ways(client), []
    for number, way in enumerate(sessions):
        account = read_ledger(begun_ledger(target))
        missing = [WHOLE] if account is None else list(account.finished.missing(WHOLE))
        recorded.append(0 if account is None else account.rows)
        operator.calls.unlink(missing_ok=True)
        last = number == len(sessions) - 1
        operator.stop_after(10**9 if last else 100)
        if last:
            result = gp.reconstruct(scene, operator, target, **SIZES, **way)
        else:
            with pytest.raises(OperatorError, match="stopped"):
                gp.reconstruct(scene, operator, target, **SIZES, **way)
        for patch in places_of(operator.calls):
            assert any(patch.intersect(box).n_pixels for box in missing), (number, patch)
    assert recorded == sorted(recorded), "no session loses what was recorded"
    assert recorded[-1] > 0
    assert digest(target) == digest(whole / name)
    notes = " ".join(result.stats.notes)
    assert "begun in batches of 1, goes on in batches of 5: models may differ in the last bit" in notes


def test_a_finished_result_is_that_of_any_way_to_carry_it_out(scene, tmp_path):
    operator = far.Counted(tmp_path)
    gp.reconstruct(scene, operator, tmp_path / "x.zarr", batch_size=4, **SIZES)
    before = digest(tmp_path / "x.zarr")
    operator.calls.unlink()
    again = gp.reconstruct(scene, operator, tmp_path / "x.zarr", workers=2, memory_limit="300MiB", **SIZES)
    assert not operator.calls.exists()
    assert any("nothing was computed" in note for note in again.stats.notes)
    assert digest(tmp_path / "x.zarr") == before


def test_the_ledger_says_how_a_result_was_begun(scene, tmp_path):
    gp.reconstruct(
        scene, far.Counted(tmp_path), tmp_path / "x.zarr", batch_size=4, memory_limit="200MiB", **SIZES
    )
    ledger = tmp_path / "x.zarr.ledger.jsonl"
    header = read_ledger(ledger).header
    assert (tmp_path / header.how.pop("source")).samefile(scene)
    assert header.how == {"batch_size": 4, "memory_limit": 200 << 20}
    assert "batch_size" not in header.fingerprint
    assert "batch_size" in json.loads(Path(ledger).read_text().splitlines()[0])["how"]
