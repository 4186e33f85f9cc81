"""From strips to contributions: patches are cut, operated on in batches, and checked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from geopatcher.box import Box
from geopatcher.errors import OperatorError
from geopatcher.policy import ErrorPolicy, PatchErrorRecord

if TYPE_CHECKING:
    from geopatcher.engine.rows import RowBuffer
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
    """

    box: Box
    data: Array
    valid: Array | None
    weights: Array | None = None
    flat: bool = False


class Cut(NamedTuple):
    """A patch as the operator will see it."""

    box: Box
    pixels: Array
    valid: Array | None


def cut_patches(plan: Plan, boxes: Sequence[Box], rows: RowBuffer) -> Iterator[Cut]:
    """Yield the patches of a strip, padded where they overhang the raster."""
    whole = Box.of_shape(plan.domain.grid_shape)
    for box in boxes:
        inner = box.intersect(whole)
        pixels, valid = rows.cut(inner)
        if inner != box and plan.boundary != "shrink":
            pixels = pad(pixels, inner, box, plan)
            valid = None if valid is None else pad_mask(valid, inner, box)
        yield Cut(box if plan.boundary != "shrink" else inner, pixels, valid)


def pad(pixels: Array, inner: Box, box: Box, plan: Plan) -> Array:
    """Fill the part of ``box`` outside ``inner``: by reflection, or with a constant."""
    widths = (*[(0, 0)] * (pixels.ndim - 2), *_overhang(inner, box))
    if plan.boundary == "pad":
        value = plan.pad_value
        if value is None:
            missing = np.nan if pixels.dtype.kind == "f" else plan.domain.nodata
            value = 0 if missing is None else missing
        return np.pad(pixels, widths, constant_values=value)
    # One row cannot be reflected about itself; NumPy's "symmetric" repeats it.
    mode = "reflect" if min(inner.shape) > 1 else "symmetric"
    return np.pad(pixels, widths, mode=mode)  # type: ignore[call-overload,no-any-return]


def pad_mask(valid: Array, inner: Box, box: Box) -> Array:
    """Extend a mask like `pad` does pixels; what overhangs never counts."""
    return np.pad(valid, ((0, 0), *_overhang(inner, box)), constant_values=False)


def _overhang(inner: Box, box: Box) -> tuple[tuple[int, int], tuple[int, int]]:
    rows = (inner.row0 - box.row0, box.row1 - inner.row1)
    return rows, (inner.col0 - box.col0, box.col1 - inner.col1)


