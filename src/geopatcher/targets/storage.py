"""How a result is stored: one value for each format, whose options stand for themselves."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING

from rasterio.enums import ColorInterp

from geopatcher.core.axis import pixel_pair
from geopatcher.core.config import Configured
from geopatcher.core.cpu import usable_cores
from geopatcher.core.metadata import usual_method
from geopatcher.targets.codecs import check_codec
from geopatcher.targets.cog.encoders import DIFFERENCES, FLOATING_POINT, NO_PREDICTOR, PREDICTED
from geopatcher.targets.levels import levels_bytes
from geopatcher.targets.multiscales import check_method
from geopatcher.targets.opened import layer_domain
from geopatcher.targets.protocol import Storage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import DataclassInstance

    from geopatcher.core.domain import RasterDomain, ResultSpec

#: What putting a file together takes beside its tiles: tables, and what allocators keep.
FIXED_BYTES = 16 << 20
#: Most bytes of a tile of all bands; of more bands each has tiles of its own.
TILE_BYTES = 4 << 20
#: The sides of a tile are multiples of it, and usually as long as that.
TILE_UNIT, USUAL_SIDE = 16, 512
#: Compressions of whole cells, whatever number of bands they have.
WHOLE_CELLS = ("WEBP", "JXL")
#: Most bands of a tile of JPEG; of more, each band has tiles of its own.
MOST_OF_JPEG = 4
#: Compressions that give back other values than they were given, as GDAL uses them.
LOSSY = ("JPEG", "WEBP")
#: Compressions of GDAL's COG driver, and the levels of those that have some.
COMPRESSIONS = (
    *("NONE", "DEFLATE", "ZSTD", "LZW", "LZMA", "LERC", "LERC_DEFLATE", "LERC_ZSTD"),
    *("JPEG", "WEBP", "JXL"),
)
LEVELS = {
    "DEFLATE": (1, 12),
    "LERC_DEFLATE": (1, 12),
    "ZSTD": (1, 22),
    "LERC_ZSTD": (1, 22),
    "LZMA": (0, 9),
}


@dataclass(frozen=True)
class ZarrStorage(Storage, Configured):
    """How a ``.zarr`` result is stored: ``reconstruct(..., "x.zarr", storage=ZarrStorage("blosc-zstd-1"))``.

    Parameters
    ----------
    codec
        Compression of each chunk: ``"zstd"`` (zarr's own default), ``"zstd-LEVEL"`` (0 to 22),
        ``"gzip-LEVEL"``, ``"blosc-lz4"``, ``"blosc-zstd-LEVEL"`` (0 to 9) or ``"none"``. Blosc shuffles bytes
        first, which for floats is both faster and smaller.
    shards
        ``(rows, columns)`` in pixels, or one number for both, of a file that holds many chunks: whole
        multiples of the chunks. Fewer files, more memory: a row of shards is open at once. ``None`` is a
        file for each chunk.
    multiscales
        Add overview levels, each of half the resolution, after the GeoZarr convention.
    overview
        How four cells become one in them: ``"average"``, ``"mode"`` or ``"nearest"``. ``None`` is the mode
        for aggregations of labels, and the average for others.
    checksum
        Put a checksum (CRC-32C) into each chunk, so that whoever reads it hears of damage.
    credentials
        Of a result in a bucket, ``"module:function"``: a function that gives credentials as providers of
        obstore do, called where it is written. ``None`` takes those of the environment there.

    Raises
    ------
    ValueError
        The codec, or the way overviews are made, is unknown; or shards are no whole numbers of pixels.

    Examples
    --------
    >>> from geopatcher import ZarrStorage
    >>> ZarrStorage(shards=2048).shards
    (2048, 2048)
    >>> ZarrStorage("brotli")
    Traceback (most recent call last):
        ...
    ValueError: codec 'brotli' is none of: zstd, zstd-LEVEL, gzip-LEVEL, blosc-lz4, blosc-zstd-LEVEL, none

    """

    codec: str = "zstd"
    shards: int | tuple[int, int] | None = None
    multiscales: bool = False
    overview: str | None = None
    checksum: bool = False
    credentials: str | None = None

    def __post_init__(self) -> None:
        check_codec(self.codec)
        check_method(self.overview)
        if self.shards is not None:
            object.__setattr__(self, "shards", pixel_pair(self.shards, "shards"))

    def blocks(self, chunks: tuple[int, int]) -> tuple[int, int]:
        """Return the shards, or the chunks where there are none: each is written once.

        Raises
        ------
        ValueError
            A shard does not hold a whole number of chunks.

        """
        if self.shards is None:
            return chunks
        rows, cols = pixel_pair(self.shards, "shards")
        if rows % chunks[0] or cols % chunks[1]:
            raise ValueError(
                f"shards of {(rows, cols)} do not hold whole chunks of {chunks}: use multiples of them"
            )
        return rows, cols

    def applied(self, spec: ResultSpec) -> ResultSpec:
        """Return a result with these options."""
        return replace(
            spec,
            codec=self.codec,
            shards=None if self.shards is None else self.blocks(spec.chunks),
            multiscales=self.multiscales,
            overview=self.overview or spec.overview,
            checksum=self.checksum,
        )

    def assembly_bytes(self, spec: ResultSpec) -> int:
        """Return what overview levels take to be made; without them the blocks are the result."""
        return levels_bytes(spec) if self.multiscales else 0

    def settings(self) -> dict[str, object]:
        """Return all options by name, but who gives credentials: that makes no difference to the result."""
        return {name: value for name, value in _settings(self).items() if name != "credentials"}


@dataclass(frozen=True)
class CogStorage(Storage, Configured):
    """How a ``.tif`` result is stored, which is always a Cloud-Optimized GeoTIFF.

    See https://gdal.org/drivers/raster/cog.html for what the options mean to GDAL. Layers go into files of
    their own beside it, such as ``result.weight.tif``, with the same compression and tiles.

    Parameters
    ----------
    compress
        ``"DEFLATE"``, ``"ZSTD"``, ``"LZW"``, ``"NONE"`` and others of GDAL's. ``"JPEG"`` and ``"WEBP"``
        change values: a mask says then which cells are missing, and no nodata value, and layers are stored
        as by default.
    level
        Of the compression; ``None`` is GDAL's usual one, for ``"DEFLATE"`` 1 where that makes at most 1.05
        times the bytes of 6, GDAL's usual one, else 6. 1 is made by ISA-L, in a fourth of the time, others by
        libdeflate. Of bands and floats with noise 1 is within 5 % of 6; of classes, and floats of few values,
        it makes up to 1.6 times as much, and these have 6.
    blocksize
        Side of a tile in pixels, a multiple of 16; ``None`` makes tiles of the chunks, 512 by default.
    overviews
        Whether there are any: reduced copies of half the resolution, again and again.
    overview
        How four pixels become one in them: ``"average"``, ``"mode"`` or ``"nearest"``. ``None`` is the mode
        for aggregations of labels and with a ``colormap``, and the average for others.
    tags
        Texts by name, above those of the raster itself.
    colormap
        ``(red, green, blue, alpha)``, 0 to 255 each, of the values of a single band of uint8 or uint16.
    colorinterp
        What each band means, such as ``("red", "green", "blue", "alpha")``.
    predictor
        What is compressed by ``"DEFLATE"``, ``"ZSTD"`` and ``"LZW"``: 1 the values themselves, 2 what each
        is more than its neighbour, 3 such differences of the bytes of floats, first bytes first. ``None`` is
        1 where the overview is the mode, and 2 for integers. Floats have 3, or another that makes less than
        0.98 of the bytes (with ``"LZW"`` always 3): of the NDVI of 8-bit bands 1 makes 0.62 of them.

    Raises
    ------
    ValueError
        An option is unknown, or out of its range; names it, and what is known.

    Notes
    -----
    A level or predictor that sizes decide is the same for all tiles of a file: it is tried on some rows of
    16 tiles spread over the raster, whoever writes them. Tiles that were encoded in another way before it
    was known are encoded anew when the file is put together. Files of the same cells have the same bytes,
    with any number of workers and after interruptions, where versions of libraries and the instructions of
    processors are the same.

    Examples
    --------
    >>> from geopatcher import CogStorage
    >>> CogStorage(compress="ZSTD", level=9).blocksize is None
    True
    >>> CogStorage(blocksize=100)
    Traceback (most recent call last):
        ...
    ValueError: blocksize is a multiple of 16 pixels, such as 512, not 100

    """

    compress: str = "DEFLATE"
    level: int | None = None
    blocksize: int | None = None
    overviews: bool = True
    overview: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    colormap: Mapping[int, tuple[int, int, int, int]] | None = None
    colorinterp: tuple[str, ...] = ()
    predictor: int | None = None

    def __post_init__(self) -> None:
        _check_compression(self.compress, self.level)
        if self.predictor is not None:
            _check_predictor(self.compress, self.predictor)
        if self.blocksize is not None and (self.blocksize < 16 or self.blocksize % 16):
            raise ValueError(f"blocksize is a multiple of 16 pixels, such as 512, not {self.blocksize}")
        check_method(self.overview)
        _check_colors(self.colormap or {}, self.colorinterp)

    @property
    def plain(self) -> CogStorage:
        """The same without what is said of the raster: how the files beside it are stored.

        They hold counts, weights and flags, which no lossy compression may change.
        """
        if self.is_lossy:
            return CogStorage(blocksize=self.blocksize)
        return CogStorage(self.compress, self.level, self.blocksize)

    @property
    def is_lossy(self) -> bool:
        """Whether values that are read differ from those that were written."""
        return self.compress.upper() in LOSSY

    def blocks(self, chunks: tuple[int, int]) -> tuple[int, int]:
        """Return the tiles of the file: ``blocksize``, or the chunks in whole multiples of 16 pixels."""
        if self.blocksize is not None:
            return self.blocksize, self.blocksize
        rows, cols = (-(-length // TILE_UNIT) * TILE_UNIT for length in chunks)
        return rows, cols

    def applied(self, spec: ResultSpec) -> ResultSpec:
        """Return a result with these tiles and overviews.

        Values that have colors are names, and no quantities. A file has one dimension of bands, whose
        descriptions say what they were along. A lossy compression changes a value that says what is missing
        like any other, and others into it: a mask says it then.
        """
        usual = spec.overview if self.colormap is None else usual_method(labels=True)
        flat, masked = replace(spec.domain, leading=()), spec.masked
        if self.is_lossy and flat.nodata is not None:
            flat, masked = replace(flat, nodata=None), True
        blocks, overview = self.blocks(spec.chunks), self.overview or usual
        return replace(spec, chunks=blocks, overview=overview, domain=flat, masked=masked)

    def assembly_bytes(self, spec: ResultSpec) -> int:
        """Return what making overview levels takes: in each thread a tile and what becomes of it."""
        domains = [spec.domain, *(layer_domain(spec, name) for name in spec.layers)]
        return FIXED_BYTES + max(usable_cores() * self._level_bytes(one, spec.chunks) for one in domains)

    def _level_bytes(self, domain: RasterDomain, chunks: tuple[int, int]) -> int:
        rows, cols = self.tile(domain.grid_shape, chunks)
        together = domain.n_bands if self.interleaves(domain, chunks) else 1
        # A band at a time is added up as float64, at half the resolution.
        return rows * cols * (5 * together * domain.dtype.itemsize + 8 + domain.n_bands)

    def settings(self) -> dict[str, object]:
        """Return all options by name."""
        return _settings(self)

    def tile(self, grid: tuple[int, int], chunks: tuple[int, int]) -> tuple[int, int]:
        """Return the size of a tile.

        Parameters
        ----------
        grid
            ``(height, width)`` of the raster in pixels.
        chunks
            ``(rows, columns)`` in pixels of a block of the result.

        Returns
        -------
        tuple of int
            ``(rows, columns)`` in pixels: the block, and of a small raster not much more than that.

        Examples
        --------
        >>> CogStorage().tile((9000, 9000), (1024, 1024)), CogStorage().tile((600, 100), (1024, 1024))
        ((1024, 1024), (608, 512))

        """
        rows, cols = (
            min(whole, max(USUAL_SIDE, -(-length // TILE_UNIT) * TILE_UNIT))
            for length, whole in zip(grid, self.blocks(chunks), strict=True)
        )
        return rows, cols

    def interleaves(self, domain: RasterDomain, chunks: tuple[int, int]) -> bool:
        """Return whether tiles have all bands; else each band has its own, side by side in the file.

        Parameters
        ----------
        domain
            Of the raster in the file.
        chunks
            ``(rows, columns)`` in pixels of a block of the result.

        Returns
        -------
        bool
            False where tiles of all bands would be large, or of more bands than their compression takes.

        Examples
        --------
        >>> from geopatcher.core.domain import RasterDomain
        >>> [CogStorage().interleaves(RasterDomain((n, 900, 900)), (512, 512)) for n in (1, 3, 13)]
        [True, True, False]

        """
        rows, cols = self.tile(domain.grid_shape, chunks)
        if self.compress.upper() == "JPEG" and domain.n_bands > MOST_OF_JPEG:
            return False
        small = rows * cols * domain.n_bands * domain.dtype.itemsize <= TILE_BYTES
        return domain.n_bands == 1 or small or self.compress.upper() in WHOLE_CELLS


def _settings(storage: DataclassInstance) -> dict[str, object]:
    return {one.name: attrgetter(one.name)(storage) for one in fields(storage)}


def _check_compression(compress: str, level: int | None) -> None:
    if compress.upper() not in COMPRESSIONS:
        raise ValueError(f"compress={compress!r} is none of {', '.join(COMPRESSIONS)}")
    if level is None:
        return
    if compress.upper() not in LEVELS:
        raise ValueError(f"level={level} is for {', '.join(LEVELS)}, not {compress}: leave it out")
    least, most = LEVELS[compress.upper()]
    if not least <= level <= most:
        raise ValueError(f"level={level} is none of {compress}, which has {least} to {most}")


def _check_predictor(compress: str, predictor: int) -> None:
    if compress.upper() not in PREDICTED:
        raise ValueError(f"predictor={predictor} is for {', '.join(PREDICTED)}, not {compress}: leave it out")
    if predictor not in (NO_PREDICTOR, DIFFERENCES, FLOATING_POINT):
        raise ValueError(f"predictor is 1, 2 or 3 (3 for floats), not {predictor}")


def _check_colors(colormap: Mapping[int, tuple[int, ...]], colorinterp: tuple[str, ...]) -> None:
    for value, color in colormap.items():
        if len(color) != 4 or not all(0 <= part <= 255 for part in color):
            raise ValueError(
                f"colormap has {color} for {value}: a color is (red, green, blue, alpha), 0 to 255 each"
            )
    unknown = [name for name in colorinterp if name not in ColorInterp.__members__]
    if unknown:
        known = ", ".join(ColorInterp.__members__)
        raise ValueError(f"colorinterp names {unknown[0]!r}, and what is known is {known}")
