"""Cutting a field into patches: what `SpatialPatcher.split` gives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, runtime_checkable

import numpy as np
from rasterio.windows import Window as RasterWindow

from geopatcher.api.cached_cuts import CachedCuts
from geopatcher.core.box import Box
from geopatcher.core.containment import told
from geopatcher.core.patch import Patch
from geopatcher.core.typevars import D_co
from geopatcher.engine.cuts import cut_patches, cut_strips
from geopatcher.engine.error_policy import ErrorPolicy, Failure, all_failed, attempt
from geopatcher.engine.hooks import Hooks
from geopatcher.engine.reading import Reader
from geopatcher.engine.rows import read_units
from geopatcher.engine.stats import RunStats
from geopatcher.errors import GeopatcherError, SourceError

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from geopatcher.api.patch_cache import PatchCache
    from geopatcher.core.protocols import Array, PixelSource, SourceField
    from geopatcher.engine.cuts import Cut
    from geopatcher.engine.error_policy import PatchErrorRecord
    from geopatcher.planning.plan import Plan


class DoneAnchors(Protocol):
    """Knows which patches are done; `geopatcher.PatchJournal` is one."""

    def has(self, anchor: tuple[int, int]) -> bool:
        """Whether the patch at ``(row, col)`` is done."""
        ...


@runtime_checkable
class HasBytes(Protocol):
    """Data that knows its size in memory: an array."""

    @property
    def nbytes(self) -> int:
        """Bytes."""
        ...


class PatchStream(Iterator[Patch[D_co]], Generic[D_co]):
    """Patches made when asked for, in the order of the plan they carry."""

    def __init__(
        self, plan: Plan, patches: Generator[Patch[D_co], None, None], done: DoneAnchors | None = None
    ) -> None:
        self.plan = plan
        self._patches = patches
        self._done = done

    def __next__(self) -> Patch[D_co]:
        return next(self._patches)

    def __len__(self) -> int:
        if self._done is None:
            return self.plan.n_patches
        return sum(not self._done.has(anchor_of(self.plan, box)) for box in boxes_of(self.plan))

    def close(self) -> None:
        """Stop, and release what reading holds."""
        self._patches.close()


class _Piece(NamedTuple):
    """Data of a patch, its rectangle, and the part of the taper left where it was cut off."""

    data: object
    box: Box
    crop: tuple[slice, slice] | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class Splitting:
    """One pass over the patches of a field.

    ``errors`` collects what failed under a ``policy`` that carries on; ``done`` are patches to
    leave out; ``cache`` is where patches are looked for before they are read.
    """

    source: SourceField[object]
    plan: Plan
    weights: NDArray[np.floating]
    policy: ErrorPolicy = field(default_factory=ErrorPolicy)
    hooks: Hooks = field(default_factory=Hooks)
    done: DoneAnchors | None = None
    errors: list[PatchErrorRecord] = field(default_factory=list)
    cache: PatchCache | None = None

    @property
    def _by_window(self) -> bool:
        return self.source.gives_windows and self.cache is None

    def patches(self) -> Generator[Patch[object], None, None]:
        """Yield the patches, in the order of the plan.

        Raises
        ------
        SourceError
            At the end, when every patch failed, whatever the policy says.

        """
        if self.hooks:
            self.hooks.split_start(self.plan.n_patches)
        pieces = self._windows() if self._by_window else self._strips()
        n_errors, n_good = len(self.errors), 0
        with closing(pieces):
            for nominal in boxes_of(self.plan):
                anchor = anchor_of(self.plan, nominal)
                if self.done is not None and self.done.has(anchor):
                    if not self._by_window:
                        next(pieces)
                    n_good += 1  # it was, at another time
                    continue
                self.hooks.patch_start(anchor)
                started = time.perf_counter()
                piece = next(pieces)
                n_good += piece.failure is None
                patch = self._patch(piece, anchor)
                if patch is not None:
                    n_bytes = patch.data.nbytes if isinstance(patch.data, HasBytes) else 0
                    self.hooks.patch_done(anchor, time.perf_counter() - started, n_bytes)
                    yield patch
        if not n_good and len(self.errors) > n_errors:
            raise all_failed(self.errors[n_errors:], "reading", self.source.source.name)
        self.hooks.split_end()

    def _patch(self, piece: _Piece, anchor: tuple[int, int]) -> Patch[object] | None:
        data = piece.data
        if piece.failure is not None:
            failure = piece.failure
            self.errors.append(self.policy.record(failure.error, anchor, "read", failure.attempts))
            self.hooks.error(anchor, failure.error)
            if self.policy.on_error != "mask":
                return None
            data = self._mask(piece.box)
        weights = self.weights if piece.crop is None else self.weights[piece.crop]
        return patch_of(data, piece.box, weights)

    def _mask(self, box: Box) -> object:
        """Return NaN in the place of a patch; integers become floats for it."""
        domain = self.source.domain
        dtype = np.result_type(domain.dtype, np.float32)
        return self.source.dress(np.full((domain.n_bands, *box.shape), np.nan, dtype), box)

    def _windows(self) -> Generator[_Piece, None, None]:
        """Yield patches window by window, as the field's `select` gives them."""
        for box in boxes_of(self.plan):
            if self.done is not None and self.done.has(anchor_of(self.plan, box)):
                continue
            try:
                piece = attempt(partial(window_of, self.source, self.plan, box), self.policy)
            except GeopatcherError:
                raise
            except Exception as error:
                name = self.source.source.name
                raise SourceError(f"cannot read {box} of {name}: {told(error)}") from error
            yield _Piece(*piece) if not isinstance(piece, Failure) else self._failed(box, piece)

    def _failed(self, box: Box, failure: Failure) -> _Piece:
        inner = box.intersect(Box.of_shape(self.plan.domain.grid_shape))
        if inner == box or self.plan.boundary != "shrink":
            return _Piece(None, box, None, failure)
        return _Piece(None, inner, inner.slices(box), failure)

    def _strips(self) -> Generator[_Piece, None, None]:
        """Yield patches cut from strips that are read once."""
        plan, source = self.plan, self.source
        box = plan.reach(plan.anchors.extent(plan.region))
        if not box.n_pixels:
            return
        read = Reader(source.source, RunStats(), self.policy)
        with closing(read_units(read, box, plan.model.unit_rows)) as units:
            cuts: Iterator[Cut]
            if self.cache is None:
                cuts = chain.from_iterable(cut_strips(plan, units, box))
            else:
                cuts = iter(CachedCuts(self.cache, plan, read, self.cache.folder_of(source.source, plan)))
            for cut in cuts:
                if cut.loss is None:
                    yield _Piece(source.dress(cut.pixels, cut.box), cut.box, cut.crop)
                else:
                    yield _Piece(None, cut.box, cut.crop, Failure(cut.loss.error, cut.loss.attempts))


