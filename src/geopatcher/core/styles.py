"""How a result is to look, as its raster says it: kept with it, and read wherever it is drawn."""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass, field, replace
from operator import index
from typing import TYPE_CHECKING, Final, SupportsIndex, TypeAlias

from geopatcher.core.metadata import BandMetadata, Metadata
from geopatcher.core.palette import RAMPS, from_palette

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.core.metadata import Tags
    from geopatcher.core.scaling import Scaling

#: A name, or a name and a color such as ``"#006400"``.
Named: TypeAlias = "str | tuple[str, str]"
#: Largest value of a class: beyond, not all whole numbers are floats.
MOST_VALUE: Final = 2**53 - 1
#: Tags of a band that say how it looks.
RAMP_TAG, RANGE_TAG = "display_ramp", "display_range"


@dataclass(frozen=True)
class Style:
    """How a result looks wherever it is drawn; it is kept with the result.

    Parameters
    ----------
    range
        The values of the first and the last color, in units of the result; by default the middle 96 % of
        its values.
    ramp
        The name of a ramp of colors, such as ``"vegetation"``; ``"viridis"`` by default.
    classes
        Of a map of classes: their values, and the name of each or its name and color; where some have one,
        the others are given one. Kept as the color table and the names of GDAL, and as flags of CF.

    Raises
    ------
    ValueError
        The range does not go up, there is no such ramp, the value of a class is no whole number or its name
        no text, a color is no ``"#rrggbb"``, or there are classes and a ramp.

    Examples
    --------
    >>> Style(range=(-1, 1), ramp="vegetation").range
    (-1.0, 1.0)
    >>> Style(classes={10: ("Tree", "#006400"), 20: "Shrub"}).classes[10]
    ('Tree', '#006400')

    """

    range: tuple[float, float] | None = None
    ramp: str = ""
    classes: Mapping[int, Named] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.range is not None:
            low, high = map(float, self.range)
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise ValueError(
                    f"the range of a style is {self.range}: give its lowest value, then its highest"
                )
            object.__setattr__(self, "range", (low, high))
        if self.ramp and self.ramp not in RAMPS:
            raise ValueError(f"there is no colour ramp {self.ramp!r}: choose one of {', '.join(RAMPS)}")
        if self.classes and (self.range is not None or self.ramp):
            raise ValueError("a style has classes, or a range and a ramp: leave one of them out")
        object.__setattr__(self, "classes", dict(map(_class, self.classes.items())))
        band_of(self)  # which says what is wrong with a color

    def __str__(self) -> str:
        """Tell it in a line, the same for the same style."""
        return f"range {self.range}, ramp {self.ramp or None}, classes {dict(sorted(self.classes.items()))}"


def band_of(style: Style) -> BandMetadata:
    """Return what a raster says of a band that looks so.

    >>> band_of(Style(classes={10: ("Tree", "#006400"), 20: "Shrub"})).classes
    ((10, 'Tree'), (20, 'Shrub'))
    """
    if style.classes:
        both = sorted((value, *_pair(said)) for value, said in style.classes.items())
        own = {value: _rgba(color) for value, _, color in both if color}
        # Of a color table that leaves some out, GDAL makes one in which those are black.
        colors = from_palette([value for value, _, _ in both]) | own if own else own
        return BandMetadata(
            color="palette" if own else "",
            colormap=tuple(sorted(colors.items())),
            classes=tuple((value, name) for value, name, _ in both),
        )
    tags: Tags = ((RAMP_TAG, style.ramp),) if style.ramp else ()
    if style.range is not None:
        tags = (*tags, (RANGE_TAG, " ".join(map(repr, style.range))))
    return BandMetadata(tags=tags)


