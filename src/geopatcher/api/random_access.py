"""Patches by number, for data loaders, and batches of them."""

from __future__ import annotations

import operator
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple, Protocol, overload

import numpy as np
from rasterio.windows import Window as RasterWindow

from geopatcher.api.split import boxes_of
from geopatcher.core.box import Box
from geopatcher.core.patch import Patch
from geopatcher.core.protocols import Concurrent
from geopatcher.engine.cuts import Cut, cut_strips
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.engine.reading import Reader
from geopatcher.engine.rows import Unit, read_units
from geopatcher.engine.single import cut_one
from geopatcher.engine.stats import RunStats
from geopatcher.fields.open import as_field
from geopatcher.fields.plain_field import array_of
from geopatcher.planning.anchors import Lattice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager
    from typing import SupportsIndex

    from geopatcher.core.protocols import Array, RectGeometry, SourceField, Window
    from geopatcher.engine.cuts import Cut
    from geopatcher.fields.open import Source
    from geopatcher.planning.plan import Plan


class Plans(Protocol):
    """What a patcher is to random access: where patches sit, and how they taper."""

    geometry: RectGeometry
    window: Window

    @property
    def policy(self) -> ErrorPolicy:
        """How often a read is tried."""
        ...

    def plan(self, field: Source) -> Plan:
        """Return the plan over a field."""
        ...


class IndexedPatchView(Sequence[Patch["Array"]]):
    """The patches of a field by number: ``len``, ``view[3]``, ``view[-1]``, ``view[10:20]``.

    In the order of `SpatialPatcher.split`, with the same pixels, filled alike at the edges. ``data`` is
    always an array, ``(bands, h, w)`` or ``(h, w)`` as the field is, and the caller's own to write into. A
    slice gives a list. Nothing but the patch is read, so a whole field is read faster by `split`.

    For a `torch.utils.data.DataLoader` pass ``collate_fn=stack_patches``. The view pickles as patcher and
    field, without what it has cached, so workers may be forked or spawned. Threads may share it.

    Parameters
    ----------
    patcher
        A `SpatialPatcher`.
    field
        Anything it splits.
    cache
        Keep the patches that were read in memory.
    preload
        Read all patches now, strip by strip, and keep them.
    cache_size
        Most patches to keep, those used last; asks for a cache by itself.

    Raises
    ------
    ValueError
        ``cache_size`` is less than 1, or too small to preload all patches.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import (IndexedPatchView, SpatialHann, SpatialOverlapAdd, SpatialPatcher,
    ...     SpatialRectangular, SpatialRegularStride)
    >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
    ...     SpatialOverlapAdd())
    >>> view = IndexedPatchView(patcher, np.arange(600.0).reshape(20, 30))
    >>> len(view), view[-1].anchor, [patch.anchor for patch in view[1:3]]
    (28, (12, 22), [(0, 4), (0, 8)])

    """

    def __init__(
        self,
        patcher: Plans,
        field: Source,
        cache: bool = False,
        preload: bool = False,
        cache_size: int | None = None,
    ) -> None:
        self.patcher = patcher
        self.field: SourceField[object] = as_field(field)
        self.plan = patcher.plan(self.field)
        if cache_size is not None and cache_size < 1:
            raise ValueError(f"cache_size must be 1 or more, not {cache_size}: pass None for no limit")
        if preload and cache_size is not None and cache_size < len(self):
            raise ValueError(
                f"preload=True keeps all {len(self)} patches, and cache_size={cache_size} allows fewer: "
                f"leave cache_size out"
            )
        self._keeps = cache or preload or cache_size is not None
        self._cache_size = cache_size
        self._start()
        if preload:
            for index, cut in enumerate(self._all()):
                self._kept[index] = self._patch(cut)

    def _start(self) -> None:
        self._box_at = _box_at(self.plan)
        self._weights = self.patcher.window.weights(self.patcher.geometry)
        self._kept: OrderedDict[int, Patch[Array]] = OrderedDict()
        self._lock = threading.Lock()
        source = self.field.source
        safe = isinstance(source, Concurrent) and source.reads_concurrently
        self._reading: AbstractContextManager[object] = nullcontext() if safe else threading.Lock()

    def __repr__(self) -> str:
        patch = "x".join(map(str, self.plan.anchors.patch_shape))
        return f"IndexedPatchView({self.plan.source_name}, {len(self):,} patches of {patch})"

    def __len__(self) -> int:
        return self.plan.n_patches

    @overload
    def __getitem__(self, index: SupportsIndex) -> Patch[Array]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Patch[Array]]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Patch[Array] | list[Patch[Array]]:
        if isinstance(index, slice):
            return [self._get(at) for at in range(*index.indices(len(self)))]
        at = operator.index(index)
        if not -len(self) <= at < len(self):
            raise IndexError(f"there is no patch {at}: the view has {len(self)}")
        return self._get(at % len(self))

    def __iter__(self) -> Iterator[Patch[Array]]:
        for index in range(len(self)):
            yield self._get(index)

    def _get(self, index: int) -> Patch[Array]:
        if not self._keeps:
            return self._patch(self._cut(index))
        with self._lock:
            patch = self._kept.get(index)
            if patch is not None:
                self._kept.move_to_end(index)
        if patch is None:
            patch = self._patch(self._cut(index))
            with self._lock:
                self._kept[index] = patch
                while self._cache_size is not None and len(self._kept) > self._cache_size:
                    self._kept.popitem(last=False)
        return patch.with_data(patch.data.copy())  # what is kept must not be written into

    def _cut(self, index: int) -> Cut:
        return cut_one(self.plan, self._read, self._box_at(index))

    def _read(self, box: Box) -> Unit:
        with self._reading:
            return self._reader()(box)

    def _reader(self) -> Reader:
        # A patch that is asked for by its number cannot be left out: after the retries it is an error.
        policy = self.patcher.policy
        strict = ErrorPolicy(max_retries=policy.max_retries, retry_on=policy.retry_on)
        return Reader(self.field.source, RunStats(), strict)

    def _all(self) -> Iterator[Cut]:
        box = self.plan.reach(self.plan.anchors.extent(self.plan.region))
        if box.n_pixels:
            units = read_units(self._reader(), box, self.plan.model.unit_rows)
            for cuts in cut_strips(self.plan, units, box):
                yield from cuts

    def _patch(self, cut: Cut) -> Patch[Array]:
        data = cut.pixels.reshape(*self.plan.domain.lengths, *cut.pixels.shape[-2:])
        weights = self._weights if cut.crop is None else self._weights[cut.crop]
        box = cut.box
        indices = RasterWindow(box.col0, box.row0, box.width, box.height)
        return Patch(data, cut.anchor, indices, weights)

    def __getstate__(self) -> dict[str, object]:
        names = ("patcher", "field", "plan", "_keeps", "_cache_size")
        return {name: vars(self)[name] for name in names}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._start()


