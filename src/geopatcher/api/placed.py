"""Cutting fields into patches that are no rectangles of one size, or that are no rasters."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar, cast, runtime_checkable

import numpy as np

from geopatcher.api.ahead import read_ahead
from geopatcher.api.anchor_list import PlacedAnchors
from geopatcher.api.split import bytes_of
from geopatcher.core.cell_window import CellWindow
from geopatcher.core.domain import RasterDomain
from geopatcher.core.patch import Patch, Shaped
from geopatcher.core.places import NamedGrid
from geopatcher.core.protocols import HasShape, RectGeometry, SourceField
from geopatcher.engine.error_policy import ErrorPolicy, Failure, attempt, warn_of_none
from geopatcher.fields.open import as_field
from geopatcher.merging.placed import Layout, once
from geopatcher.merging.reduce import GlobalAggregation
from geopatcher.patching.lonlat import DEGREES
from geopatcher.patching.neighborhoods import Neighborhood, weights_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from geopatcher.accumulators.protocols import Merges
    from geopatcher.api.ahead import InFlight
    from geopatcher.api.split import DoneAnchors
    from geopatcher.core.places import Anchor
    from geopatcher.core.protocols import Sampler, Window
    from geopatcher.engine.error_policy import PatchErrorRecord
    from geopatcher.engine.hooks import Hooks
    from geopatcher.fields.open import Source, Sources


R = TypeVar("R")


@runtime_checkable
class Selects(Protocol):
    """A field, of whatever it covers."""

    @property
    def domain(self) -> HasShape:
        """What it covers."""
        ...

    def select(self, indexer: object, /) -> object:
        """Return a part."""
        ...


@runtime_checkable
class Finds(Protocol):
    """A geometry that says which cells of what it found belong, and how far they are."""

    def find(self, domain: HasShape, anchor: Anchor) -> Neighborhood:
        """Return what belongs to a patch."""
        ...


@runtime_checkable
class Neighbors(Protocol):
    """Any geometry."""

    def neighborhood(self, domain: HasShape, anchor: Anchor) -> object:
        """Return what selects a patch."""
        ...


@runtime_checkable
class NamesDegrees(Protocol):
    """A field whose dimensions have names."""

    @property
    def in_degrees(self) -> bool:
        """Whether these are latitude and longitude."""
        ...


class PlacedStream(Iterator[Patch[object]]):
    """Patches made when asked for, at places that are listed: it has a length, and ends with `close`."""

    def __init__(self, patches: Generator[Patch[object], None, None], length: int) -> None:
        self._patches = patches
        self._length = length

    def __next__(self) -> Patch[object]:
        return next(self._patches)

    def __len__(self) -> int:
        return self._length

    def close(self) -> None:
        """Stop, and release what reading holds."""
        self._patches.close()


@dataclass(frozen=True)
class Placing:
    """Patches at the places of a field.

    ``errors`` collects what failed under a ``policy`` that carries on.
    """

    source: Selects
    geometry: object
    sampler: Sampler
    window: Window
    policy: ErrorPolicy = field(default_factory=ErrorPolicy)
    errors: list[PatchErrorRecord] = field(default_factory=list)

    @classmethod
    def needed(
        cls,
        given: Sources,
        geometry: object,
        sampler: Sampler,
        window: Window,
        policy: ErrorPolicy,
        errors: list[PatchErrorRecord],
    ) -> Placing | None:
        """Return the patches of a field, where they are no rectangles of a raster; else ``None``."""
        own = isinstance(given, Selects) and not is_raster(given.domain)
        if isinstance(geometry, RectGeometry) and not own:
            return None
        source = cast("Selects", given if own else as_field(cast("Source", given)))
        return cls(source, geometry, sampler, window, policy, errors)

    @property
    def domain(self) -> HasShape:
        """What the field covers; where its dimensions are latitude and longitude, in degrees."""
        domain = self.source.domain
        if isinstance(domain, RasterDomain) and domain.crs is None and isinstance(self.source, NamesDegrees):
            return replace(domain, crs=DEGREES) if self.source.in_degrees else domain
        return domain

    @property
    def name(self) -> str:
        """What messages call the field."""
        return self.source.source.name if isinstance(self.source, SourceField) else repr(self.source)

    def anchors(self) -> PlacedAnchors:
        """Return the places, as the domain calls them."""
        domain, geometry = self.domain, cast("RectGeometry", self.geometry)
        return PlacedAnchors(lambda: iter(self.sampler.anchors(domain, geometry)))

    def stream(self, hooks: Hooks, done: DoneAnchors | None, bounds: InFlight) -> PlacedStream:
        """Return the patches, but those that are done."""
        anchors = [at for at in self.anchors() if done is None or not done.has(at)]
        return PlacedStream(read_ahead(self._patches(anchors, hooks), bounds), len(anchors))

    def _patches(
        self, anchors: Sequence[tuple[int, int]], hooks: Hooks
    ) -> Generator[Patch[object], None, None]:
        hooks.split_start(len(anchors))
        failed = len(self.errors)
        for anchor in anchors:
            hooks.patch_start(anchor)
            started = time.perf_counter()
            patch = attempt(partial(self.patch, anchor), self.policy)
            if isinstance(patch, Failure):
                self.errors.append(self.policy.record(patch.error, anchor, "read", patch.attempts))
                hooks.error(anchor, patch.error)
                if self.policy.on_error != "mask":
                    continue
                patch = self._masked(anchor)
            hooks.patch_done(anchor, time.perf_counter() - started, bytes_of(patch.data))
            yield patch
        if anchors and len(self.errors) - failed == len(anchors):
            warn_of_none(self.errors[failed:], "reading", self.name)
        hooks.split_end()

    def patch(self, anchor: tuple[int, int]) -> Patch[object]:
        """Return the patch at a place."""
        if not isinstance(self.geometry, Finds):
            return self._of_indices(anchor)
        found = self.geometry.find(self.domain, anchor)
        weights = weights_of(self.window, found, self.geometry)
        return _made(self._data(found.indices), anchor, found.indices, weights)

    def _of_indices(self, anchor: tuple[int, int]) -> Patch[object]:
        """Return the patch of a geometry that knows nothing but what selects it."""
        if not isinstance(self.geometry, Neighbors):
            raise TypeError(
                f"a geometry has neighborhood(domain, anchor), and {type(self.geometry).__name__} has not"
            )
        indices = self.geometry.neighborhood(self.domain, anchor)
        data = self._data(indices)
        if not isinstance(self.geometry, RectGeometry):
            found = Neighborhood(indices, self._shape_of(indices, data))
            return _made(data, anchor, indices, weights_of(self.window, found, self.geometry))
        weights = self.window.weights(self.geometry)
        if isinstance(data, Shaped) and len(data.shape) > 1 and weights.shape != data.shape[-2:]:
            weights = weights[tuple(slice(n) for n in data.shape[-2:])]  # cut off at the edge
        return _made(data, anchor, indices, weights)

    def _shape_of(self, indices: object, data: object) -> tuple[int, ...]:
        """Return rows and columns of a patch, or how many places it holds."""
        if len(self.domain.shape) > 1:
            if not isinstance(data, Shaped):
                raise TypeError(f"a patch of a raster has a shape, and {type(data).__name__} has none")
            return tuple(map(int, data.shape[-2:]))
        numbers = indices if isinstance(indices, slice) else np.asarray(indices)
        return np.broadcast_to(0, self.domain.shape)[numbers].shape

    def _masked(self, anchor: tuple[int, int]) -> Patch[object]:
        """Return NaN in the place of a patch that cannot be read."""
        if not isinstance(self.geometry, Finds):
            raise TypeError(f'on_error="mask" is for geometries of ours, not {type(self.geometry).__name__}')
        domain = self.domain
        found = self.geometry.find(domain, anchor)
        bands = tuple(domain.shape[:-2]) if is_raster(domain) else ()
        data = np.full((*bands, *found.shape), np.nan)
        return _made(data, anchor, found.indices, weights_of(self.window, found, self.geometry))

    def _data(self, indices: object) -> object:
        if (
            isinstance(indices, CellWindow)
            and indices.around is not None
            and isinstance(self.source, SourceField)
        ):
            source = self.source.source
            pixels = np.concatenate([source.read(box) for box, _ in indices.parts()], axis=-1)
            return pixels if len(self.source.domain.shape) == 3 else pixels[0]
        data = self.source.select(indices)
        return data.copy() if isinstance(data, np.ndarray) else data  # a view would show what others write


def is_raster(domain: HasShape) -> bool:
    """Whether a domain has rows and columns without names."""
    return len(domain.shape) >= 2 and not isinstance(domain, NamedGrid)


def check_rectangular(geometry: object) -> None:
    """Refuse a geometry whose patches are no rectangles of one size: for what is planned.

    Raises
    ------
    TypeError
        It is such a geometry.

    """
    if not isinstance(geometry, RectGeometry):
        raise TypeError(
            f"{type(geometry).__name__} has patches of different sizes, of which there is no plan: split, "
            f"work on the patches and merge, patcher.merge(map(work, patcher.split(field)), field); or take "
            f"a SpatialRectangular"
        )


def reduce_placed(patches: Iterator[Patch[object]], domain: HasShape, aggregation: Merges[R]) -> R:
    """Return what an aggregation makes of patches; a global one is shown each cell once."""
    if isinstance(aggregation, GlobalAggregation):
        return cast("R", aggregation.merge(once(patches, domain), Layout.of(domain).domain))
    return aggregation.merge(patches, domain)


def _made(
    data: object, anchor: tuple[int, int], indices: object, weights: NDArray[np.floating]
) -> Patch[object]:
    return Patch(data, anchor, cast("CellWindow", indices), weights)
