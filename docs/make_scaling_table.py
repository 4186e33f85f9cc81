# ruff: noqa: D102, D103, INP001 - a script beside the document it writes
"""Writes the tables of ``docs/scaling.md`` from a real plan over an imagined raster.

    python docs/make_scaling_table.py            # writes them
    python docs/make_scaling_table.py --check    # fails when the document tells something else

No pixel is read and nothing is enumerated: `geopatcher.planning.tasks.cut_tasks` is what the
executors cut with, and its answers are arithmetic.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import numpy as np
from affine import Affine

import geopatcher
from geopatcher.core.domain import RasterDomain
from geopatcher.planning.memory import format_bytes
from geopatcher.planning.tasks import Tasks, cut_tasks

#: Height and width of the earth at 10 m, in pixels; four bands of uint16 in, one of float32 out.
SHAPE = (2_000_000, 4_000_000)
BANDS = 4
#: Pixels a second of one worker with two cores, for arithmetic on bands: `python -m benchmarks.bench
#: --scenes s2 --only geopatcher-zarr` measures it.
FAST_PX_S = 50e6
#: The same, where a network of some size looks at each patch.
SLOW_PX_S = 1e6
#: Bytes of a line of the ledger without its files, and of each file; tasks a scheduler hands out in a second.
LINE_BYTES, FILE_BYTES, TASKS_S = 76, 28, 1000
#: Pixels a second of one process that joins overview levels and concatenates tiles.
COG_PX_S = 40e6
WORKERS = (1, 100, 1000)
SHARD = 2048
MEMORY = 1 << 30
DOCUMENT = Path(__file__).with_name("scaling.md")


class Imagined:
    """A field that has a size and no pixels."""

    block_shape = (512, 512)
    has_nodata = True
    name = "imagined global mosaic"
    gives_windows = False

    def __init__(self) -> None:
        place = Affine(10, 0, 0, 0, -10, 0)
        self.domain = RasterDomain((BANDS, *SHAPE), place, "EPSG:3857", 0, np.dtype("uint16"))
        self.source = self

    def read(self, box: object) -> np.ndarray:
        raise NotImplementedError

    def valid(self, box: object, pixels: np.ndarray) -> None:
        raise NotImplementedError

    def identity(self) -> dict[str, str]:
        return {}

    def select(self, indexer: object) -> None:
        raise NotImplementedError

    def with_data(self, array: object) -> None:
        raise NotImplementedError

    def dress(self, pixels: object, box: object) -> None:
        raise NotImplementedError


def hours(tasks: Tasks, n_workers: int, px_s: float) -> str:
    """Return how long the workers take, a whole number of rounds of tasks each."""
    pixels = tasks.plan.region.n_pixels * (1 + tasks.overhead) / len(tasks)
    seconds = math.ceil(len(tasks) / n_workers) * pixels / px_s
    return f"{seconds / 3600:,.0f}" if seconds > 36_000 else f"{seconds / 3600:.2f}"


def the_plan(chunks: int = 512) -> geopatcher.Plan:
    return geopatcher.plan(
        Imagined(), size=256, step=128, chunks=chunks, memory_limit=MEMORY, dtype="float32", out_bands=1
    )


def run_table() -> str:
    plan = the_plan()
    speeds = " | ".join(f"hours at {px_s / 1e6:.0f} Mpx/s" for px_s in (FAST_PX_S, SLOW_PX_S))
    lines = [
        f"| workers | regions = tasks | largest region | halo | memory per worker | {speeds} |",
        "|---|---|---|---|---|---|---|",
    ]
    for n_workers in WORKERS:
        tasks = cut_tasks(plan, n_workers, MEMORY, block_width=512)
        height, width = tasks.largest
        lines.append(
            f"| {n_workers:,} | {len(tasks):,} | {height:,} x {width:,} | {tasks.overhead:.2%} | "
            f"{format_bytes(tasks.memory_bytes)} | {hours(tasks, n_workers, FAST_PX_S)} | "
            f"{hours(tasks, n_workers, SLOW_PX_S)} |"
        )
    return "\n".join(lines)


def plan_table() -> str:
    plan = the_plan()
    tasks = cut_tasks(plan, WORKERS[-1], MEMORY, block_width=512)
    sharded = cut_tasks(the_plan(SHARD), WORKERS[-1], MEMORY, block_width=512)
    domain = plan.domain
    read = domain.n_bands * domain.dtype.itemsize * plan.region.n_pixels
    copying = plan.region.n_pixels / COG_PX_S / 3600
    rows = {
        "pixels": f"{plan.region.n_pixels:,}",
        "patches of 256, step 128": f"{plan.n_patches:,}",
        "blocks of 512 x 512, a file each": f"{len(plan.blocks):,}",
        f"files with `ZarrStorage(shards={SHARD})`": f"{len(the_plan(SHARD).blocks):,}, in {sharded}",
        "bytes read, decoded": format_bytes(read * (1 + tasks.overhead)),
        "bytes written, before compression": format_bytes(plan.disk_bytes),
        "tasks in the scheduler": f"{len(tasks):,}, each a rectangle of under 1 kB",
        "ledger": f"{ledger_of(tasks)}; with shards {ledger_of(sharded)}",
        "scheduler's own time": f"{len(tasks) / TASKS_S:.0f} s at {TASKS_S:,} tasks a second",
        "lost with a worker": f"one task: {duration_of(tasks)} at {FAST_PX_S / 1e6:.0f} Mpx/s",
        "reading by 1,000 workers at full speed": format_bytes(
            1000 * FAST_PX_S * domain.n_bands * domain.dtype.itemsize
        )
        + " a second, decoded",
        "joining levels and tiles into a GeoTIFF": f"{copying:,.0f} hours, one process",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def ledger_of(tasks: Tasks) -> str:
    """Return the lines and bytes of a run on Dask, where a region is a line."""
    n_bytes = len(tasks) * LINE_BYTES + len(tasks.plan.blocks) * FILE_BYTES
    return f"{len(tasks):,} lines, {format_bytes(n_bytes)}"


def duration_of(tasks: Tasks) -> str:
    height, width = tasks.largest
    return f"{height * width / FAST_PX_S:.0f} s"


def with_tables(text: str) -> str:
    for name, table in (("plan", plan_table()), ("run", run_table())):
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        head, rest = text.split(begin)
        _, tail = rest.split(end)
        text = f"{head}{begin}\n{table}\n{end}{tail}"
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    text = DOCUMENT.read_text(encoding="utf-8")
    made = with_tables(text)
    if parser.parse_args().check:
        return 0 if made == text else "docs/scaling.md is out of date: run python docs/make_scaling_table.py"
    DOCUMENT.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