def _box_at(plan: Plan) -> Callable[[int], Box]:
    """Return what gives a patch's nominal rectangle by its number: computed on a lattice, else listed."""
    if isinstance(plan.anchors, Lattice):
        rows, cols = plan.anchors.rows, plan.anchors.cols

        def of_lattice(index: int) -> Box:
            row, col = rows.anchor(index // cols.count), cols.anchor(index % cols.count)
            return Box(row, row + rows.size, col, col + cols.size)

        return of_lattice
    edges = [(box.row0, box.row1, box.col0, box.col1) for box in boxes_of(plan)]
    listed = np.asarray(edges, dtype=np.int64).reshape(-1, 4)
    return lambda index: Box(*listed[index].tolist())


class PatchBatch(NamedTuple):
    """Patches in one array: ``data`` ``(n, bands, h, w)``, ``anchors`` ``(n, 2)`` int64: row, col."""

    data: Array
    anchors: Array


def stack_patches(patches: Iterable[Patch[object]]) -> PatchBatch:
    """Stack patches of one shape into a batch ``(n, bands, h, w)``, with their anchors ``(n, 2)``.

    Patches ``(h, w)`` count as one band. Lazy readers are read; dtypes are promoted as NumPy does; a
    batch with a masked patch is masked. As ``collate_fn`` of a `torch.utils.data.DataLoader` over an
    `IndexedPatchView`, it makes the batches.

    Parameters
    ----------
    patches
        Any iterable of patches of one shape.

    Returns
    -------
    PatchBatch
        ``(data, anchors)``.

    Raises
    ------
    ValueError
        There are no patches, or their shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> from geopatcher import Patch, stack_patches
    >>> data, anchors = stack_patches([Patch(np.zeros((3, 8, 8)), (0, col), None) for col in (0, 8)])
    >>> data.shape, anchors.tolist()
    ((2, 3, 8, 8), [[0, 0], [0, 8]])

    """
    arrays, anchors = [], []
    for patch in patches:
        data = array_of(patch.data)
        if data.ndim not in (2, 3):
            raise ValueError(
                f"the patch at {patch.anchor} has shape {data.shape}: expected (h, w) or (bands, h, w)"
            )
        arrays.append(data[np.newaxis] if data.ndim == 2 else data)
        anchors.append(patch.anchor)
        if arrays[-1].shape != arrays[0].shape:
            raise ValueError(
                f"patches of different shapes cannot be stacked: the one at {anchors[0]} is "
                f"{arrays[0].shape}, the one at {patch.anchor} is {arrays[-1].shape}; "
                f'boundary="cover", "pad" and "reflect" give patches of one shape'
            )
    if not arrays:
        raise ValueError("there are no patches to stack")
    masked = any(isinstance(array, np.ma.MaskedArray) for array in arrays)
    stacked = np.ma.stack(arrays) if masked else np.stack(arrays)
    return PatchBatch(stacked, np.asarray(anchors, dtype=np.int64))
