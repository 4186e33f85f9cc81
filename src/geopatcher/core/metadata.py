"""What a raster says of itself beside its grid and its cells: scales, tags, colors, ties to the ground."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

#: What a tag may hold: text, as in GeoTIFF, or what zarr and xarray keep as numbers and lists.
TagValue: TypeAlias = "str | int | float | bool | tuple[TagValue, ...]"
#: Names and values, in order.
Tags: TypeAlias = tuple[tuple[str, TagValue], ...]
#: A value of a band, and its red, green, blue and alpha, 0 to 255 each.
Color: TypeAlias = tuple[int, tuple[int, int, int, int]]

#: Tags that tell of cells which a part, or another raster, does not have.
COUNTED = ("STATISTICS_", "TIFFTAG_MINSAMPLEVALUE", "TIFFTAG_MAXSAMPLEVALUE", "actual_range")


@dataclass(frozen=True, slots=True)
class BandMetadata:
    """What is said of a band: its cells mean ``scale * value + offset``.

    ``color`` is GDAL's name of what it means as a color, such as ``"red"`` or ``"palette"``; ``""``
    where that is not known. ``colormap`` has the colors of its values, and ``classes`` their names.
    """

    scale: float = 1.0
    offset: float = 0.0
    color: str = ""
    colormap: tuple[Color, ...] = ()
    tags: Tags = ()
    classes: tuple[tuple[int, str], ...] = ()


class ClassLabel(NamedTuple):
    """A class of a map: its value in the raster, its name, and red, green, blue and alpha, 0 to 255 each."""

    value: int
    name: str
    color: tuple[int, int, int, int]


class ControlPoint(NamedTuple):
    """A place ``(row, col)`` of a raster, in pixels from its corner, and where on the ground it lies."""

    row: float
    col: float
    x: float
    y: float
    z: float = 0.0
    name: str = ""
    info: str = ""


@dataclass(frozen=True, slots=True)
class Ground:
    """What ties a raster to the ground where no transform does.

    ``points`` are ground control points in ``crs``; ``rpcs`` the rational polynomial coefficients of a
    sensor, by GDAL's names; ``arrays`` says that there are arrays of coordinates, which only the file
    itself can hold.
    """

    points: tuple[ControlPoint, ...] = ()
    crs: str | None = None
    rpcs: tuple[tuple[str, str], ...] = ()
    arrays: bool = False

    def __bool__(self) -> bool:
        return bool(self.points or self.rpcs or self.arrays)

    def __str__(self) -> str:
        said = [f"{len(self.points)} ground control points (GCPs)"] if self.points else []
        said += ["rational polynomial coefficients (RPCs)"] if self.rpcs else []
        said += ["geolocation arrays"] if self.arrays else []
        return " and ".join(said)

    def cut(self, row: int, col: int) -> Ground:
        """Return the ties of a window that begins at a pixel.

        >>> Ground((ControlPoint(10, 20, 5.5, 47.0),)).cut(10, 0).points[0][:4]
        (0, 20, 5.5, 47.0)
        """
        moved = {"LINE_OFF": row, "SAMP_OFF": col}
        return replace(
            self,
            points=tuple(point._replace(row=point.row - row, col=point.col - col) for point in self.points),
            rpcs=tuple(
                (name, repr(float(value) - moved[name]) if name in moved else value)
                for name, value in self.rpcs
            ),
        )

    def rescaled(self, scale: Fraction) -> Ground:
        """Return the ties of a raster of pixels ``scale`` times as fine.

        Points lie between pixels, as corners do; coefficients count from the middle of the first one.

        >>> from fractions import Fraction
        >>> Ground((ControlPoint(10, 20, 5.5, 47.0),)).rescaled(Fraction(2)).points[0][:4]
        (20.0, 40.0, 5.5, 47.0)
        """
        size = float(scale)
        return replace(
            self,
            points=tuple(point._replace(row=point.row * size, col=point.col * size) for point in self.points),
            rpcs=tuple((name, _finer(name, value, size)) for name, value in self.rpcs),
        )


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a raster says of itself: ``bands`` one for each band, or none; ``tags`` of the whole."""

    bands: tuple[BandMetadata, ...] = ()
    tags: Tags = ()
    ground: Ground = Ground()

    def cut(self, row: int, col: int) -> Metadata:
        """Return what holds for a window that begins at a pixel."""
        return replace(self, ground=self.ground.cut(row, col)) if self.ground else self

    def rescaled(self, scale: Fraction) -> Metadata:
        """Return what holds for a raster of pixels ``scale`` times as fine."""
        return replace(self, ground=self.ground.rescaled(scale)) if self.ground else self

    def of_bands(self, picked: tuple[int, ...]) -> Metadata:
        """Return what holds for some bands, counted from 0."""
        return replace(self, bands=tuple(self.bands[band] for band in picked)) if self.bands else self

    def of_result(self) -> Metadata:
        """Return what holds for values of the same kind; what an operator makes of alpha hides nothing."""
        opaque = tuple(
            replace(band, color="undefined") if band.color == "alpha" else band for band in self.bands
        )
        return replace(self, bands=opaque)

    def of_grid(self) -> Metadata:
        """Return what holds for any raster on the same grid, whatever is in its cells."""
        return Metadata(ground=self.ground)

    @property
    def colors(self) -> tuple[str, ...]:
        """What the bands mean as colors."""
        return tuple(band.color for band in self.bands)

    @property
    def has_labels(self) -> bool:
        """Whether values stand for colors: between two of them there is nothing."""
        return "palette" in self.colors or any(band.classes for band in self.bands)

    @property
    def scaled(self) -> bool:
        """Whether cells mean anything but their own value."""
        return any((band.scale, band.offset) != (1.0, 0.0) for band in self.bands)


def of_classes(classes: Sequence[ClassLabel]) -> Metadata:
    """Return what is said of a band of classes.

    >>> of_classes([ClassLabel(1, "water", (0, 0, 255, 255))]).bands[0].classes
    ((1, 'water'),)
    """
    ordered = sorted(classes)
    colormap = tuple((label.value, label.color) for label in ordered)
    names = tuple((label.value, label.name) for label in ordered)
    return Metadata((BandMetadata(color="palette", colormap=colormap, classes=names),))


def lasting(tags: Tags) -> Tags:
    """Return the tags that stay true of a copy or a part: those of statistics do not.

    >>> lasting((("STATISTICS_MEAN", "4.2"), ("ACQUIRED", "2024-05-01")))
    (('ACQUIRED', '2024-05-01'),)
    """
    return tuple((name, value) for name, value in tags if not name.startswith(COUNTED))


def _finer(name: str, value: str, scale: float) -> str:
    """Return a rational polynomial coefficient for pixels ``scale`` times as fine."""
    if name in ("LINE_OFF", "SAMP_OFF"):
        return repr((float(value) + 0.5) * scale - 0.5)
    return repr(float(value) * scale) if name in ("LINE_SCALE", "SAMP_SCALE") else value


def usual_method(*, labels: bool) -> str:
    """Return how overviews are made where nobody says it: averages of ``labels`` would mean nothing.

    >>> usual_method(labels=True), usual_method(labels=False)
    ('mode', 'average')
    """
    return "mode" if labels else "average"