@dataclass(frozen=True)
class _Direct:
    """Rectangles read one by one."""

    source: PixelSource

    def cut(self, box: Box) -> tuple[Array, Array | None]:
        """Read a rectangle, into memory of its own."""
        pixels = np.array(self.source.read(box))
        return pixels, self.source.valid(box, pixels)


def window_of(
    source: SourceField[object], plan: Plan, box: Box
) -> tuple[object, Box, tuple[slice, slice] | None]:
    """Return one patch as the field's `select` gives it; one that has to be filled is read and dressed.

    Its data, its rectangle, and the part of the taper left where it was cut off.
    """
    inner = box.intersect(Box.of_shape(plan.domain.grid_shape))
    if inner == box or plan.boundary == "shrink":
        data = source.select(RasterWindow(inner.col0, inner.row0, inner.width, inner.height))
        if isinstance(data, np.ndarray):  # a view would show what is written into other patches
            data = data.copy()
        return data, inner, None if inner == box else inner.slices(box)
    cut = next(cut_patches(plan, [box], _Direct(source.source)))
    return source.dress(cut.pixels, box), box, None


def patch_of(data: object, box: Box, weights: NDArray[np.floating]) -> Patch[object]:
    """Return a patch at its place."""
    indices = RasterWindow(box.col0, box.row0, box.width, box.height)
    return Patch(data=data, anchor=(box.row0, box.col0), indices=indices, weights=weights)


def boxes_of(plan: Plan) -> Iterator[Box]:
    """Yield the nominal rectangle of each patch, without reading any."""
    for strip in plan.strips():
        yield from strip.boxes


def anchor_of(plan: Plan, box: Box) -> tuple[int, int]:
    """Return the anchor of the patch with a nominal rectangle; one that is cut off starts where it is."""
    if plan.boundary == "shrink":
        return (max(0, box.row0), max(0, box.col0))
    return (box.row0, box.col0)
