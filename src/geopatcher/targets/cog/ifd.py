"""Directories of a TIFF: read, put in order, and laid out when only the sizes of tiles are known.

After TIFF 6.0 (https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf), BigTIFF
(http://bigtiff.org), and the layout that GDAL's COG driver has
(https://gdal.org/drivers/raster/cog.html#file-format-details).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from geopatcher.core.protocols import Array

#: Bytes of a value, by the number of its type.
SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
SHORT, LONG, LONG8 = 3, 4, 16

#: Tags by the names that TIFF has for them.
SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
SAMPLES, PLANAR, PREDICTOR, COLORMAP, TILE_WIDTH, TILE_HEIGHT = 277, 284, 317, 320, 322, 323
OFFSETS, BYTE_COUNTS, EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES = 324, 325, 338, 339, 347
YCBCR_COEFFICIENTS, YCBCR_SUBSAMPLING, REFERENCE_BLACK_WHITE = 529, 530, 532
NODATA, LERC_PARAMETERS = 42113, 50674

#: What a reader of ranges may rely on.
GHOST = (
    "LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    "BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
)
MASK_INTERLEAVED = "MASK_INTERLEAVED_WITH_IMAGERY=YES\n"
#: Before each tile is its size, and behind it its last bytes once more: four bytes each.
FRAME_BYTES = 4
#: Longest file that offsets of four bytes reach.
MOST_CLASSIC = 2**32 - 1


class Tag(NamedTuple):
    """A value of a directory: the number of its type, how many there are, and their bytes, little-endian."""

    kind: int
    n_values: int
    content: bytes

    @classmethod
    def of(cls, kind: int, values: Iterable[int]) -> Tag:
        """Return a tag of whole numbers.

        >>> Tag.of(SHORT, [8, 8]).content.hex()
        '08000800'
        """
        numbers = np.fromiter(values, dtype=f"<u{SIZES[kind]}")
        return cls(kind, len(numbers), numbers.tobytes())

    @property
    def numbers(self) -> list[int]:
        """The values of a tag of whole numbers."""
        return [int(each) for each in np.frombuffer(self.content, f"<u{SIZES[self.kind]}")]


#: A directory: its tags by their numbers.
Ifd = dict[int, Tag]


def read_directory(tiff: bytes) -> Ifd:
    """Return the first directory of a little-endian TIFF or BigTIFF.

    Raises
    ------
    ValueError
        It is none.

    """
    if tiff[:4] == b"II*\0":
        word, head, entry, count = "<I", "<H", "<HHI", 4
        at = struct.unpack_from("<I", tiff, 4)[0]
    elif tiff[:4] == b"II+\0":
        word, head, entry, count = "<Q", "<Q", "<HHQ", 8
        at = struct.unpack_from("<Q", tiff, 8)[0]
    else:
        raise ValueError(f"{tiff[:4]!r} does not begin a little-endian TIFF")
    n_tags, at = struct.unpack_from(head, tiff, at)[0], at + struct.calcsize(head)
    size, tags = struct.calcsize(entry) + count, {}
    for place in range(at, at + n_tags * size, size):
        code, kind, n_values = struct.unpack_from(entry, tiff, place)
        value = place + struct.calcsize(entry)
        n_bytes = SIZES[kind] * n_values
        if n_bytes > count:
            value = struct.unpack_from(word, tiff, value)[0]
        tags[code] = Tag(kind, n_values, tiff[value : value + n_bytes])
    return tags


@dataclass(frozen=True)
class Image:
    """An image of a file: its tags but for the places of its tiles, and the bytes of each of these.

    ``sizes`` has a row for each place of the grid of tiles, row by row, and a column for each tile there:
    one, or one for each band. 0 is a tile that is not in the file.
    """

    tags: Mapping[int, Tag]
    sizes: Array


@dataclass(frozen=True)
class Level:
    """A resolution: its image, and the mask of that, if it has one, whose tiles lie behind its own."""

    image: Image
    mask: Image | None = None

    @property
    def sizes(self) -> Array:
        """The bytes of all tiles of each place, the mask's last."""
        parts = [self.image.sizes] if self.mask is None else [self.image.sizes, self.mask.sizes]
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Layout:
    """Where everything goes: ``header`` is all there is before the tiles, ``n_bytes`` the whole file.

    Tiles come from the coarsest level to the finest, place by place, each in its frame.
    """

    header: bytes
    n_bytes: int


def lay_out(levels: Sequence[Level], *, ghost: bool, most_classic: int = MOST_CLASSIC) -> Layout:
    """Return the layout of a file of levels, the finest first.

    With ``ghost`` it says that tiles are in order and framed, as readers of ranges may ask. It is a BigTIFF
    where it would be longer than ``most_classic`` bytes.
    """
    classic = _lay_out(levels, ghost=ghost, big=False)
    return classic if classic.n_bytes <= most_classic else _lay_out(levels, ghost=ghost, big=True)


