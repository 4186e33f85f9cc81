"""Encoders of DEFLATE on tiles of several kinds: milliseconds of a processor and bytes, beside level 6.

    python -m benchmarks.encoders

Each encodes the same bytes, behind the predictor; the fastest of nine calls counts.
"""

from __future__ import annotations

import time
import zlib
from typing import TYPE_CHECKING

import deflate
import numpy as np
from isal import isal_zlib

from benchmarks.scenes import ground
from geopatcher.targets.cog.encoders import TileCodec

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE = 512


def tiles() -> dict[str, tuple[np.ndarray, int]]:
    """Return cells, and the predictor they are stored with."""
    red, nir = ground(SIDE, SIDE, 3), ground(SIDE, SIDE, 4)
    rows, cols = np.mgrid[:SIDE, :SIDE]
    smooth = 100 + 50 * np.sin(rows / 90) * np.cos(cols / 70)
    index = (nir.astype("f4") - red) / (nir.astype("f4") + red)
    return {
        "smooth floats with noise": (
            (smooth + np.random.default_rng(0).normal(0, 0.5, smooth.shape)).astype("f4"),
            3,
        ),
        "NDVI of uint16": (index, 3),
        "NDVI of twelve values": (np.round(index * 12).astype("f4") / np.float32(7), 1),
        "band, uint16": (red, 2),
        "heights, float32": (smooth.astype("f4"), 3),
        "heights, int16": (smooth.astype("i2"), 2),
        "classes, uint8": (np.digitize(smooth, [70, 90, 110, 130]).astype("u1"), 1),
    }


def main() -> None:
    """Print a table."""
    encoders: dict[str, Callable[[np.ndarray], bytes]] = {
        "ISA-L 1": lambda cells: isal_zlib.compress(cells, 1),
        "ISA-L 2": lambda cells: isal_zlib.compress(cells, 2),
        "libdeflate 1": lambda cells: deflate.zlib_compress(cells, 1),
        "libdeflate 4": lambda cells: deflate.zlib_compress(cells, 4),
        "libdeflate 6": lambda cells: deflate.zlib_compress(cells, 6),
        "zlib 1": lambda cells: zlib.compress(cells, 1),
        "zlib 6": lambda cells: zlib.compress(cells, 6),
    }
    print("| tile | encoder | ms | of the time of libdeflate 1 | of the bytes of libdeflate 6 |")
    print("|---|---|---:|---:|---:|")
    for name, (cells, predictor) in tiles().items():
        tile = TileCodec("DEFLATE", 1, predictor).encoder(cells.dtype, (1, SIDE, SIDE))(cells[np.newaxis])
        content = np.frombuffer(zlib.decompress(tile), np.uint8)
        made = {key: (_seconds(encode, content), len(encode(content))) for key, encode in encoders.items()}
        for key, (seconds, size) in made.items():
            time_ratio, size_ratio = seconds / made["libdeflate 1"][0], size / made["libdeflate 6"][1]
            print(f"| {name} | {key} | {1e3 * seconds:.2f} | {time_ratio:.2f} | {size_ratio:.3f} |")


def _seconds(encode: Callable[[np.ndarray], bytes], content: np.ndarray) -> float:
    taken = []
    for _ in range(9):
        started = time.thread_time()
        encode(content)
        taken.append(time.thread_time() - started)
    return min(taken)


if __name__ == "__main__":
    main()
