"""Killed at any instant, run again: the same bytes, and little done twice."""

from __future__ import annotations

import shutil
import signal

import pytest

import geopatcher
import killed
from doubling import begun_ledger
from geopatcher.runs.ledger.book import read_ledger
from stored import digest

pytestmark = pytest.mark.once

SHAPE = (300, 200)
KILLS = 25


@pytest.fixture(scope="module")
def server():
    server = killed.Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def reference(server, tmp_path_factory):
    """Results of runs that nobody interrupted."""
    folder = tmp_path_factory.mktemp("reference")

    def of(name, shape=SHAPE):
        target = folder / f"{shape[0]}-{name}"
        if not target.exists():
            calls = folder / "calls"
            assert server(target=str(target), calls=str(calls), shape=shape) == 0
        return digest(target)

    return of


def plan_of(shape=SHAPE):
    return geopatcher.plan(killed.image(*shape), size=killed.SIZE, step=killed.STEP, chunks=killed.CHUNK)


def strip_of(plan):
    """Return the most patches that touch one row of blocks: what a kill may cost."""
    return max(plan.restrict(row).n_patches for row in plan.blocks.rows())


def left_beside(target):
    return sorted(path.name for path in target.parent.iterdir() if path.name.startswith(target.name))


@pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
def test_killed_at_random_instants(server, reference, tmp_path, name):
    plan, chance = plan_of(), killed.seeded(f"kills of {name}")
    kills = rounds = calls_in_all = 0
    while kills < KILLS:
        rounds += 1
        target, calls = tmp_path / f"round {rounds}" / name, tmp_path / f"calls {rounds}"
        target.parent.mkdir()
        ended = None
        while ended != 0:
            delay = chance.uniform(0.0, 0.45) if kills < KILLS else None
            ended = server(
                target=str(target), calls=str(calls), shape=SHAPE, delay_s=0.003, kill_after_s=delay
            )
            assert ended in (0, -signal.SIGKILL)
            kills += ended != 0
        assert digest(target) == reference(name)
        assert left_beside(target) == [name, f"{name}.ledger.jsonl"]
        n_calls = calls.stat().st_size
        calls_in_all += n_calls
    needed = rounds * plan.n_patches
    # Over all kills: one that falls on a machine so busy that the writer lags may cost a little more.
    assert calls_in_all <= needed + kills * strip_of(plan)
    print(f"{name}: {kills} kills in {rounds} results, {calls_in_all} calls for {needed} patches")


SMALL = (100, 60)


def n_steps(server, folder, name, **keywords):
    """Return how many steps on the file system a run on a target takes."""
    folder.mkdir(exist_ok=True)
    report, calls = folder.parent / "steps", folder.parent / "calls"
    request = {"target": str(folder / name), "calls": str(calls), "shape": SMALL}
    assert server(**request, kill_before_step=10**9, report=str(report), keywords=keywords) == 0
    return int(report.read_text())


def test_killed_before_every_third_step_on_the_file_system(server, reference, tmp_path):
    wanted = reference("x.zarr", SMALL)
    steps = n_steps(server, tmp_path / "0", "x.zarr")
    assert steps > 50
    killed_before = 0
    for number in range(1, steps + 1, 3):
        target = tmp_path / str(number) / "x.zarr"
        target.parent.mkdir()
        request = {"target": str(target), "calls": str(tmp_path / "calls"), "shape": SMALL}
        ended = server(
            **request, kill_before_step=number
        )  # threads race to make folders: steps vary by a few
        assert ended in (0, -signal.SIGKILL)
        killed_before += ended != 0
        assert not target.exists() or digest(target) == wanted, "a result that is there is complete"
        assert server(**request) == 0
        assert digest(target) == wanted
        assert left_beside(target) == ["x.zarr", "x.zarr.ledger.jsonl"]
    assert killed_before > 0.8 * steps / 3
    print(f"killed before {len(range(1, steps + 1, 3))} of {steps} steps")


@pytest.mark.parametrize("name", ["x.zarr", "x.tif"])
def test_killed_before_each_of_the_last_steps_of_replacing_a_result(server, reference, tmp_path, name):
    wanted = reference(name, SMALL)
    n_steps(server, tmp_path / "0", name, dtype="float64")
    old, keywords = digest(tmp_path / "0" / name), {"overwrite": True}
    steps = n_steps(server, tmp_path / "0", name, **keywords)
    n_steps(server, tmp_path / "old", name, dtype="float64")
    killed_before = 0
    for number in range(steps, steps - 16, -1):
        target = tmp_path / str(number) / name
        shutil.copytree(tmp_path / "old", target.parent)
        request = {"target": str(target), "calls": str(tmp_path / "calls"), "shape": SMALL}
        ended = server(**request, keywords=keywords, kill_before_step=number)
        assert ended in (0, -signal.SIGKILL)
        killed_before += ended != 0
        if ended == 0:  # threads race to make folders: a run may take fewer steps than the one counted
            continue
        assert not target.exists() or digest(target) in (old, wanted)
        read_only = read_ledger(begun_ledger(target))
        again = {} if read_only is None or read_only.completion else keywords
        assert server(**request, keywords=again) == 0
        assert digest(target) == wanted
        assert left_beside(target) == [name, f"{name}.ledger.jsonl"]
    assert killed_before >= 8
