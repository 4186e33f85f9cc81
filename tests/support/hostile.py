"""Damages small files in seeded ways and runs a job over each: what `test_hostile` starts as a process."""

from __future__ import annotations

import faulthandler
import json
import random
import resource
import struct
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import rasterio
import rasterio.windows

import geopatcher

#: A mutation that takes longer hangs; the process says where, and dies.
SECONDS = 30
#: Address space: an allocation a damaged header asks for fails, and the machine lives.
ADDRESS_SPACE = 6 << 30
SIDE, PATCH = 96, 32
#: Results with more cells are not compared, only waited for.
LARGE = 500_000

BASES = {
    "tiled deflate": {"dtype": "uint8", "tiled": True, "compress": "DEFLATE", "nodata": 0},
    "strips lzw": {"dtype": "uint16", "compress": "LZW", "predictor": 2, "blockysize": 16},
    "plain floats": {"dtype": "float32", "blockysize": 16},
    "zstd floats": {"dtype": "float32", "tiled": True, "compress": "ZSTD", "predictor": 3, "nodata": -9999.0},
}


def base(folder, name):
    """Write a good file and return its bytes."""
    profile = dict(BASES[name])
    if profile.get("tiled"):
        profile |= {"blockxsize": 32, "blockysize": 32}
    path = Path(folder) / "base.tif"
    pixels = np.random.default_rng(1).integers(1, 200, (2, SIDE, SIDE)).astype(profile["dtype"])
    transform = rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=2,
        height=SIDE,
        width=SIDE,
        crs="EPSG:32633",
        transform=transform,
        **profile,
    ) as file:
        file.write(pixels)
    return path.read_bytes()


def mutated(content, chance):
    """Return damaged content, and what was done to it."""
    data = bytearray(content)
    kind = chance.choice(["bits", "bits", "header", "header", "cut", "zeros", "noise", "moved"])
    if kind == "bits":
        for _ in range(chance.choice([1, 1, 2, 8])):
            bit = chance.randrange(len(data) * 8)
            data[bit // 8] ^= 1 << bit % 8
    elif kind == "header":  # a field of the directory, set to something extreme
        start = struct.unpack_from("<I", data, 4)[0]
        entries = struct.unpack_from("<H", data, start)[0]
        at = start + 2 + 12 * chance.randrange(entries)
        value = chance.choice([0, 1, 2**31 - 1, 2**32 - 1, 10**9, 65535, len(data), chance.randrange(2**32)])
        struct.pack_into("<I", data, at + chance.choice([4, 8, 8, 8]), value)
    elif kind == "cut":
        del data[chance.randrange(len(data)) :]
    else:
        at, length = chance.randrange(len(data)), chance.randrange(1, 400)
        piece = {
            "zeros": bytes(length),
            "noise": chance.randbytes(length),
            "moved": bytes(data[at // 2 : at // 2 + length]),
        }[kind]
        data[at : at + length] = piece
    return bytes(data), kind


def outcome(path, on_error):
    """Run a job over a file: ``"right"``, ``"part"``, ``"refused"``, or what is wrong with the answer."""
    try:
        result = geopatcher.reconstruct(
            path,
            np.copy,
            size=PATCH,
            step=PATCH,
            window="boxcar",
            chunks=64,
            dtype="float64",
            memory_limit="256MB",
            on_error=on_error,
            progress=False,
        )
    except geopatcher.GeopatcherError as error:
        where = "cannot read" not in str(error) or "rows " in str(error)
        return "refused" if path in str(error) and where else f"an error that names too little: {error}"
    except Exception as error:  # noqa: BLE001 - this is what must not happen
        return f"{type(error).__name__}: {error}"
    got = np.asarray(result.array[...])
    got[got == result.domain.nodata] = np.nan
    if got.size > LARGE:  # a header that promises much, of which little is there: it has an end
        return "large"
    wanted, whole = window_by_window(path)
    if not whole and on_error == "raise":
        return "read what GDAL cannot read"
    if not np.allclose(got, wanted, rtol=1e-6, equal_nan=True):
        return "other pixels than GDAL reads"
    return "right" if whole and not result.errors else "part"


def window_by_window(path):
    """Return what GDAL reads patch by patch, NaN where it cannot, and whether it could everywhere."""
    with rasterio.open(path) as file:
        pixels = np.full((file.count, file.height, file.width), np.nan)
    whole = True
    for row in range(0, pixels.shape[1], PATCH):
        for col in range(0, pixels.shape[2], PATCH):
            window = rasterio.windows.Window(
                col, row, min(PATCH, pixels.shape[2] - col), min(PATCH, pixels.shape[1] - row)
            )
            try:
                with rasterio.open(path) as file:  # anew: its state after an error is unknown
                    part = file.read(window=window, masked=True).astype("float64").filled(np.nan)
            except rasterio.errors.RasterioError:
                whole = False
                continue
            pixels[:, row : row + PATCH, col : col + PATCH] = part
    return pixels, whole


def main(first, last):
    """Run mutations ``first`` to ``last`` and print a line of JSON for each."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    warnings.simplefilter("ignore")
    folder = tempfile.mkdtemp(prefix="hostile ünd ")
    contents = {name: base(folder, name) for name in BASES}
    for seed in range(first, last):
        chance = random.Random(seed)  # noqa: S311 - to be drawn again, not to be secret
        name = list(BASES)[seed % len(BASES)]
        content, kind = mutated(contents[name], chance)
        path = Path(folder) / f"{seed}.tif"
        path.write_bytes(content)
        print(json.dumps({"begin": seed}), flush=True)
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        answer = outcome(str(path), "raise" if seed // len(BASES) % 2 else "skip")
        faulthandler.cancel_dump_traceback_later()
        path.unlink()
        print(json.dumps({"seed": seed, "base": name, "kind": kind, "outcome": answer}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
