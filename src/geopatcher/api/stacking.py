"""Patches in one array."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.fields.plain_field import array_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import EllipsisType

    from numpy.typing import NDArray

    from geopatcher.core.patch import Patch
    from geopatcher.core.protocols import Array


@dataclass(frozen=True, eq=False)
class PatchBatch:
    """Patches in one array: what NumPy and others take for an array ``(n, …)``.

    Parameters
    ----------
    data
        ``(n, …)``: what the patches carry, one after the other.
    anchors
        ``(n, 2)`` int64: row and column of each.

    Examples
    --------
    >>> import numpy as np
    >>> batch = PatchBatch(np.zeros((2, 3, 8, 8)), np.array([[0, 0], [0, 8]]))
    >>> batch.shape, len(batch), np.asarray(batch).mean(axis=(1, 2, 3)).tolist()
    ((2, 3, 8, 8), 2, [0.0, 0.0])

    """

    data: Array
    anchors: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """That of ``data``."""
        return self.data.shape

    @property
    def dtype(self) -> np.dtype:
        """That of ``data``."""
        return self.data.dtype

    @property
    def ndim(self) -> int:
        """That of ``data``."""
        return self.data.ndim

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Array]:
        return iter(self.data)

    def __getitem__(self, index: int | slice | tuple[int | slice | EllipsisType, ...]) -> Array:
        part: Array = self.data[index]
        return part

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> Array:
        """Return ``data``; a copy of it only where one is needed or asked for."""
        return np.array(self.data, dtype=dtype) if copy else np.asarray(self.data, dtype=dtype)


def stack_patches(patches: Iterable[Patch[object]], attr: str = "data") -> PatchBatch:
    """Stack what patches carry into an array ``(n, …)``: of ``(bands, h, w)`` one of ``(n, bands, h, w)``.

    Lazy readers are read; dtypes are promoted as NumPy does; a batch with a masked patch is masked. As
    ``collate_fn`` of a `torch.utils.data.DataLoader` over a `geopatcher.IndexedPatchView`, it makes the
    batches.

    Parameters
    ----------
    patches
        Any iterable of patches of one shape.
    attr
        What is stacked: ``"data"``, ``"weights"``, or another attribute of the patches.

    Returns
    -------
    PatchBatch
        An array-like with a ``shape``; its ``data`` is the array, its ``anchors`` are ``(n, 2)``.

    Raises
    ------
    ValueError
        There are no patches, their shapes differ, or one has no such thing.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import Patch, stack_patches
    >>> batch = stack_patches([Patch(np.zeros((3, 8, 8)), (0, col), None) for col in (0, 8)])
    >>> batch.shape, np.asarray(batch).dtype, batch.anchors.tolist()
    ((2, 3, 8, 8), dtype('float64'), [[0, 0], [0, 8]])

    """
    asked = attrgetter(attr)
    arrays: list[Array] = []
    anchors = []
    for patch in patches:
        carried = asked(patch)
        if carried is None:
            raise ValueError(f"the patch at {patch.anchor} has no {attr}: it is None")
        arrays.append(array_of(carried))
        anchors.append(patch.anchor)
        if arrays[-1].shape != arrays[0].shape:
            raise ValueError(
                f"patches of different shapes cannot be stacked: the one at {anchors[0]} is "
                f"{arrays[0].shape}, the one at {patch.anchor} is {arrays[-1].shape}; "
                f'boundary="cover", "pad" and "reflect" give patches of one shape'
            )
    if not arrays:
        raise ValueError("there are no patches to stack")
    masked = any(isinstance(array, np.ma.MaskedArray) for array in arrays)
    stacked = np.ma.stack(arrays) if masked else np.stack(arrays)
    return PatchBatch(stacked, np.asarray(anchors, dtype=np.int64))
