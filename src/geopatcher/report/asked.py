"""What a page asks for: the query of an address, checked, as values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.inspect.png import LABELS, USUAL, ramp_colours
from geopatcher.report.tiles import Style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geopatcher.report.tiles import Layer


def asked_whole(query: Mapping[str, Sequence[str]], name: str) -> int:
    """Read a whole number.

    >>> asked_whole({"row": ["12"]}, "row")
    12
    """
    text = query.get(name, [""])[-1]
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise ValueError(f"{name} is a whole number")
    return int(text)


def asked_band(layer: Layer, query: Mapping[str, Sequence[str]], name: str = "band") -> int:
    """Read a band, counted from 1, and return it counted from 0."""
    band = asked_whole(query, name) - 1
    if not 0 <= band < len(layer.spans):
        raise ValueError(f"{name} is a number from 1 to {len(layer.spans)}")
    return band


def asked_bands(
    layers: Sequence[Layer], query: Mapping[str, Sequence[str]]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Read the bands of two layers that are compared, one of each or three of each, and count them from 0."""
    found = []
    for layer, name in zip(layers, ("first", "second"), strict=True):
        texts = query.get(name, [""])[-1].split(",")
        if len(texts) not in (1, 3):
            raise ValueError(f"{name} is a band, or three of them")
        found.append(tuple(asked_band(layer, {name: [text]}, name) for text in texts))
    if len(found[0]) != len(found[1]):
        raise ValueError("first and second are as many bands")
    return found[0], found[1]


def asked_spans(query: Mapping[str, Sequence[str]], count: int) -> tuple[tuple[float, float], ...]:
    """Read the lowest and the highest value of so many bands.

    >>> asked_spans({"span": ["0,1,-5,5"]}, 2)
    ((0.0, 1.0), (-5.0, 5.0))
    """
    ends = [float(text) for text in query.get("span", [""])[-1].split(",")]
    pairs = tuple(zip(ends[::2], ends[1::2], strict=False))
    if len(ends) != 2 * count or not np.isfinite(ends).all() or any(low >= high for low, high in pairs):
        raise ValueError("span is a lowest and a higher highest value for each band")
    return pairs


def asked_style(layer: Layer, query: Mapping[str, Sequence[str]]) -> Style:
    """Read how a tile shall look.

    Raises
    ------
    ValueError
        It is not a look this layer can have.

    """
    bands = tuple(int(text) - 1 for text in query.get("bands", ["1"])[-1].split(","))
    if len(bands) not in (1, 3) or not all(0 <= band < len(layer.spans) for band in bands):
        raise ValueError(f"bands are one or three numbers from 1 to {len(layer.spans)}")
    own = layer.styles[bands[0]]
    ramp = query.get("ramp", [own.ramp])[-1]
    ramp_colours(ramp)
    if ramp == LABELS and own.classes and len(bands) == 1:
        return Style(bands, (own.span,), ramp, own, _hidden(query))
    if "span" not in query:
        return Style(bands, tuple(layer.spans[band] for band in bands), ramp)
    return Style(bands, asked_spans(query, len(bands)), ramp if len(bands) == 1 else USUAL)


def _hidden(query: Mapping[str, Sequence[str]]) -> frozenset[int]:
    """Read which classes are not to be seen, such as ``hide=10,-1``."""
    text = query.get("hide", [""])[-1]
    if not re.fullmatch(r"(-?[0-9]{1,18}(,-?[0-9]{1,18}){0,9999})?", text):
        raise ValueError("hide are whole numbers with commas between them")
    return frozenset(map(int, text.split(","))) if text else frozenset()
