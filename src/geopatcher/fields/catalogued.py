"""The door for catalogues: what a description of scenes has to say, so that they can be read as one source.

Who makes one, such as `geostack.from_stac`, knows nothing of this package: these are shapes, not classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geopatcher.formats.signing import Sign


class ToldGrid(Protocol):
    """Where the pixels of a file lie, as far as it is told; ``None`` is not."""

    @property
    def crs(self) -> str | None:
        """``"EPSG:32610"``, WKT or PROJJSON."""
        ...

    @property
    def transform(self) -> tuple[float, float, float, float, float, float] | None:
        """From pixel corners ``(column, row)`` to coordinates, in the order of `affine.Affine`."""
        ...

    @property
    def shape(self) -> tuple[int, int] | None:
        """``(height, width)`` in pixels."""
        ...


class ToldBand(Protocol):
    """What is told of a band; ``None`` is not."""

    @property
    def dtype(self) -> str | None:
        """NumPy's name of its data type."""
        ...

    @property
    def nodata(self) -> float | int | None:
        """The value of missing pixels."""
        ...

    @property
    def scale(self) -> float | None:
        """Of ``scale * value + offset``; 1 if it is not told."""
        ...

    @property
    def offset(self) -> float | None:
        """See ``scale``; 0 if it is not told."""
        ...

    @property
    def unit(self) -> str | None:
        """Of the scaled values."""
        ...


class DescribedFile(Protocol):
    """One band of a file."""

    @property
    def name(self) -> str:
        """What messages call it, such as ``"item S2A, asset B04"``."""
        ...

    @property
    def href(self) -> str:
        """The path or URL to open; it may hold secrets, and messages do not repeat these."""
        ...

    @property
    def sign(self) -> Sign | None:
        """Makes of an address one that opens, whenever it is opened; ``None`` where it does as it is."""
        ...

    @property
    def index(self) -> int | None:
        """Which band of the file, counted from 1; ``None`` for the only one."""
        ...

    @property
    def grid(self) -> ToldGrid:
        """Where its pixels lie."""
        ...

    @property
    def told(self) -> ToldBand:
        """What they are."""
        ...

    @property
    def nodata(self) -> float | int | None:
        """The value of missing pixels where neither ``told`` nor the file names one."""
        ...


class DescribedScene(Protocol):
    """Files that were seen together: a band each, and one that says which pixels are missing."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def bands(self) -> Sequence[DescribedFile]:
        """As many for each scene."""
        ...

    @property
    def mask(self) -> DescribedFile | None:
        """The file that `MaskRule` is about, if there is one."""
        ...

    @property
    def tags(self) -> tuple[tuple[str, str | float], ...]:
        """Names and values; ``"datetime"`` and ``"eo:cloud_cover"`` say what comes first."""
        ...


class MaskRule(Protocol):
    """Which values of a mask mean that pixels are missing."""

    @property
    def classes(self) -> tuple[int, ...]:
        """Those that are one of these."""
        ...

    @property
    def bits(self) -> tuple[int, ...]:
        """And those in which one of these bits is set, counted from 0 for the least."""
        ...


@runtime_checkable
class Catalogued(Protocol):
    """Scenes as a catalogue describes them, and how they become one source."""

    @property
    def described_scenes(self) -> Sequence[DescribedScene]:
        """At least one."""
        ...

    @property
    def band_names(self) -> tuple[str, ...]:
        """Of the bands of each scene."""
        ...

    @property
    def grid(self) -> object:
        """What `geopatcher.Mosaic` takes as a grid, or ``None``."""
        ...

    @property
    def order(self) -> str:
        """One of those of `geopatcher.Mosaic`."""
        ...

    @property
    def resampling(self) -> str | None:
        """How pixels are made of warped bands, by GDAL's name."""
        ...

    @property
    def mask(self) -> MaskRule | None:
        """What masks mean."""
        ...

    @property
    def scale_offset(self) -> bool:
        """Whether scales and offsets are applied."""
        ...
