"""What aggregations are fed with: parts of patches, their weights, and the tiles they fall into."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopatcher.accumulators.casting import to_dtype
from geopatcher.accumulators.finished import Finished
from geopatcher.accumulators.labels import Disagreement

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geopatcher.core.protocols import Array


#: Bytes of tapers up to which they are kept for runs to come, and how many.
KEPT_TAPER_BYTES = 1 << 18
KEPT_TAPERS = 4
#: Coverings kept: those of a row's first, middle and last tile.
KEPT_COVERINGS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Taper:
    """The weights of a patch, made once and shared by every patch that has the same.

    ``values`` is ``(h, w)`` in the dtype of the accumulator; ``positive`` says that none is zero.
    """

    values: Array
    positive: bool
    _made: dict[Callable[[Array], Array], Array] = field(default_factory=dict, init=False, repr=False)

    def made_by(self, make: Callable[[Array], Array]) -> Array:
        """Return what ``make`` makes of the values, cell by cell; it is called once."""
        if make not in self._made:
            self._made[make] = make(self.values)
        return self._made[make]

    @classmethod
    def of(cls, weights: Array | None, shape: tuple[int, int], dtype: np.dtype) -> Taper:
        """Check weights once; ``None`` is a taper of ones.

        Raises
        ------
        ValueError
            The weights are not shaped like the patch, are negative, or are not finite.

        """
        if weights is None:
            return unit_taper(shape, dtype)
        if weights.shape != shape:
            raise ValueError(f"weights shaped {weights.shape} do not fit a patch of {shape}")
        values = np.ascontiguousarray(weights, dtype=dtype)
        low = float(values.min()) if values.size else 0.0
        if not (np.isfinite(values).all() and low >= 0.0):
            raise ValueError(f"weights must be finite and not negative; the smallest is {low}")
        return (
            _again(values) if values.nbytes <= KEPT_TAPER_BYTES else cls(values, positive=bool(values.all()))
        )


#: The small tapers made last, all their own: the next run has the same, and what was made of them.
_TAPERS: deque[Taper] = deque(maxlen=KEPT_TAPERS)


def _again(values: Array) -> Taper:
    """Return the taper of these weights that was made before, or a new one with a copy of them."""
    for taper in tuple(_TAPERS):
        known = taper.values
        if known.dtype == values.dtype and np.array_equal(known, values):
            return taper
    own = values.copy()
    own.flags.writeable = False
    made = Taper(own, positive=bool(own.all()))
    _TAPERS.append(made)
    return made


@lru_cache(maxsize=16)
def unit_taper(shape: tuple[int, int], dtype: np.dtype) -> Taper:
    """Return the taper of a patch of ``shape`` in which every cell counts the same: ones."""
    return Taper(np.ones(shape, dtype), positive=True)


@dataclass(slots=True, eq=False)
class Piece:
    """The part of a patch that falls into one tile of state.

    ``where`` places it in the tile, ``crop`` in the patch. ``data`` is ``(bands, h, w)``, already
    cut; ``valid`` is shaped like it, or ``None`` when every cell counts. ``shares`` are those of the
    whole patch, see `History`; they hold where a cell counts in every patch so far, or in none.
    ``present`` is where the source holds data, shaped like ``data``, ``None`` for everywhere, and
    ``valid`` itself where the cells that count are those: then other patches say the same of them.
    """

    where: tuple[slice, slice]
    crop: tuple[slice, slice]
    data: Array
    taper: Taper
    valid: Array | None
    anchor: tuple[int, int]
    shares: Array | None = None
    present: Array | None = None

    @property
    def differs(self) -> Array | None:
        """Cells that count though the source holds no data, or do not though it does; ``None`` for none."""
        if self.valid is self.present:
            return None
        counts, present = (np.True_ if cells is None else cells for cells in (self.valid, self.present))
        found: Array = np.not_equal(counts, present)
        return found

    def cells(self, dtype: np.dtype) -> Array:
        """Return the data in ``dtype``, converted as results are: integers round and saturate."""
        if self.data.dtype == dtype:
            return self.data
        return to_dtype(Finished(self.data.copy(), self.valid), dtype, 0)

    @property
    def weights(self) -> Array:
        """The taper's cells of this piece, ``(h, w)``."""
        cut: Array = self.taper.values[self.crop]
        return cut

    @property
    def window(self) -> str:
        """The whole patch this is a part of, for messages."""
        row, col = self.anchor
        height, width = self.taper.values.shape
        return f"rows [{row}, {row + height}), columns [{col}, {col + width})"