@dataclass
class Operate:
    """Calls an operator on patches, in batches, under an error policy.

    ``flat`` says that patches are two-dimensional, ``(h, w)``. The number of bands, their dtype and
    whether the result is two-dimensional are fixed by the first result.
    """

    operator: ArrayOperator
    name: str
    source_name: str
    stats: RunStats
    policy: ErrorPolicy = field(default_factory=ErrorPolicy)
    batch_size: int = 1
    weights: Array | None = None
    flat: bool = False
    skip_empty: bool = False
    errors: list[PatchErrorRecord] = field(default_factory=list)
    n_bands: int | None = None
    sleep: Callable[[float], None] = time.sleep
    _clipped: dict[tuple[int, int], Array] = field(default_factory=dict, repr=False)

    def __call__(self, cuts: Iterator[Cut]) -> Iterator[Contribution]:
        """Yield the contributions of a strip's patches, in their order."""
        batch: list[Cut] = []
        for cut in cuts:
            if self.skip_empty and is_empty(cut):
                self.stats.skipped += 1
                continue
            batch.append(cut)
            if len(batch) == self.batch_size:
                yield from self._run(batch)
                batch = []
        if batch:
            yield from self._run(batch)

    def _run(self, batch: list[Cut]) -> Iterator[Contribution]:
        with self.stats.stage("operate"):
            results = self._attempt(batch)
        self.stats.patches += len(batch)
        for cut, data in zip(batch, results, strict=False):
            yield self._contribution(cut, data)

    def _attempt(self, batch: list[Cut]) -> Sequence[Array]:
        """Call the operator until the policy is content; an empty answer leaves the batch out."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._call(batch)
            except OperatorError:
                raise  # a wrong shape will not get better
            except Exception as error:  # noqa: BLE001 - operators are not ours; the policy decides
                decision = self.policy.decide(error, attempt)
                if decision.action == "retry":
                    self.sleep(decision.delay_s)
                    continue
                where = batch[0].box
                if decision.action == "raise":
                    raise OperatorError(
                        f"{self.name} failed on {where} of {self.source_name}: "
                        f"{type(error).__name__}: {error}"
                    ) from error
                self.stats.failed += len(batch)
                self.errors += [
                    self.policy.record(error, (cut.box.row0, cut.box.col0), "operator", attempt)
                    for cut in batch
                ]
                return self._masked(batch) if decision.action == "mask" else ()

    def _call(self, batch: list[Cut]) -> Sequence[Array]:
        patches = [cut.pixels[0] if self.flat else cut.pixels for cut in batch]
        if self.batch_size == 1:
            return [as_array(self.operator(patches[0]))]
        results = as_array(self.operator(np.stack(patches)))
        if results.shape[:1] != (len(batch),):
            raise OperatorError(
                f"{self.name} returned {results.shape} for a batch of {len(batch)} patches "
                f"at {batch[0].box}: its first axis must be the batch, as in what it was given"
            )
        return list(results)

    def _masked(self, batch: list[Cut]) -> Sequence[Array]:
        bands = self.n_bands or batch[0].pixels.shape[0]
        return [np.full((bands, *cut.pixels.shape[-2:]), np.nan, np.float32) for cut in batch]

    def _taper(self, box: Box) -> Array | None:
        """Return the weights of a patch; one clipped at the raster's end has them clipped alike."""
        if self.weights is None or self.weights.shape == box.shape:
            return self.weights
        found = self._clipped.get(box.shape)
        if found is None:
            found = self._clipped[box.shape] = self.weights[: box.height, : box.width]
        return found

    def _contribution(self, cut: Cut, data: Array) -> Contribution:
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
        data = data[np.newaxis] if flat else data
        return Contribution(cut.box, np.ma.getdata(data), validity(cut, data), self._taper(cut.box), flat)


def as_array(result: Array) -> Array:
    """Return what an operator gave as an array; a masked one keeps its mask."""
    return result if isinstance(result, np.ma.MaskedArray) else np.asarray(result)


def is_empty(cut: Cut) -> bool:
    """Whether no pixel of a patch holds data."""
    if cut.valid is not None:
        return not cut.valid.any()
    pixels = cut.pixels
    return pixels.dtype.kind == "f" and bool(np.isnan(pixels[..., 0, 0]).all() and np.isnan(pixels).all())


def validity(cut: Cut, data: Array) -> Array | None:
    """Return which cells of a result count; ``None`` for all.

    A cell does not count where the result is NaN or masked. Where the source has no way to show
    missing pixels in the values (integers with nodata), it does not count where the pixel was
    missing: band by band when the numbers of bands agree, in any band otherwise.
    """
    missing: Array | None = None
    if np.ma.isMaskedArray(data):
        missing = np.ma.getmaskarray(data)
        data = np.ma.getdata(data)
    elif cut.valid is not None:
        valid = cut.valid if cut.valid.shape == data.shape else cut.valid.all(axis=0)
        missing = np.broadcast_to(~valid, data.shape)
    if data.dtype.kind == "f" and np.isnan(data.max(initial=-np.inf)):  # NaN passes through max
        nan = np.isnan(data)
        missing = nan if missing is None else missing | nan
    if missing is None or not missing.any():
        return None
    valid_cells: Array = ~missing
    return valid_cells
