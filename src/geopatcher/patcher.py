"""The patcher: geometry, sampler, window and aggregation, and what they do together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from rasterio.windows import Window as RasterWindow

from geopatcher.box import Box
from geopatcher.engine.contributions import cut_patches
from geopatcher.engine.rows import RowBuffer, read_units
from geopatcher.engine.stats import RunStats
from geopatcher.fields.array_source import ArraySource
from geopatcher.fields.dispatch import as_field
from geopatcher.fields.raster import RasterField
from geopatcher.fields.rasterio_source import RasterioSource
from geopatcher.patch import Patch
from geopatcher.policy import OnError, PatchErrorRecord
from geopatcher.verbs import plan as plan_of
from geopatcher.verbs import reconstruct

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator

    from geopatcher.aggregations.base import Mergeable
    from geopatcher.fields.dispatch import Source
    from geopatcher.planning.plan import Plan
    from geopatcher.protocols import Array, Field, HasShape, RectGeometry, Sampler, Window
    from geopatcher.result import Reconstruction
    from geopatcher.sinks.targets import ResultArray


class PatchStream(Iterator[Patch[object]]):
    """Patches made when asked for, in the order of the plan they carry."""

    def __init__(self, plan: Plan, patches: Generator[Patch[object], None, None]) -> None:
        self.plan = plan
        self._patches = patches

    def __next__(self) -> Patch[object]:
        return next(self._patches)

    def __len__(self) -> int:
        return self.plan.n_patches

    def close(self) -> None:
        """Stop, and release what reading holds."""
        self._patches.close()


@dataclass
class SpatialPatcher:
    """Cuts a field into patches and stitches patches into a field.

    Parameters
    ----------
    geometry, sampler, window, aggregation
        The four axes: what a patch is, where patches sit, how their cells count, and how they
        become one field.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import (SpatialPatcher, SpatialRectangular, SpatialRegularStride,
    ...     SpatialHann, SpatialOverlapAdd)
    >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
    ...     SpatialOverlapAdd())
    >>> image = np.arange(600.0).reshape(20, 30)
    >>> bool(np.allclose(patcher.merge(patcher.split(image), image), image))
    True

    """

    geometry: RectGeometry
    sampler: Sampler
    window: Window
    aggregation: Mergeable[object]
    on_error: OnError = "raise"
    max_retries: int = 0
    retry_on: tuple[type[Exception], ...] = (OSError, TimeoutError)
    capture_traceback: bool = True
    errors: list[PatchErrorRecord] = field(default_factory=list, init=False)

    def plan(self, source: Source) -> Plan:
        """Return the plan over a field; no pixel is read."""
        return plan_of(source, patcher=self)

    def split(self, source: Source) -> PatchStream:
        """Return the patches of a field, lazily and in the order of the plan they carry.

        A field over a georeader reader gives lazy readers as ``data``; a path or an array gives
        arrays, cut from strips that are read once.
        """
        source_field = as_field(source)
        plan = self.plan(source_field)
        return PatchStream(plan, self._patches(source_field, plan))

    def _patches(self, source: Field, plan: Plan) -> Generator[Patch[object], None, None]:
        weights = self.window.weights(self.geometry)
        for data, box in _select(source, plan) if _is_lazy(source, plan) else _cut(source, plan):
            inside = box.intersect(Box.of_shape(plan.domain.grid_shape)) if plan.boundary == "shrink" else box
            indices = RasterWindow(inside.col0, inside.row0, inside.width, inside.height)
            yield Patch(
                data=data,
                anchor=(box.row0, box.col0),
                indices=indices,
                weights=weights[: inside.height, : inside.width],
            )

    def merge(self, patches: Iterable[Patch[object]], domain: HasShape) -> ResultArray:
        """Stitch patches with this patcher's aggregation."""
        return self.aggregation.merge(patches, domain)

    def patch_at(self, source: Source, anchor: tuple[int, int]) -> Patch[object]:
        """Return the patch at one anchor."""
        source_field = as_field(source)
        height, width = self.geometry.size
        box = Box(anchor[0], anchor[0] + height, anchor[1], anchor[1] + width)
        inside = box.intersect(Box.of_shape(source_field.domain.grid_shape))
        window = RasterWindow(inside.col0, inside.row0, inside.width, inside.height)
        weights = self.window.weights(self.geometry)[: inside.height, : inside.width]
        return Patch(source_field.select(window), anchor, window, weights)

    def anchors(self, source: Source) -> Iterator[tuple[int, int]]:
        """Yield where patches sit, without reading any."""
        for strip in self.plan(source).strips():
            for box in strip.boxes:
                yield (box.row0, box.col0)

    def n_anchors(self, source: Source) -> int:
        """Return how many patches there are."""
        return self.plan(source).n_patches

    def reconstruct(
        self,
        source: Source,
        operator: Callable[[Array], Array],
        target: str | os.PathLike[str] | None = None,
    ) -> Reconstruction:
        """Run an operator over a field; see `geopatcher.reconstruct`."""
        return reconstruct(source, operator, target, patcher=self)


def _is_lazy(source: Field, plan: Plan) -> bool:
    """Whether `select` gives something better than an array, and nothing needs padding."""
    if isinstance(source, RasterField):
        return not isinstance(source.reader, RasterioSource | ArraySource)
    return False


def _select(source: Field, plan: Plan) -> Iterator[tuple[object, Box]]:
    whole = Box.of_shape(plan.domain.grid_shape)
    for strip in plan.strips():
        for box in strip.boxes:
            inner = box.intersect(whole)
            window = RasterWindow(inner.col0, inner.row0, inner.width, inner.height)
            yield source.select(window), box


def _cut(source: Field, plan: Plan) -> Iterator[tuple[object, Box]]:
    box = plan.anchors.extent(plan.region).intersect(Box.of_shape(plan.domain.grid_shape))
    if not box.n_pixels:
        return
    with closing(read_units(source.source, box, plan.model.unit_rows, RunStats())) as units:
        rows = RowBuffer(units, box)
        for strip in plan.strips():
            rows.advance(*strip.rows)
            for cut in cut_patches(plan, strip.boxes, rows):
                yield (cut.pixels if len(plan.domain.shape) == 3 else cut.pixels[0]), cut.box
