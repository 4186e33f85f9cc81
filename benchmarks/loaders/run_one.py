"""One loader, timed: ``python -m benchmarks.loaders.run_one WAY PATH COUNT`` prints patches a second."""

from __future__ import annotations

import importlib
import sys
import time

from torch.utils.data import DataLoader

BATCH, WORKERS = 16, 2
#: Batches that are not timed, in which workers start.
WARM = 12


def main(way: str, path: str, count: int) -> None:
    """Time a loader once its workers are at work."""
    arguments = importlib.import_module(f"benchmarks.loaders.{way}").arguments(path, count + WARM * BATCH)
    loader = DataLoader(**arguments, batch_size=BATCH, num_workers=WORKERS, multiprocessing_context="spawn")
    began = 0.0
    for number, _ in enumerate(loader, start=1):
        if number == WARM:
            began = time.perf_counter()
    print(count / (time.perf_counter() - began))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
