"""From strips to contributions: patches are cut, operated on in batches, and checked."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

import numpy as np

from geopatcher.box import Box
from geopatcher.engine.rows import NOTHING, RowBuffer
from geopatcher.engine.validity import (
    both_count,
    is_masked_array,
    known_cells,
    shaped_like,
    where_not_nan,
)
from geopatcher.errors import OperatorError
from geopatcher.hooks import Hooks
from geopatcher.policy import ErrorPolicy, Failure, PatchErrorRecord, attempt
from geopatcher.progress import Advance, no_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from geopatcher.engine.rows import Loss, Unit
    from geopatcher.engine.stats import RunStats
    from geopatcher.planning.plan import Plan
    from geopatcher.protocols import Array

#: What an operator is: an array in, an array (or something NumPy can make one of) out.
ArrayOperator: TypeAlias = "Callable[[Array], Array]"


class Contribution(NamedTuple):
    """A patch's result and where it belongs.

    ``box`` is the patch's nominal rectangle, ``data`` ``(bands, h, w)`` of that size; the part
    that overhangs the raster is ignored. ``valid`` is shaped like ``data``, ``None`` when all counts;
    ``weights`` is the taper ``(h, w)``, ``None`` for ones. ``flat`` says the result was ``(h, w)``.
    ``present`` is shaped like ``data``, too, and says where the source holds data, ``None`` for
    everywhere: what another patch over the same cells says of them as well. It is ``valid`` itself
    where the cells that count are those.
    """

    box: Box
    data: Array
    valid: Array | None
    weights: Array | None = None
    flat: bool = False
    present: Array | None = None


class Cut(NamedTuple):
    """A patch as the operator will see it.

    ``crop`` is where a patch that was cut off at the raster's edge lies in its nominal rectangle.
    ``loss`` says that pixels it needs could not be read.
    """

    box: Box
    pixels: Array
    valid: Array | None
    crop: tuple[slice, slice] | None = None
    loss: Loss | None = None

    @property
    def anchor(self) -> tuple[int, int]:
        """``(row, col)`` of the upper-left pixel."""
        return (self.box.row0, self.box.col0)


def cut_strips(
    plan: Plan, units: Iterator[Unit], box: Box, *, copy_empty: bool = True
) -> Iterator[Iterator[Cut]]:
    """Yield the patches of each strip of a plan, cut from the units ``box`` is read in.

    Without ``copy_empty`` those that hold no data have no pixels of their own, if all lie inside the
    raster: for callers who pass over them.
    """
    extent = plan.anchors.extent(plan.region)
    overhang = not Box.of_shape(plan.domain.grid_shape).contains(extent)
    rows = RowBuffer(units, box, copy_empty=copy_empty or overhang)
    # Patches below the raster's end look back to rows that strips above them have done with.
    kept_for_mirror = plan.reach(Box(plan.domain.height - 1, extent.row1, extent.col0, extent.col1)).row0
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
    """Yield the patches of a strip, filled where they overhang the raster."""
    whole = Box.of_shape(plan.domain.grid_shape)
    for box in boxes:
        if whole.contains(box):
            yield Cut(box, *rows.cut(box))
        elif plan.boundary == "shrink":
            inner = box.intersect(whole)
            yield Cut(inner, *rows.cut(inner), inner.slices(box))
        elif plan.boundary == "pad":
            yield _padded(plan, box, *rows.cut(box.intersect(whole)))
        else:
            reach = plan.reach(box)
            yield _mirrored(plan, box, reach, *rows.cut(reach))


def _padded(plan: Plan, box: Box, pixels: Array, valid: Array | None) -> Cut:
    """Fill what overhangs with a constant; the mask says that it holds no data."""
    inner = box.intersect(Box.of_shape(plan.domain.grid_shape))
    rows = (inner.row0 - box.row0, box.row1 - inner.row1)
    widths = ((0, 0), rows, (inner.col0 - box.col0, box.col1 - inner.col1))
    value = plan.pad_value
    if value is None:
        missing = np.nan if pixels.dtype.kind == "f" else plan.domain.nodata
        value = 0 if missing is None else missing
    known = np.ones(pixels.shape, dtype=bool) if valid is None else valid
    return Cut(box, np.pad(pixels, widths, constant_values=value), np.pad(known, widths))


def _mirrored(plan: Plan, box: Box, reach: Box, pixels: Array, valid: Array | None) -> Cut:
    """Fill what overhangs with the raster mirrored about its outermost pixels, mask and all."""
    rows = mirror(np.arange(box.row0, box.row1), plan.domain.height) - reach.row0
    cols = mirror(np.arange(box.col0, box.col1), plan.domain.width) - reach.col0
    where = (slice(None), rows[:, np.newaxis], cols)
    return Cut(box, pixels[where], None if valid is None else valid[where])


def mirror(index: Array, length: int) -> Array:
    """Return the pixels that stand at positions outside ``[0, length)`` when an axis is mirrored.

    >>> mirror(np.arange(-3, 6), 4)
    array([3, 2, 1, 0, 1, 2, 3, 2, 1])
    """
    period = max(1, 2 * (length - 1))
    folded = np.abs(index) % period
    return np.minimum(folded, period - folded) if length > 1 else np.zeros_like(index)


@dataclass
class Operate:
    """Calls an operator on patches, in batches, under an error policy.

    ``flat`` says that patches are two-dimensional, ``(h, w)``. ``masked`` says that the operator is
    given masked arrays, and alone decides which cells of its result count. The number of bands and
    their dtype are fixed by the first result.
    """

    operator: ArrayOperator
    name: str
    source_name: str
    stats: RunStats
    policy: ErrorPolicy = field(default_factory=ErrorPolicy)
    batch_size: int = 1
    weights: Array | None = None
    flat: bool = False
    masked: bool = False
    skip_empty: bool = False
    errors: list[PatchErrorRecord] = field(default_factory=list)
    n_bands: int | None = None
    dtype: np.dtype | None = None
    sleep: Callable[[float], None] = time.sleep
    advance: Advance = no_progress
    hooks: Hooks = field(default_factory=Hooks)
    _clipped: dict[tuple[int, int, int, int], Array] = field(default_factory=dict, repr=False)
    _seconds: float = field(default=0.0, repr=False)

    def __call__(self, cuts: Iterator[Cut]) -> Iterator[Contribution]:
        """Yield the contributions of a strip's patches, in their order."""
        batch: list[Cut] = []
        for cut in cuts:
            if cut.loss is not None:
                yield from self._run(batch)
                yield from self._lost(cut, cut.loss)
                batch = []
                continue
            if self.skip_empty and is_empty(cut):
                self.stats.skipped += 1
                self.advance(1)
                continue
            if batch and cut.pixels.shape != batch[0].pixels.shape:  # cut off at the edge: cannot be stacked
                yield from self._run(batch)
                batch = []
            batch.append(cut)
            if len(batch) == self.batch_size:
                yield from self._run(batch)
                batch = []
        yield from self._run(batch)
        self.stats.spend("operate", self._seconds)
        self._seconds = 0.0

    def _run(self, batch: list[Cut]) -> list[Contribution]:
        if not batch:
            return []
        # Looked at before the call: an operator may write into what it is given.
        present = [_present(cut) for cut in batch]
        if self.masked:
            batch = [cut._replace(valid=there) for cut, there in zip(batch, present, strict=True)]
        if self.hooks.any:
            for cut in batch:
                self.hooks.patch_start(cut.anchor)
        started = time.perf_counter()
        results = self._attempt(batch)
        seconds = time.perf_counter() - started
        self._seconds += seconds
        self.stats.patches += len(batch)
        self.advance(len(batch))
        made = []
        for cut, there, data in zip(batch, present, results, strict=True):
            if data is not None:
                if self.hooks.any:
                    self.hooks.patch_done(cut.anchor, seconds / len(batch), data.nbytes)
                made.append(self._contribution(cut, there, data))
        return made

    def _lost(self, cut: Cut, loss: Loss) -> Iterator[Contribution]:
        """Note a patch that could not be read, and put its mask where the policy wants one."""
        self.hooks.patch_start(cut.anchor)
        data = self._failed(cut, Failure(loss.error, loss.attempts), "read")
        self.advance(1)
        if data is not None:
            yield self._contribution(cut, None, data)

    def _attempt(self, batch: list[Cut]) -> Sequence[Array | None]:
        """Call the operator until the policy is content; ``None`` leaves a patch out."""
        try:
            results = attempt(partial(self._call, batch), self.policy, self.sleep)
        except OperatorError:
            raise
        except Exception as error:
            self.hooks.error(batch[0].anchor, error)
            which = f"a batch of {len(batch)} patches, the first at " if len(batch) > 1 else ""
            raise OperatorError(
                f"{self.name} failed on {which}{batch[0].box} of {self.source_name}: "
                f"{type(error).__name__}: {error}"
            ) from error
        if not isinstance(results, Failure):
            return results
        if len(batch) > 1:  # one by one, so that only the bad patch is lost
            return [self._attempt([cut])[0] for cut in batch]
        return [self._failed(batch[0], results, "operator")]

    def _failed(self, cut: Cut, failure: Failure, kind: str) -> Array | None:
        """Note a patch that failed; return the mask that stands for it, ``None`` to leave it out."""
        self.stats.failed += 1
        self.errors.append(self.policy.record(failure.error, cut.anchor, kind, failure.attempts))
        self.hooks.error(cut.anchor, failure.error)
        if self.policy.on_error != "mask" or self.n_bands is None or self.dtype is None:
            return None  # a mask before the first result, whose kind is not known: it comes to the same
        fill = np.nan if self.dtype.kind == "f" else 0
        shape = (self.n_bands, *cut.pixels.shape[-2:])
        return np.ma.array(np.full(shape, fill, self.dtype), mask=True)

    def _call(self, batch: list[Cut]) -> Sequence[Array]:
        patches = [self._given(cut) for cut in batch]
        if self.batch_size == 1:
            return [as_array(self.operator(patches[0]))]
        results = as_array(self.operator(np.ma.stack(patches) if self.masked else np.stack(patches)))
        if results.shape[:1] != (len(batch),):
            raise OperatorError(
                f"{self.name} returned {results.shape} for a batch of {len(batch)} patches "
                f"at {batch[0].box}: its first axis must be the batch, as in what it was given"
            )
        return list(results)

    def _given(self, cut: Cut) -> Array:
        """Return what the operator sees of a patch."""
        pixels = cut.pixels
        if self.policy.max_retries:
            pixels = pixels.copy()  # a try that failed half-way may have written into it
        if self.masked:
            pixels = np.ma.array(pixels, mask=False if cut.valid is None else ~cut.valid)
        return pixels[0] if self.flat else pixels

    def _taper(self, crop: tuple[slice, slice] | None) -> Array | None:
        """Return the weights of a patch; one cut off at the raster's edge has them cut off alike."""
        if self.weights is None or crop is None:
            return self.weights
        rows, cols = crop
        key = (rows.start, rows.stop, cols.start, cols.stop)
        found = self._clipped.get(key)
        if found is None:
            found = self._clipped[key] = self.weights[crop]
        return found

    def _contribution(self, cut: Cut, present: Array | None, data: Array) -> Contribution:
        """Return a patch's result; ``present`` is where its pixels held data before the call."""
        size = cut.pixels.shape[-2:]
        if data.ndim not in (2, 3) or data.shape[-2:] != size:
            raise OperatorError(
                f"{self.name} returned an array of shape {data.shape} for the patch of {size[0]}x{size[1]} "
                f"pixels at {cut.box} of {self.source_name}: "
                f"it must return (h, w) or (bands, h, w) of the same height and width"
            )
        flat = data.ndim == 2
        bands = 1 if flat else data.shape[0]
        if self.n_bands is None:
            self.n_bands = bands
        elif self.n_bands != bands:
            raise OperatorError(
                f"{self.name} returned {bands} bands for the patch at {cut.box} of {self.source_name} "
                f"and {self.n_bands} for those before: the number of bands must not change midway"
            )
        data = self._same_dtype(cut, data[np.newaxis] if flat else data)
        valid = present
        if self.masked:
            valid = None  # the operator alone decides
        elif data.dtype.kind == cut.pixels.dtype.kind == "f":
            valid = cut.valid  # NaN shows, unless the operator filled it; integers have none to show
        plain = data.data if is_masked_array(data) else data
        counts = both_count(valid, known_cells(data), data.shape)
        if present is not None:
            present = shaped_like(present, data.shape)
            if counts is not None and (counts is present or np.array_equal(counts, present)):
                present = counts
        return Contribution(cut.box, plain, counts, self._taper(cut.crop), flat, present)

    def _same_dtype(self, cut: Cut, data: Array) -> Array:
        if self.dtype is not None and data.dtype == self.dtype:
            return data
        if self.dtype is None:
            if data.dtype.kind not in "biuf":
                raise OperatorError(
                    f"{self.name} returned {data.dtype} values for the patch at {cut.box} of "
                    f"{self.source_name}: it must return real numbers or booleans"
                )
            self.dtype = data.dtype
        elif not (np.can_cast(data.dtype, self.dtype) or data.dtype.kind == self.dtype.kind == "f"):
            raise OperatorError(
                f"{self.name} returned {data.dtype} values for the patch at {cut.box} of {self.source_name} "
                f"and {self.dtype} for those before: return the same dtype always, "
                f"for example with .astype({np.promote_types(data.dtype, self.dtype).name!r})"
            )
        return data.astype(self.dtype, copy=False)


def as_array(result: object) -> Array:
    """Return what an operator returned as an array; a masked one stays masked."""
    return result if is_masked_array(result) else np.asarray(result)


def _present(cut: Cut) -> Array | None:
    """Return which pixels of a patch hold data: neither missing nor NaN. ``None`` is all."""
    return both_count(cut.valid, where_not_nan(cut.pixels), cut.pixels.shape)


def is_empty(cut: Cut) -> bool:
    """Whether no pixel of a patch holds data."""
    if cut.valid is NOTHING or (cut.valid is not None and not cut.valid.any()):
        return True
    pixels = cut.pixels
    return pixels.dtype.kind == "f" and bool(np.isnan(pixels[..., 0, 0]).all() and np.isnan(pixels).all())
