"""Where results may go: to a file or folder of this machine, or into a bucket."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias

from geopatcher.errors import TargetError, UnsupportedTargetError
from geopatcher.errors.redaction import shown
from geopatcher.formats.cloud_variables import usual_variable

if TYPE_CHECKING:
    from collections.abc import Mapping

#: ``s3://bucket/x``, also as `Path` leaves it, ``s3:/bucket/x``, and GDAL's virtual paths.
_ELSEWHERE = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):/|/vsi[a-z0-9_]+[/?]")

#: How addresses in buckets begin, GDAL's virtual paths among them.
SCHEMES = {"s3": "s3", "gs": "gs", "az": "az", "vsis3": "s3", "vsigs": "gs", "vsiaz": "az"}
_IN_BUCKET = re.compile(r"(?:(?=s3:|gs:|az:)|/(?=vsi))(s3|gs|az|vsis3|vsigs|vsiaz)(?:://|/)(.*)")

#: A bucket, and a key in it.
_BUCKET = re.compile(r"((?:s3|gs|az)://[^/?#@:]+)/([^?#]*[^?#/])/*")


class BucketUrl(str):  # noqa: SLOT000 - text has no slots but for what it is itself
    """The address of a result in a bucket, such as ``s3://bucket/x.zarr``: text, with the parts a path has.

    ``credentials`` names the function that gives them, ``None`` for those of the environment.

    Examples
    --------
    >>> url = BucketUrl("s3://bucket/maps/x.zarr")
    >>> url.name, url.suffix, url.root, url.key, url / "data"
    ('x.zarr', '.zarr', 's3://bucket', 'maps/x.zarr', 's3://bucket/maps/x.zarr/data')
    >>> url.with_name("y.tif"), url.stem, url.is_store
    ('s3://bucket/maps/y.tif', 'x', True)

    """

    credentials: str | None

    def __new__(cls, address: str, credentials: str | None = None) -> Self:
        """Make one of an address."""
        made = super().__new__(cls, address)
        made.credentials = credentials
        return made

    def __reduce__(self) -> tuple[type[BucketUrl], tuple[str, str | None]]:
        return (BucketUrl, (str(self), self.credentials))

    @property
    def root(self) -> str:
        """Scheme and bucket."""
        return "/".join(self.split("/")[:3])

    @property
    def key(self) -> str:
        """What follows these."""
        return "/".join(self.split("/")[3:])

    @property
    def name(self) -> str:
        """The last part."""
        return self.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The ending of the name, with its dot."""
        _, dot, ending = self.name.rpartition(".")
        return dot + ending

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return self.name.removesuffix(self.suffix)

    @property
    def is_store(self) -> bool:
        """Whether it is that of a zarr store."""
        return self.suffix == ".zarr"

    def with_name(self, name: str) -> BucketUrl:
        """Return what is of another name beside it."""
        return BucketUrl(f"{self.rpartition('/')[0]}/{name}", self.credentials)

    def __truediv__(self, name: str) -> BucketUrl:
        return BucketUrl(f"{self}/{name}", self.credentials)


#: Where a result is.
Spot: TypeAlias = Path | BucketUrl


def bucket_url(path: str | os.PathLike[str]) -> BucketUrl | None:
    """Return a place to write to as an address in a bucket; ``None`` for what is none.

    Raises
    ------
    UnsupportedTargetError
        It is one with a user, a password or a query in it.

    Examples
    --------
    >>> bucket_url("gs://bucket/x.zarr/"), bucket_url("x.zarr")
    ('gs://bucket/x.zarr', None)

    """
    text = os.fspath(path)
    if not re.match(r"(s3|gs|az)://", text):
        return None
    found = _BUCKET.fullmatch(text)
    if found is None:
        raise UnsupportedTargetError(
            f"{shown(text)} has more than a bucket and a name in it, or less: credentials are taken from the "
            f"environment, such as {usual_variable(text)}, or from "
            f'storage=ZarrStorage(credentials="module:function")'
        )
    return BucketUrl(f"{found[1]}/{found[2]}")


def require_apart(path: BucketUrl, identity: Mapping[str, str | int | float]) -> None:
    """Refuse to write to an address that pixels come from, which the ``identity`` of their source tells.

    Raises
    ------
    TargetError
        A text of it is an address in the target, or one around it.

    """
    own = f"{path}/"
    for value in identity.values():
        found = _IN_BUCKET.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            continue
        there = f"{SCHEMES[found[1]]}://{found[2]}"
        if f"{there}/".startswith(own) or own.startswith(f"{there}/"):
            raise TargetError(
                f"{path} would be written over, and pixels are read from {there}: choose another target; "
                f"overwrite does not allow this"
            )


def local_place(path: str | os.PathLike[str]) -> Path:
    """Return a place to write to as a path of this machine.

    Raises
    ------
    UnsupportedTargetError
        It is an address, such as ``s3://bucket/result.zarr``.

    Examples
    --------
    >>> local_place("s3://bucket/result.zarr")
    Traceback (most recent call last):
        ...
    geopatcher.errors.UnsupportedTargetError: s3://bucket/result.zarr is not on this machine, ...

    """
    text = os.fspath(path)
    found = _ELSEWHERE.match(text)
    if found is None:
        return Path(text)
    if found[1] is not None and found[1].lower() == "file":
        here = "/" + text.partition(":")[2].lstrip("/")
        raise UnsupportedTargetError(f"{text} is an address: give the path, {here}")
    name = text.rstrip("/").rpartition("/")[2].partition("?")[0] or "result.zarr"
    raise UnsupportedTargetError(
        f"{shown(text)} is not on this machine, and results go to a local file or folder, or into a bucket "
        f"(s3://, gs://, az://, as text) as a .zarr or .tif of reconstruct or export: write to {name}, and "
        f"upload that when it is complete"
    )


def check_place(path: str | os.PathLike[str] | None) -> None:
    """Refuse a target that is not of this machine, before anything is asked of a source.

    Raises
    ------
    UnsupportedTargetError
        As `local_place`.

    """
    if path is not None:
        local_place(path)
