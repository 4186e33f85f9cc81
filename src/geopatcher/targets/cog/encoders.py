"""From the cells of a tile to its bytes in a TIFF.

Predictors are those of TIFF 6.0, section 14, and of Adobe's technical note 3 (for floats).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from rasterio.io import MemoryFile

from geopatcher._optional import load
from geopatcher.errors import TargetError
from geopatcher.formats.gdal_environment import GDAL_ERRORS, opening
from geopatcher.formats.rasterio_warnings import no_georeference_warning
from geopatcher.targets.cog.ifd import BYTE_COUNTS, OFFSETS, read_directory

if TYPE_CHECKING:
    from collections.abc import Callable

    from geopatcher.core.protocols import Array

    #: From the cells of a whole tile, ``(bands, h, w)``, to its bytes.
    Encoder: TypeAlias = Callable[[Array], bytes | memoryview]

#: Levels of DEFLATE: that which is fast, and GDAL's usual one. Where none is asked for, sizes tell which.
FAST, USUAL = 1, 6
#: Of ISA-L, which has the fast one: as quick as its first, and smaller.
ISAL_LEVEL = 2
#: Of the bits of masks.
MASK_LEVEL = 4
#: Of ZSTD where no level is asked for, as GDAL has it.
ZSTD_LEVEL = 9
#: Compressions of the bytes as they are, for which neighbours are told by their differences.
PREDICTED = ("DEFLATE", "ZSTD", "LZW")
NO_PREDICTOR, DIFFERENCES, FLOATING_POINT = 1, 2, 3
#: Those of them that are made and undone here.
OURS = ("DEFLATE", "ZSTD")
#: What GDAL's GTiff driver calls the level of a compression.
LEVEL_OPTIONS = {
    "DEFLATE": "ZLEVEL",
    "LERC_DEFLATE": "ZLEVEL",
    "ZSTD": "ZSTD_LEVEL",
    "LERC_ZSTD": "ZSTD_LEVEL",
    "LZMA": "LZMA_PRESET",
}


@dataclass(frozen=True)
class TileCodec:
    """How tiles are encoded: a compression by GDAL's name, in capitals, its level, and TIFF's predictor.

    Where ``by_size``, the predictor is that of which files are smallest, and `predictor` the usual one.
    """

    compress: str
    level: int | None
    predictor: int
    by_size: bool = False

    @classmethod
    def of(
        cls,
        compress: str,
        level: int | None,
        dtype: np.dtype,
        *,
        labels: bool,
        predictor: int | None = None,
    ) -> TileCodec:
        """Return the codec of cells of a dtype; differences of ``labels`` say nothing.

        ``predictor`` is what was asked for, and ``None`` the usual one; of floats that of the smallest file.

        >>> TileCodec.of("deflate", 1, np.dtype("float32"), labels=False)
        TileCodec(compress='DEFLATE', level=1, predictor=3, by_size=True)
        """
        name = compress.upper()
        if predictor is not None:
            return cls(name, level, predictor)
        differs = FLOATING_POINT if dtype.kind == "f" else DIFFERENCES
        if labels or name not in PREDICTED:
            return cls(name, level, NO_PREDICTOR)
        return cls(name, level, differs, by_size=dtype.kind == "f" and name in OURS)

    def candidates(self) -> tuple[TileCodec, ...]:
        """Return the codecs of which sizes choose one, the usual ones first; one that is settled is alone.

        >>> [(codec.level, codec.predictor) for codec in TileCodec("DEFLATE", None, 2).candidates()]
        [(1, 2), (6, 2)]
        """
        by_level = self.compress == "DEFLATE" and self.level is None
        others = [one for one in (FLOATING_POINT, DIFFERENCES, NO_PREDICTOR) if one != self.predictor]
        return tuple(
            TileCodec(self.compress, level, predictor)
            for level in ((FAST, USUAL) if by_level else (self.level,))
            for predictor in (self.predictor, *(others if self.by_size else ()))
        )

    @property
    def is_lossy(self) -> bool:
        """Whether cells change each other."""
        return self.compress in ("JPEG", "WEBP", "JXL")

    def options(self) -> dict[str, str | int]:
        """Return the creation options of GDAL's GTiff driver for this codec."""
        options: dict[str, str | int] = {"COMPRESS": self.compress}
        if self.predictor != NO_PREDICTOR:
            options["PREDICTOR"] = self.predictor
        if self.level is not None:
            options[LEVEL_OPTIONS[self.compress]] = self.level
        return options

    def encoder(self, dtype: np.dtype, shape: tuple[int, int, int]) -> Encoder:
        """Return what encodes whole tiles of ``(bands, h, w)``, all bands of a cell side by side.

        It may be called by several threads at once.
        """
        compress: Callable[[Array], bytes] | None = None
        if self.compress == "NONE":
            return partial(_encode, dtype=dtype.newbyteorder("<"), predict=_as_it_is, compress=_raw)
        if self.compress == "ZSTD":
            level = ZSTD_LEVEL if self.level is None else self.level
            compress = load("numcodecs").Zstd(level=level).encode
        elif self.compress == "DEFLATE":
            compress = partial(deflated, level=FAST if self.level is None else self.level)
        if compress is None:
            return partial(_by_gdal, options=creation_options(self, dtype, shape))
        predict = {NO_PREDICTOR: _as_it_is, DIFFERENCES: _differences, FLOATING_POINT: _byte_planes}
        return partial(
            _encode, dtype=dtype.newbyteorder("<"), predict=predict[self.predictor], compress=compress
        )


