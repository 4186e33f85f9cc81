"""What is looked at within files to tell them apart: some of their bytes, and what metadata says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geopatcher.core.digests import digest_of
from geopatcher.formats.sidecars import METADATA_BYTES, metadata_digest

if TYPE_CHECKING:
    from pathlib import Path

#: What GDAL writes what it knows of a raster to: of a tile it may say what is missing.
METADATA = ".aux.xml"


def sample_of(place: Path, size: int, length: int) -> str:
    """Return a digest of three places in a file: archives and mirrors give many files the same time.

    Raises
    ------
    OSError
        It cannot be read.

    """
    with place.open("rb") as file:
        pieces = []
        for start in sorted({0, max(0, size // 2 - length // 2), max(0, size - length)}):
            file.seek(start)
            pieces.append(file.read(length))
    return digest_of(*pieces)


def said_by(metadata: Path) -> str:
    """Return a digest of what a file of metadata says of pixels: statistics may come and go."""
    try:
        with metadata.open("rb") as file:
            return metadata_digest(file.read(METADATA_BYTES))
    except OSError:
        return ""
