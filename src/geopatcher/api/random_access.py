"""Patches by number, for data loaders."""

from __future__ import annotations

import operator
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol, overload
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np
from rasterio.windows import Window as RasterWindow

from geopatcher.api.anchor_list import Anchors
from geopatcher.api.cached_cuts import CachedCuts
from geopatcher.core.patch import Patch
from geopatcher.core.protocols import Concurrent
from geopatcher.engine.cuts import cut_strips
from geopatcher.engine.error_policy import ErrorPolicy
from geopatcher.engine.reading import Reader
from geopatcher.engine.rows import read_units
from geopatcher.engine.single import cut_one
from geopatcher.engine.stats import RunStats
from geopatcher.fields.open import as_field
from geopatcher.formats.gdal_environment import KeptTiles
from geopatcher.planning.memory import parse_bytes
from geopatcher.runs.source_watch import Glance

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import SupportsIndex

    from numpy.typing import NDArray

    from geopatcher.api.patch_cache import PatchCache
    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array, RectGeometry, SourceField, Window
    from geopatcher.engine.cuts import Cut
    from geopatcher.engine.rows import Unit
    from geopatcher.fields.open import Source
    from geopatcher.planning.plan import Plan


#: Decoded tiles that are kept, by default: some of each place of a file that is read at random.
TILE_CACHE = "256MiB"


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
    always an array, ``(bands, h, w)`` or ``(h, w)`` as the field is. Without a cache it is the caller's own
    to write into; with one, ``view[3] is view[3]`` while it is kept, and it cannot be written into: take a
    copy. A slice gives a list. Nothing but the patch is read, so a whole field is read faster by `split`.
    A patch is found by where it sits: ``view.index(patch)``, ``patch in view``.

    `geopatcher.torch.PatchDataset` makes tensors of it for a `torch.utils.data.DataLoader`; for arrays pass
    ``collate_fn=stack_patches``. The view pickles as patcher and
    field, without what it has cached, so workers may be forked or spawned. Threads may share it.

    Parameters
    ----------
    patcher
        A `SpatialPatcher`.
    field
        Anything it splits.
    cache
        ``True`` keeps the patches that were read in memory; a `geopatcher.PatchCache` keeps their pixels on
        disk, where `SpatialPatcher.split` finds them, too.
    preload
        Read all patches now, strip by strip, and keep them.
    cache_size
        Most patches to keep, those used last; asks for a cache by itself.
    tile_cache
        Bytes of decoded tiles of files that GDAL keeps between reads in each process, such as ``"1GiB"``:
        patches of one tile then decode it once. Views share them.

    Raises
    ------
    ValueError
        ``cache_size`` is less than 1, or too small to preload all patches; or ``tile_cache`` is not a size.

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
        cache: bool | PatchCache = False,
        preload: bool = False,
        cache_size: int | None = None,
        tile_cache: int | str = TILE_CACHE,
    ) -> None:
        self.patcher = patcher
        self.field: SourceField[object] = as_field(field)
        self.plan = patcher.plan(self.field)
        self._start()
        if cache_size is not None and cache_size < 1:
            raise ValueError(f"cache_size must be 1 or more, not {cache_size}: pass None for no limit")
        if preload and cache_size is not None and cache_size < len(self):
            raise ValueError(
                f"preload=True keeps all {len(self)} patches, and cache_size={cache_size} allows fewer: "
                f"leave cache_size out"
            )
        self._disk = None if isinstance(cache, bool) else cache
        self._keeps = cache is True or preload or cache_size is not None
        self._cache_size = cache_size
        self._tiles = KeptTiles(parse_bytes(tile_cache))
        if preload:
            for index, cut in enumerate(self._all()):
                self._kept[index] = self._frozen(cut)

    def _start(self) -> None:
        self._anchors = Anchors(self.plan)
        self._weights = self.patcher.window.weights(self.patcher.geometry)
        self._kept: OrderedDict[int, Patch[Array]] = OrderedDict()
        self._in_use: WeakValueDictionary[int, Patch[Array]] = WeakValueDictionary()
        self._valid: WeakKeyDictionary[Patch[Array], NDArray[np.bool_]] = WeakKeyDictionary()
        self._lock, self._looking = threading.Lock(), threading.Lock()
        source = self.field.source
        self._glance = Glance(source)
        self._cuts: CachedCuts | None = None
        safe = isinstance(source, Concurrent) and source.reads_concurrently
        self._reading: AbstractContextManager[object] = nullcontext() if safe else threading.Lock()

    def __repr__(self) -> str:
        size = "x".join(map(str, self.plan.anchors.patch_shape))
        many = f"{len(self):,} patches of {size}" if len(self) else "no patches"
        return f"IndexedPatchView({self.plan.source_name}, {many})"

    def __len__(self) -> int:
        return len(self._anchors)

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

    @property
    def anchors(self) -> Anchors:
        """``(row, col)`` of each patch, in their order."""
        return self._anchors

    def index(self, value: object, start: int = 0, stop: int | None = None) -> int:
        """Return the number of the patch that sits where another one does; nothing is read.

        Parameters
        ----------
        value
            A `Patch`.
        start, stop
            Where to look, as for a list.

        Returns
        -------
        int
            Of the first.

        Raises
        ------
        ValueError
            None sits there.

        """
        if isinstance(value, Patch):
            for number in range(*slice(start, stop).indices(len(self))):
                if self.anchors[number] == value.anchor:
                    return number
        raise ValueError(f"no patch of {self!r} sits where {value!r} does")

    def count(self, value: object) -> int:
        """Return how many patches sit where another one does; nothing is read.

        Parameters
        ----------
        value
            A `Patch`.

        Returns
        -------
        int
            0 where there is none.

        """
        return sum(anchor == value.anchor for anchor in self.anchors) if isinstance(value, Patch) else 0

    def __contains__(self, value: object) -> bool:
        return self.count(value) > 0

    def valid(self, patch: Patch[Array]) -> NDArray[np.bool_] | None:
        """Return where a patch of this view has data, as far as no value of it says so.

        Of integers that is by the nodata value or the mask of their file; of floats that are missing are NaN,
        and what overhangs a raster under ``boundary="pad"`` has no data.

        Parameters
        ----------
        patch
            The very one that this view gave.

        Returns
        -------
        numpy.ndarray or None
            Booleans shaped like its data; ``None`` where nothing more is known than its values say.

        """
        return self._valid.get(patch)

    def clear_cache(self) -> None:
        """Forget the patches that are kept in memory, and remove all entries of a `PatchCache`."""
        with self._lock:
            self._kept.clear()
            self._in_use.clear()
        if self._disk is not None:
            self._disk.clear()

    def _get(self, index: int) -> Patch[Array]:
        if not self._keeps and self._disk is None:
            return self._patch(cut_one(self.plan, self._read, self._anchors.box_at(index)))
        with self._lock:
            patch = self._kept.get(index) or self._in_use.get(index)
            if index in self._kept:
                self._kept.move_to_end(index)
        return patch if patch is not None else self._keep(index, self._frozen(self._cut(index)))

    def _keep(self, index: int, patch: Patch[Array]) -> Patch[Array]:
        with self._lock:
            patch = self._in_use.setdefault(index, patch)  # another thread may have been quicker
            if self._keeps:
                self._kept[index] = patch
                while self._cache_size is not None and len(self._kept) > self._cache_size:
                    self._kept.popitem(last=False)
        return patch

    def _cut(self, index: int) -> Cut:
        box = self._anchors.box_at(index)
        if self._disk is None:
            return cut_one(self.plan, self._read, box)
        return self._cuts_of(self._disk).one(box)

    def _cuts_of(self, disk: PatchCache) -> CachedCuts:
        """Return what a cache on disk has; which entries are this field's may take reading it once.

        They are others as soon as the field is another version of itself.
        """
        with self._looking:
            if self._glance.finds_another() or self._cuts is None:
                folder = disk.folder_of(self.field.source, self.plan)
                self._cuts = CachedCuts(disk, self.plan, self._read, folder)
            return self._cuts

    def _frozen(self, cut: Cut) -> Patch[Array]:
        """Return a patch that several hold, so that none can write into it."""
        patch = self._patch(cut)
        patch.data.setflags(write=False)
        return patch

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
        patch = Patch(data, cut.anchor, indices, weights)
        if cut.valid is not None:
            self._valid[patch] = np.broadcast_to(cut.valid, cut.pixels.shape).reshape(data.shape)
        return patch

    def __getstate__(self) -> dict[str, object]:
        names = ("patcher", "field", "plan", "_disk", "_keeps", "_cache_size", "_tiles")
        return {name: vars(self)[name] for name in names}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._start()
