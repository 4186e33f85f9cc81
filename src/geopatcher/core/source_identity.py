"""What tells a source from others: which pixels it has, and where on Earth and with which gaps they count."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from geopatcher.core.digests import digest_of

if TYPE_CHECKING:
    from geopatcher.core.protocols import PixelSource

#: Longest list of band names that is told as it is.
LONGEST = 200


def source_identity(source: PixelSource) -> dict[str, str | int | float]:
    """Return which source this is, and which version of it, together with its grid.

    A local file is known by its name, size and time of change, not by its folder: it may have been mounted
    elsewhere since. Pixels alone do not say it all: the same array at another place, or with another
    nodata value, is another source, also where it is one of several that are put together.

    Raises
    ------
    SourceError
        It is not what it was when it was opened.

    """
    known = dict(source.identity())
    path = known.get("path")
    if isinstance(path, str) and "size" in known:
        known["path"] = PurePath(path).name
    domain = source.domain
    names = ",".join(domain.band_names)
    grid = {
        "band_names": names if len(names) <= LONGEST else digest_of(names),
        "transform": " ".join(repr(float(value)) for value in domain.transform[:6]),
        "crs": domain.crs or "none",
        "nodata": str(domain.nodata),
        **({"leading": digest_of(repr(domain.leading))} if domain.leading else {}),
    }
    return known | grid


def digest_of_source(known: dict[str, str | int | float]) -> str:
    """Return a digest of what `source_identity` said, whatever the order.

    >>> digest_of_source({"a": 1, "b": "x"}) == digest_of_source({"b": "x", "a": 1})
    True
    """
    return digest_of(*(f"{key}={known[key]}" for key in sorted(known)))