def _lay_out(levels: Sequence[Level], *, ghost: bool, big: bool) -> Layout:
    masked = levels[0].mask is not None
    promise = _promise(masked=masked) if ghost else b""
    images = [levels[0].image] + ([levels[0].mask] if levels[0].mask else [])
    images += [level.image for level in levels[1:]] + [level.mask for level in levels[1:] if level.mask]
    start = (16 if big else 8) + len(promise)
    start += start % 2
    writer = _Directories(big, start)
    length = writer.measure(images)
    offsets, end = _offsets(levels, length)
    in_order = [offsets[0][0]] + ([offsets[0][1]] if masked else [])
    in_order += [each[0] for each in offsets[1:]] + ([each[1] for each in offsets[1:]] if masked else [])
    if not big and end > MOST_CLASSIC:  # the header is of no use then, and its numbers do not fit
        return Layout(b"", end)
    first = b"II+\0" + struct.pack("<HHQ", 8, 0, start) if big else b"II*\0" + struct.pack("<I", start)
    header = (first + promise).ljust(start, b"\0") + writer.write(images, in_order)
    return Layout(header, end)


def _promise(*, masked: bool) -> bytes:
    text = GHOST + MASK_INTERLEAVED if masked else GHOST
    return f"GDAL_STRUCTURAL_METADATA_SIZE={len(text):06d} bytes\n{text}".encode()


def _offsets(levels: Sequence[Level], start: int) -> tuple[list[tuple[Array, Array]], int]:
    """Return where the tiles of each level, and of its mask, begin, and where the last one ends."""
    found: list[tuple[Array, Array]] = []
    for level in reversed(levels):
        sizes = level.sizes
        framed = np.where(sizes > 0, sizes + 2 * FRAME_BYTES, 0).ravel()
        ends = start + np.cumsum(framed)
        begins = np.where(sizes.ravel() > 0, ends - framed + FRAME_BYTES, 0).reshape(sizes.shape)
        start = int(ends[-1])
        n_own = level.image.sizes.shape[1]
        found.append((begins[:, :n_own], begins[:, n_own:]))
    return found[::-1], start


class _Directories:
    """Directories one behind the other from ``start``, each with what does not fit into it; tables last."""

    def __init__(self, big: bool, start: int) -> None:
        self._start = start
        self._head, self._entry, self._word = ("<Q", "<HHQ", "<Q") if big else ("<H", "<HHI", "<I")
        self._room, self._place = (8, LONG8) if big else (4, LONG)

    def measure(self, images: Sequence[Image]) -> int:
        """Return where the directories and their tables end."""
        return self._start + len(self.write(images, [np.zeros_like(image.sizes) for image in images]))

    def write(self, images: Sequence[Image], offsets: Sequence[Array]) -> bytes:
        """Return directories and tables, of tiles that begin at ``offsets``."""
        tables = [self._tables(image, places) for image, places in zip(images, offsets, strict=True)]
        lengths = [self._length({**image.tags, **own}) for image, own in zip(images, tables, strict=True)]
        place = self._start + sum(lengths)
        behind, directories, at = b"", [], self._start
        for number, (image, own) in enumerate(zip(images, tables, strict=True)):
            follows = at + lengths[number] if number + 1 < len(images) else 0
            directory, behind = self._directory({**image.tags, **own}, at, follows, place, behind)
            directories.append(directory)
            at += lengths[number]
        return b"".join([*directories, behind])

    def _tables(self, image: Image, offsets: Array) -> Ifd:
        """Return where tiles are, band by band as TIFF has them."""
        kind = f"<u{SIZES[self._place]}"
        return {
            OFFSETS: Tag(self._place, offsets.size, offsets.T.astype(kind).tobytes()),
            BYTE_COUNTS: Tag(LONG, image.sizes.size, image.sizes.T.astype("<u4").tobytes()),
        }

    def _length(self, tags: Ifd) -> int:
        outside = sum(
            len(tag.content) + len(tag.content) % 2
            for code, tag in tags.items()
            if len(tag.content) > self._room and code not in (OFFSETS, BYTE_COUNTS)
        )
        entry = struct.calcsize(self._entry) + self._room
        return struct.calcsize(self._head) + len(tags) * entry + self._room + outside

    def _directory(self, tags: Ifd, at: int, follows: int, place: int, behind: bytes) -> tuple[bytes, bytes]:
        """Return a directory that begins ``at``, and what lies ``behind`` all of them, from ``place``."""
        entry = struct.calcsize(self._entry) + self._room
        outside_at = at + struct.calcsize(self._head) + len(tags) * entry + self._room
        parts, outside = [struct.pack(self._head, len(tags))], b""
        for code, tag in sorted(tags.items()):
            parts.append(struct.pack(self._entry, code, tag.kind, tag.n_values))
            if len(tag.content) <= self._room:
                parts.append(tag.content.ljust(self._room, b"\0"))
            elif code in (OFFSETS, BYTE_COUNTS):
                parts.append(struct.pack(self._word, place + len(behind)))
                behind += tag.content
            else:
                parts.append(struct.pack(self._word, outside_at + len(outside)))
                outside += tag.content + b"\0" * (len(tag.content) % 2)
        parts.append(struct.pack(self._word, follows))
        return b"".join([*parts, outside]), behind
