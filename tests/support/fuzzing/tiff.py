"""Mutations of a GeoTIFF that know its directory."""

from __future__ import annotations

import struct

from fuzzing.blind import EXTREMES, blind

#: Tags worth a visit: sizes, layout, compression, meaning, georeference, GDAL's own.
TAGS = (
    256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339, 33550, 33922,
    34264, 34735, 34736, 34737, 42112, 42113,
)  # fmt: skip


def directory(data):
    """Return where the entries of the first directory lie: tag and offset of each."""
    start = struct.unpack_from("<I", data, 4)[0]
    n_entries = struct.unpack_from("<H", data, start)[0]
    offsets = [start + 2 + 12 * number for number in range(n_entries)]
    return [(struct.unpack_from("<H", data, at)[0], at) for at in offsets], start + 2 + 12 * n_entries


def mutated_tiff(data, chance):
    """Return a damaged GeoTIFF, and what was done."""
    if chance.random() < 0.35:
        return blind(data, chance)
    out = bytearray(data)
    entries, end = directory(data)
    tag, at = chance.choice(entries)
    kind = chance.choice(
        ["tag", "type", "count", "value", "value", "value", "inside", "inside", "swap", "chain"]
    )
    if kind == "tag":
        struct.pack_into("<H", out, at, chance.choice(TAGS))
    elif kind == "type":
        struct.pack_into("<H", out, at + 2, chance.choice([0, 1, 2, 3, 4, 5, 12, 13, 16, 99]))
    elif kind == "count":
        struct.pack_into("<I", out, at + 4, chance.choice([*EXTREMES, 3, 4, 100]))
    elif kind == "value":
        known = struct.unpack_from("<I", data, at + 8)[0]
        struct.pack_into(
            "<I", out, at + 8, chance.choice([*EXTREMES, known ^ 1, known + 1, known // 2, len(data)])
        )
    elif kind == "swap":
        other = chance.choice(entries)[1]
        out[at + 2 : at + 12], out[other + 2 : other + 12] = (
            data[other + 2 : other + 12],
            data[at + 2 : at + 12],
        )
    elif kind == "chain":
        struct.pack_into(
            "<I", out, end, chance.choice([8, struct.unpack_from("<I", data, 4)[0], at, len(data)])
        )
    else:  # what the entry points to: offsets and sizes of tiles, keys, metadata
        count, place = struct.unpack_from("<II", data, at + 4)
        where = min(place + chance.randrange(max(1, min(4 * count, 400))), len(data) - 4)
        struct.pack_into(
            "<I", out, where, chance.choice([*EXTREMES, chance.randrange(2**32), len(data) - 10])
        )
    return bytes(out), f"{kind} of {tag}"
