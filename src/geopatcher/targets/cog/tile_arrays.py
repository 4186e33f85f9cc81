"""How an array of a result lies in the tiles of a GeoTIFF, and in files of blocks on its way there."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.box import Box
from geopatcher.targets.cog.choosing import tried_places
from geopatcher.targets.cog.encoders import TileCodec
from geopatcher.targets.multiscales import halved_shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.targets.cog.encoders import Encoder

#: Numbers that JSON cannot say, by the texts that stand for them.
SPECIAL = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


@dataclass(frozen=True)
class TileArray:
    """An array of a result, cut into tiles.

    Parameters
    ----------
    grid
        ``(height, width)`` in pixels.
    n_bands
        How many; a file has a sample for each.
    dtype
        Of the cells.
    fill
        What cells without data hold.
    tile
        ``(height, width)`` in pixels.
    interleaved
        Whether a tile has all bands, cell by cell; else each band has tiles of its own.
    codec
        How tiles are encoded.
    method
        How four cells become one in overviews; ``None`` where there are none.
    nodata
        What says that a cell has no value, if a value does.
    masked
        Whether a mask may be needed to say which cells have none.

    """

    grid: tuple[int, int]
    n_bands: int
    dtype: np.dtype
    fill: float | int
    tile: tuple[int, int]
    interleaved: bool
    codec: TileCodec
    method: str | None
    nodata: float | int | None = None
    masked: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """``(bands, height, width)``."""
        return (self.n_bands, *self.grid)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of what a file holds."""
        return (self.bands_per_file, *self.tile)

    @property
    def shards(self) -> None:
        """There are none."""
        return

    @property
    def metadata(self) -> TileArray:
        """Return what names the files."""
        return self

    def encode_chunk_key(self, chunk_coords: tuple[int, ...]) -> str:
        """Return the name of the file of a block."""
        return "/".join(map(str, ("c", *chunk_coords)))

    @property
    def bands_per_file(self) -> int:
        """How many bands a tile has."""
        return self.n_bands if self.interleaved else 1

    @property
    def n_files(self) -> int:
        """Files of a block: one, or one for each band."""
        return self.n_bands // self.bands_per_file

    def bands_of(self, number: int) -> slice:
        """Return the bands in one of these files."""
        return slice(number * self.bands_per_file, (number + 1) * self.bands_per_file)

    @property
    def places(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        return -(-self.grid[0] // self.tile[0]), -(-self.grid[1] // self.tile[1])

    def box(self, row: int, col: int) -> Box:
        """Return the cells of a tile that are in the grid."""
        top, left = row * self.tile[0], col * self.tile[1]
        whole = Box(top, top + self.tile[0], left, left + self.tile[1])
        return whole.intersect(Box.of_shape(self.grid))

    @property
    def is_halved(self) -> bool:
        """Whether a coarser level is made of this one."""
        return self.method is not None and self.places != (1, 1)

    def coarser(self) -> TileArray:
        """Return the array of the next level."""
        return replace(self, grid=halved_shape(self.grid))

    @cached_property
    def codecs(self) -> tuple[TileCodec, ...]:
        """The codecs of which sizes choose one, the usual one first; mostly there is one."""
        return self.codec.candidates()

    @cached_property
    def encoders(self) -> tuple[Encoder, ...]:
        """What encodes a tile by each of them."""
        shape = (self.bands_per_file, *self.tile)
        return tuple(codec.encoder(self.dtype, shape) for codec in self.codecs)

    @property
    def encoder(self) -> Encoder:
        """What encodes a tile by the first."""
        return self.encoders[0]

    @cached_property
    def tried(self) -> frozenset[tuple[int, int]]:
        """Rows and columns of the tiles on which codecs are tried."""
        return tried_places(self.places)

    def to_json(self) -> dict[str, object]:
        """Return everything, as JSON has it."""
        return {
            "grid": list(self.grid),
            "bands": self.n_bands,
            "dtype": self.dtype.str,
            "fill": _told(self.fill),
            "tile": list(self.tile),
            "interleaved": self.interleaved,
            "codec": [*astuple(self.codec)],
            "method": self.method,
            "nodata": _told(self.nodata),
            "masked": self.masked,
        }


def arrays_from_json(text: str) -> dict[str, TileArray]:
    """Return the arrays `arrays_to_json` was given.

    Raises
    ------
    ValueError, KeyError, TypeError
        The text is damaged.

    """
    return {str(name): _from_json(record) for name, record in json.loads(text).items()}


def arrays_to_json(arrays: Mapping[str, TileArray]) -> str:
    """Return arrays as a text."""
    return json.dumps({name: array.to_json() for name, array in arrays.items()}, indent=1)


def _from_json(record: Mapping[str, object]) -> TileArray:
    height, width = _whole(record["grid"])
    rows, cols = _whole(record["tile"])
    (n_bands,) = _whole([record["bands"]])
    match record["codec"], record["method"]:
        case [[str(compress), int() | None as level, int(predictor), bool(by_size)], str() | None as method]:
            return TileArray(
                (height, width),
                n_bands,
                np.dtype(str(record["dtype"])),
                _number(record["fill"]) or 0,
                (rows, cols),
                bool(record["interleaved"]),
                TileCodec(compress, level, predictor, by_size),
                method,
                _number(record["nodata"]),
                bool(record["masked"]),
            )
    raise ValueError(f"{record} does not say how tiles are stored")


def _whole(values: object) -> list[int]:
    if not isinstance(values, list) or not all(type(value) is int and value > 0 for value in values):
        raise ValueError(f"{values!r:.80} are not whole numbers")
    return list(values)


def _told(value: float | int | None) -> float | int | str | None:
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value


def _number(value: object) -> float | int | None:
    if isinstance(value, str):
        return SPECIAL[value]
    if value is not None and not isinstance(value, int | float):
        raise TypeError(f"{value!r:.80} is not a number")
    return value
