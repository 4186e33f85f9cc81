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
from geopatcher.core.html_cards import plain_card
from geopatcher.core.patch import Patch
from geopatcher.core.sources import packing_of
from geopatcher.core.typevars import D_co
from geopatcher.engine.cuts import cut_patches, cut_strips
from geopatcher.engine.error_policy import ErrorPolicy, Failure, attempt, persist, warn_of_none
from geopatcher.engine.hooks import Hooks
from geopatcher.engine.reading import Reader
from geopatcher.engine.rows import read_units
from geopatcher.engine.stats import RunStats
from geopatcher.errors import GeopatcherError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

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

    def __repr__(self) -> str:
        return f"PatchStream({len(self):,} patches left of {self.plan!r})"

    def _repr_html_(self) -> str:
        return plain_card("PatchStream", f"{len(self):,} patches left\n{self.plan}")

    def __len__(self) -> int:
        return remaining(self.plan, self._done)

    def close(self) -> None:
        """Stop, and release what reading holds."""
        self._patches.close()


class Piece(NamedTuple):
    """Data of a patch, its rectangle, and the part of the taper left where it was cut off."""

    data: object
    box: Box
    crop: tuple[slice, slice] | None = None
    failure: Failure | None = None


@runtime_checkable
class HasFolders(Protocol):
    """A `geopatcher.PatchCache`."""

    def folder_of(self, source: PixelSource, plan: Plan, /) -> Path:
        """Return the folder of a field's patches, made the way a plan makes them."""
        ...


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

    def __post_init__(self) -> None:
        if self.cache is not None and not isinstance(self.cache, HasFolders):
            raise TypeError(
                f"cache= is a PatchCache(folder), not {self.cache!r}: patches are kept in memory by "
                f"IndexedPatchView(patcher, field, cache=True)"
            )

    @property
    def by_window(self) -> bool:
        """Whether patches are read one by one, as the field's `select` gives them."""
        return self.source.gives_windows and self.cache is None

    def patches(self) -> Generator[Patch[object], None, None]:
        """Yield the patches, in the order of the plan; warn at the end, when every patch failed."""
        delivery = Delivery(self)
        pieces = self._windows() if self.by_window else self._strips()
        with closing(pieces):
            for nominal in boxes_of(self.plan):
                anchor = anchor_of(self.plan, nominal)
                if self.is_done(anchor):
                    if not self.by_window:
                        next(pieces)
                    delivery.n_good += 1  # it was, at another time
                    continue
                self.hooks.patch_start(anchor)
                started = time.perf_counter()
                patch = delivery.of(next(pieces), anchor, started)
                if patch is not None:
                    yield patch
        delivery.end()

    def single(self, box: Box) -> Patch[object]:
        """Return the patch with a nominal rectangle, which need not be one of the plan's."""
        if self.cache is not None:
            return self._patch_of(self._piece_of(self._cached(self.cache).one(box)))
        try:
            window = persist(partial(window_of, self.source, self.plan, box), self.policy)
        except Exception as error:
            note(error, box, self.source.source.name)
            raise
        return self._patch_of(Piece(*window))

    def is_done(self, anchor: tuple[int, int]) -> bool:
        """Whether a patch is to be left out."""
        return self.done is not None and self.done.has(anchor)

    def _patch_of(self, piece: Piece) -> Patch[object]:
        if piece.failure is not None:
            raise piece.failure.error
        return patch_of(piece.data, piece.box, self.tapered(piece))

    def tapered(self, piece: Piece) -> NDArray[np.floating]:
        """Return the part of the taper that is left of a piece."""
        return self.weights if piece.crop is None else self.weights[piece.crop]

    def mask(self, box: Box) -> object:
        """Return NaN in the place of a patch; integers become floats for it."""
        packing, domain = packing_of(self.source.source), self.source.domain
        if packing is not None:
            return packing.blank(box.shape)
        dtype = np.result_type(domain.dtype, np.float32)
        return self.source.dress(np.full((domain.n_bands, *box.shape), np.nan, dtype), box)

    def _windows(self) -> Generator[Piece, None, None]:
        """Yield patches window by window, as the field's `select` gives them."""
        for box in boxes_of(self.plan):
            if self.is_done(anchor_of(self.plan, box)):
                continue
            try:
                piece = attempt(partial(window_of, self.source, self.plan, box), self.policy)
            except Exception as error:
                note(error, box, self.source.source.name)
                raise
            yield self.failed(box, piece) if isinstance(piece, Failure) else Piece(*piece)

    def failed(self, box: Box, failure: Failure) -> Piece:
        """Return the piece of a patch that could not be read."""
        inner = box.intersect(Box.of_shape(self.plan.domain.grid_shape))
        if inner == box or self.plan.boundary != "shrink":
            return Piece(None, box, None, failure)
        return Piece(None, inner, inner.slices(box), failure)

    def _strips(self) -> Generator[Piece, None, None]:
        """Yield patches cut from strips that are read once."""
        plan = self.plan
        box = plan.reach(plan.anchors.extent(plan.region))
        if not box.n_pixels:
            return
        read = self._reader()
        with closing(read_units(read, box, plan.model.unit_rows)) as units:
            cuts: Iterator[Cut]
            if self.cache is None:
                cuts = chain.from_iterable(cut_strips(plan, units, box))
            else:
                cuts = iter(self._cached(self.cache))
            yield from map(self._piece_of, cuts)

    def _piece_of(self, cut: Cut) -> Piece:
        if cut.loss is None:
            return Piece(self.source.dress(cut.pixels, cut.box), cut.box, cut.crop)
        return Piece(None, cut.box, cut.crop, Failure(cut.loss.error, cut.loss.attempts))

    def _reader(self) -> Reader:
        return Reader(self.source.source, RunStats(), self.policy)

    def _cached(self, cache: PatchCache) -> CachedCuts:
        return CachedCuts(cache, self.plan, self._reader(), cache.folder_of(self.source.source, self.plan))


