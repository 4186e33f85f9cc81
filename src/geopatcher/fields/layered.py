"""Scenes that lie over each other on one grid, as one source."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import rasterio

from geopatcher.core.box import Box
from geopatcher.core.buffers import empty
from geopatcher.core.digests import digest_of
from geopatcher.core.protocols import Versioned
from geopatcher.core.source_identity import digest_of_source, source_identity
from geopatcher.fields.composed import Composed, LastRead
from geopatcher.fields.composing import (
    MedianStack,
    blocks_shape,
    deepest,
    piece_shape,
    put_under,
    unknown_part,
)
from geopatcher.fields.scenes import AlignedScene
from geopatcher.fields.warping import MANNER
from geopatcher.formats.side_by_side import FILES_AT_ONCE, MOST_PIECES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from geopatcher.core.blocks_below import BlocksBelow
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array, PixelSource
    from geopatcher.fields.scenes import Scene

T = TypeVar("T")

#: Bytes of pixels in hand while several are put over each other.
AT_ONCE = 16 << 20
#: The same where a median is taken of scenes that are not warped: all are in hand, and whole blocks of them
#: are read, since those that are read in parts are decoded again for each.
BLOCKS_AT_ONCE = 48 << 20
#: Scenes of which it is looked up how they lie on the grid, at most.
LOOKED_AT = 16


@dataclass(frozen=True, eq=False, repr=False)
class Layered(Composed):
    """Scenes on one grid, the one on top first; see `Mosaic`, which makes it."""

    scenes: tuple[Scene, ...]
    domain: RasterDomain
    order: str
    method: str
    tile: tuple[int, int]
    _last: LastRead = field(default_factory=LastRead, init=False)

    def __repr__(self) -> str:
        grid = f"{self.domain.height:,} x {self.domain.width:,} pixels"
        return f"{type(self).__name__}({len(self.scenes)} scenes, {self.domain.n_bands} bands, {grid})"

    @property
    def block_shape(self) -> tuple[int, int]:
        """Blocks of the first scene where none is warped, else what is warped in one go."""
        return self.scenes[0].source.block_shape if self._aligned else self.tile

    @property
    def _aligned(self) -> bool:
        return all(isinstance(scene, AlignedScene) for scene in self.scenes)

    @property
    def has_nodata(self) -> bool:
        """Whether pixels may be missing: in a scene, or between them."""
        whole = Box.of_shape(self.domain.grid_shape)
        return not any(scene.hides_nothing and scene.box == whole for scene in self.scenes)

    @property
    def name(self) -> str:
        """How many scenes, and which is the first."""
        return f"a mosaic of {len(self.scenes)} scene(s), {self.scenes[0].source.name} first"

    @property
    def members(self) -> Sequence[PixelSource]:
        """The sources of the scenes."""
        return [scene.source for scene in self.scenes]

    @property
    def working_bytes(self) -> int:
        """What is in hand of scenes while they are put over each other, and what GDAL takes to warp them."""
        rows, cols = self._piece_shape(self.domain.grid_shape)
        piece = min(rows, self.domain.height) * min(cols, self.domain.width) * self._cell_bytes
        if self._aligned:
            return super().working_bytes + 2 * piece
        cell_bytes = self.domain.n_bands * self.domain.dtype.itemsize * self._threads
        below = int(math.prod(self.tile) * max(scene.density for scene in self.scenes) * cell_bytes)
        return super().working_bytes + 3 * max(piece, below)

    @property
    def blocks_below(self) -> tuple[BlocksBelow, ...]:
        """Of the scenes that are warped, of which as many are in hand as lie over one place."""
        layers = self._depth if self.order == "median" else min(2, len(self.scenes))
        few = islice(self.scenes, 0, None, -(-len(self.scenes) // LOOKED_AT))
        width = self.domain.width
        most = max(
            (scene.blocks_below(self.tile) for scene in few),
            key=lambda each: sum(below.n_bytes(self.tile[0], width) for below in each),
        )
        return (*super().blocks_below, *(replace(below, layers=layers) for below in most))

    def select_bands(self, bands: Sequence[int]) -> Layered:
        """Return a source of some of its bands.

        Parameters
        ----------
        bands
            Their numbers, counted from 0, in the order wanted.

        Returns
        -------
        PixelSource
            On the same grid.

        Raises
        ------
        ValueError
            A scene is of a kind of source of which bands cannot be chosen.

        """
        picked = tuple(bands)
        scenes = tuple(scene.select_bands(picked) for scene in self.scenes)
        return Layered(scenes, self.domain.of_bands(picked), self.order, self.method, self.tile)

    def identity(self) -> Mapping[str, str | int | float]:
        """Return how the scenes are put together, and which version it is of each.

        Returns
        -------
        dict
            An entry for each scene, and ``"unknown"`` where one cannot be known.

        Raises
        ------
        SourceError
            A scene is not what it was when this object was made.

        """
        known: dict[str, str | int | float] = {
            "scenes": len(self.scenes),
            "order": self.order,
            "resampling": self.method,
            "tile": "x".join(map(str, self.tile)),
            "shape": "x".join(map(str, self.domain.shape)),
            "dtype": str(self.domain.dtype),
            "gdal": rasterio.__gdal_version__,
        }
        if not self._aligned:
            known["warped"] = MANNER
        troubles = []
        each = self._of_each(source_identity)
        for number, (scene, own) in enumerate(zip(self.scenes, each, strict=True), start=1):
            if "unknown" in own:
                troubles.append(f"{scene.source.name}: {own.pop('unknown')}")
            known[f"scene {number}"] = digest_of_source(own)
        if troubles:
            known["unknown"] = f"{troubles[0]} ({len(troubles)} of {len(self.scenes)} scenes)"
        return known

    def version(self) -> str:
        """Return a text that changes when a file of one of the scenes does.

        Returns
        -------
        str
            A digest of what each of them says.

        Raises
        ------
        SourceError
            A server does not answer.

        """
        each = self._of_each(lambda source: source.version() if isinstance(source, Versioned) else "")
        return digest_of(*filter(None, each))

    def _of_each(self, ask: Callable[[PixelSource], T]) -> list[T]:
        """Return what sources answer; several at once where they may be asked so, since servers take time."""
        sources = self.members
        if not self.reads_concurrently or len(sources) == 1:
            return [ask(source) for source in sources]
        with ThreadPoolExecutor(min(FILES_AT_ONCE, len(sources)), "geopatcher-ask") as pool:
            return list(pool.map(ask, sources))

    @property
    def _threads(self) -> int:
        """As many as there are cores where all scenes are wanted, else one; more that wait for servers.

        What is warped takes memory that is counted once.
        """
        wanted = super()._threads if self.order == "median" else 1
        is_far = self._aligned and self.reads_at_once > 1
        return max(wanted, min(MOST_PIECES, len(self.scenes))) if is_far else wanted

    @cached_property
    def _depth(self) -> int:
        """How many scenes are in hand at once."""
        return deepest([scene.box for scene in self.scenes]) if self.order == "median" else 1

    @property
    def _fill(self) -> float | int:
        """What pixels without data hold."""
        return np.nan if self.domain.dtype.kind == "f" else self.domain.nodata or 0

    def _together(self, box: Box) -> tuple[Array, NDArray[np.bool_]]:
        """Return the pixels of a rectangle, and where a scene has data."""
        shape = (self.domain.n_bands, *box.shape)
        pixels, known = empty(shape, self.domain.dtype), np.zeros(shape, np.bool_)
        put = self._put_median if self.order == "median" else self._put_first
        for piece in box.tiles(self._piece_shape(box.shape)):
            part = piece.slices(box)
            put(piece, pixels[:, *part], known[:, *part])
        return pixels, known

    @property
    def _cell_bytes(self) -> int:
        """Bytes of all bands of a pixel, of all scenes that are in hand at once."""
        return self.domain.n_bands * self.domain.dtype.itemsize * self._depth

    def _piece_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return ``(rows, columns)`` of what is put together at once of a rectangle of a shape."""
        if self.order == "median" and self._aligned:
            whole = blocks_shape(self.block_shape, shape, self._cell_bytes, BLOCKS_AT_ONCE)
            if whole is not None:
                return whole
        return piece_shape(self.tile, self._cell_bytes, AT_ONCE)

    def _put_first(self, piece: Box, pixels: Array, known: NDArray[np.bool_]) -> None:
        """Fill a piece from the scene on top down; what does not depend on another scene is read together."""
        left: Sequence[Scene] = [scene for scene in self.scenes if not scene.box.intersect(piece).empty]
        while left:
            now, left = _first_of(left, piece, known)
            reads = (partial(scene.read, part, self.tile) for scene, part in now)
            for (_, part), cells in zip(now, self._each(reads), strict=True):
                put_under(pixels, known, part.slices(piece), *cells)
        np.copyto(pixels, self.domain.dtype.type(self._fill), where=~known)

    def _put_median(self, piece: Box, pixels: Array, known: NDArray[np.bool_]) -> None:
        """Fill a piece with the median of all scenes that have data."""
        over = [(scene, scene.box.intersect(piece)) for scene in self.scenes]
        over = [(scene, part) for scene, part in over if not part.empty]
        stack = MedianStack(max(1, len(over)), (self.domain.n_bands, *piece.shape), self.domain.dtype)
        reads = (partial(scene.read, part, self.tile) for scene, part in over)
        for (_, part), cells in zip(over, self._each(reads), strict=True):
            stack.add(part.slices(piece), *cells)
        pixels[...], known[...] = stack.median(self._fill)


def _first_of(
    scenes: Sequence[Scene], piece: Box, known: NDArray[np.bool_]
) -> tuple[list[tuple[Scene, Box]], Sequence[Scene]]:
    """Return the first scenes with what is wanted of each, whatever the others hold; and those that are left.

    What lies under a scene that hides what is below is not wanted. What lies under one that may not is known
    when that was read. All together are no more pixels than the piece.
    """
    now: list[tuple[Scene, Box]] = []
    unsure: list[Box] = []
    sure, n_pixels = known, 0
    for number, scene in enumerate(scenes):
        if any(not scene.box.intersect(box).empty for box in unsure):
            return now, scenes[number:]
        wanted = unknown_part(sure, piece, scene.box)
        if wanted.empty:
            continue
        n_pixels += wanted.n_pixels
        if n_pixels > piece.n_pixels:
            return now, scenes[number:]
        now.append((scene, wanted))
        if scene.hides_nothing:
            sure = known.copy() if sure is known else sure
            sure[:, *wanted.slices(piece)] = True
        else:
            unsure.append(wanted)
    return now, ()
