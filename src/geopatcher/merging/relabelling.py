"""Provisional numbers of objects as a source, and the operator that puts the final ones in their place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.accumulators.depth import UNKNOWN_FROM
from geopatcher.accumulators.instances import CODE, NUMBER, Coding, Numbered, Provisional
from geopatcher.core.leading import BAND, Dimension
from geopatcher.engine.output import Output
from geopatcher.engine.prepare import make_plan
from geopatcher.engine.sizing import Sizes
from geopatcher.fields.zarr_field import zarr_source
from geopatcher.patching.geometry import SpatialRectangular
from geopatcher.patching.samplers import SpatialRegularStride
from geopatcher.planning.anchors import Lattice, Listed
from geopatcher.targets.storage import ZarrStorage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from geopatcher.core.box import Box
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array, PixelSource
    from geopatcher.merging.joining import Numbers
    from geopatcher.planning.anchors import AnchorSet
    from geopatcher.planning.plan import Plan

#: Name of the store of provisional numbers, in a folder of its own.
STORE = "labels.zarr"


def provisional(anchors: AnchorSet, grid: tuple[int, int]) -> Provisional:
    """Return what gives the labels of patches provisional numbers on a grid of ``(height, width)``.

    Raises
    ------
    ValueError
        The patches do not overlap, so that nothing says which objects are the same.

    """
    depth = anchors.depth
    if isinstance(anchors, Listed) and depth >= UNKNOWN_FROM:
        depth = depth_of(anchors.boxes)
    if _are_apart(anchors, depth):
        raise ValueError(
            "aggregation='instances' joins objects where patches overlap, and these do not: use a step that "
            "is smaller than the size, such as half of it"
        )
    return Provisional(Coding.over(grid, anchors.patch_shape), max(1, depth))


def _are_apart(anchors: AnchorSet, depth: int) -> bool:
    """Return whether patches lie side by side along an axis."""
    if isinstance(anchors, Lattice):
        return any(axis.count > 1 and axis.step >= axis.size for axis in (anchors.rows, anchors.cols))
    return anchors.count > 1 and depth < 2


def depth_of(boxes: Array) -> int:
    """Return the most boxes over one cell; ``boxes`` is ``(n, 4)``: row0, row1, col0, col1.

    >>> depth_of(np.array([[0, 4, 0, 4], [1, 5, 1, 5], [3, 7, 3, 7], [5, 9, 0, 4]]))
    3
    """
    ordered = boxes[np.argsort(boxes[:, 0], kind="stable")]
    tops = ordered[:, 0]
    highest = int((boxes[:, 1] - boxes[:, 0]).max(initial=0))
    deepest = 0
    for top in np.unique(tops).tolist():  # a deepest cell can be moved up to where a box begins
        first, last = np.searchsorted(tops, (top - highest + 1, top + 1))
        here = ordered[first:last][ordered[first:last, 1] > top]
        ends = np.concatenate([here[:, 2] * 2 + 1, here[:, 3] * 2])
        signs = np.repeat([1, -1], len(here))
        deepest = max(deepest, int(np.cumsum(signs[np.argsort(ends, kind="stable")]).max(initial=0)))
    return deepest


def provisional_output(numbers: Provisional, chunks: tuple[int, int]) -> Output:
    """Return how provisional numbers are stored."""
    return Output(chunks=chunks, storage=ZarrStorage(), dims=(Dimension(BAND, numbers.n_levels),))


@dataclass(frozen=True)
class Settled:
    """An operator that gives provisional numbers their final ones.

    Parameters
    ----------
    numbers
        The final numbers.
    told
        What tells the operator that made the labels from others.

    """

    numbers: Numbers
    told: str

    def __call__(self, pixels: Array) -> Array:
        """Return the numbers of ``(1, h, w)`` cells."""
        return self.numbers.of(pixels)

    def fingerprint(self) -> str:
        """Return what tells the labels from others: the final numbers follow from them."""
        return self.told


@dataclass(frozen=True)
class LabelSource:
    """Provisional numbers that count, one band, as a source of pixels. The store need not be there yet.

    Parameters
    ----------
    path
        The store.
    domain
        The grid of the result.
    block_shape
        ``(height, width)`` in pixels of a chunk.
    name
        What messages call it.
    known
        What tells the numbers from others.
    apart_from
        Files that the labels were made of.

    """

    path: Path
    domain: RasterDomain
    block_shape: tuple[int, int]
    name: str
    known: Mapping[str, str | int | float] = field(default_factory=dict)
    apart_from: Sequence[Path] = ()
    _open: dict[str, PixelSource] = field(default_factory=dict, compare=False, repr=False)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open": {}}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)

    @property
    def has_nodata(self) -> bool:
        """Yes: 0 is no patch."""
        return True

    def read(self, box: Box) -> Array:
        """Return the numbers in a box, ``(1, h, w)``.

        Raises
        ------
        SourceError
            They cannot be read.

        """
        if not self._open:
            stored = zarr_source(self.path)
            flat = len(stored.domain.shape) == 2
            self._open["numbers"] = stored if flat else stored.select_bands([0])
        return self._open["numbers"].read(box)

    def valid(self, box: Box, pixels: Array) -> Array | None:
        """Return where there is a patch."""
        _ = box
        known: Array = pixels > 0
        return None if known.all() else known

    def identity(self) -> Mapping[str, str | int | float]:
        """Return what tells the numbers from others."""
        return self.known

    def files(self) -> Sequence[Path]:
        """Return the files that the labels were made of."""
        return self.apart_from


def label_source(
    folder: Path,
    grid: RasterDomain,
    chunks: tuple[int, int],
    name: str,
    known: Mapping[str, str | int | float],
    apart_from: Sequence[Path] = (),
) -> LabelSource:
    """Return the source of provisional numbers that are, or will be, in a folder."""
    domain = replace(grid.with_bands((), n_bands=1, dtype=CODE), nodata=None, leading=())
    return LabelSource(folder / STORE, domain, chunks, name, known, apart_from)


def settling_plan(
    source: LabelSource, blocks: tuple[int, int], region: Box | None, memory_limit: int
) -> Plan:
    """Return the plan that gives all cells their final numbers, a chunk at a time."""
    size = tuple(map(min, source.block_shape, source.domain.grid_shape))
    return make_plan(
        source,
        SpatialRectangular((size[0], size[1]), "shrink"),
        SpatialRegularStride(source.block_shape),
        Numbered(),
        chunks=blocks,
        memory_limit=memory_limit,
        sizes=Sizes(1, NUMBER),
        result_dtype=NUMBER,
        region=region,
    )