class Delivery:
    """What is told of the patches of one pass, however they are read: by a loop, or by many tasks."""

    def __init__(self, splitting: Splitting) -> None:
        self._pass = splitting
        self._n_errors = len(splitting.errors)
        self.n_good = 0
        if splitting.hooks:
            splitting.hooks.split_start(splitting.plan.n_patches)

    def of(self, piece: Piece, anchor: tuple[int, int], started: float) -> Patch[object] | None:
        """Return the patch of a piece whose reading began then; ``None`` for one that is left out."""
        now, data = self._pass, piece.data
        if piece.failure is None:
            self.n_good += 1
        else:
            failure = piece.failure
            now.errors.append(now.policy.record(failure.error, anchor, "read", failure.attempts))
            now.hooks.error(anchor, failure.error)
            if now.policy.on_error != "mask":
                return None
            data = now.mask(piece.box)
        patch = patch_of(data, piece.box, now.tapered(piece))
        now.hooks.patch_done(anchor, time.perf_counter() - started, bytes_of(data))
        return patch

    def end(self) -> None:
        """Tell that all patches were read, and warn if not one was."""
        now = self._pass
        if not self.n_good and len(now.errors) > self._n_errors:
            warn_of_none(now.errors[self._n_errors :], "reading", now.source.source.name)
        now.hooks.split_end()


@dataclass(frozen=True)
class _Direct:
    """Rectangles read one by one."""

    source: PixelSource

    def cut(self, box: Box) -> tuple[Array, Array | None]:
        """Read a rectangle, into memory of its own."""
        pixels = np.array(self.source.read(box))
        return pixels, self.source.valid(box, pixels)


@dataclass(frozen=True)
class Held:
    """A rectangle of pixels in memory, to cut patches from."""

    box: Box
    pixels: Array
    valid: Array | None

    @classmethod
    def of(cls, source: PixelSource, box: Box) -> Held:
        """Read a rectangle."""
        pixels = source.read(box)
        return cls(box, pixels, source.valid(box, pixels))

    def cut(self, box: Box) -> tuple[Array, Array | None]:
        """Return copies: an operator may write into what it is given."""
        where = box.slices(self.box)
        pixels = np.array(self.pixels[:, *where])
        return pixels, None if self.valid is None else self.valid[:, *where].copy()


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


def note(error: Exception, box: Box, name: str) -> None:
    """Note on an error of a field's own what was read; ours say it themselves."""
    if not isinstance(error, GeopatcherError):
        error.add_note(f"while reading {box} of {name}")


def bytes_of(data: object) -> int:
    """Return the bytes of an array; 0 of what is lazy."""
    return data.nbytes if isinstance(data, HasBytes) else 0


def remaining(plan: Plan, done: DoneAnchors | None) -> int:
    """Return how many patches of a plan are not done."""
    if done is None:
        return plan.n_patches
    return sum(not done.has(anchor_of(plan, box)) for box in boxes_of(plan))


def boxes_of(plan: Plan) -> Iterator[Box]:
    """Yield the nominal rectangle of each patch, without reading any."""
    for strip in plan.strips():
        yield from strip.boxes


def anchor_of(plan: Plan, box: Box) -> tuple[int, int]:
    """Return the anchor of the patch with a nominal rectangle; one that is cut off starts where it is."""
    if plan.boundary == "shrink":
        return (max(0, box.row0), max(0, box.col0))
    return (box.row0, box.col0)
