"""Mutations that know nothing of a format, and chunks that decode to far more than they should."""

from __future__ import annotations

import gzip
import struct
import zlib

#: Numbers that are extreme in one format or another.
EXTREMES = (0, 1, 2, 7, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1, 10**9)
BOMB_BYTES = 1500 << 20


def flip(data, chance):
    """Flip bits."""
    out = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 8])):
        bit = chance.randrange(len(out) * 8)
        out[bit // 8] ^= 1 << bit % 8
    return bytes(out)


def cut(data, chance):
    """Cut the end off."""
    return data[: chance.randrange(len(data))]


def splice(data, chance):
    """Replace a piece: by zeros, by noise, or by another piece of the same."""
    at, length = chance.randrange(len(data)), chance.randrange(1, 400)
    other = chance.randrange(len(data))
    piece = chance.choice([bytes(length), chance.randbytes(length), data[other : other + length]])
    return data[:at] + piece + data[at + len(piece) :]


def insert(data, chance):
    """Insert a piece of the same, or remove one."""
    at, other, length = chance.randrange(len(data)), chance.randrange(len(data)), chance.randrange(1, 200)
    if chance.random() < 0.5:
        return data[:at] + data[at + length :]
    return data[:at] + data[other : other + length] + data[at:]


def repeat(data, chance):
    """Say all of it again."""
    return data * chance.choice([2, 2, 3, 50])


def word(data, chance):
    """Set four bytes to an extreme number."""
    at = chance.randrange(max(1, len(data) - 3))
    value = struct.pack(chance.choice("<>") + "I", chance.choice(EXTREMES))
    return data[:at] + value + data[at + 4 :]


def nothing(data, chance):
    """Leave nothing, or next to nothing."""
    return chance.choice([b"", b"\0", b"{}", b"[]", b"null", b"\n", b"\xff\xfe" + data[:10]])


BLIND = (flip, flip, flip, cut, splice, insert, repeat, word, nothing)


def blind(data, chance):
    """Return damaged bytes, and the name of what was done."""
    if not data:
        return chance.randbytes(8), "noise"
    kind = chance.choice(BLIND)
    return kind(data, chance), kind.__name__


def zstd_frame(n_bytes, declared):
    """Return a zstd frame that decodes to ``n_bytes`` zeros, and says ``declared``: 4 bytes for 128 KiB."""
    head = struct.pack("<IBQ", 0xFD2FB528, 0b11100000, declared)
    blocks, left = bytearray(), n_bytes
    while left > 0:
        size = min(left, 128 << 10)
        left -= size
        blocks += struct.pack("<I", (left <= 0) | 1 << 1 | size << 3)[:3] + b"\0"
    return head + bytes(blocks)


def gzip_bomb(n_bytes):
    """Return a gzip stream that decodes to ``n_bytes`` zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = bytes(1 << 20)
    return b"".join([*(packer.compress(piece) for _ in range(n_bytes >> 20)), packer.flush()])


def bomb(data, chance, *, small):
    """Return a chunk that decodes, or says it would, to far more than ``small`` bytes."""
    kind = chance.choice(["zstd", "zstd lies", "zstd promises", "gzip", "blosc", "many frames"])
    if kind == "zstd":
        return zstd_frame(BOMB_BYTES, BOMB_BYTES), kind
    if kind == "zstd lies":
        return zstd_frame(BOMB_BYTES, small), kind
    if kind == "zstd promises":
        return zstd_frame(small, chance.choice([2**31 - 1, 2**40, 2**63, 2**64 - 1])), kind
    if kind == "gzip":
        return gzip_bomb(256 << 20), kind
    if kind == "many frames":
        return chance.choice([zstd_frame(small, small), gzip.compress(bytes(small))]) * 3000, kind
    # The header of blosc: its version, flags, size of an item, bytes decoded, of a block, encoded.
    head = data[:4] if len(data) >= 16 else b"\x02\x01\x02\x04"
    return head + struct.pack("<III", 2**31 - 1, 1 << 20, len(data)) + data[16:], kind
