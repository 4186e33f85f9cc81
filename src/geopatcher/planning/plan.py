"""The plan: an immutable value that says what a run will do and cost."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from geopatcher.axis import Axis
from geopatcher.box import Box
from geopatcher.errors import IncompleteScanConfiguration
from geopatcher.notebook import card, corner_of, facts_of
from geopatcher.planning.anchors import Lattice, Listed
from geopatcher.planning.memory import MemoryModel, format_bytes
from geopatcher.protocols import LatticeSampler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geopatcher.domain import RasterDomain
    from geopatcher.planning.anchors import AnchorSet, Strip
    from geopatcher.protocols import HasShape, RectGeometry, Sampler


#: Share of the memory limit that the regions of a run take, where one region does not fit.
CUT_TO = 0.75


@dataclass(frozen=True, slots=True)
class BlockGrid:
    """The output blocks of a region: counted, iterated and sliced without being listed."""

    region: Box
    chunks: tuple[int, int]

    def __len__(self) -> int:
        rows, cols = self.chunks
        n_rows = -(-self.region.row1 // rows) - self.region.row0 // rows
        n_cols = -(-self.region.col1 // cols) - self.region.col0 // cols
        return n_rows * n_cols if self.region.n_pixels else 0

    def __iter__(self) -> Iterator[Box]:
        return self.region.tiles(self.chunks)

    def rows(self) -> Iterator[Box]:
        """Yield whole rows of blocks, as wide as the region."""
        return self.region.tiles((self.chunks[0], max(1, self.region.col1)))


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a region the patches reach."""

    n_pixels: int
    uncovered: int

    @property
    def fraction(self) -> float:
        """Share of the pixels under at least one patch, 0 to 1."""
        return 1.0 - self.uncovered / self.n_pixels if self.n_pixels else 1.0

    @property
    def complete(self) -> bool:
        """Whether no pixel is left out."""
        return self.uncovered == 0

    def __str__(self) -> str:
        if self.complete:
            return f"all {self.n_pixels:,} pixels"
        return f"{self.uncovered:,} of {self.n_pixels:,} pixels are left out"


