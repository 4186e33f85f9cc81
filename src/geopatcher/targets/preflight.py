"""Whether a result can fit at all, asked before anything is made."""

from __future__ import annotations

import math
import os
import shutil
from typing import TYPE_CHECKING

from geopatcher.errors import MemoryLimitError, TargetError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from geopatcher.core.domain import ResultSpec

#: No codec makes rasters a thousand times smaller; a result that needs more was not meant.
BEST_COMPRESSION = 1000


def bytes_of(spec: ResultSpec) -> int:
    """Return the bytes of a result before compression, all arrays together."""
    return sum(math.prod(shape) * dtype.itemsize for shape, dtype, _ in spec.arrays().values())


def describe(spec: ResultSpec) -> str:
    """Return what messages call a result."""
    return f"a result of {spec.domain.shape} {spec.domain.dtype}"


def check_room(folder: Path, n_bytes: int, what: str) -> None:
    """Refuse a result that no compression can make fit, such as one a damaged header asks for.

    Raises
    ------
    TargetError
        It is more than `BEST_COMPRESSION` times what the disk has free.

    """
    free = shutil.disk_usage(folder).free
    if n_bytes > free * BEST_COMPRESSION:
        raise TargetError(
            f"{what} takes {n_bytes / 1e12:,.1f} TB before compression, and {folder} has "
            f"{free / 1e12:,.3f} TB free: choose another disk, or cut the source to the part that is wanted"
        )


def machine_bytes() -> int:
    """Return the bytes of memory this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_chunk(chunk: tuple[int, int], dtype: np.dtype) -> None:
    """Refuse pieces of a store of which the machine cannot hold one.

    Raises
    ------
    MemoryLimitError
        Names the piece, and what it takes.

    """
    n_bytes, have = chunk[0] * chunk[1] * dtype.itemsize, machine_bytes()
    if n_bytes > have:
        raise MemoryLimitError(
            f"a piece of {chunk[0]}x{chunk[1]} x {dtype} takes {n_bytes / 1e9:,.1f} GB and this machine "
            f"has {have / 1e9:,.1f} GB of memory: use smaller chunks or shards, such as 512"
        )


def check_memory(n_bytes: int, what: str) -> None:
    """Refuse a result in memory that the machine does not have.

    Raises
    ------
    MemoryLimitError
        It is larger than all of the machine's memory.

    """
    have = machine_bytes()
    if n_bytes > have:
        raise MemoryLimitError(
            f"{what} takes {n_bytes / 1e9:,.1f} GB and this machine has {have / 1e9:,.1f} GB of memory: "
            f"give a target on disk, x.zarr or x.tif"
        )
