"""Two passes over a field: global statistics first, then every patch in their light."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from geopatcher.accumulators.base import CellAggregation
from geopatcher.accumulators.reducers.values import Values, pieces_of
from geopatcher.api.axes import Axes
from geopatcher.api.reconstruct import reconstruct
from geopatcher.core.sources import packing_of
from geopatcher.engine.contributions import Operate
from geopatcher.engine.error_policy import ErrorPolicy, all_failed, require_one
from geopatcher.engine.pipeline import prefetch
from geopatcher.engine.prepare import Finer, name_of
from geopatcher.engine.reading import Reader
from geopatcher.engine.run import contributions
from geopatcher.engine.stats import RunStats
from geopatcher.engine.validity import validity
from geopatcher.fields.aligned_field import AlignedField
from geopatcher.merging.merge import as_patch
from geopatcher.merging.reduce import GlobalAggregation, Incoming
from geopatcher.operators.wrappers import (
    dims_of,
    lengths_seen,
    margin_of,
    scale_of,
    wants_mask,
    wants_position,
)
from geopatcher.runs.source_watch import unchanged

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from fractions import Fraction
    from typing import Unpack

    from geopatcher.accumulators.protocols import Merges
    from geopatcher.api.options import PlanOptions
    from geopatcher.api.split import PatchStream
    from geopatcher.core.box import Box
    from geopatcher.core.operators import ArrayOperator
    from geopatcher.core.patch import Patch
    from geopatcher.core.protocols import (
        Array,
        PixelSource,
        RectGeometry,
        Sampler,
        SourceField,
        Window,
    )
    from geopatcher.engine.error_policy import PatchErrorRecord
    from geopatcher.engine.rows import Unit
    from geopatcher.fields.open import Source
    from geopatcher.planning.plan import Plan

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")

#: Most bytes read at once, unless one block of the storage is larger; as many wait to be reduced.
UNIT_BYTES = 32 << 20


class TwoPass(Protocol):
    """What a patcher is to two passes: its four axes, its error policy, and where errors are noted."""

    geometry: RectGeometry
    sampler: Sampler
    window: Window
    errors: list[PatchErrorRecord]

    @property
    def aggregation(self) -> Merges[object]:
        """Local to global."""
        ...

    @property
    def policy(self) -> ErrorPolicy:
        """What becomes of patches that fail."""
        ...

    def plan(self, field: Source, **options: Unpack[PlanOptions]) -> Plan:
        """Return the plan over a field."""
        ...

    def split(self, field: Source) -> PatchStream[object]:
        """Return the patches of a field."""
        ...


def reduce_field(patcher: TwoPass, field: SourceField[object], aggregation: Merges[R]) -> R | dict[str, R]:
    """Return what an aggregation makes of a field; see `geopatcher.SpatialPatcher.reduce`."""
    if isinstance(field, AlignedField):
        return {name: _reduced(patcher, one, aggregation) for name, one in field.members.items()}
    return _reduced(patcher, field, aggregation)


def _reduced(patcher: TwoPass, field: SourceField[object], aggregation: Merges[R]) -> R:
    if isinstance(aggregation, GlobalAggregation):
        reader = FieldReader(patcher.plan(field), field.source, patcher.policy, patcher.errors)
        with unchanged(field.source, "reduced"):
            reduced: R = reader.reduce(aggregation)
        return reduced
    patches, before = patcher.split(field), len(patcher.errors)
    merged = aggregation.merge(patches, field.domain)
    require_one(patcher.errors[before:], len(patches), "reading", field.source.name)
    return merged


def apply_to_field(
    patcher: TwoPass,
    field: SourceField[object],
    operator: Applied[T],
    aggregation: Merges[object] | None,
    target: str | os.PathLike[str] | None,
) -> object:
    """Stitch what an operator makes of a field's patches; see `geopatcher.SpatialPatcher.two_pass`."""
    stitching = patcher.aggregation if aggregation is None else aggregation
    if target is None:
        # Which refuses patches that are too large, or become no whole pixels of the result.
        plan = patcher.plan(field, margin=operator.margin, output_scale=operator.output_scale)
        weights = patcher.window.weights(Finer.of(patcher.geometry, plan.reading))
        patches = AppliedPatches(plan, field.source, operator, weights, patcher.policy, patcher.errors)
        return stitching.merge(patches, plan.domain)
    if not isinstance(stitching, CellAggregation):
        raise TypeError(
            f"{type(stitching).__name__} makes no array that could be stored at {target}: "
            f"pass aggregation=SpatialOverlapAdd(), say, or leave target out"
        )
    result = reconstruct(
        field,
        operator,
        target,
        patcher=Axes(patcher.geometry, patcher.sampler, patcher.window, stitching),
        on_error=patcher.policy.on_error,
        max_retries=patcher.policy.max_retries,
        retry_on=patcher.policy.retry_on,
    )
    patcher.errors += result.errors
    return result.array


class _Piece(NamedTuple):
    box: Box
    unit: Unit


