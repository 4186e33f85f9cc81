"""What the public per-cell aggregations share: `merge`, and how its result is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar, overload

import numpy as np

from geopatcher.accumulators.base import CellAggregation
from geopatcher.accumulators.strict import warn_if_unsafe_streaming
from geopatcher.core.axis import pixel_pair
from geopatcher.core.config import comparable
from geopatcher.core.typevars import Place_co
from geopatcher.engine.output import Output
from geopatcher.merging.merge import MergeOptions, absolute, merge_patches
from geopatcher.planning.memory import parse_bytes
from geopatcher.targets.open import CogTarget, MemoryTarget, Target, ZarrTarget
from geopatcher.targets.places import check_place
from geopatcher.targets.protocol import MemoryStorage
from geopatcher.targets.storage import CogStorage, ZarrStorage

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from geopatcher.core.patch import Patch
    from geopatcher.core.protocols import Array, HasShape
    from geopatcher.targets.product import ResultArray
    from geopatcher.targets.protocol import Storage

S = TypeVar("S")
Pair: TypeAlias = "int | tuple[int, int]"


@dataclass(frozen=True, kw_only=True)
class Merging(Generic[Place_co]):
    """How a per-cell aggregation merges.

    Parameters
    ----------
    streaming, target_path
        With ``streaming=True`` and a folder the result is a zarr array in that folder, without a
        float64 array in memory.
    chunks
        ``(rows, cols)`` of a block of the result on disk; 512 by default.
    shard_shape
        ``(rows, cols)`` of a shard, a multiple of ``chunks``; unsharded by default, since few
        readers open sharded stores.
    writer
        ``"zarr"``, or ``"cog"`` for a Cloud-Optimized GeoTIFF at ``target_path``.
    cog
        How that is written; `geopatcher.CogStorage` with its defaults by default.
    dtype
        Of the result on disk; ``None`` is what the patches have. Integers are rounded half to even, and
        averages and sums saturate; a value that was chosen among the patches' must fit.
    memory_limit
        Bytes that patches without a plan may take before they go to a scratch file.
    fill_value
        What cells without any valid contribution hold: NaN for floats by default. Integers on disk
        have a mask beside them, see `geopatcher.reconstruct`, and under it hold their largest value if
        they are unsigned and their smallest if not (of 64 bits, plus or minus ``2**53``).

    Raises
    ------
    ValueError
        ``streaming=True`` has no ``target_path``, or ``writer`` is unknown.

    """

    streaming: bool = False
    target_path: Place_co = None  # type: ignore[assignment] # it is the variable's default
    chunks: Pair | None = None
    shard_shape: Pair | None = None
    writer: Literal["zarr", "cog"] = "zarr"
    cog: CogStorage | None = None
    dtype: str | np.dtype | None = "float32"
    memory_limit: int | str = "1GiB"
    fill_value: float | int | None = field(default=None, compare=False)
    _filled_with: object = field(init=False, repr=False)  # what is compared in its place

    def __post_init__(self) -> None:
        object.__setattr__(self, "_filled_with", comparable(self.fill_value))
        if self.streaming and self.target_path is None:
            raise ValueError("streaming=True needs target_path, the folder the result goes to")
        check_place(self.target_path)
        if self.writer not in ("zarr", "cog"):
            raise ValueError(f'writer={self.writer!r} is neither "zarr" nor "cog"')
        parse_bytes(self.memory_limit)

    @property
    def _to_disk(self) -> bool:
        return self.streaming and self.target_path is not None

    def _target(self) -> Target:
        if not self._to_disk or self.target_path is None:
            return MemoryTarget()
        path = absolute(self.target_path)
        if self.writer == "cog":
            return CogTarget(path, options=self.cog or CogStorage())
        return ZarrTarget(path)

    def _storage(self) -> Storage:
        if not self._to_disk:
            return MemoryStorage()
        if self.writer == "cog":
            return self.cog or CogStorage()
        return ZarrStorage(
            shards=None if self.shard_shape is None else pixel_pair(self.shard_shape, "shard_shape")
        )

    def merge_options(self) -> MergeOptions:
        """Return where the result goes, and as what; in memory its dtype is the aggregation's choice.

        Returns
        -------
        MergeOptions
            The target, and how the result is stored there.

        """
        target = self._target()
        dtype = np.dtype(self.dtype) if self._to_disk and self.dtype is not None else None
        storage, chunks = self._storage(), pixel_pair(512 if self.chunks is None else self.chunks, "chunks")
        return MergeOptions(
            target=target,
            output=Output(dtype=dtype, nodata=self.fill_value, storage=storage),
            chunks=storage.blocks(chunks) if self.writer == "cog" else chunks,
            memory_limit=parse_bytes(self.memory_limit),
            scratch=target.path.parent if isinstance(target.path, Path) else None,
        )


class Stitching(Merging[Place_co], CellAggregation[S], Generic[S, Place_co]):
    """An aggregation that stitches patches as its options say."""

    def stitch(self, patches: Iterable[Patch[object]], domain: HasShape) -> ResultArray:
        """Return the field that patches belong to.

        Parameters
        ----------
        patches
            Any iterable of `geopatcher.Patch`, in any order.
        domain
            Anything with a ``shape`` that ends in height and width.

        Returns
        -------
        numpy.ndarray or zarr.Array
            ``(height, width)`` for patches ``(h, w)``, else ``(bands, height, width)``.

        """
        return merge_patches(self, patches, domain, self.merge_options())["data"]


class Mergeable(Stitching[S, Place_co], Generic[S, Place_co]):
    """A public per-cell aggregation whose result is one array."""

    @overload
    def merge(self: Mergeable[S, None], patches: Iterable[Patch[object]], domain: HasShape) -> Array: ...
    @overload
    def merge(
        self: Mergeable[S, str | os.PathLike[str] | None], patches: Iterable[Patch[object]], domain: HasShape
    ) -> ResultArray: ...
    def merge(self, patches: Iterable[Patch[object]], domain: HasShape) -> ResultArray:
        """Stitch patches into the field they belong to.

        Parameters
        ----------
        patches
            Any iterable of `Patch`, in any order; lazily, where it is lazy. What `split` and the
            operators of ``geotoolz.patch_ops`` return carries its plan and needs the least memory.
        domain
            Anything with a ``shape`` whose last two numbers are height and width.

        Returns
        -------
        numpy.ndarray or zarr.Array
            ``(height, width)`` for patches ``(h, w)``, else ``(bands, height, width)``.

        Raises
        ------
        OperatorError
            Patches do not fit together, or a chosen value does not fit the ``dtype``; says which.
        ValueError
            A patch lies wholly outside the domain; one that overhangs it is cut off.
        TargetExistsError
            Something is at ``target_path``: a merge replaces nothing.

        Warns
        -----
        RuntimeWarning
            The aggregation keeps every contribution to a cell (``streaming_safe`` is false) and merges
            in memory; in strict mode that is an `UnsafeStreamingError`. Or integers of patches differed where
            they overlap, and were averaged: labels want `SpatialMode` or `SpatialHardVote`.

        """
        if not self._to_disk:
            warn_if_unsafe_streaming(self)
        return self.stitch(patches, domain)
