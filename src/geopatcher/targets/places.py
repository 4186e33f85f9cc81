"""Where results may go: to a file or folder of this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path

from geopatcher.errors import UnsupportedTargetError
from geopatcher.errors.redaction import shown

#: ``s3://bucket/x``, also as `Path` leaves it, ``s3:/bucket/x``, and GDAL's virtual paths.
_ELSEWHERE = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):/|/vsi[a-z0-9_]+[/?]")


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
        f"{shown(text)} is not on this machine, and results go to a local file or folder for now: "
        f"write to {name}, and upload that when it is complete"
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
