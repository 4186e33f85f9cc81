"""What an aggregation is, and the pieces it is fed with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np

from geopatcher.aggregation.casting import to_dtype

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geopatcher.patch import Patch
    from geopatcher.protocols import Array, HasShape

S = TypeVar("S")

#: Depth of overlap assumed in the memory plan where it is not known.
ASSUMED_DEPTH = 16
#: Depths from here on say that it is not known.
UNKNOWN_FROM = 1 << 20

#: Coverings kept: those of a row's first, middle and last tile.
KEPT_COVERINGS = 3

#: Deepest overlap for which means are kept in single precision: a step rounds by up to half an ulp.
FLOAT32_DEPTH = 9


@dataclass(frozen=True, slots=True, eq=False)
class Taper:
    """The weights of a patch, made once and shared by every patch that has the same.

    ``values`` is ``(h, w)`` in the dtype of the accumulator; ``positive`` says that none is zero.
    """

    values: Array
    positive: bool

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
        return cls(values, positive=bool(values.all()))


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


class Finished(NamedTuple):
    """Values of a tile, ``(bands, h, w)``, and which cells have one.

    ``covered`` is ``(h, w)`` or ``(bands, h, w)``; ``None`` says all of them. With a ``base``, shaped
    like ``values``, the value of a cell is ``base + values``: 64-bit integers and a fraction that
    float64 could not hold together.
    """

    values: Array
    covered: Array | None
    base: Array | None = None


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
    dtype sums are kept in; ``coverings`` is shared by the tiles of one run.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    exact: np.dtype
    coverings: Coverings


class SpatialAggregation:
    """Base of all aggregations: from patches to one result, by `merge`."""

    #: Whether merging needs a bounded amount of memory per cell, whatever the number of patches.
    streaming_safe: ClassVar[bool] = True
    #: What to use instead when it does not.
    substitute: ClassVar[str] = ""
    #: Whether it asks pieces for their shares.
    takes_shares: ClassVar[bool] = False

    def merge(self, patches: Iterable[Patch[object]], domain: HasShape) -> object:
        """Bring patches, any iterable of them in any order, together into a result over ``domain``."""
        _ = patches, domain
        raise NotImplementedError(f"{type(self).__name__} has no merge of its own")

    def get_config(self) -> dict[str, object]:
        """Return the class name as ``"type"`` and the parameters, all JSON values."""
        return {"type": type(self).__name__}

    def out_bands(self, n_bands: int) -> int:
        """Bands of the result for patches of ``n_bands``."""
        return n_bands

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """Bytes of state per cell, all bands, for the memory plan.

        ``dtype`` is the floating dtype sums are kept in, ``depth`` the most patches over one cell.
        """
        _ = n_bands, dtype, depth
        return 0

    def wide_bytes(self, n_bands: int) -> int:
        """Bytes of state per cell that 64-bit integers take on top."""
        _ = n_bands
        return 0

    def gap_bytes(self, n_bands: int, depth: int) -> float:
        """Bytes of state per cell that a tile takes on top once it has cells without data.

        Those of every tile, if ``depth`` is beyond `DEEPEST` or not known: shares are not kept then.
        """
        _ = n_bands, depth
        return 0


class CellAggregation(SpatialAggregation, ABC, Generic[S]):
    """An aggregation with one value per cell and band of the output grid."""

    #: Whether the result is ``(h, w)`` whatever the bands of the patches.
    flat: ClassVar[bool] = False
    #: Whether updating sees to what is infinite or overflows; NumPy is told not to warn of it otherwise.
    watches_overflow: ClassVar[bool] = False

    @abstractmethod
    def zero(self, tile: Tile) -> S:
        """Return the state of a tile no patch has touched."""

    @abstractmethod
    def update(self, state: S, piece: Piece) -> S:
        """Add one piece, in place where possible, and return the state."""

    @abstractmethod
    def merge_states(self, first: S, second: S) -> S:
        """Return the state of both: what updating with the pieces of both, in turn, would give."""

    @abstractmethod
    def finalise(self, state: S) -> Finished:
        """Return the values of a tile. The state is used up."""

    def weights_for(self, data: Array, weights: Array | None) -> Array | None:
        """Return the weights of a whole patch, ``(h, w)``, given its data and those of its window."""
        _ = data
        return weights

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Dtype of the result for patches of ``dtype``, where the caller names none."""
        return dtype

    def memory_dtype(self, dtype: np.dtype) -> np.dtype:
        """Dtype of a merge in memory for patches of ``dtype``: one that has NaN for cells without data."""
        _ = dtype
        return np.dtype("float64")

    def nodata_for(self, dtype: np.dtype) -> float | int | None:
        """Return what cells without data hold in a result of ``dtype``; ``None`` is what the source has."""
        _ = dtype
        return None

    @abstractmethod
    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """Bytes of state per cell, all bands, for the memory plan.

        ``dtype`` is the floating dtype sums are kept in, ``depth`` the most patches over one cell.
        """


#: A cell aggregation whose kind of state does not matter to the caller, who only hands it back.
AnyCellAggregation: TypeAlias = CellAggregation[Any]


def known_depth(depth: int) -> int:
    """Return a depth of overlap, or `ASSUMED_DEPTH` for one that is not known.

    >>> known_depth(4), known_depth(1 << 30)
    (4, 16)
    """
    return depth if depth < UNKNOWN_FROM else ASSUMED_DEPTH


def mean_dtype(dtype: np.dtype) -> np.dtype:
    """Floating dtype of a result that is no value of the patches' own: single precision for up to 16 bits.

    >>> mean_dtype(np.dtype("uint8")), mean_dtype(np.dtype("int32"))
    (dtype('float32'), dtype('float64'))
    """
    return np.result_type(dtype, np.float32)


def exact_dtype(out_dtype: np.dtype, depth: int) -> np.dtype:
    """Floating dtype in which sums for a result of ``out_dtype`` are kept.

    Single precision where its rounding cannot show (results of up to 24 bits, overlap up to
    `FLOAT32_DEPTH` patches), double precision otherwise.
    """
    small = out_dtype.itemsize <= 2 or out_dtype == np.float32
    return np.dtype("float32" if small and depth <= FLOAT32_DEPTH else "float64")
