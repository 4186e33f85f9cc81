"""Patches over space and time: stitched over space, they are patches over time."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Protocol

import numpy as np

from geopatcher.core.patch import Patch, carriers
from geopatcher.fields.plain_field import array_of
from geopatcher.temporal.patch import TemporalPatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import HasShape
    from geopatcher.temporal.patch import SpatioTemporalPatch


class Stitches(Protocol):
    """What stitches patches over space: an aggregation of `geopatcher.SpatialPatcher`."""

    def merge(self, patches: Iterable[Patch[object]], domain: HasShape, /) -> object:
        """Return a field."""
        ...


class Weighs(Protocol):
    """What knows how much each step of a patch counts: a `geopatcher.TemporalPatcher`."""

    def weights_of(self, steps: slice) -> NDArray[np.floating]:
        """Return ``(steps,)`` floats."""
        ...


def _key(patch: SpatioTemporalPatch[object]) -> tuple[int, int, int]:
    steps = patch.temporal_indices
    return (patch.time, -1, -1) if steps is None else (patch.time, int(steps.start), int(steps.stop))


def grouped(
    patches: Iterable[SpatioTemporalPatch[object]], *, gather: bool
) -> Iterator[Iterable[SpatioTemporalPatch[object]]]:
    """Yield the patches of each window of steps: as they come, or, to ``gather``, from all over a stream.

    Raises
    ------
    ValueError
        Patches come that are not to be gathered, and those of the same steps have come before others.

    """
    if gather:
        found: dict[tuple[int, int, int], list[SpatioTemporalPatch[object]]] = {}
        for patch in carriers(patches):
            found.setdefault(_key(patch), []).append(patch)
        yield from found.values()
        return
    seen: set[tuple[int, int, int]] = set()
    for key, group in groupby(carriers(patches), _key):
        if key in seen:
            raise ValueError(
                f"patches at step {key[0]} come again after those of other steps: merge takes them step by "
                f"step, as split gives them; of a list, sorted(patches, key=lambda patch: patch.time)"
            )
        seen.add(key)
        yield group


def stitched(
    group: Iterable[SpatioTemporalPatch[object]], stitcher: Stitches, weighing: Weighs, domain: RasterDomain
) -> TemporalPatch[object]:
    """Return one field of the patches of some steps, as a patch over time."""
    patches = iter(group)
    first = next(patches)
    by_step = None if first.temporal_indices is None else weighing.weights_of(first.temporal_indices)
    leading = array_of(first.data).shape[:-2]

    def places() -> Iterator[Patch[object]]:
        yield _place(first, leading, by_step)
        for patch in patches:
            yield _place(patch, leading, by_step)

    field = stitcher.merge(places(), domain)
    if len(leading) != 1 and isinstance(field, np.ndarray):
        field = field.reshape(*leading, *domain.grid_shape)
    return TemporalPatch(field, first.time, first.temporal_indices, by_step)


def _place(
    patch: SpatioTemporalPatch[object], leading: tuple[int, ...], by_step: NDArray[np.floating] | None
) -> Patch[object]:
    """Return a patch with one axis of bands, and the weights of its pixels alone."""
    data = array_of(patch.data)
    if data.ndim < 2 or data.shape[:-2] != leading:
        raise ValueError(
            f"the patch at {patch.space}, step {patch.time}, is shaped {data.shape}, and those before it "
            f"{leading} before height and width: an operator gives all patches the same axes"
        )
    flat = data if data.ndim == 2 else data.reshape(-1, *data.shape[-2:])
    weights = patch.weights
    if weights is not None and weights.ndim == 3 and by_step is not None:
        newest = int(np.argmax(by_step))
        weights = weights[newest] / by_step[newest]
    return Patch(flat, patch.space, patch.spatial_indices, weights)
