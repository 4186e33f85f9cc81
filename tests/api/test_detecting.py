"""Tasks of a detector: every patch is in one of them, and a process that is lost is replaced."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

import numpy as np
import pytest

import geopatcher
from geopatcher.api.area import Extent
from geopatcher.api.axes import Axes
from geopatcher.api.destination import Destination
from geopatcher.api.detecting import Away, Search, Task, search_here
from geopatcher.api.request import Conduct, Request, job_for
from geopatcher.engine.stats import RunStats
from geopatcher.engine.watch import StopRequested
from geopatcher.errors import OperatorError, WorkerLostError
from geopatcher.fields.open import as_field
from geopatcher.planning.reading import Reading
from objects import detect_one, scene

RASTER = scene(3, 120, 90, 40, 8)


def search(detector=detect_one, raster=RASTER, size=32, step=16, limit="1GiB"):
    axes = Axes.of(size, step, "boxcar", "max", "cover")
    request = Request.of(axes, Reading(), Destination(), 64, (), "uint8", None, 1, limit, Extent())
    return Search(job_for(request, Conduct(skip_empty=True), as_field(raster).source, detector), 0.25)


def patches(one, tasks):
    return [box for task in tasks for strip in one.plan_of(task).strips() for box in strip.boxes]


@pytest.mark.parametrize("most", [1, 2, 100])
@pytest.mark.parametrize("columns", [(0, 5), (0, 2, 5)])
@pytest.mark.parametrize("done", [set(), {0, 2, 3}, set(range(7))])
def test_tasks_have_each_patch_of_the_rows_that_are_left_once(most, columns, done):
    one = search()
    starts = [one.lattice.rows.anchor(row) for row in one.rows]
    assert len(starts) == 7
    left = [row for row in one.rows if row not in done]
    tasks = list(one.left(columns, lambda key: starts.index(key.row) in done, most))
    assert all(task.stop - task.first <= most for task in tasks)
    wanted = [box for strip in one.job.plan.strips() for box in strip.boxes if starts.index(box.row0) in left]
    assert sorted(patches(one, tasks)) == sorted(wanted)


def test_a_raster_too_wide_for_the_limit_is_cut_into_columns():
    wide = np.zeros((1, 64, 200_000), "float32")
    one, other = search(raster=wide), search(raster=wide, limit="48MiB")
    assert one.columns() == (0, one.lattice.cols.count)
    borders = other.columns()
    assert len(borders) > 3
    assert (borders[0], borders[-1]) == (0, one.lattice.cols.count)
    parts = [other.plan_of(Task(0, 1, *some)) for some in itertools.pairwise(borders)]
    widest = max(plan.reach(plan.anchors.extent(plan.region)).width for plan in parts)
    assert widest * 32 * 4 < 48 << 20


def rows_by(run, detector=detect_one, n_tasks=3):
    """Return what was found in each row."""
    one, rows = search(detector), []
    run(one, list(one.left((0, 5), lambda key: False, n_tasks)), rows.append)
    assert [row.n_patches for row in rows] == [5] * 7
    return {row.key: row.detections.points.tolist() for row in rows}


def test_processes_find_what_this_one_finds():
    def here(one, tasks, give):
        search_here(one, tasks, RunStats(), give, lambda: False)

    def there(one, tasks, give):
        stats = RunStats()
        Away(one, stats, give, lambda: False).on_processes(tasks, 2)
        assert stats.patches == 35

    assert rows_by(there) == rows_by(here)


class Deadly:
    """Kills its process at the patch whose corner holds a value, as often as there are files to remove."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __call__(self, patch):
        lives = sorted(Path(self.folder).iterdir())
        if patch[0, 0, 0] == 1 and lives:
            lives[0].unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return np.zeros((0, 6))


@pytest.mark.parametrize("n_deaths", [1, 9])
def test_a_process_that_is_killed_is_replaced_but_not_for_ever(tmp_path, n_deaths):
    for number in range(n_deaths):
        (tmp_path / str(number)).touch()
    raster = np.full((1, 64, 32), 2, "uint8")
    raster[0, 32, 0] = 1
    one, rows = search(Deadly(tmp_path), raster), []
    tasks = list(one.left((0, 1), lambda key: False, 9))
    if n_deaths > 4:
        with pytest.raises(WorkerLostError, match="4 processes ended over the same row of patches"):
            Away(one, RunStats(), rows.append, lambda: False).on_processes(tasks, 1)
        assert [row.key.row for row in rows] == [0, 16]
        return
    Away(one, RunStats(), rows.append, lambda: False).on_processes(tasks, 1)
    assert [row.key.row for row in rows] == [0, 16, 32]


def test_an_error_of_a_process_is_raised_here():
    def failing(patch):
        raise ArithmeticError("told to fail")

    one = search(failing)
    with pytest.raises(OperatorError, match="failing failed on .*told to fail"):
        Away(one, RunStats(), print, lambda: False).on_processes([Task(0, 2, 0, 5)], 1)


@pytest.mark.parametrize("where", ["here", "processes"])
def test_it_stops_between_rows_when_asked(where):
    one, rows = search(), []
    tasks = list(one.left((0, 5), lambda key: False, 7))
    ways = {
        "here": lambda: search_here(one, tasks, RunStats(), rows.append, lambda: bool(rows)),
        "processes": lambda: Away(one, RunStats(), rows.append, lambda: True).on_processes(tasks, 1),
    }
    with pytest.raises(StopRequested):
        ways[where]()
    assert len(rows) < 7


def test_patches_that_lie_on_no_lattice_are_refused():
    patcher = geopatcher.SpatialPatcher(
        geopatcher.SpatialRectangular(32),
        geopatcher.SpatialRandom(9, seed=0),
        geopatcher.SpatialBoxcar(),
        geopatcher.SpatialMax(),
    )
    request = Request.of(patcher, Reading(), Destination(), 64, (), "uint8", None, 1, "1GiB", Extent())
    job = job_for(request, Conduct(allow_gaps=True), as_field(RASTER).source, detect_one)
    with pytest.raises(TypeError, match="lie on a lattice: give size and step"):
        _ = Search(job, 0.5).lattice
