"""One method, once, in this process: ``python -m benchmarks.run_one METHOD SCENE OUT``.

Prints one line of JSON when the result stands. A result in memory is written to OUT after that line, for the
check: what comes after the line is not timed, and it takes no memory worth counting.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import catalog

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = 64  # at a time, when a result in memory is written out


def process_io() -> dict[str, int | None]:
    """Return the bytes this process has passed to write() and taken from read(); None where nobody counts."""
    try:
        lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return {"written_bytes": None, "read_bytes": None}
    counts = {key: int(value) for key, value in (line.split(": ") for line in lines)}
    return {"written_bytes": counts["wchar"], "read_bytes": counts["rchar"]}


def dump(array: NDArray[np.generic], out: Path) -> None:
    """Write ``(bands, height, width)`` as .npy, a few rows at a time."""
    with out.open("wb") as file:
        header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
        np.lib.format.write_array_header_1_0(file, header)
        for band in array:
            for top in range(0, band.shape[0], ROWS):
                np.ascontiguousarray(band[top : top + ROWS]).tofile(file)


def main(arguments: list[str]) -> None:
    """Run the method and report."""
    name, scene, out = arguments[0], Path(arguments[1]), Path(arguments[2])
    method = catalog.BY_NAME[name]
    run = importlib.import_module(f"benchmarks.methods.{method.module}").run
    started = time.perf_counter()
    result = run(scene, out, **method.options)
    seconds = {"inner_seconds": time.perf_counter() - started, "cpu_seconds": time.process_time()}
    report = {"method": name, **seconds, **process_io()}
    print(json.dumps(report), flush=True)
    if method.kind == catalog.MEMORY:
        dump(result, out)


if __name__ == "__main__":
    main(sys.argv[1:])