def creation_options(
    codec: TileCodec, dtype: np.dtype, shape: tuple[int, int, int], *, interleaved: bool = True
) -> dict[str, str | int]:
    """Return the profile of a file of one tile of ``(bands, h, w)``."""
    n_bands, height, width = shape
    profile: dict[str, str | int] = {
        "driver": "GTiff",
        "count": n_bands,
        "height": height,
        "width": width,
        "dtype": dtype.name,
        "TILED": "YES",
        "BLOCKYSIZE": height,
        "BLOCKXSIZE": width,
        "INTERLEAVE": "PIXEL" if interleaved else "BAND",
        "ENDIANNESS": "LITTLE",
        "BIGTIFF": "NO",
        **codec.options(),
    }
    if n_bands == 3 and codec.compress == "JPEG" and interleaved:
        profile["PHOTOMETRIC"] = "YCBCR"
    elif n_bands == 4 and codec.compress != "WEBP":
        # Bytes have a fourth band for alpha otherwise.
        profile |= {"PHOTOMETRIC": "MINISBLACK", "ALPHA": "UNSPECIFIED"}
    return profile


def deflated(content: bytes | Array, level: int) -> bytes:
    """Compress in zlib's format: at the fast level by ISA-L, and by libdeflate, as GDAL does, at others.

    Of ISA-L's levels the third finds other matches on other processors, and is not taken: a result would
    tell which of the workers made a tile. The second does not.
    """
    if level == FAST:
        fast: bytes = load("isal.isal_zlib").compress(content, ISAL_LEVEL)
        return fast
    return bytes(load("deflate").zlib_compress(content, level))


def packed_mask(held: Array, shape: tuple[int, int]) -> bytes:
    """Return the tile of ``shape`` of a mask, one bit for each cell; what is missing of it holds nothing."""
    whole = np.zeros(shape, bool)
    whole[: held.shape[0], : held.shape[1]] = held
    return deflated(np.packbits(whole, axis=1).tobytes(), MASK_LEVEL)