@dataclass(frozen=True)
class FieldReader:
    """One pass over the pixels of a field that a plan's patches cover, each read and counted once.

    Pixels that could not be read under a ``policy`` that carries on do not count, and are noted in
    ``errors``.
    """

    plan: Plan
    source: PixelSource
    policy: ErrorPolicy = field(default_factory=ErrorPolicy)
    errors: list[PatchErrorRecord] = field(default_factory=list)

    def reduce(self, aggregation: GlobalAggregation[S, R]) -> R:
        """Return the value of all pixels; no list of them is held."""
        domain = self.plan.domain
        flat = len(domain.shape) == 2
        state: S | None = None
        for values in self.values():
            if state is None:
                state = aggregation.zero(Incoming(values.n_bands, values.data.dtype, flat))
            state = aggregation.take(state, values)
        if state is None:
            state = aggregation.zero(Incoming(domain.n_bands, domain.dtype, flat))
        return aggregation.finalise(state)

    def values(self) -> Iterator[Values]:
        """Yield the pixels in pieces, from the top; the next are read in a thread meanwhile.

        Raises
        ------
        SourceError
            At the end, when no pixel could be read, whatever the policy says.

        """
        n_errors, n_read = len(self.errors), 0
        with prefetch(self._units(), _size_of, UNIT_BYTES) as units:
            for piece in units:
                n_read += piece.box.n_pixels - sum(
                    loss.box.intersect(piece.box).n_pixels for loss in piece.unit.losses
                )
                yield from self._pieces(piece)
        if not n_read and len(self.errors) > n_errors:
            raise all_failed(self.errors[n_errors:], "reading", self.source.name)

    def _units(self) -> Generator[_Piece, None, None]:
        read = Reader(self.source, RunStats(), self.policy)
        for unit in self.plan.region.tiles(self._unit_shape()):
            box = self.plan.anchors.extent(unit).intersect(unit)
            if box.n_pixels:
                yield _Piece(box, read(box))

    def _unit_shape(self) -> tuple[int, int]:
        """Return rows and columns read at once: whole blocks of the storage, so that each is decoded once."""
        model, block = self.plan.model, self.source.block_shape[1]
        columns = UNIT_BYTES // (model.unit_rows * (model.in_bytes + model.mask_bytes))
        return model.unit_rows, max(columns // block, 1) * block

    def _pieces(self, piece: _Piece) -> Iterator[Values]:
        box, unit = piece
        for loss in unit.losses:
            anchor = (loss.box.row0, loss.box.col0)
            self.errors.append(self.policy.record(loss.error, anchor, "read", loss.attempts))
        for inner in pieces_of(box):
            where = inner.slices(box)
            pixels = unit.pixels[:, *where]
            valid = validity(None if unit.valid is None else unit.valid[:, *where], pixels)
            counts = self._counts(inner, unit)
            if counts is not None:
                valid = np.broadcast_to(counts, pixels.shape) if valid is None else valid & counts
            yield Values(pixels, valid, inner)

    def _counts(self, box: Box, unit: Unit) -> Array | None:
        """Return which pixels of a box are under a patch and were read, ``(h, w)``; ``None`` for all."""
        anchors = self.plan.anchors
        lost = [loss.box.intersect(box) for loss in unit.losses]
        covered = not anchors.uncovered(box)
        if covered and not lost:
            return None
        counts: Array = np.full(box.shape, covered)
        if not covered:
            for strip in anchors.strips(box):
                for patch in strip.boxes:
                    counts[patch.intersect(box).slices(box)] = True
        for missing in lost:
            counts[missing.slices(box)] = False
        return counts


def _size_of(piece: _Piece) -> int:
    return piece.unit.n_bytes


@dataclass(frozen=True)
class Applied(Generic[T]):
    """A function of a patch's data and of statistics, as an operator of the data alone.

    Pickles when the function and the statistics do. One that wants masked arrays or positions gets them.
    """

    apply: Callable[..., Array]
    statistics: T

    def __call__(self, data: Array, *position: object) -> Array:
        """Return ``apply(data, statistics)``, or ``apply(data, statistics, position)``."""
        return self.apply(data, self.statistics, *position)

    @property
    def __name__(self) -> str:
        """That of the function, for messages."""
        return name_of(self.apply)

    @property
    def wants_mask(self) -> bool:
        """Whether the function says that it wants masked arrays."""
        return wants_mask(self.apply)

    @property
    def wants_position(self) -> bool:
        """Whether the function says that it wants to know where a patch lies."""
        return wants_position(self.apply)

    @property
    def margin(self) -> int:
        """Pixels that are read around each patch for the function."""
        return margin_of(self.apply)

    @property
    def output_scale(self) -> float | Fraction | str:
        """How many pixels of its result a pixel the function is given is."""
        return scale_of(self.apply)

    @property
    def output_dims(self) -> Sequence[str] | Mapping[str, Sequence[object] | None] | None:
        """Leading dimensions of what the function returns."""
        return dims_of(self.apply)


@dataclass(frozen=True)
class AppliedPatches:
    """The patches of a plan after an operator, made when asked for; they carry the plan.

    ``weights`` is the taper of a whole patch, ``(h, w)``.
    """

    plan: Plan
    source: PixelSource
    operator: ArrayOperator
    weights: Array
    policy: ErrorPolicy = field(default_factory=ErrorPolicy)
    errors: list[PatchErrorRecord] = field(default_factory=list)

    def __len__(self) -> int:
        return self.plan.n_patches

    def __iter__(self) -> Iterator[Patch[object]]:
        operate = Operate(
            operator=self.operator,
            name=name_of(self.operator),
            source_name=self.source.name,
            stats=RunStats(),
            policy=self.policy,
            weights=self.weights,
            lengths=lengths_seen(self.operator, self.source.domain.lengths),
            masked=wants_mask(self.operator),
            grid=self.source.domain if wants_position(self.operator) else None,
            reading=self.plan.reading,
            packing=packing_of(self.source),
            skip_empty=self.source.has_nodata,
            errors=self.errors,
        )
        n_errors, n_good = len(self.errors), 0
        for contribution in contributions(self.plan, self.source, operate):
            n_good += 1
            yield as_patch(contribution)
        if not n_good and len(self.errors) > n_errors:
            raise all_failed(self.errors[n_errors:], operate.name, self.source.name)
