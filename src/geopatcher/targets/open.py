"""Targets: where a result will be, how it is built, and when it appears under its name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from geopatcher.errors import TargetError, UnsupportedTargetError
from geopatcher.targets.bucket.cog_target import BucketCogTarget
from geopatcher.targets.bucket.sending import sending_bytes
from geopatcher.targets.bucket.target import BucketTarget
from geopatcher.targets.disk import CogTarget, ZarrTarget
from geopatcher.targets.memory import MemorySink
from geopatcher.targets.places import BucketUrl, bucket_url, local_place
from geopatcher.targets.preflight import bytes_of, check_memory, describe
from geopatcher.targets.protocol import MemoryStorage, Target
from geopatcher.targets.storage import CogStorage, ZarrStorage

if TYPE_CHECKING:
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import Resume, Sink
    from geopatcher.targets.product import Product
    from geopatcher.targets.protocol import Storage

__all__ = ["CogTarget", "MemoryTarget", "Target", "ZarrTarget", "target_for"]

#: How results are stored, by the ending of their names.
FORMATS: dict[str, type[ZarrStorage | CogStorage]] = {
    ".zarr": ZarrStorage,
    ".tif": CogStorage,
    ".tiff": CogStorage,
}


@dataclass
class MemoryTarget:
    """The result is an ndarray."""

    path: Path | None = None
    _sink: MemorySink | None = None

    def check(self) -> None:
        """Memory can always be tried; the plan has been checked."""

    def create(self, spec: ResultSpec) -> Sink:
        """Allocate the arrays.

        Raises
        ------
        MemoryLimitError
            The machine does not have that much.

        """
        check_memory(bytes_of(spec), describe(spec))
        self._sink = MemorySink(spec)
        return self._sink

    def complete(self) -> Product:
        """Return the arrays."""
        if self._sink is None:
            raise TargetError("the result was completed before it was created")
        return self._sink.complete()

    def discard(self) -> None:
        """Let go of the arrays."""
        self._sink = None


def storage_for(
    path: str | os.PathLike[str] | Target | None, storage: ZarrStorage | CogStorage | None = None
) -> Storage:
    """Return how a result at ``path`` is stored: as asked for, or the usual way of its format.

    Raises
    ------
    ValueError
        ``storage`` is that of another format; names both. Or there is no format of this ending.
    UnsupportedTargetError
        The target is not on this machine, or is a GeoTIFF of a name that GDAL cannot write.

    Examples
    --------
    >>> storage_for("x.tif")
    CogStorage(compress='DEFLATE', level=None, blocksize=None, overviews=True, overview=None, ...
    >>> storage_for("x.tif", ZarrStorage())
    Traceback (most recent call last):
        ...
    ValueError: storage=ZarrStorage(...) is for a .zarr target, not x.tif: give a CogStorage, or leave it out

    """
    if isinstance(path, Target):
        if storage is not None:
            raise ValueError(f"storage= is for a target given as a path: a {type(path).__name__} has its own")
        return MemoryStorage()
    wanted = MemoryStorage if path is None else _format_of(path)
    if storage is None:
        return wanted()
    if isinstance(storage, wanted):
        return storage
    given = type(storage)
    endings = " or ".join(ending for ending, known in FORMATS.items() if known is given)
    if not endings:
        raise TypeError(f"storage is a ZarrStorage or a CogStorage, not {storage!r}")
    way_out = "" if path is None else f"give a {wanted.__name__}, or "
    raise ValueError(
        f"storage={given.__name__}(...) is for a {endings} target, not {path or 'memory'}: "
        f"{way_out}leave it out"
    )


def _format_of(path: str | os.PathLike[str]) -> type[ZarrStorage | CogStorage]:
    url = bucket_url(path)
    place = local_place(path) if url is None else url
    ending = place.suffix
    found = FORMATS.get(ending if ending.lower() == ".zarr" else ending.lower())  # .TIF is usual
    if found is None:
        raise ValueError(f"target {os.fspath(path)!r} must end in .zarr or .tif (or be None for memory)")
    if found is CogStorage and isinstance(place, Path) and _is_no_utf8(place.absolute()):
        raise UnsupportedTargetError(
            f"{os.fspath(path)!r} is no UTF-8, and GDAL writes no GeoTIFF under such a name: "
            f"choose another name or folder, or a .zarr"
        )
    return found


def _is_no_utf8(place: Path) -> bool:
    try:
        str(place).encode()
    except UnicodeEncodeError:
        return True
    return False


def assembly_bytes(target: str | os.PathLike[str] | Target | None, storage: Storage, spec: ResultSpec) -> int:
    """Return what it takes to make a result of its blocks, and to send it where it is sent when it is made.

    >>> from geopatcher.core.domain import RasterDomain, ResultSpec
    >>> spec = ResultSpec(RasterDomain((9000, 9000)), (512, 512), 0)
    >>> bytes_for = [assembly_bytes(name, CogStorage(), spec) >> 20 for name in ("x.tif", "s3://bucket/x.tif")]
    >>> bytes_for[0] < bytes_for[1]
    True
    """
    path = path_of(target)
    made = storage.assembly_bytes(spec)
    if path is None or bucket_url(path) is None or not isinstance(storage, CogStorage):
        return made
    return max(made, sending_bytes(bytes_of(spec)))


def path_of(target: str | os.PathLike[str] | Target | None) -> str | os.PathLike[str] | None:
    """Return the place of a target that is given as its path or as itself; ``None`` where it has none.

    >>> path_of("result.zarr"), path_of(MemoryTarget())
    ('result.zarr', None)
    """
    return target.path if isinstance(target, Target) else target


def target_for(
    path: str | os.PathLike[str] | Target | None,
    *,
    overwrite: bool,
    resume: Resume = True,
    storage: ZarrStorage | CogStorage | None = None,
) -> Target:
    """Return the target a path's ending asks for; ``None`` is memory. A `Target` is what it is.

    Raises
    ------
    ValueError
        The ending is neither ``.zarr`` nor ``.tif``, or ``storage`` is that of another format; or options are
        given with a `Target`, which has its own.
    UnsupportedTargetError
        It is not on this machine.

    """
    stored = storage_for(path, storage)
    if path is None:
        return MemoryTarget()
    if isinstance(path, Target):
        if overwrite or resume is not True:
            raise ValueError(
                f"overwrite= and resume= are for a target given as a path: a {type(path).__name__} is "
                f"made with its own"
            )
        return path
    url = bucket_url(path)
    if url is not None and isinstance(stored, ZarrStorage):
        return BucketTarget(BucketUrl(url, stored.credentials), overwrite, resume)
    if url is not None and isinstance(stored, CogStorage):
        return BucketCogTarget(url, overwrite, resume, stored)
    if isinstance(stored, ZarrStorage) and stored.credentials is not None:
        raise ValueError(
            f"credentials={stored.credentials!r} are for a result in a bucket, and {path} is none"
        )
    place = local_place(path)
    if isinstance(stored, CogStorage):
        return CogTarget(place, overwrite, resume, stored)
    return ZarrTarget(place, overwrite, resume)
