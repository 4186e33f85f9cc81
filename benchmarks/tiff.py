"""A tiled GeoTIFF whose index may point many times at the same compressed tile.

A scene of two billion pixels then takes seconds and megabytes to make, while whoever reads it decodes every
tile as of any other file. Tags as in TIFF 6.0 (sections 2 and 15) and GeoTIFF 1.1 (OGC 19-008r4).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SHORT, LONG, DOUBLE, ASCII = 3, 4, 12, 2
_FORMATS = {SHORT: "H", LONG: "I", DOUBLE: "d", ASCII: "s"}

DEFLATE, UNCOMPRESSED = 8, 1
_UNSIGNED, _FLOAT = 1, 3


@dataclass(frozen=True)
class Layout:
    """Size and sample type of the file; bands are interleaved by pixel, GDAL's default."""

    width: int
    height: int
    bands: int
    bits: int  # of one sample: 16 is uint16, 32 is float32
    compression: int
    tile: int = 512
    nodata: int | None = None
    epsg: int = 32633
    pixel_m: float = 10.0
    origin_m: tuple[float, float] = (300_000.0, 5_000_040.0)

    @property
    def tiles_across(self) -> int:
        """Columns of tiles."""
        return -(-self.width // self.tile)

    @property
    def tiles_down(self) -> int:
        """Rows of tiles."""
        return -(-self.height // self.tile)


def write(path: Path, layout: Layout, tiles: Mapping[str, bytes], grid: Sequence[str]) -> None:
    """Write ``tiles`` once each and an index that places them: ``grid`` names a tile per place, row-major."""
    if len(grid) != layout.tiles_across * layout.tiles_down:
        raise ValueError(f"{len(grid)} places named, {layout.tiles_down} x {layout.tiles_across} needed")
    part = path.with_suffix(".part")
    offsets: dict[str, int] = {}
    with part.open("wb") as file:
        file.write(b"II*\0" + bytes(4))  # the offset of the directory is filled in at the end
        for name, payload in tiles.items():
            file.seek(file.tell() % 2, 1)
            offsets[name] = file.tell()
            file.write(payload)
        start = file.tell() + file.tell() % 2
        file.seek(start)
        file.write(_directory(_tags(layout, [(offsets[name], len(tiles[name])) for name in grid]), start))
        file.seek(4)
        file.write(struct.pack("<I", start))
    part.replace(path)


def _tags(
    layout: Layout, places: Sequence[tuple[int, int]]
) -> list[tuple[int, int, tuple[int | float | bytes, ...]]]:
    """Return ``(tag, type, values)`` in the order of their numbers, as TIFF asks."""
    west, north = layout.origin_m
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, layout.epsg)
    tags: list[tuple[int, int, tuple[int | float | bytes, ...]]] = [
        (256, LONG, (layout.width,)),
        (257, LONG, (layout.height,)),
        (258, SHORT, (layout.bits,) * layout.bands),
        (259, SHORT, (layout.compression,)),
        (262, SHORT, (1,)),  # zero is black
        (277, SHORT, (layout.bands,)),
        (284, SHORT, (1,)),  # bands interleaved by pixel
        (322, SHORT, (layout.tile,)),
        (323, SHORT, (layout.tile,)),
        (324, LONG, tuple(offset for offset, _ in places)),
        (325, LONG, tuple(size for _, size in places)),
        (339, SHORT, ((_FLOAT if layout.bits == 32 else _UNSIGNED),) * layout.bands),
        (33550, DOUBLE, (layout.pixel_m, layout.pixel_m, 0.0)),
        (33922, DOUBLE, (0.0, 0.0, 0.0, west, north, 0.0)),
        (34735, SHORT, keys),
    ]
    if layout.bands > 1:
        tags.append((338, SHORT, (0,) * (layout.bands - 1)))
    if layout.nodata is not None:
        tags.append((42113, ASCII, (f"{layout.nodata}\0".encode(),)))
    return sorted(tags)


def _directory(tags: Sequence[tuple[int, int, tuple[int | float | bytes, ...]]], start: int) -> bytes:
    """Return the image file directory at ``start``, followed by the values too long to stand in it."""
    entries, tail = b"", b""
    tail_start = start + 2 + 12 * len(tags) + 4
    for tag, kind, values in tags:
        if kind == ASCII:
            data = b"".join(value for value in values if isinstance(value, bytes))
            count = len(data)
        else:
            data = struct.pack(f"<{len(values)}{_FORMATS[kind]}", *values)
            count = len(values)
        if len(data) > 4:
            tail += bytes(len(tail) % 2)
            here, tail = tail_start + len(tail), tail + data
            data = struct.pack("<I", here)
        entries += struct.pack("<HHI", tag, kind, count) + data.ljust(4, b"\0")
    return struct.pack("<H", len(tags)) + entries + bytes(4) + tail
