"""Arrays of chunks for those who write them: patterned numbers, stores that zarr makes, and their files."""

from __future__ import annotations

import numpy as np
import zarr

from geopatcher.core.box import Box
from geopatcher.core.domain import RasterDomain, ResultSpec
from geopatcher.targets.zarr_store import ZarrSink

CHUNK = 8


def files(folder):
    found = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    return {name: without_time(held) for name, held in found.items()}


def without_time(held):
    """The same but for what gzip's header says of the time and the system, in zarr's files as of when."""
    return held[:4] + held[10:] if held.startswith(b"\x1f\x8b\x08") else held


def numbers(shape, dtype, seed=0):
    dtype, rng = np.dtype(dtype), np.random.default_rng(seed)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0, 2 if dtype.kind == "b" else 200, shape).astype(dtype)


def patterned(shape, dtype, fill, seed=0):
    """Numbers, with chunks that are all fill, all but one cell, all zeros of one sign, or all one number."""
    values, rng = numbers(shape, dtype, seed), np.random.default_rng([seed, 1])
    other = np.asarray(1, dtype) if fill != 1 else np.asarray(0, dtype)
    kinds = range(7 if values.dtype.kind == "f" else 5)
    for band in values.reshape(-1, *shape[-2:]):
        for row in range(0, shape[-2], CHUNK):
            for col in range(0, shape[-1], CHUNK):
                chunk = band[row : row + CHUNK, col : col + CHUNK]
                kind = rng.choice(kinds)
                if kind in (1, 2, 3):
                    chunk[...] = fill
                if kind == 2:
                    chunk[0, 0] = other
                if kind == 3:
                    chunk[-1, -1] = other
                if kind > 3:
                    chunk[...] = {4: other, 5: 0.0, 6: -0.0}[kind]
    return values


def by_zarr(place, values, name="data"):
    zarr.open_group(place, mode="r+", use_consolidated=False)[name][...] = values


def custom(place, dtype="int16", **options):
    """A store with an array made in other ways than ours."""
    group = zarr.create_group(place, zarr_format=3, overwrite=True)
    defaults = {"shape": (2, 21, 29), "chunks": (1, CHUNK, CHUNK), "fill_value": 0, "dtype": dtype}
    return group.create_array("data", **(defaults | options))


def spec(shape=(2, 21, 29), dtype="int16", fill=0, codec="zstd", **options):
    domain = RasterDomain(shape, dtype=np.dtype(dtype))
    return ResultSpec(domain, (CHUNK, CHUNK), fill, codec=codec, **options)


def by_us(place, values, height=CHUNK, name="data"):
    """Write rows of blocks, as a run does."""
    sink = ZarrSink(place)
    assert name in sink._writers
    for row in range(0, values.shape[-2], height):
        box = Box(row, min(row + height, values.shape[-2]), 0, values.shape[-1])
        sink.write([(box, {name: values.reshape(-1, *values.shape[-2:])[:, row : row + height]})])
