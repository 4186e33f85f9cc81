"""Compressors by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from geopatcher._optional import load

if TYPE_CHECKING:
    from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

#: What `codec_from_name` understands, for messages and the command line.
CODEC_NAMES = "zstd, zstd-LEVEL, gzip-LEVEL, blosc-lz4, blosc-zstd-LEVEL, none"
_BLOSC = ("lz4", "lz4hc", "blosclz", "zstd", "zlib")


def check_codec(name: str) -> tuple[str, int | None]:
    """Return the kind of a compressor and its level, ``None`` for its usual one.

    Raises
    ------
    ValueError
        The name is unknown; lists the known ones. Or it has no such level.

    Examples
    --------
    >>> check_codec("zstd-5"), check_codec("blosc-lz4")
    (('zstd', 5), ('blosc-lz4', None))

    """
    match = re.fullmatch(r"(none|zstd|gzip|blosc-(?:{}))(?:-([0-9]+))?".format("|".join(_BLOSC)), name)
    if match is None or (match[1] == "none" and match[2]):
        raise ValueError(f"codec {name!r} is none of: {CODEC_NAMES}")
    kind, level = match[1], int(match[2]) if match[2] else None
    most = {"zstd": 22}.get(kind, 9)
    if level is not None and level > most:
        raise ValueError(f"codec {name!r} has a level of {level}: {kind} has 0 to {most}")
    return kind, level


def codec_from_name(name: str, itemsize: int) -> BloscCodec | ZstdCodec | GzipCodec | None:
    """Return the compressor a name stands for; ``None`` for ``"none"``.

    ``"zstd"`` is zarr's own default; ``"blosc-..."`` shuffles bytes first, which for floats is both
    faster and smaller.

    Raises
    ------
    ValueError
        As `check_codec`.

    Examples
    --------
    >>> codec_from_name("zstd-5", 4).level
    5
    >>> codec_from_name("none", 4) is None
    True

    """
    kind, level = check_codec(name)
    codecs = load("zarr.codecs")
    made: BloscCodec | ZstdCodec | GzipCodec | None = None
    if kind == "zstd":
        made = codecs.ZstdCodec(level=0 if level is None else level)
    elif kind == "gzip":
        made = codecs.GzipCodec(level=5 if level is None else level)
    elif kind != "none":
        made = codecs.BloscCodec(
            cname=kind.removeprefix("blosc-"),
            clevel=1 if level is None else level,
            shuffle="shuffle",
            typesize=itemsize,
        )
    return made


def codecs_of(
    name: str, itemsize: int, *, checksum: bool
) -> list[BloscCodec | ZstdCodec | GzipCodec | Crc32cCodec] | None:
    """Return what chunks go through, in turn: a compressor, and a CRC-32C of each chunk where asked for.

    Examples
    --------
    >>> [type(codec).__name__ for codec in codecs_of("zstd", 4, checksum=True)]
    ['ZstdCodec', 'Crc32cCodec']
    >>> codecs_of("none", 4, checksum=False) is None
    True

    """
    compressor = codec_from_name(name, itemsize)
    codecs: list[BloscCodec | ZstdCodec | GzipCodec | Crc32cCodec] = []
    if compressor is not None:
        codecs.append(compressor)
    if checksum:
        codecs.append(load("zarr.codecs").Crc32cCodec())
    return codecs or None