@dataclass(frozen=True)
class Plan:
    """Anchors laid over the grid of output blocks; nothing has been read.

    Made by `geopatcher.plan`. ``region`` is what this plan produces: the whole raster, or the
    blocks `restrict` left. ``model`` holds the sizes that decide memory and disk.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> plan = geopatcher.plan(np.zeros((1000, 2000), "uint16"), size=256, step=128)
    >>> plan.n_patches, len(plan.blocks), plan.coverage.complete
    (105, 8, True)
    >>> from geopatcher import Box
    >>> plan.restrict(Box(0, 10, 0, 10)).region
    Box(row0=0, row1=512, col0=0, col1=512)

    """

    domain: RasterDomain
    anchors: AnchorSet
    boundary: str
    pad_value: float | None
    chunks: tuple[int, int]
    region: Box
    model: MemoryModel
    memory_limit: int
    source_name: str = field(default="source", compare=False)

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` of the region."""
        return self.region.shape

    @property
    def n_patches(self) -> int:
        """Patches that touch the region."""
        return self.anchors.count_in(self.region)

    @property
    def blocks(self) -> BlockGrid:
        """Output blocks of the region."""
        return BlockGrid(self.region, self.chunks)

    @cached_property
    def coverage(self) -> Coverage:
        """Pixels of the region under at least one patch."""
        return Coverage(self.region.n_pixels, self.anchors.uncovered(self.region))

    @property
    def overlap(self) -> float:
        """Overlap of neighbours along an axis, 0 to 1: ``1 - step / size`` on a lattice."""
        if isinstance(self.anchors, Lattice):
            axes = (self.anchors.rows, self.anchors.cols)
            return max(0.0, *(1.0 - axis.step / axis.size for axis in axes))
        height, width = self.anchors.patch_shape
        seen = self.n_patches * height * width / max(1, self.region.n_pixels)
        return max(0.0, 1.0 - seen**-0.5) if seen else 0.0

    @cached_property
    def n_regions(self) -> int:
        """Column regions the run is cut into to keep the memory limit.

        A run that has to be cut is cut to `CUT_TO` of the limit, so that twice the width does not come
        nearer to it.
        """
        n_cols = -(-self.region.col1 // self.chunks[1]) - self.region.col0 // self.chunks[1]
        height, width = self.region.shape
        if self.model.bytes_for(width, height) <= self.memory_limit:
            return 1
        widest = self.model.widest(self.memory_limit, height, width) // self.chunks[1]
        if n_cols > widest > 1:
            least = self.model.bytes_for(self.chunks[1], height, alone=False)
            widest = self.model.widest(max(int(CUT_TO * self.memory_limit), least), height) // self.chunks[1]
        return max(1, -(-n_cols // widest))

    def regions(self) -> Iterator[Plan]:
        """Yield the column regions, left to right, each of whole blocks and of nearly equal width."""
        first = self.region.col0 // self.chunks[1]
        n_cols = -(-self.region.col1 // self.chunks[1]) - first
        edges = [first + n_cols * i // self.n_regions for i in range(self.n_regions + 1)]
        for lo, hi in itertools.pairwise(edges):
            cols = Box(self.region.row0, self.region.row1, lo * self.chunks[1], hi * self.chunks[1])
            yield self.restrict(cols)

    @property
    def overhead(self) -> float:
        """Share of patches computed more than once because they straddle column regions."""
        if self.n_regions == 1 or not self.n_patches:
            return 0.0
        return sum(region.n_patches for region in self.regions()) / self.n_patches - 1.0

    @property
    def memory_bytes(self) -> int:
        """Peak bytes of the run above the idle process, for its widest region.

        A raster that is full of data is assumed; one that is mostly empty takes less. A result in memory,
        of `disk_bytes`, comes on top.
        """
        n_cols = -(-self.region.col1 // self.chunks[1]) - self.region.col0 // self.chunks[1]
        width = min(-(-n_cols // self.n_regions) * self.chunks[1], self.region.width)
        return self.model.bytes_for(width, self.region.height, alone=self.n_regions == 1)

    @property
    def disk_bytes(self) -> int:
        """Bytes of the result before compression."""
        return self.region.n_pixels * self.model.out_bytes

    def strips(self) -> Iterator[Strip]:
        """Yield the patches that touch the region, strip by strip from the top."""
        return self.anchors.strips(self.region)

    def reach(self, box: Box) -> Box:
        """Return the pixels of the raster that the patches in ``box`` are made of.

        A patch that overhangs and is filled by reflection may look back beyond its own first row.
        """
        height, width = self.domain.grid_shape
        if self.boundary not in ("cover", "reflect"):
            return box.intersect(Box(0, height, 0, width))
        return Box(*_mirrored(box.row0, box.row1, height), *_mirrored(box.col0, box.col1, width))

    def restrict(self, region: Box) -> Plan:
        """Return the plan for the blocks that touch ``region``, and the patches that touch those.

        Raises
        ------
        ValueError
            ``region`` holds no pixel of this plan.

        """
        whole = Box.of_shape(self.domain.grid_shape)
        snapped = region.intersect(whole).snap_out(self.chunks, whole).intersect(self.region)
        if not snapped.n_pixels:
            raise ValueError(f"region {region} holds no pixel of the plan's {self.region}")
        return replace(self, region=snapped)

    def require_coverage(self) -> None:
        """Refuse a plan that leaves pixels out.

        Raises
        ------
        IncompleteScanConfiguration
            Names how many pixels, why, and what to change.

        """
        if self.coverage.complete:
            return
        height, width = self.anchors.patch_shape
        advice = f'use step <= size (size is {height}x{width}) with boundary="cover"'
        if isinstance(self.anchors, Lattice):
            steps = f"step is {self.anchors.rows.step}x{self.anchors.cols.step}, boundary={self.boundary!r}"
            advice = f"{steps}: {advice}"
        raise IncompleteScanConfiguration(
            f"{self.coverage} ({self.source_name}); {advice}, or pass allow_gaps=True to leave nodata there"
        )

    def __str__(self) -> str:
        height, width = self.shape
        patch = "x".join(map(str, self.anchors.patch_shape))
        lines = [
            f"source     {self.source_name}",
            f"raster     {height:,} x {width:,} pixels",
            f"patches    {self.n_patches:,} of {patch}, overlap {self.overlap:.0%}",
            f"coverage   {self.coverage}",
            f"blocks     {len(self.blocks):,} of {self.chunks[0]}x{self.chunks[1]}",
            f"regions    {self.n_regions:,} (patches computed twice: {self.overhead:.2%})",
            f"memory     {format_bytes(self.memory_bytes)} of {format_bytes(self.memory_limit)}",
            f"disk       {format_bytes(self.disk_bytes)} before compression",
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        sketch = corner_of((strip.boxes for strip in self.strips()), self.domain.grid_shape)
        return card("Plan", facts_of(str(self)), sketch)


def _mirrored(lo: int, hi: int, length: int) -> tuple[int, int]:
    """Return what ``[lo, hi)`` shows of an axis that is mirrored about its first and last pixel."""
    first = min(lo, length - 1 - max(0, hi - length))
    stop = max(hi, 1 - min(0, lo))
    return max(0, first), min(length, stop)


def place(domain: HasShape, geometry: RectGeometry, sampler: Sampler) -> AnchorSet:
    """Lay a sampler's anchors over a raster: as arithmetic where it can, as a list where it must."""
    if isinstance(sampler, LatticeSampler):
        rows, cols = sampler.lattice(domain, geometry)
        return Lattice(rows, cols)
    height, width = domain.shape[-2:]
    return Listed.of(list(sampler.anchors(domain, geometry)), geometry.size, (height, width))


def lattice_of(
    shape: tuple[int, int], size: tuple[int, int], step: tuple[int, int], boundary: str
) -> Lattice:
    """Return the lattice of one size and step over a raster.

    >>> lattice_of((100, 100), (32, 32), (16, 16), "cover").count
    36
    """
    return Lattice(Axis(shape[0], size[0], step[0], boundary), Axis(shape[1], size[1], step[1], boundary))
