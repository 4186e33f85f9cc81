"""From strips to patches: cut out of the rows in hand, and filled where they overhang the raster."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from geopatcher.core.box import Box
from geopatcher.core.packing import padded_records, turned_records
from geopatcher.engine.rows import NOTHING, RowBuffer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from geopatcher.core.protocols import Array
    from geopatcher.engine.rows import Loss, Unit
    from geopatcher.planning.plan import Plan


class Cut(NamedTuple):
    """A patch as the operator will see it.

    ``crop`` is where a patch that was cut off at the raster's edge lies in its nominal rectangle.
    ``loss`` says that pixels it needs could not be read. ``box`` is in pixels of the result. Where the plan
    has a margin or a scale, ``around`` is the rectangle of ``pixels`` on the source, and ``inner`` where the
    patch lies in them; where it has neither they are ``box`` itself, and all.
    """

    box: Box
    pixels: Array
    valid: Array | None
    crop: tuple[slice, slice] | None = None
    loss: Loss | None = None
    around: Box | None = None
    inner: tuple[slice, slice] | None = None

    @property
    def anchor(self) -> tuple[int, int]:
        """``(row, col)`` of the upper-left pixel."""
        return (self.box.row0, self.box.col0)

    @property
    def shown(self) -> Box:
        """The rectangle of the source that ``pixels`` are."""
        return self.box if self.around is None else self.around

    def within(self, mask: Array | None) -> Array | None:
        """Return of a mask shaped like ``pixels`` what lies in the patch; ``None`` is all of it."""
        if self.inner is None or mask is None or mask is NOTHING:
            return mask
        part: Array = mask[:, *self.inner]
        return None if part.all() else part

    def surrounded(self, margin: tuple[int, int]) -> Cut:
        """Return the patch in the middle of its margin; beyond the raster's edge it is mirrored.

        What was moved in or cut off there has all the pixels that takes.
        """
        if self.inner is None or self.around is None:
            return self
        shape = self.pixels.shape[-2:]
        spans = [(here.start - far, here.stop + far) for here, far in zip(self.inner, margin, strict=True)]
        if spans == [(0, length) for length in shape]:
            return self
        rows, cols = (mirror(np.arange(*span), n) for span, n in zip(spans, shape, strict=True))
        where = (slice(None), rows[:, np.newaxis], cols)
        (row0, row1), (col0, col1) = spans
        around = Box(row0, row1, col0, col1).shift(self.around.row0, self.around.col0)
        return self._replace(
            pixels=_folded(self.pixels[where], spans, shape),
            valid=None if self.valid is None else self.valid[where],
            around=around,
            inner=(slice(margin[0], around.height - margin[0]), slice(margin[1], around.width - margin[1])),
        )


def cut_strips(
    plan: Plan, units: Iterator[Unit], box: Box, *, copy_empty: bool = True
) -> Iterator[Iterator[Cut]]:
    """Yield the patches of each strip of a plan, cut from the units ``box`` is read in.

    Without ``copy_empty`` those that hold no data have no pixels of their own: for callers who pass over
    them.
    """
    extent = plan.anchors.extent(plan.region)
    rows = RowBuffer(units, box, copy_empty=copy_empty)
    # The last patches may look back, beyond the raster's end, to rows that strips above have done with.
    last = Box(extent.row1 - plan.anchors.patch_shape[0], extent.row1, extent.col0, extent.col1)
    kept_for_mirror = plan.reach(last).row0
    for strip in plan.strips():
        needed = plan.reach(Box(*strip.rows, extent.col0, extent.col1))
        rows.advance(min(needed.row0, kept_for_mirror), needed.row1)
        cuts = cut_patches(plan, strip.boxes, rows)
        yield _with_losses(plan, cuts, rows) if rows.has_losses else cuts


def _with_losses(plan: Plan, cuts: Iterator[Cut], rows: RowBuffer) -> Iterator[Cut]:
    """Mark the patches that need pixels which could not be read."""
    for cut in cuts:
        loss = rows.loss_in(plan.reach(cut.box))
        yield cut if loss is None else cut._replace(loss=loss)


class Rectangles(Protocol):
    """Where rectangles of the raster are copied from."""

    def cut(self, box: Box) -> tuple[Array, Array | None]:
        """Return the pixels of ``box``, ``(bands, h, w)``, and where they are valid (``None``: all)."""
        ...


def cut_patches(plan: Plan, boxes: Sequence[Box], rows: Rectangles) -> Iterator[Cut]:
    """Yield the patches of a strip with their margins, filled where they overhang the raster."""
    whole, source = plan.extent, plan.source_extent
    plain = plan.reading.is_plain
    for nominal in boxes:
        box, crop = nominal, None
        if plan.boundary == "shrink" and not whole.contains(nominal):
            box = nominal.intersect(whole)
            crop = box.slices(nominal)
        shown = box if plain else plan.shown(box)
        cells = rows.cut(shown) if source.contains(shown) else _filled(plan, nominal, shown, rows)
        cut = Cut(box, *cells, crop)
        yield cut if plain else cut._replace(around=shown, inner=plan.reading.nominal(box).slices(shown))


def _filled(plan: Plan, box: Box, shown: Box, rows: Rectangles) -> tuple[Array, Array | None]:
    """Return what is shown of the patch on ``box`` where that overhangs, and which pixels are valid."""
    reach = plan.reach(box)
    pixels, valid = rows.cut(reach)
    if valid is NOTHING:  # nobody will look at the pixels
        return pixels, valid
    if plan.boundary == "pad":
        return _padded(plan, shown, reach, pixels, valid)
    return _mirrored(plan, shown, reach, pixels, valid)


def _padded(plan: Plan, box: Box, inner: Box, pixels: Array, valid: Array | None) -> tuple[Array, Array]:
    """Fill what overhangs with a constant; the mask says that it holds no data.

    A constant that is a number: of NaN an operator that looks around would carry a frame inwards.
    """
    rows = (inner.row0 - box.row0, box.row1 - inner.row1)
    widths = ((0, 0), rows, (inner.col0 - box.col0, box.col1 - inner.col1))
    value = plan.filling(pixels.dtype)
    known = np.ones(pixels.shape, dtype=bool) if valid is None else valid
    if pixels.dtype.names is None:
        return np.pad(pixels, widths, constant_values=value), np.pad(known, widths)
    return padded_records(pixels, widths, value), np.pad(known, widths)


def _mirrored(
    plan: Plan, box: Box, reach: Box, pixels: Array, valid: Array | None
) -> tuple[Array, Array | None]:
    """Fill what overhangs with the raster mirrored about its outermost pixels, mask and all."""
    all_of_it = plan.source_extent
    row0, col0 = all_of_it.row0, all_of_it.col0
    rows = mirror(np.arange(box.row0, box.row1) - row0, all_of_it.height) + row0 - reach.row0
    cols = mirror(np.arange(box.col0, box.col1) - col0, all_of_it.width) + col0 - reach.col0
    where = (slice(None), rows[:, np.newaxis], cols)
    spans = ((box.row0 - row0, box.row1 - row0), (box.col0 - col0, box.col1 - col0))
    return _folded(pixels[where], spans, all_of_it.shape), None if valid is None else valid[where]


def _folded(pixels: Array, spans: Sequence[tuple[int, int]], shape: tuple[int, ...]) -> Array:
    """Return pixels that `mirror` has put at ``spans`` of a raster; what is finer is turned with them."""
    if pixels.dtype.names is None:
        return pixels
    rows, cols = (
        np.arange(*span) % max(1, 2 * (length - 1)) >= length
        for span, length in zip(spans, shape, strict=True)
    )
    return turned_records(pixels, rows, cols)


def mirror(index: Array, length: int) -> Array:
    """Return the pixels that stand at positions outside ``[0, length)`` when an axis is mirrored.

    >>> mirror(np.arange(-3, 6), 4)
    array([3, 2, 1, 0, 1, 2, 3, 2, 1])
    """
    period = max(1, 2 * (length - 1))
    folded = np.abs(index) % period
    return np.minimum(folded, period - folded) if length > 1 else np.zeros_like(index)


def is_empty(cut: Cut) -> bool:
    """Whether no pixel of a patch holds data."""
    valid = cut.within(cut.valid)
    if valid is NOTHING or (valid is not None and not valid.any()):
        return True
    pixels = cut.pixels if cut.inner is None else cut.pixels[:, *cut.inner]
    if pixels.dtype.kind != "f":
        return False
    if valid is not None:  # what overhangs is filled, and holds no data either
        return bool((np.isnan(pixels) | ~valid).all())
    return bool(np.isnan(pixels[..., 0, 0]).all() and np.isnan(pixels).all())
