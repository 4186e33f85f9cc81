"""Colours and PNG files from numbers, with NumPy and the standard library alone."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.palette import PALETTE, RAMPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array

#: The ramp of everything that was not given one.
USUAL = "viridis"
#: Name of the palette for labels, one colour per value.
LABELS = "labels"
#: Share of the values a picture's range leaves out at either end.
TAIL = 0.02


def ramp_colours(name: str) -> NDArray[np.uint8]:
    """Return the 256 colours of a ramp, ``(256, 3)`` uint8.

    Raises
    ------
    ValueError
        There is no such ramp; lists those there are.

    Examples
    --------
    >>> ramp_colours("grey")[[0, 128, 255]].tolist()
    [[0, 0, 0], [128, 128, 128], [255, 255, 255]]

    """
    if name == LABELS:
        return np.resize(np.array(PALETTE, np.uint8), (256, 3))
    if name not in RAMPS:
        raise ValueError(f"there is no colour ramp {name!r}: choose one of {', '.join([*RAMPS, LABELS])}")
    points = np.array(RAMPS[name], dtype=float)
    at = np.linspace(0.0, len(points) - 1.0, 256)
    mixed = [np.interp(at, np.arange(len(points)), points[:, channel]) for channel in range(3)]
    return np.stack(mixed, axis=1).round().astype(np.uint8)


def value_range(values: Array) -> tuple[float, float]:
    """Return the range that shows ``values`` best: without NaN, and without the extreme 2 % of either end.

    Values that are all the same get a range around them; zeros, and no values at all, give (0, 1).

    >>> value_range(np.arange(101.0)), value_range(np.array([3.0, np.nan]))
    ((2.0, 98.0), (2.5, 3.5))
    """
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if not known.size:
        return (0.0, 1.0)
    low, high = (float(value) for value in np.quantile(known, (TAIL, 1.0 - TAIL)))
    if high <= low:
        low, high = float(known.min()), float(known.max())
    if high > low:
        return showable(low, high)
    return showable(low - 0.5, low + 0.5) if low else (0.0, 1.0)  # a spread of nothing is not below it


def showable(low: float, high: float) -> tuple[float, float]:
    """Return a range that floats can cut into as many steps as a ramp has colours, widened where they cannot.

    >>> showable(0.0, 1.0), showable(2.0**60, 2.0**60 + 256)
    ((0.0, 1.0), (1.1529215046067159e+18, 1.152921504606978e+18))
    """
    most = float(np.finfo(float).max) / 4.0  # a range and its margins are numbers, too
    low, high = max(low, -most), min(high, most)
    least = max(1024.0 * float(np.spacing(max(abs(low), abs(high)))), 1e-300)
    if high - low >= least:
        return low, high
    middle = low + (high - low) / 2.0
    return middle - least / 2.0, middle + least / 2.0


def looks_like_labels(values: Array) -> bool:
    """Whether an array is a handful of small whole numbers, such as classes.

    >>> looks_like_labels(np.array([0, 1, 1, 2], "uint8")), looks_like_labels(np.arange(9.0))
    (True, False)
    """
    if values.dtype.kind not in "iub" or not values.size:
        return False
    distinct = np.unique(values)
    return bool(len(distinct) <= len(PALETTE) and distinct[0] >= 0 and distinct[-1] <= 255)


def coloured(values: Array, span: tuple[float, float], ramp: str = USUAL) -> NDArray[np.uint8]:
    """Return a band as colours, ``(h, w, 4)`` uint8; NaN is transparent.

    ``span`` is the lowest and the highest value of the ramp; labels are looked up as they are.

    >>> coloured(np.array([[0.0, 1.0, np.nan]]), (0.0, 1.0), "grey")[0].tolist()
    [[0, 0, 0, 255], [255, 255, 255, 255], [0, 0, 0, 0]]
    """
    known = np.isfinite(values)
    cells = np.where(known, values, 0.0)
    if ramp == LABELS:
        index = np.mod(cells, 256).astype(np.uint8)
    else:
        low, high = span
        scaled = (np.clip(cells, low, high) - low) * (255.0 / (high - low))
        index = np.clip(scaled, 0.0, 255.0).round().astype(np.uint8)
    picture = np.zeros((*values.shape, 4), np.uint8)
    picture[..., :3] = ramp_colours(ramp)[index]
    picture[..., 3] = 255
    picture[~known] = 0
    return picture


def png_bytes(picture: NDArray[np.uint8]) -> bytes:
    r"""Return ``(h, w, 4)`` uint8 colours as a PNG file (https://www.w3.org/TR/png-3/).

    >>> png_bytes(np.zeros((2, 3, 4), np.uint8))[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    height, width = picture.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    # Every row begins with its filter: 2 is the difference to the row above, which suits smooth pictures.
    rows = np.ascontiguousarray(picture).reshape(height, width * 4)
    above = np.concatenate([np.zeros((1, width * 4), np.uint8), rows[:-1]])
    filtered = np.concatenate([np.full((height, 1), 2, np.uint8), rows - above], axis=1)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in parts)


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """Return a file as text that a page can hold.

    >>> data_uri(b"abc", "text/plain")
    'data:text/plain;base64,YWJj'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
