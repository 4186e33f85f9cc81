"""What the public per-cell aggregations share: `merge`, and how its result is stored."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar

import numpy as np

from geopatcher.aggregation.base import CellAggregation
from geopatcher.aggregation.strict import warn_if_unsafe_streaming
from geopatcher.aggregations.merging import MergeOptions, absolute, merge_patches
from geopatcher.engine.job import Output
from geopatcher.planning.memory import parse_bytes
from geopatcher.preparing import name_of
from geopatcher.sinks.geotiff import CogOptions
from geopatcher.sinks.targets import CogTarget, MemoryTarget, Target, ZarrTarget

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geopatcher.patch import Patch
    from geopatcher.protocols import HasShape
    from geopatcher.sinks.targets import ResultArray

S = TypeVar("S")
Pair: TypeAlias = "int | tuple[int, int]"


@dataclass(frozen=True, kw_only=True)
class Merging:
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
        ``"zarr"``, or ``"geotiff"`` for a Cloud-Optimized GeoTIFF at ``target_path``.
    dtype
        Of the result on disk; ``None`` is what the patches have. Integers are rounded half to even
        and saturate.
    memory_limit
        Bytes that patches without a plan may take before they go to a scratch file.
    fill_value
        What cells without any valid contribution hold: NaN for floats by default; for unsigned
        integers their largest value and for signed ones their smallest (of 64 bits, plus or minus
        ``2**53``).

    """

    streaming: bool = False
    target_path: str | os.PathLike[str] | None = None
    chunks: Pair | None = None
    shard_shape: Pair | None = None
    writer: Literal["zarr", "geotiff"] = "zarr"
    cog: CogOptions | None = None
    dtype: str | np.dtype | None = "float32"
    memory_limit: int | str = "1GiB"
    fill_value: float | int | None = None

    def __post_init__(self) -> None:
        if self.streaming and self.target_path is None:
            raise ValueError("streaming=True needs target_path, the folder the result goes to")
        if self.writer not in ("zarr", "geotiff"):
            raise ValueError(f'writer={self.writer!r} is neither "zarr" nor "geotiff"')
        parse_bytes(self.memory_limit)

    @property
    def _to_disk(self) -> bool:
        return self.streaming and self.target_path is not None

    def _target(self) -> Target:
        if not self._to_disk or self.target_path is None:
            return MemoryTarget()
        path = absolute(self.target_path)
        if self.writer == "geotiff":
            return CogTarget(path, options=self.cog or CogOptions())
        return ZarrTarget(path)

    def merge_options(self) -> MergeOptions:
        """Return where the result goes, and as what; in memory its dtype is the aggregation's choice."""
        target = self._target()
        dtype = np.dtype(self.dtype) if self._to_disk and self.dtype is not None else None
        shards = None if self.shard_shape is None else pair(self.shard_shape)
        return MergeOptions(
            target=target,
            output=Output(dtype=dtype, nodata=self.fill_value, shards=shards),
            chunks=pair(512 if self.chunks is None else self.chunks),
            memory_limit=parse_bytes(self.memory_limit),
            scratch=None if target.path is None else target.path.parent,
        )


class Stitching(Merging, CellAggregation[S], Generic[S]):
    """An aggregation that stitches patches as its options say."""

    def stitch(self, patches: Iterable[Patch[object]], domain: HasShape) -> ResultArray:
        """Return the field that patches belong to."""
        return merge_patches(self, patches, domain, self.merge_options())["data"]

    def get_config(self) -> dict[str, object]:
        """Return the class name as ``"type"`` and the parameters, all JSON values.

        Paths and dtypes are text, functions their names.
        """
        values = {field.name: vars(self)[field.name] for field in fields(self)}
        return {"type": type(self).__name__} | {name: _plain(value) for name, value in values.items()}


class Mergeable(Stitching[S], Generic[S]):
    """A public per-cell aggregation whose result is one array."""

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

        Warns
        -----
        RuntimeWarning
            The aggregation keeps every contribution to a cell (``streaming_safe`` is false) and merges
            in memory; in strict mode that is an `UnsafeStreamingError`.

        """
        if not self._to_disk:
            warn_if_unsafe_streaming(self)
        return self.stitch(patches, domain)


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, CogOptions):
        return {field.name: _plain(vars(value)[field.name]) for field in fields(value)}
    return name_of(value) if callable(value) else str(value)


def pair(value: Pair) -> tuple[int, int]:
    """Return ``(rows, cols)`` for one number or two.

    >>> pair(512), pair((256, 512))
    ((512, 512), (256, 512))
    """
    rows, cols = (value, value) if isinstance(value, int | np.integer) else value
    if min(rows, cols) < 1:
        raise ValueError(f"sizes must be positive, not {value}")
    return (int(rows), int(cols))
