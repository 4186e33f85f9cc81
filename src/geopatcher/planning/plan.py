"""The plan: an immutable value that says what a run will do and cost."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from geopatcher.core.box import Box
from geopatcher.core.html_cards import card, corner_of, facts_of
from geopatcher.core.leading import text_of
from geopatcher.errors import IncompleteScanConfiguration
from geopatcher.planning.anchors import Lattice, straddling
from geopatcher.planning.blocks import BlockGrid, Coverage
from geopatcher.planning.footprint import Footprint, Setting, footprint_of
from geopatcher.planning.memory import CUT_TO, MemoryModel, format_bytes
from geopatcher.planning.padding import fill_value
from geopatcher.planning.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from geopatcher.core.domain import RasterDomain
    from geopatcher.planning.anchors import AnchorSet, Strip


#: Borders of regions at which the patches that straddle them are counted; where there are more, as of a
#: raster whose header lies about its size, those in between are taken to be like these.
COUNTED = 1000


@dataclass(frozen=True)
class Plan:
    """Anchors laid over the grid of output blocks; nothing has been read.

    Made by `geopatcher.plan`; ``print`` it to read it.

    Parameters
    ----------
    domain
        The raster's grid, dtype and nodata.
    anchors
        Where the patches sit, as arithmetic or as a list.
    boundary
        What becomes of the last patch of a row or column, such as ``"cover"``.
    pad_value
        What ``boundary="pad"`` fills with; ``None`` is what `filling` says.
    chunks
        ``(rows, columns)`` in pixels of an output block: what is written at once.
    region
        The pixels this plan produces: the whole raster, or the blocks `restrict` left.
    model
        The sizes that decide memory and disk.
    memory_limit
        Bytes for the working memory of the regions that run at once.
    source_name
        What messages call the source, ``"source"`` by default.
    setting
        Where the run takes place; nothing is known of that by default.
    n_cut
        Into how many regions a run was cut that has begun, 0 (by default) before.
    reading
        What is read of the source for each patch; all else is in pixels of the result.
    around
        Pixels of the source beyond the grid: above, below, left and right; none by default.

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
    setting: Setting = field(default=Setting(), compare=False)
    n_cut: int = field(default=0, compare=False)
    reading: Reading = field(default=Reading())
    around: tuple[int, int, int, int] = (0, 0, 0, 0)

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
        if self.n_cut:
            return self.n_cut
        n_cols = -(-self.region.col1 // self.chunks[1]) - self.region.col0 // self.chunks[1]
        height, width = self.region.shape
        limit = self.model.allowed(self.memory_limit, height)
        if self.model.bytes_for(width, height) <= limit:
            return 1
        widest = self.model.widest(limit, height, width) // self.chunks[1]
        if n_cols > widest > 1:
            least = self.model.bytes_for(self.chunks[1], height, alone=False)
            wanted = int(CUT_TO * self.memory_limit) + limit - self.memory_limit
            widest = self.model.widest(max(wanted, least), height) // self.chunks[1]
        return max(1, -(-n_cols // widest))

    def regions(self) -> Iterator[Plan]:
        """Yield the column regions, left to right, each of whole blocks and of nearly equal width.

        Yields
        ------
        Plan
            That of one region.

        """
        for lo, hi in itertools.pairwise(map(self._border, range(self.n_regions + 1))):
            yield self.restrict(Box(self.region.row0, self.region.row1, lo, hi))

    def _border(self, number: int) -> int:
        """Return the column at which a region begins."""
        first = self.region.col0 // self.chunks[1]
        n_cols = -(-self.region.col1 // self.chunks[1]) - first
        return (first + n_cols * number // self.n_regions) * self.chunks[1]

    @property
    def overhead(self) -> float:
        """Share of patches computed more than once because they straddle column regions."""
        if self.n_regions == 1 or not self.n_patches:
            return 0.0
        n_borders = self.n_regions - 1
        counted = min(n_borders, COUNTED)
        numbers = (1 + n_borders * i // counted for i in range(counted))
        n_twice = sum(straddling(self.anchors, self.region, self._border(number)) for number in numbers)
        return n_twice * n_borders / counted / self.n_patches

    @property
    def working_bytes(self) -> int:
        """Peak bytes of one region at a time above the idle process, for the widest: what the limit is for.

        A raster that is full of data is assumed; one that is mostly empty takes less.
        """
        taken = self.model.bytes_for(self._widest, self.region.height, alone=self.n_regions == 1)
        return taken + self.blocks_bytes

    @property
    def blocks_bytes(self) -> int:
        """Bytes kept of decoded blocks that several strips are warped from, as the limit leaves room."""
        alone = self.n_regions == 1
        return self.model.blocks_for(self._widest, self.region.height, self._share, alone=alone)

    @property
    def _share(self) -> int:
        return self.setting.share_bytes or self.memory_limit

    @property
    def room_bytes(self) -> int:
        """Bytes that a call of the operator may take beside the widest region and the patches in hand."""
        return self._share - self.working_bytes + self.model.growth_bytes

    @property
    def _widest(self) -> int:
        """Columns of the widest region."""
        n_cols = -(-self.region.col1 // self.chunks[1]) - self.region.col0 // self.chunks[1]
        return min(-(-n_cols // self.n_regions) * self.chunks[1], self.region.width)

    @property
    def footprint(self) -> Footprint:
        """What the run takes, part by part; see `memory_bytes`."""
        cells = self.domain.height * self.domain.width
        region = (self.region.height, self._widest)
        return footprint_of(self.setting, self.model, cells, region, self.n_regions, self.memory_limit)

    @property
    def memory_bytes(self) -> int:
        """Peak bytes the run takes, all in all: the resident size of this process and of every worker.

        That is more than ``memory_limit``, which is for the working memory (`working_bytes`) of the regions
        that run at once. On top come the interpreter and the libraries, a result that stays in memory, what
        the operator takes by itself, the processes of workers, and the assembly of a GeoTIFF. The plan of a
        result (``result.plan``) knows the operator from its first batch; one made before the run assumes that
        it takes nothing beyond its arrays. `footprint` has the parts.
        """
        return self.footprint.total

    @property
    def disk_bytes(self) -> int:
        """Bytes of the result before compression."""
        return self.region.n_pixels * self.model.out_bytes

    def filling(self, dtype: np.dtype) -> float | int:
        """Return what ``boundary="pad"`` fills pixels with.

        Parameters
        ----------
        dtype
            Of the pixels.

        Returns
        -------
        float or int
            ``pad_value``; without one, of integers their nodata value, else 0.

        Raises
        ------
        ValueError
            Pixels of ``dtype`` cannot hold ``pad_value``.

        """
        return fill_value(self.pad_value, self.domain.nodata, dtype, self.source_name)

    def strips(self) -> Iterator[Strip]:
        """Yield the patches that touch the region, strip by strip from the top.

        Yields
        ------
        Strip
            Patches side by side, and the rows they need.

        """
        return self.anchors.strips(self.region)

    def reach(self, box: Box) -> Box:
        """Return the pixels of the source that the patches in ``box`` are made of.

        Those of their margins, too. What overhangs and is filled by reflection may look back beyond its own
        first row.

        Parameters
        ----------
        box
            Where the patches lie, in pixels of the result; it may overhang.

        Returns
        -------
        Box
            Inside the source, in its pixels.

        """
        return self.reading.reach(box, self.source_extent, self.boundary)

    @property
    def source_extent(self) -> Box:
        """All of the source that can be read, in its own pixels, counted from the corner of the grid."""
        return self.reading.nominal(Box.of_shape(self.domain.grid_shape)).grown(self.around)

    @property
    def extent(self) -> Box:
        """Where patches may lie whole: the grid, and what lies around it, in pixels of the result."""
        return self.reading.made_of(self.source_extent)

    def shown(self, box: Box) -> Box:
        """Return the rectangle an operator is shown of a patch.

        Parameters
        ----------
        box
            Where the patch lies, in pixels of the result.

        Returns
        -------
        Box
            In pixels of the source; it may overhang.

        """
        return self.reading.shown(box, self.source_extent, self.boundary)

    def with_model(self, model: MemoryModel, call_bytes: int = 0) -> Plan:
        """Return the plan for an operator of which more is known.

        Parameters
        ----------
        model
            The sizes that decide memory and disk.
        call_bytes
            What a call of the operator took beyond what it was given and returned; 0 by default.

        Returns
        -------
        Plan
            With these sizes.

        """
        fitted = replace(model, reading=self.reading).fitted(self._share, self.region.height)
        return replace(self, model=fitted.grown(call_bytes))

    def restrict(self, region: Box) -> Plan:
        """Return the plan for the blocks that touch ``region``, and the patches that touch those.

        Parameters
        ----------
        region
            Pixels of the raster.

        Returns
        -------
        Plan
            Its ``region`` is widened to whole blocks.

        Raises
        ------
        ValueError
            ``region`` holds no pixel of this plan.

        """
        whole = Box.of_shape(self.domain.grid_shape)
        snapped = region.intersect(whole).snap_out(self.chunks, whole).intersect(self.region)
        if not snapped.n_pixels:
            raise ValueError(f"region {region} holds no pixel of the plan's {self.region}")
        return replace(self, region=snapped, n_cut=0)

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
            f"{self.coverage} ({self.source_name}); {advice}, or pass allow_gaps=True "
            "(--allow-gaps) to leave nodata there"
        )

    def __repr__(self) -> str:
        height, width = self.shape
        patch = "x".join(map(str, self.anchors.patch_shape))
        return (
            f"Plan({self.source_name}, {height:,} x {width:,} pixels, {self.n_patches:,} patches of {patch})"
        )

    def __str__(self) -> str:
        height, width = self.shape
        patch = "x".join(map(str, self.anchors.patch_shape))
        read = "" if self.reading.is_plain else f", {self.reading}"
        in_one = "{} in a patch of {}x{}".format(format_bytes(self.model.seen_bytes), *self.model.seen)
        lines = [
            f"source     {self.source_name}",
            f"raster     {height:,} x {width:,} pixels",
            *([f"bands      {text_of(self.domain.leading)}: {in_one}"] if self.domain.leading else []),
            f"patches    {self.n_patches:,} of {patch}, overlap {self.overlap:.0%}{read}",
            f"coverage   {self.coverage}",
            f"blocks     {self.blocks.count:,} of {self.chunks[0]}x{self.chunks[1]}",
            f"regions    {self.n_regions:,} (patches computed twice: {self.overhead:.2%})",
            str(self.footprint),
            f"disk       {format_bytes(self.disk_bytes)} before compression",
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        sketch = corner_of((strip.boxes for strip in self.strips()), self.domain.grid_shape)
        return card("Plan", facts_of(str(self)), sketch)
