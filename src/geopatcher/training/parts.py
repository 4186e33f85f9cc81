"""Parts of a raster that share no ground, to train, validate and test on: blocks, and a buffer between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import index
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from geopatcher.core.axis import pixel_pair
from geopatcher.core.config import Configured
from geopatcher.core.protocols import RectGeometry
from geopatcher.fields.open import as_field
from geopatcher.fields.plain_field import raster_domain
from geopatcher.patching.samplers import SpatialExplicit
from geopatcher.patching.samplers.base import fixed_seed
from geopatcher.planning.reading import mirrored
from geopatcher.training.drawing import draw_parts
from geopatcher.training.samplers import apportioned
from geopatcher.training.stratifying import class_counts_of_blocks, stratified
from geopatcher.training.strips import path_in_config, same_raster, told_raster

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import matplotlib.axes
    from numpy.typing import ArrayLike, NDArray

    from geopatcher.api.patcher import SpatialPatcher
    from geopatcher.core.protocols import HasShape
    from geopatcher.fields.open import Source

#: Seven blocks of ten to train on, and as many of the others to choose a model by as to test it on.
FRACTIONS = {"train": 0.7, "validation": 0.15, "test": 0.15}


@dataclass(frozen=True, init=False, eq=False, repr=False)
class SpatialBlockSplit(Configured):
    """Shares a raster out in square blocks: each block, with the patches in it, is of one part.

    Neighbouring pixels are alike, so patches to test on that lie among those that a model was trained on say
    little about new ground. Here a patch is of a part if it and the pixels around it lie in blocks of that
    part alone. No pixel of a patch of one part is within ``buffer`` rows and columns of a pixel of a patch of
    another: of 0 they share none. Patches that lie across parts are left out of all. (Blocks as in Roberts et
    al. (2017), "Cross-validation strategies for data with temporal, spatial, hierarchical, or phylogenetic
    structure".)

    Blocks are drawn; each part has its fraction of them, rounded. Parts of equal fractions are folds.

    Parameters
    ----------
    block_size
        ``(rows, columns)`` of a block in pixels, or one number for both: several times as large as a patch,
        or few patches lie within one part.
    buffer
        Pixels between patches of different parts, 0 or more: as far as pixels are alike, or a model sees.
    fractions
        The share of blocks of each part by its name; they sum up to 1. By default 0.7 of ``"train"``, 0.15 of
        ``"validation"`` and 0.15 of ``"test"``.
    seed
        A whole number, or ``None`` to draw one when this is made.
    stratify
        A raster of labels, as `SpatialBalanced` takes them: each part then gets its fraction of the pixels of
        each class, as nearly as whole blocks can (iterative stratification, Sechidis et al. (2011), "On the
        stratification of multi-label data"). It is read in two passes.
    ignore
        Classes that do not count for that.

    Raises
    ------
    ValueError
        A size is not positive, the buffer or the seed negative, or fractions are not positive or do not sum
        up to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import (SpatialBlockSplit, SpatialBoxcar, SpatialOverlapAdd, SpatialPatcher,
    ...     SpatialRectangular, SpatialRegularStride)
    >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialBoxcar(),
    ...     SpatialOverlapAdd())
    >>> image = np.zeros((3, 200, 200), "float32")
    >>> parts = SpatialBlockSplit(40, buffer=6, seed=0).assign(patcher, image)
    >>> {name: len(anchors) for name, anchors in parts.items()}, len(parts.left_out)
    ({'train': 1407, 'validation': 233, 'test': 263}, 498)
    >>> train = parts.patcher("train")  # cuts these patches, and no others
    >>> train.n_anchors(image)
    1407

    """

    block_size: tuple[int, int]
    buffer: int
    fractions: Mapping[str, float]
    seed: int
    stratify: Source | None
    ignore: tuple[int, ...]

    def __init__(
        self,
        block_size: ArrayLike,
        buffer: SupportsIndex = 0,
        fractions: Mapping[str, float] | None = None,
        seed: SupportsIndex | None = None,
        stratify: Source | None = None,
        ignore: Iterable[int] = (),
    ) -> None:
        shares = {str(name): float(share) for name, share in (fractions or FRACTIONS).items()}
        if min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-6:
            raise ValueError(
                f"fractions are positive and sum up to 1, as in {FRACTIONS}, and {shares} sum up to "
                f"{sum(shares.values()):g}"
            )
        if index(buffer) < 0:
            raise ValueError(f"buffer is a number of pixels, 0 or more, not {buffer!r}")
        object.__setattr__(self, "block_size", pixel_pair(block_size, "block_size"))
        object.__setattr__(self, "buffer", index(buffer))
        object.__setattr__(self, "fractions", shares)
        object.__setattr__(self, "seed", fixed_seed(seed))
        object.__setattr__(self, "stratify", stratify)
        object.__setattr__(self, "ignore", tuple(map(index, ignore)))

    def get_config(self) -> dict[str, object]:
        """Return the parameters by name, all JSON values; labels to stratify by as their path.

        Returns
        -------
        dict
            What `from_config` takes.

        Raises
        ------
        TypeError
            The labels are no path.

        """
        labels = None if self.stratify is None else path_in_config(self.stratify, "stratify")
        return {**self._settings(), "stratify": labels}

    def _settings(self) -> dict[str, object]:
        return {
            "block_size": list(self.block_size),
            "buffer": self.buffer,
            "fractions": dict(self.fractions),
            "seed": self.seed,
            "ignore": list(self.ignore),
        }

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SpatialBlockSplit):
            return NotImplemented
        return same_raster(self.stratify, other.stratify) and self._settings() == other._settings()

    def __hash__(self) -> int:
        return hash((self.block_size, self.buffer, self.seed))

    def __repr__(self) -> str:
        labels = None if self.stratify is None else told_raster(self.stratify)
        told = [*(f"{name}={value}" for name, value in self._settings().items()), f"stratify={labels}"]
        return f"SpatialBlockSplit({', '.join(told)})"

    def blocks(self, domain: HasShape) -> NDArray[np.int64]:
        """Return which part each block is of.

        Parameters
        ----------
        domain
            Of the raster; anything with a ``shape`` that ends in height and width.

        Returns
        -------
        numpy.ndarray
            ``(rows, columns)`` of blocks, int64: the number of the part, in the order of ``fractions``.

        Raises
        ------
        ValueError
            There are fewer blocks than parts, or a part would have none.
        SourceError
            The labels cannot be read, or lie nowhere on the domain.

        """
        shape = tuple(
            -(-length // size) for length, size in zip(domain.shape[-2:], self.block_size, strict=True)
        )
        n_blocks = shape[0] * shape[1]
        weights = np.array(list(self.fractions.values()))
        shares = apportioned(n_blocks, weights)
        if shares.min() < 1:
            name = list(self.fractions)[int(shares.argmin())]
            raise ValueError(
                f"the raster of {domain.shape[-2]}x{domain.shape[-1]} pixels has {n_blocks} blocks of "
                f"{self.block_size[0]}x{self.block_size[1]}, and {name!r} with a fraction of "
                f"{self.fractions[name]:g} would have none: take a smaller block_size"
            )
        random = np.random.default_rng(self.seed)
        if self.stratify is None:
            parts = random.permutation(np.repeat(np.arange(len(shares)), shares))
        else:
            counts = class_counts_of_blocks(self.stratify, domain, self.block_size, self.ignore)
            parts = stratified(counts, weights / weights.sum(), random)
        return parts.reshape(shape)

    def assign(self, patcher: SpatialPatcher[object], field: Source) -> SpatialParts:
        """Return which patches of a field are of which part; no pixel of the field is read.

        Parameters
        ----------
        patcher
            Says where patches sit, and how large they are.
        field
            Anything it splits.

        Returns
        -------
        SpatialParts
            Anchors by the name of their part.

        Raises
        ------
        TypeError
            Patches are no rectangles of a raster.
        ValueError
            There are too few blocks, or no patch lies within those of a part.
        SourceError
            The field or the labels cannot be read.

        """
        if not isinstance(patcher.geometry, RectGeometry):
            raise TypeError(f"blocks are shared out among rectangles, not {patcher.geometry!r}")
        opened = as_field(field)
        domain = raster_domain(opened.domain)
        blocks = self.blocks(domain)
        anchors = np.array(list(patcher.anchors(opened)), dtype=np.int64).reshape(-1, 2)
        of_patch = self._parts_of(_grounds(anchors, patcher.geometry, domain.grid_shape), blocks)
        members = {name: anchors[of_patch == number] for number, name in enumerate(self.fractions)}
        empty = [name for name, own in members.items() if not len(own)]
        if empty and len(anchors):
            height, width = patcher.geometry.size
            raise ValueError(
                f"none of {len(anchors)} patches of {height}x{width} lies within blocks of {empty[0]!r} "
                f"alone, with half the buffer of {self.buffer} around it: take a block_size above "
                f"{self.block_size[0]}x{self.block_size[1]}, a smaller buffer, more patches, or another seed"
            )
        return SpatialParts(self, patcher, domain.grid_shape, blocks, members, anchors[of_patch < 0])

    def _parts_of(self, grounds: NDArray[np.int64], blocks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the part of each patch by its pixels, -1 for none.

        Patches of two parts that each keep ``m`` pixels away from other parts' blocks have ``2 m`` between
        them: half the buffer is enough.
        """
        margin = -(-self.buffer // 2)
        first, last = np.moveaxis(grounds, -1, 0)
        first = np.maximum(first - margin, 0) // self.block_size
        stop = np.minimum((last + margin) // self.block_size + 1, blocks.shape)
        part = blocks[first[:, 0], first[:, 1]]
        n_blocks = (stop - first).prod(axis=1)
        found = np.full(len(grounds), -1, dtype=np.int64)
        for number in range(len(self.fractions)):
            before = np.pad((blocks == number).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
            of_it = (
                before[stop[:, 0], stop[:, 1]]
                - before[first[:, 0], stop[:, 1]]
                - before[stop[:, 0], first[:, 1]]
                + before[first[:, 0], first[:, 1]]
            )
            found[(part == number) & (of_it == n_blocks)] = number
        return found


@dataclass(frozen=True, eq=False, repr=False)
class SpatialParts(Mapping[str, list[tuple[int, int]]]):
    """The anchors of patches by the name of their part; see `SpatialBlockSplit.assign`.

    Parameters
    ----------
    split
        How they were shared out.
    of_patcher
        The patcher of all patches.
    grid_shape
        ``(height, width)`` of the raster.
    blocks
        The number of the part of each block, ``(rows, columns)``.
    members
        Anchors of each part, ``(n, 2)`` int64.
    without
        Anchors of those that are left out, ``(n, 2)`` int64.

    """

    split: SpatialBlockSplit
    of_patcher: SpatialPatcher[object]
    grid_shape: tuple[int, int]
    blocks: NDArray[np.int64]
    members: Mapping[str, NDArray[np.int64]]
    without: NDArray[np.int64]

    def __getitem__(self, name: str) -> list[tuple[int, int]]:
        return _pairs(self.members[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        told = ", ".join(f"{name}: {len(anchors):,}" for name, anchors in self.members.items())
        return f"SpatialParts({told} patches; {len(self.without):,} left out)"

    @property
    def left_out(self) -> list[tuple[int, int]]:
        """Anchors of patches that lie across parts, or too near to another one."""
        return _pairs(self.without)

    def sampler(self, name: str) -> SpatialExplicit:
        """Return a sampler of the anchors of a part.

        Parameters
        ----------
        name
            Of the part.

        Returns
        -------
        SpatialExplicit
            In the order of the patcher.

        """
        return SpatialExplicit(self.members[name])

    def patcher(self, name: str) -> SpatialPatcher[object]:
        """Return a patcher of the patches of a part, otherwise like the one of all.

        Parameters
        ----------
        name
            Of the part.

        Returns
        -------
        SpatialPatcher
            For a view, a data set, `SpatialPatcher.split`.

        """
        return replace(self.of_patcher, sampler=self.sampler(name))

    def plot(self, ax: matplotlib.axes.Axes | None = None) -> matplotlib.axes.Axes:
        """Draw the blocks of each part, pale, and its patches upon them; needs the extra ``viz``.

        Parameters
        ----------
        ax
            Where to draw; a figure of its own by default.

        Returns
        -------
        matplotlib.axes.Axes
            With a legend.

        """
        size = self.of_patcher.geometry.size
        return draw_parts(
            self.grid_shape, self.split.block_size, self.blocks, size, self.members, len(self.without), ax
        )


def _grounds(anchors: NDArray[np.int64], geometry: RectGeometry, grid: tuple[int, int]) -> NDArray[np.int64]:
    """Return the first and the last row and column that each patch is made of, ``(n, 2, 2)``.

    What overhangs and is filled by reflection may show more of the raster than lies under the patch.
    """
    grounds = np.empty((len(anchors), 2, 2), dtype=np.int64)
    for axis, (side, length) in enumerate(zip(geometry.size, grid, strict=True)):
        places, which = np.unique(anchors[:, axis], return_inverse=True)
        spans = [
            mirrored(place, place + side, length)
            if geometry.boundary == "reflect"
            else (max(0, place), min(place + side, length))
            for place in places.tolist()
        ]
        grounds[:, axis] = np.array(spans, dtype=np.int64).reshape(-1, 2)[which] - (0, 1)
    return grounds


def _pairs(anchors: NDArray[np.int64]) -> list[tuple[int, int]]:
    return [(row, col) for row, col in anchors.tolist()]
