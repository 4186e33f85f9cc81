"""Rasters of one band gone through from top to bottom, in pieces of bounded size."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopatcher.core.box import Box
from geopatcher.core.config import comparable
from geopatcher.engine.rows import unit_rows
from geopatcher.errors import SourceError
from geopatcher.fields.open import as_field
from geopatcher.fields.placing import placed_on
from geopatcher.fields.plain_field import raster_domain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from geopatcher.core.protocols import Array, HasShape, PixelSource
    from geopatcher.fields.open import Source

#: Most bytes read at once: whole rows of blocks, where they are no more.
READ_BYTES = 64 << 20
#: Most pixels looked at at once: what is worked out about them takes some ten bytes for each.
PIECE_PIXELS = 1 << 22


class Piece(NamedTuple):
    """Whole rows of a raster of one band: ``pixels`` and ``known`` are ``(rows, width)``.

    ``known`` says where there is data.
    """

    box: Box
    pixels: Array
    known: NDArray[np.bool_]


def one_band_on(source: Source, domain: HasShape, what: str, resampling: str | None = None) -> PixelSource:
    """Return a raster of one band on the pixels of a domain; files on another grid are warped onto it.

    Raises
    ------
    ValueError
        It has more bands than one.
    SourceError
        It cannot be opened, or not be put on those pixels.

    """
    given = as_field(source).source
    if given.domain.n_bands != 1:
        raise ValueError(
            f"{what} ({given.name}) has {given.domain.n_bands} bands, and one is looked at: give a raster "
            f"of that band alone"
        )
    return placed_on(what, given, raster_domain(domain), "the raster", resampling=resampling).source


def pieces(source: PixelSource) -> Iterator[Piece]:
    """Yield a raster of one band as pieces of whole rows, from the top."""
    height, width = source.domain.grid_shape
    fit = max(1, READ_BYTES // (width * source.domain.dtype.itemsize))
    step = min(unit_rows(source.block_shape[0]), fit)
    rows = max(1, PIECE_PIXELS // width)
    for top in range(0, height, step):
        strip = read_piece(source, Box(top, min(top + step, height), 0, width))
        for start in range(0, strip.box.height, rows):
            part = slice(start, min(start + rows, strip.box.height))
            box = Box(top + part.start, top + part.stop, 0, width)
            yield Piece(box, strip.pixels[part], strip.known[part])


def read_piece(source: PixelSource, box: Box) -> Piece:
    """Read rows of a raster of one band.

    Raises
    ------
    SourceError
        They cannot be read, or are not of the shape that was asked for.

    """
    pixels = source.read(box)
    if pixels.shape != (1, *box.shape):
        raise SourceError(f"{source.name} gave an array of {pixels.shape} for {box}, not {(1, *box.shape)}")
    valid = source.valid(box, pixels)
    known = np.ones(box.shape, dtype=np.bool_) if valid is None else np.array(valid[0], dtype=np.bool_)
    if pixels.dtype.kind == "f":
        known &= ~np.isnan(pixels[0])
    return Piece(box, pixels[0], known)


def same_raster(one: object, other: object) -> bool:
    """Whether two rasters are the same object, the same path, or arrays of the same cells.

    >>> same_raster("a.tif", "a.tif"), same_raster(np.ones(2), np.ones(2)), same_raster([1], [1])
    (True, True, False)
    """
    if isinstance(one, str | os.PathLike) and isinstance(other, str | os.PathLike):
        return bool(os.fspath(one) == os.fspath(other))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one is other or comparable(one) == comparable(other)
    return one is other


def path_in_config(raster: object, parameter: str) -> str:
    """Return the path of a raster for a configuration.

    Raises
    ------
    TypeError
        It is no path.

    """
    if isinstance(raster, str | os.PathLike):
        return str(os.fspath(raster))
    raise TypeError(
        f"a configuration names a raster by its path, and {parameter} is of {type(raster).__name__}: write "
        f"it to a file, and give that"
    )


def told_raster(raster: object) -> str:
    """Return what to call a raster in a `repr`: its path, or its type."""
    return repr(os.fspath(raster)) if isinstance(raster, str | os.PathLike) else f"<{type(raster).__name__}>"