class Place(NamedTuple):
    """Where a patch counted: its cells in the tile, those of its taper, the taper, and which are valid.

    ``bits`` are these, ``(bands, h, w)``, eight columns to a byte; ``None`` when every cell is.
    """

    where: tuple[slice, slice]
    crop: tuple[slice, slice]
    taper: Taper
    bits: Array | None

    @classmethod
    def of(cls, piece: Piece) -> Place:
        """Return the place of a piece."""
        bits = None if piece.valid is None else np.packbits(piece.valid, axis=-1)
        return cls(piece.where, piece.crop, piece.taper, bits)

    @property
    def pattern(self) -> tuple[int | Taper, ...]:
        """What decides the weights of a place where every cell is valid, to be compared."""
        rows, cols = self.where
        top, left = self.crop
        return (rows.start, rows.stop, cols.start, cols.stop, top.start, left.start, self.taper)

    def valid(self, rows: slice, cols: slice) -> Array | None:
        """Return which cells of a part are valid, ``(bands, h, w)``, ``None`` for all."""
        if self.bits is None:
            return None
        return np.unpackbits(self.bits[:, rows], axis=-1, count=cols.stop)[..., cols].view(bool)

    def weights(self, rows: slice, cols: slice) -> Array:
        """Return the weights of the cells of a part that count, ``(h, w)`` or per band."""
        weights: Array = self.taper.values[self.crop][rows, cols]
        valid = self.valid(rows, cols)
        return weights if valid is None else weights * valid

    @property
    def whole(self) -> tuple[slice, slice]:
        """All its rows and columns, counted from its first."""
        rows, cols = self.where
        return slice(0, rows.stop - rows.start), slice(0, cols.stop - cols.start)


class Coverings:
    """Which cells of tiles have any weight.

    Where every cell of every patch counted that depends on the pattern of patches alone, and on a lattice
    the pattern repeats from tile to tile: the last ones are kept.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], Array | None] = {}

    def of(self, log: Sequence[Place], shape: tuple[int, int, int]) -> Array | None:
        """Return the cells of a tile of ``shape``, ``(h, w)`` or per band; ``None`` for all."""
        if any(place.bits is not None for place in log):
            return _covered(log, shape)
        pattern = (shape, *(place.pattern for place in log))
        if pattern not in self._kept:
            if len(self._kept) >= KEPT_COVERINGS:
                self._kept.pop(next(iter(self._kept)))
            self._kept[pattern] = _covered(log, shape[1:])
        return self._kept[pattern]


def _covered(log: Sequence[Place], shape: tuple[int, ...]) -> Array | None:
    covered = np.zeros(shape, dtype=bool)
    rows, start, stop = slice(0, 0), 0, 0  # of whole places side by side, which are marked together
    for place in log:
        where, crop, taper, bits = place
        if taper.positive and bits is None:
            if where[0] == rows and start <= where[1].start <= stop:
                stop = max(stop, where[1].stop)
                continue
            covered[..., rows, start:stop] = True
            rows, start, stop = where[0], where[1].start, where[1].stop
            continue
        counts = True if taper.positive else taper.values[crop] > 0
        valid = place.valid(*place.whole)
        covered[..., *where] |= counts if valid is None else valid & counts
    covered[..., rows, start:stop] = True
    return None if covered.all() else covered


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """What a fresh state is made for.

    ``shape`` is ``(bands, h, w)`` of the incoming data, ``dtype`` theirs; ``exact`` is the floating
    dtype sums are kept in; ``coverings`` and ``disagreement`` are shared by the tiles of one run.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    exact: np.dtype
    coverings: Coverings
    disagreement: Disagreement = field(default_factory=Disagreement)