def styled(metadata: Metadata, style: Style | None, n_bands: int) -> Metadata:
    """Return what a raster of so many bands says that looks so; the same where there is no style."""
    if style is None:
        return metadata
    own = band_of(style)
    bands = metadata.bands or (BandMetadata(),) * n_bands
    if style.classes:
        known = (replace(each, color=own.color, colormap=own.colormap, classes=own.classes) for each in bands)
    else:
        known = (replace(each, tags=_without(each.tags) + own.tags) for each in bands)
    return replace(metadata, bands=tuple(known))


def scaled_style(style: Style, scaling: Scaling) -> Style:
    """Return a style in the numbers of a result that stand for its values; by default over all of them."""
    low, high = style.range or (scaling.low, scaling.high)
    return replace(style, range=(scaling.number(low), scaling.number(high)))


def in_units(band: BandMetadata, scale: float, offset: float) -> BandMetadata:
    """Return what is said of a band of which stored numbers are told as what they stand for.

    >>> said = band_of(Style(range=(0, 200)))
    >>> dict(in_units(said, 0.01, -1.0).tags)
    {'display_range': '-1.0 1.0'}
    """
    span = declared(Metadata((band,)), 0).range
    if span is None:
        return band
    low, high = sorted(end * scale + offset for end in span)
    others = tuple(tag for tag in band.tags if tag[0] != RANGE_TAG)
    return replace(band, tags=(*others, (RANGE_TAG, f"{low!r} {high!r}")))


def declared(metadata: Metadata, band: int) -> Style:
    """Return the style of a quantity that a raster says of a band; an empty one where it says none.

    >>> said = styled(Metadata(), Style(range=(0, 0.5), ramp="magma"), 1)
    >>> declared(said, 0) == Style(range=(0, 0.5), ramp="magma"), declared(Metadata(), 0) == Style()
    (True, True)
    """
    tags = dict(metadata.bands[band].tags) if band < len(metadata.bands) else {}
    ends = str(tags.get(RANGE_TAG, "")).split()
    ramp = str(tags.get(RAMP_TAG, ""))
    ramp = ramp if ramp in RAMPS else ""
    try:
        low, high = map(float, ends)
        return Style(range=(low, high), ramp=ramp)
    except ValueError:  # anybody may have written it
        return Style(ramp=ramp)


def checked_class(value: object, name: object) -> tuple[int, str]:
    """Return the value and the name of a class, which every format can keep.

    >>> checked_class(3, "open water")
    (3, 'open water')

    Raises
    ------
    ValueError
        One of them is nothing of the kind.

    """
    number = index(value) if isinstance(value, SupportsIndex) else None
    if number is None or isinstance(value, bool):
        raise ValueError(f"class {name!r} has the value {value!r}: it must be a whole number")
    if abs(number) > MOST_VALUE:
        raise ValueError(f"class {name!r} has the value {number}: it must be below 2**53")
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"the class of value {number} has the name {name!r}: give it a text")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise ValueError(
            f"the class of value {number} has the name {name!r}: leave out its control characters"
        )
    return number, name


def _class(item: tuple[object, object]) -> tuple[int, Named]:
    """Return a class of a style whose value is an integer of Python's, as files take it."""
    match item:
        case value, str(name):
            return checked_class(value, name)
        case value, (name, str(color)):
            number, text = checked_class(value, name)
            return number, (text, color)
        case value, said:
            raise ValueError(
                f"the class of value {value} is {said!r}: give its name, or its name and color, such as "
                f'("Tree", "#006400")'
            )


def _pair(said: Named) -> tuple[str, str]:
    return (said, "") if isinstance(said, str) else (said[0], said[1])


def _without(tags: Tags) -> Tags:
    return tuple(tag for tag in tags if tag[0] not in (RAMP_TAG, RANGE_TAG))


def _rgba(color: str) -> tuple[int, int, int, int]:
    if not re.fullmatch("#[0-9a-fA-F]{6}", color):
        raise ValueError(f"the color of a class is {color!r}: give it as #rrggbb, such as #006400")
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue, 255
