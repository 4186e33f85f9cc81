"""One loader, timed: ``python -m benchmarks.loaders.run_one WAY PATH COUNT``.

Prints patches a second, and milliseconds of processors for each patch, of the loader and its workers.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import time
from pathlib import Path

from torch.utils.data import DataLoader

BATCH, WORKERS = 16, 2
#: Batches that are not timed, in which workers start.
WARM = 12


def processor_seconds() -> float:
    """Return what this process and its workers took of processors."""
    found = time.process_time()
    for child in multiprocessing.active_children():
        fields = Path(f"/proc/{child.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        found += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def main(way: str, path: str, count: int) -> None:
    """Time a loader once its workers are at work, until the last batch is there."""
    n_patches = count + WARM * BATCH
    arguments = importlib.import_module(f"benchmarks.loaders.{way}").arguments(path, n_patches)
    loader = DataLoader(**arguments, batch_size=BATCH, num_workers=WORKERS, multiprocessing_context="spawn")
    began = spent = 0.0
    for number, _ in enumerate(loader, start=1):
        if number == WARM:
            began, spent = time.perf_counter(), processor_seconds()
        elif number == -(-n_patches // BATCH):
            seconds = time.perf_counter() - began
            print(count / seconds, (processor_seconds() - spent) / count * 1e3)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
