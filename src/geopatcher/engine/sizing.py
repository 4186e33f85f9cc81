"""From a source, an aggregation and what is known of an operator to the sizes that decide memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geopatcher.accumulators.depth import UNKNOWN_FROM, exact_dtype
from geopatcher.accumulators.int64 import is_wide
from geopatcher.accumulators.mean_steps import DEEPEST, kept_arrays
from geopatcher.core.blocks_below import blocks_below
from geopatcher.core.protocols import InPlace
from geopatcher.core.sources import packing_of, reads_at_once
from geopatcher.engine.rows import unit_rows
from geopatcher.fields.declared import outline_of, working_bytes
from geopatcher.planning.anchors import Lattice
from geopatcher.planning.memory import READ_AHEAD, MemoryModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from geopatcher.accumulators.base import AnyCellAggregation
    from geopatcher.accumulators.protocols import Plannable
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import PixelSource
    from geopatcher.engine.batching import BatchSize
    from geopatcher.planning.anchors import AnchorSet


@dataclass(frozen=True)
class Sizes:
    """What decides memory beside the plan's geometry.

    ``n_bands`` and ``dtype`` are the operator's, as far as they are known.
    """

    n_bands: int
    dtype: np.dtype
    batch_size: BatchSize = 1
    layers: tuple[AnyCellAggregation, ...] = ()


def model_of(
    source: PixelSource,
    anchors: AnchorSet,
    aggregation: Plannable,
    chunks: tuple[int, int],
    sizes: Sizes,
    result_dtype: np.dtype,
) -> MemoryModel:
    """Return the sizes that decide memory and disk."""
    domain, packing = outline_of(source), packing_of(source)
    exact = exact_dtype(result_dtype, anchors.depth)
    is_float = domain.dtype.kind == "f"
    masked = source.has_nodata and not is_float
    parts = (aggregation, *sizes.layers)
    state_bytes = sum(part.state_bytes(sizes.n_bands, exact, anchors.depth) for part in parts)
    if is_wide(sizes.dtype):
        state_bytes += sum(part.wide_bytes(sizes.n_bands) for part in parts)
    item_bytes = [layer.out_dtype(result_dtype).itemsize for layer in sizes.layers]
    layer_bytes = sum(item_bytes)
    for kind in aggregation.beside.values():
        item_bytes.append(kind.dtype.itemsize)
        layer_bytes += kind.dtype.itemsize * max(1, kind.bands)
    out_bands = aggregation.out_bands(sizes.n_bands)
    return MemoryModel(
        patch=anchors.patch_shape,
        tile=chunks,
        unit_rows=unit_rows(source.block_shape[0]),
        in_bytes=domain.n_bands * domain.dtype.itemsize,
        mask_bytes=domain.n_bands if masked else 0,
        state_bytes=state_bytes,
        gap_bytes=gap_bytes(parts, anchors, sizes.n_bands, gaps=source.has_nodata or is_float),
        kept_bytes=kept_bytes(parts, anchors.patch_shape, exact),
        out_bytes=out_bands * result_dtype.itemsize + layer_bytes,
        item_bytes=max([result_dtype.itemsize, *item_bytes]),
        batch_size=1 if sizes.batch_size == "auto" else sizes.batch_size,
        grows=sizes.batch_size == "auto",
        valid_bytes=out_bands if result_dtype.kind in "iu" else 0,
        given_bytes=0 if packing is None else packing.given_bytes,
        views=isinstance(source, InPlace) and source.gives_views,
        most_ahead=max(READ_AHEAD, reads_at_once(source)),
        across=domain.width,
        working_bytes=working_bytes(source),
        below=blocks_below(source),
    )


def usual_kind(source: PixelSource, domain: RasterDomain) -> tuple[int, np.dtype]:
    """Return bands and dtype of a result of which nothing is known: those of a source, or of its first."""
    packing = packing_of(source)
    if packing is None:
        return domain.n_bands, domain.dtype
    return packing.members[0].bands, packing.members[0].dtype


def gap_bytes(parts: Sequence[Plannable], anchors: AnchorSet, n_bands: int, *, gaps: bool) -> float:
    """Return bytes of state per cell that tiles take on top where cells are without data.

    With ``gaps`` some may be. Where patches stand in no pattern, all tiles take as much.
    """
    depth = anchors.depth if isinstance(anchors, Lattice) else UNKNOWN_FROM
    if not gaps and depth <= DEEPEST:
        return 0
    return sum(part.gap_bytes(n_bands, depth) for part in parts)


def kept_bytes(parts: Sequence[Plannable], patch: tuple[int, int], exact: np.dtype) -> int:
    """Return what is kept of windows: as it was given, as a taper, and the shares that follow from it."""
    taper = patch[0] * patch[1] * exact.itemsize
    shares = kept_arrays(taper) * taper if any(part.takes_shares for part in parts) else 0
    return patch[0] * patch[1] * 8 + taper + shares
