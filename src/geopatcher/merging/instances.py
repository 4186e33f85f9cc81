"""`merge` of label images: any iterable of patches to one raster of objects."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.accumulators.instances import Numbered
from geopatcher.core.box import Box
from geopatcher.core.patch import Patch
from geopatcher.engine.watch import never
from geopatcher.fields.plain_field import raster_domain
from geopatcher.fields.zarr_field import zarr_source
from geopatcher.merging.collect import Collection
from geopatcher.merging.joining import Joining, Numbers
from geopatcher.merging.merge import (
    Planned,
    PlannedPatches,
    as_patch,
    checked,
    merge_patches,
    nothing_replaced,
)
from geopatcher.merging.placed import Layout
from geopatcher.merging.relabelling import (
    STORE,
    label_source,
    provisional,
    provisional_output,
    settling_plan,
)
from geopatcher.planning.anchors import Listed
from geopatcher.targets.open import ZarrTarget

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geopatcher.core.protocols import HasShape
    from geopatcher.merging.merge import MergeOptions
    from geopatcher.merging.relabelling import LabelSource
    from geopatcher.planning.plan import Plan
    from geopatcher.targets.product import ResultArray


def merge_instances(
    iou: float, patches: Iterable[Patch[object]], domain: HasShape, options: MergeOptions
) -> ResultArray:
    """Join and number the objects of patches; see `geopatcher.SpatialInstances`.

    Provisional numbers go to a folder beside the target, or to that for temporary files.

    Raises
    ------
    OperatorError
        Patches are no label images, or do not fit together.
    TargetError
        The target cannot be written.
    ValueError
        Patches do not overlap, or one lies outside the domain, or they lie on no raster.

    """
    layout = Layout.of(domain)
    if layout.numbered:
        raise ValueError(
            f"objects are joined on rasters, and the domain is {layout.n_places} numbered places"
        )
    grid = raster_domain(layout.domain)
    with nothing_replaced():
        options.target.check()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(".instances", dir=options.scratch)))
        given, anchors = patches, None
        if isinstance(patches, Planned):
            anchors = patches.plan.anchors
        else:
            collection = Collection.of(
                checked(layout.patches(patches), grid.grid_shape),
                options.memory_limit // 2,
                folder,
                copy=not isinstance(patches, Sequence),
            )
            stack.callback(collection.close)
            anchors, given = Listed(collection.boxes, grid.grid_shape), map(as_patch, collection)
        numbering = provisional(anchors, grid.grid_shape)
        made = replace(
            options,
            target=ZarrTarget(folder / STORE),
            output=provisional_output(numbering, options.chunks),
            scratch=folder,
        )
        merge_patches(numbering, given, layout.domain, made, anchors)
        joining = Joining(numbering.coding, anchors.patch_shape[0], iou, folder, never)
        joining.run(zarr_source(folder / STORE), Box.of_shape(grid.grid_shape), options.chunks)
        numbers = Numbers(numbering.coding, folder)
        source = label_source(folder, grid, options.chunks, "labels", {})
        plan = settling_plan(source, options.chunks, None, options.memory_limit)
        settled = PlannedPatches(plan, _settled(source, numbers, plan))
        return merge_patches(Numbered(), settled, layout.domain, options)["data"]


def _settled(source: LabelSource, numbers: Numbers, plan: Plan) -> Iterator[Patch[object]]:
    """Yield final numbers, chunk by chunk."""
    for strip in plan.strips():
        for box in strip.boxes:
            here = box.intersect(plan.region)
            pixels = source.read(here)
            yield Patch(np.ma.array(numbers.of(pixels)[0], mask=pixels[0] == 0), (here.row0, here.col0), None)