def decoded(tile: bytes, codec: TileCodec, dtype: np.dtype, shape: tuple[int, int, int]) -> Array:
    """Return the cells ``(bands, h, w)`` of a tile that was encoded by DEFLATE or ZSTD."""
    n_bands, height, width = shape
    content = zlib.decompress(tile) if codec.compress == "DEFLATE" else load("numcodecs").Zstd().decode(tile)
    undo = {NO_PREDICTOR: _as_it_is, DIFFERENCES: _summed, FLOATING_POINT: _of_byte_planes}
    little = dtype.newbyteorder("<")
    beside = np.frombuffer(content, f"<u{dtype.itemsize}").reshape(height, width, n_bands)
    return np.moveaxis(undo[codec.predictor](beside).view(little), -1, 0)


def _encode(
    cells: Array, dtype: np.dtype, predict: Callable[[Array], Array], compress: Callable[[Array], bytes]
) -> bytes:
    """Encode a tile whose bands are put side by side."""
    beside = np.ascontiguousarray(np.moveaxis(cells, 0, -1), dtype)
    return compress(np.ascontiguousarray(predict(beside)))


def _raw(cells: Array) -> bytes:
    return cells.tobytes()


def _as_it_is(cells: Array) -> Array:
    """Return ``(h, w, bands)`` itself."""
    return cells


def _differences(cells: Array) -> Array:
    """Return what each cell is more than the one to the left of it."""
    whole = cells.view(f"<u{cells.dtype.itemsize}")
    apart = whole.copy()
    apart[:, 1:] -= whole[:, :-1]
    return apart


def _byte_planes(cells: Array) -> Array:
    """Return the first bytes of a row's cells, then all second ones, ... as differences of neighbours."""
    height, width, n_bands = cells.shape
    size = cells.dtype.itemsize
    whole = cells.view(f"<u{size}").reshape(height, width * n_bands)
    planes = np.empty((height, size, width * n_bands), np.uint8)
    for byte in range(size):  # the first is that with the sign
        np.right_shift(whole, 8 * (size - 1 - byte), out=planes[:, byte], casting="unsafe")
    apart = np.empty((height, size * width * n_bands), np.uint8)
    # All rows at once, which is quicker than row by row; each begins with the bytes themselves.
    np.subtract(planes.ravel()[n_bands:], planes.ravel()[:-n_bands], out=apart.ravel()[n_bands:])
    apart[:, :n_bands] = planes[:, 0, :n_bands]
    return apart


def _summed(apart: Array) -> Array:
    """Return the cells of `_differences`."""
    return np.cumsum(apart, axis=1, dtype=apart.dtype)


def _of_byte_planes(apart: Array) -> Array:
    """Return the cells of `_byte_planes`."""
    height, width, n_bands = apart.shape
    size = apart.dtype.itemsize
    apart_bytes = apart.view(np.uint8).reshape(height, size * width, n_bands)
    planes = np.cumsum(apart_bytes, axis=1, dtype=np.uint8).reshape(height, size, width, n_bands)
    whole = np.zeros_like(apart)
    for byte in range(size):  # the first is that with the sign
        part = planes[:, byte].astype(apart.dtype)
        part <<= apart.dtype.type(8 * (size - 1 - byte))
        whole |= part
    return whole


def _by_gdal(cells: Array, options: dict[str, str | int]) -> bytes:
    """Let GDAL write a file of one tile into memory, and take the tile out.

    Raises
    ------
    TargetError
        It cannot encode such cells.

    """
    try:
        with opening(), no_georeference_warning(), MemoryFile() as memory:
            with memory.open(**options) as dataset:
                dataset.write(cells)
            tiff = bytes(memory.getbuffer())
    except GDAL_ERRORS as error:
        raise TargetError(
            f"GDAL cannot write {options['COMPRESS']} tiles of {cells.shape[0]} band(s) of {cells.dtype}: "
            f"{error.__cause__ or error}; choose another compress"
        ) from error
    tags = read_directory(tiff)
    (start,), (length,) = tags[OFFSETS].numbers, tags[BYTE_COUNTS].numbers
    return tiff[start : start + length]
