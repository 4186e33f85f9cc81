"""What a run takes of memory, in all its processes: the parts behind `Plan.memory_bytes`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from geopatcher.planning.memory import (
    FIXED_BYTES,
    GDAL_CACHE_BYTES,
    GROWTH_NOTICED,
    MemoryModel,
    format_bytes,
)

#: A worker process that has loaded what it needs and does nothing, until one has told what it takes.
WORKER_BYTES = 104 << 20
#: Of working memory, what stays when no region is computed any more, at most: libraries, and GDAL's cache.
KEPT_BYTES = FIXED_BYTES + GDAL_CACHE_BYTES


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a run takes place, and what it takes there whatever its regions are.

    Parameters
    ----------
    idle_bytes
        This process before the run, with the libraries the run will load.
    mapped_bytes
        A file the source is mapped from, which the process is charged with as far as it is looked at.
    in_memory
        Whether the result stays in this process.
    gaps
        Whether cells of the result may be missing: where it has no value for that, a mask says which.
    assembly_bytes
        What is taken to make the result from its finished blocks, when no region is being computed any more.
    n_workers
        Worker processes; 0 where regions run in this one.
    n_at_once
        Regions that all of them run at once.
    worker_bytes
        A worker process that does nothing.
    kept_bytes
        What the operator was seen to keep in each process that runs it: libraries, a model, a cache.
    relay_bytes
        What blocks take on their way from the workers into this process.
    share_bytes
        What one region may take of the memory limit; 0 is all of it.
    task
        ``(height, width)`` of the largest region a worker is given, pixels.

    """

    idle_bytes: int = 0
    mapped_bytes: int = 0
    in_memory: bool = False
    gaps: bool = False
    assembly_bytes: int = 0
    n_workers: int = 0
    n_at_once: int = 1
    worker_bytes: int = WORKER_BYTES
    kept_bytes: int = 0
    relay_bytes: int = 0
    share_bytes: int = 0
    task: tuple[int, int] = (0, 0)

    def seen(self, worker_bytes: int, kept_bytes: int) -> Setting:
        """Return this with what was seen of workers, 0 for nothing, and of the operator."""
        return replace(
            self,
            worker_bytes=worker_bytes or self.worker_bytes,
            # What is little in one process adds up over workers.
            kept_bytes=kept_bytes if self.n_workers or kept_bytes > GROWTH_NOTICED else 0,
        )


class Part(NamedTuple):
    """A part of what a run takes; ``text`` says what it is for."""

    name: str
    n_bytes: int
    text: str


@dataclass(frozen=True, slots=True)
class Footprint:
    """Peak bytes of a run, part by part, in all processes together.

    ``process`` is this one before the run, ``mapped`` the file of its source, ``result`` what stays in it.
    ``working``, ``operator`` and ``blocks`` are taken by the regions that run at once: in this process, or in
    ``n_workers`` workers, which take ``workers`` while they do nothing. ``blocks`` are those of sources that
    are kept for several strips. ``relay`` is what this process takes
    of blocks on their way from the workers; ``assembly`` is taken when all regions are done.
    """

    process: int
    mapped: int
    working: int
    operator: int
    result: int
    workers: int
    relay: int
    assembly: int
    n_workers: int
    memory_limit: int
    blocks: int = 0

    @property
    def total(self) -> int:
        """Bytes at the peak: that of this process and, added to it, those of the workers.

        What an operator has once taken may stay: libraries, a model, a cache. Of working memory, what
        libraries and GDAL keep stays where the result is put together.
        """
        regions = self.working + self.blocks + self.operator
        here = self.process + self.mapped + self.result
        if self.n_workers:
            return here + max(self.relay, self.assembly) + self.workers + regions
        kept = min(self.working, KEPT_BYTES) if self.assembly else 0
        return here + self.operator + max(self.working + self.blocks, kept + self.assembly)

    @property
    def whose(self) -> str:
        """Which processes it is of, in words."""
        return f"this process and {self._workers}" if self.n_workers else "the whole process"

    @property
    def _workers(self) -> str:
        return "1 worker" if self.n_workers == 1 else f"{self.n_workers} workers"

    def __str__(self) -> str:
        lines = [f"memory     {format_bytes(self.total)} at the peak of {self.whose}:"]
        lines += [f"{part.name:9s}  {format_bytes(part.n_bytes)}: {part.text}" for part in self.parts()]
        return "\n".join(lines)

    def parts(self) -> list[Part]:
        """Return the parts that take something, in words."""
        limit = format_bytes(self.memory_limit)
        each = f", in {self._workers}" if self.n_workers else ""
        every = [
            Part("process", self.process, "interpreter and libraries before the run"),
            Part("mapped", self.mapped, "the source's file, which the system may take back"),
            Part("workers", self.workers, f"interpreter and libraries of {self._workers}"),
            Part("working", self.working, f"rows of blocks, patches, buffers{each}; memory_limit is {limit}"),
            Part("blocks", self.blocks, f"of sources, decoded, as several strips are warped from them{each}"),
            Part("operator", self.operator, f"beyond what it is given and returns{each}"),
            Part("relay", self.relay, "blocks on their way from the workers into this process"),
            Part("result", self.result, "all of it in memory"),
            Part("assembly", self.assembly, "at the end, when rows of blocks are given back"),
        ]
        return [part for part in every if part.n_bytes]


def footprint_of(
    setting: Setting,
    model: MemoryModel,
    n_cells: int,
    region: tuple[int, int],
    n_regions: int,
    memory_limit: int,
) -> Footprint:
    """Return what a run takes whose widest ``region`` is ``(height, width)``, and its result ``n_cells``."""
    growth = model.growth_bytes
    if setting.n_workers:  # which read even what is in memory here
        n_at_once, (height, width), alone = setting.n_at_once, setting.task, False
        taken = replace(model, views=False).taken_for(width, height, alone=alone)
    else:
        n_at_once, (height, width), alone = 1, region, n_regions == 1
        taken = model.taken_for(width, height, alone=alone)
    blocks = model.blocks_for(width, height, setting.share_bytes or memory_limit, alone=alone)
    cell_bytes = model.out_bytes + (model.valid_bytes if setting.gaps else 0)
    return Footprint(
        process=setting.idle_bytes,
        mapped=setting.mapped_bytes,
        working=n_at_once * (taken - growth),
        operator=n_at_once * growth + max(1, setting.n_workers) * setting.kept_bytes,
        result=n_cells * cell_bytes if setting.in_memory else 0,
        workers=setting.n_workers * setting.worker_bytes,
        relay=setting.relay_bytes,
        assembly=setting.assembly_bytes,
        n_workers=setting.n_workers,
        memory_limit=memory_limit,
        blocks=n_at_once * blocks,
    )
