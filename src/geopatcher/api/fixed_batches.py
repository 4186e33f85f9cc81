"""Patches in batches of one shape, for functions that are compiled for a shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from rasterio.windows import Window as RasterWindow

from geopatcher.api.stacking import stack_patches
from geopatcher.core.patch import Patch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from geopatcher.core.protocols import Array
    from geopatcher.fields.open import Source
    from geopatcher.planning.plan import Plan


class Splits(Protocol):
    """What a patcher is to batches."""

    def plan(self, field: Source) -> Plan:
        """Return the plan over a field."""
        ...

    def split(self, field: Source) -> Iterator[Patch[object]]:
        """Return the patches of a field."""
        ...


class BatchedPatch(NamedTuple):
    """Patches of one shape in arrays: a pytree of arrays for JAX, so that a jitted function takes it whole.

    Parameters
    ----------
    data
        ``(n, bands, h, w)``, or ``(n, h, w)`` of a field ``(height, width)``.
    anchors
        ``(n, 2)`` int64: row and column of each.
    valid
        ``(n,)`` booleans: false for what only fills up the last batch, whose cells and weights are 0.
    indices
        ``(n, 4)`` int64: row, column, height and width of each.
    weights
        The tapers ``(n, h, w)``; ``None`` for ones.

    """

    data: Array
    anchors: NDArray[np.int64]
    valid: NDArray[np.bool_]
    indices: NDArray[np.int64]
    weights: NDArray[np.floating] | None = None


@dataclass(frozen=True, eq=False)
class PatchBatches:
    """The patches of a field in batches: read anew whenever they are iterated; they carry their plan.

    Parameters
    ----------
    patcher
        Cuts the field.
    field
        What is cut.
    batch_size
        Patches of a batch.
    pad_last
        Whether the last batch is filled up.

    Raises
    ------
    ValueError
        ``batch_size`` is less than 1.

    """

    patcher: Splits
    field: Source
    batch_size: int
    pad_last: bool = True

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more, not {self.batch_size}")

    @property
    def plan(self) -> Plan:
        """The plan of the patches."""
        return self.patcher.plan(self.field)

    def __len__(self) -> int:
        return math.ceil(self.plan.n_patches / self.batch_size)

    def __iter__(self) -> Iterator[BatchedPatch]:
        patches = self.patcher.split(self.field)
        while group := list(islice(patches, self.batch_size)):
            yield batch_of(group, self.batch_size if self.pad_last else len(group))


def batch_split(patcher: Splits, field: Source, *, batch_size: int, pad_last: bool = True) -> PatchBatches:
    """Return the patches of a field in batches that are all of one shape.

    Nothing is read before the batches are iterated, and one batch is held at a time.

    Parameters
    ----------
    patcher
        A `geopatcher.SpatialPatcher`; one with ``boundary="shrink"`` may give patches that do not stack.
    field
        Anything it splits.
    batch_size
        Patches of a batch.
    pad_last
        Whether the last batch is filled up, with cells and weights of 0 that are not ``valid``. A function
        compiled for a shape is then compiled once.

    Returns
    -------
    PatchBatches
        An iterable of `BatchedPatch`, with a length and a ``plan``.

    Raises
    ------
    ValueError
        ``batch_size`` is less than 1; while iterating, patches differ in shape.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import (SpatialPatcher, SpatialRectangular, SpatialRegularStride,
    ...     SpatialHann, SpatialOverlapAdd)
    >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
    ...     SpatialOverlapAdd())
    >>> image = np.arange(600.0).reshape(20, 30)
    >>> batches = batch_split(patcher, image, batch_size=16)
    >>> [(batch.data.shape, int(batch.valid.sum())) for batch in batches]
    [((16, 8, 8), 16), ((16, 8, 8), 12)]
    >>> doubled = (patch for batch in batches for patch in unbatch(batch, 2 * batch.data))
    >>> bool(np.allclose(patcher.merge(doubled, image), 2 * image))
    True

    """
    return PatchBatches(patcher, field, batch_size, pad_last)


def unbatch(batch: BatchedPatch, data: ArrayLike | None = None) -> list[Patch[Array]]:
    """Return the patches of a batch, without those that only fill it up.

    Parameters
    ----------
    batch
        One of `batch_split`.
    data
        What the patches are to carry, ``(n, …)``, such as a model's results; the batch's own by default.

    Returns
    -------
    list of geopatcher.Patch
        In their order.

    Raises
    ------
    ValueError
        ``data`` is of another number of patches.

    """
    cells = np.asarray(batch.data if data is None else data)
    if cells.ndim < 1 or len(cells) != len(batch.valid):
        raise ValueError(f"data shaped {cells.shape} is not one value for each of {len(batch.valid)} patches")
    return [
        Patch(
            cells[number],
            (int(row), int(col)),
            RasterWindow(int(col), int(row), int(width), int(height)),
            None if batch.weights is None else batch.weights[number],
        )
        for number, (row, col, height, width) in enumerate(batch.indices)
        if batch.valid[number]
    ]


def batch_of(patches: list[Patch[object]], length: int) -> BatchedPatch:
    """Return patches in arrays of ``length``, filled up with zeros.

    Raises
    ------
    ValueError
        Patches differ in shape, or one does not say where it lies.

    """
    stacked = stack_patches(patches)
    rectangles = np.asarray([_rectangle(patch) for patch in patches], dtype=np.int64)
    tapers = [patch.weights for patch in patches if patch.weights is not None]
    return BatchedPatch(
        data=_filled(np.asarray(stacked), length),
        anchors=_filled(stacked.anchors, length),
        valid=_filled(np.ones(len(patches), dtype=bool), length),
        indices=_filled(rectangles, length),
        weights=_filled(np.stack(tapers), length) if len(tapers) == len(patches) else None,
    )


def _rectangle(patch: Patch[object]) -> tuple[int, int, int, int]:
    window = patch.indices
    if window is None:
        raise ValueError(f"the patch at {patch.anchor} has no indices, which say where it lies")
    return int(window.row_off), int(window.col_off), int(window.height), int(window.width)


def _filled(array: Array, length: int) -> Array:
    missing = length - len(array)
    return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)]) if missing else array
