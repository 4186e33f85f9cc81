"""Patches as Dask tasks, for people with their own graph: one or a batch of them, read inside the task."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from geopatcher._optional import load
from geopatcher.api.split import Held, patch_of, window_of
from geopatcher.core.box import Box
from geopatcher.core.containment import contained, told
from geopatcher.engine.cuts import cut_patches
from geopatcher.engine.prepare import name_of
from geopatcher.errors import OperatorError
from geopatcher.operators.positioning import position_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from dask.delayed import Delayed
    from numpy.typing import NDArray

    from geopatcher.core.patch import Patch
    from geopatcher.core.protocols import Array, SourceField
    from geopatcher.planning.plan import Plan

#: A batch is read as one rectangle where that holds at most this many times its patches' pixels.
SPARSE = 2


@dataclass(frozen=True, eq=False)
class Cutting:
    """What the patches of a field are cut with; travels to each worker once."""

    field: SourceField[object]
    plan: Plan
    weights: NDArray[np.floating]
    operator: Callable[..., Array] | None = None

    def batch(self, boxes: Sequence[Box]) -> list[Patch[object]]:
        """Read a batch of patches, and apply the operator to the data of each."""
        patches = [
            patch_of(data, box, self.weights if crop is None else self.weights[crop])
            for data, box, crop in self._pieces(boxes)
        ]
        return [patch.with_data(self._operated(patch)) for patch in patches]

    def _operated(self, patch: Patch[object]) -> object:
        """Return the operator's result; a ``sys.exit()`` in it must not end a worker of a cluster."""
        if self.operator is None:
            return patch.data
        try:
            position = position_for(self.operator, self.plan.domain, patch.indices)
            return contained(partial(self.operator, patch.data, *position))
        except Exception as error:
            raise OperatorError(
                f"{name_of(self.operator)} failed on the patch at {patch.anchor} of "
                f"{self.field.source.name}: {told(error)}"
            ) from error

    def _pieces(self, boxes: Sequence[Box]) -> Iterator[tuple[object, Box, tuple[slice, slice] | None]]:
        around = self.plan.reach(_around(boxes))
        dense = around.n_pixels <= SPARSE * sum(box.n_pixels for box in boxes)
        if self.field.gives_windows or not dense:
            for box in boxes:
                yield window_of(self.field, self.plan, box)
            return
        for cut in cut_patches(self.plan, boxes, Held.of(self.field.source, around)):
            yield self.field.dress(cut.pixels, cut.box), cut.box, cut.crop


class _One:
    """A task: the rectangle of a patch."""

    def __init__(self, box: Box) -> None:
        self.box = box

    def __call__(self, cutting: Cutting) -> Patch[object]:
        """Return the patch."""
        (patch,) = cutting.batch([self.box])
        return patch


class _Batch:
    """A task: the rectangles of some patches. Not a dataclass, which Dask would look into."""

    def __init__(self, boxes: Sequence[Box]) -> None:
        self.boxes = tuple(boxes)

    def __call__(self, cutting: Cutting) -> list[Patch[object]]:
        """Return the patches."""
        return cutting.batch(self.boxes)


def delayed_patches(cutting: Cutting, batch_size: int | None) -> list[Delayed]:
    """Return one Dask task per patch, or per batch of up to ``batch_size`` neighbouring patches of a row.

    Raises
    ------
    ValueError
        ``batch_size`` is less than 1.

    """
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, not {batch_size}")
    delayed = load("dask").delayed
    name = f"geopatcher-{uuid.uuid4().hex[:12]}"
    shared = delayed(cutting, name=f"{name}-field", traverse=False)
    batches = _batches(cutting.plan, batch_size or 1)
    tasks = ((_One(boxes[0]) if batch_size is None else _Batch(boxes)) for boxes in batches)
    return [
        delayed(task, name=f"{name}-task-{index}", traverse=False)(shared, dask_key_name=f"{name}-{index}")
        for index, task in enumerate(tasks)
    ]


def _batches(plan: Plan, size: int) -> Iterator[list[Box]]:
    for strip in plan.strips():
        for first in range(0, len(strip.boxes), size):
            last = min(first + size, len(strip.boxes))
            yield [strip.boxes[index] for index in range(first, last)]


def _around(boxes: Sequence[Box]) -> Box:
    return Box(
        min(box.row0 for box in boxes),
        max(box.row1 for box in boxes),
        min(box.col0 for box in boxes),
        max(box.col1 for box in boxes),
    )
