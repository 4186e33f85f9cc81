"""What an aggregation is, and the pieces it is fed with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar

import numpy as np

if TYPE_CHECKING:
    from geopatcher.protocols import Array

S = TypeVar("S")

#: Deepest overlap for which single-precision sums stay within 4 ulp of the input of an identity.
FLOAT32_DEPTH = 9


@dataclass(frozen=True, slots=True, eq=False)
class Taper:
    """The weights of a patch, made once and shared by every patch that has the same.

    ``values`` is ``(h, w)`` in the dtype of the accumulator.
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
            return cls(np.ones(shape, dtype), positive=True)
        if weights.shape != shape:
            raise ValueError(f"weights shaped {weights.shape} do not fit a patch of {shape}")
        values = np.ascontiguousarray(weights, dtype=dtype)
        low = float(values.min()) if values.size else 0.0
        if not (np.isfinite(values).all() and low >= 0.0):
            raise ValueError(f"weights must be finite and not negative; the smallest is {low}")
        return cls(values, positive=low > 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """The part of a patch that falls into one tile of state.

    ``where`` places it in the tile, ``crop`` in the patch. ``data`` is ``(bands, h, w)``, already
    cut; ``valid`` is shaped like it, or ``None`` when every cell counts.
    """

    where: tuple[slice, slice]
    crop: tuple[slice, slice]
    data: Array
    taper: Taper
    valid: Array | None
    anchor: tuple[int, int]

    @property
    def weights(self) -> Array:
        """The taper's cells of this piece, ``(h, w)``."""
        cut: Array = self.taper.values[self.crop]
        return cut

    @property
    def pattern(self) -> tuple[int, ...]:
        """What decides this piece's weights in the tile: place, crop and taper."""
        rows, cols = self.where
        return (
            rows.start,
            rows.stop,
            cols.start,
            cols.stop,
            self.crop[0].start,
            self.crop[1].start,
            id(self.taper),
        )


class Finished(NamedTuple):
    """Values of a tile, ``(bands, h, w)``, and which cells have one.

    ``covered`` is ``(h, w)`` or ``(bands, h, w)``; ``None`` says all of them.
    """

    values: Array
    covered: Array | None


class WeightSums:
    """Sums of weights of tiles in which every cell of every patch counted.

    They depend on the pattern of patches alone, and on a lattice the pattern repeats from tile to
    tile: the last few are kept. The additions are those that accumulating would have made, in the
    same order, so the result has the same bits.
    """

    def __init__(self, keep: int = 1) -> None:
        self._keep = keep
        self._sums: dict[tuple[tuple[int, ...], ...], tuple[Array, bool]] = {}

    def of(self, log: list[Piece], shape: tuple[int, int], dtype: np.dtype) -> tuple[Array, bool]:
        """Return the sum of weights, ``(h, w)``, and whether it is positive everywhere."""
        key = ((*shape, 0, 0, 0, 0, 0), *(piece.pattern for piece in log))
        found = self._sums.get(key)
        if found is None:
            while len(self._sums) >= self._keep:
                self._sums.pop(next(iter(self._sums)))
            total = np.zeros(shape, dtype)
            for piece in log:
                total[piece.where] += piece.weights
            found = (total, bool(total.all()))
            self._sums[key] = found
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """What a fresh state is made for.

    ``shape`` is ``(bands, h, w)`` of the incoming data, ``dtype`` theirs; ``exact`` is the floating
    dtype sums are kept in; ``sums`` is shared by the tiles of one run.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    exact: np.dtype
    sums: WeightSums


class SpatialAggregation(ABC):
    """Base of all aggregations."""

    #: Whether merging needs a bounded amount of memory per cell, whatever the number of patches.
    streaming_safe: ClassVar[bool] = True
    #: What to use instead when it does not.
    substitute: ClassVar[str] = ""

    def get_config(self) -> dict[str, object]:
        """Return the name and the parameters, JSON-able."""
        return {"name": type(self).__name__}


class CellAggregation(SpatialAggregation, Generic[S]):
    """An aggregation with one value per cell and band of the output grid."""

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

    def out_bands(self, n_bands: int) -> int:
        """Bands of the result for patches of ``n_bands``."""
        return n_bands

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Dtype of the result for patches of ``dtype``, where the caller names none."""
        return dtype

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """Bytes of state per cell, all bands, for the memory plan."""
        _ = dtype, depth
        return 8 * n_bands


#: A cell aggregation whose kind of state does not matter to the caller, who only hands it back.
AnyCellAggregation: TypeAlias = CellAggregation[Any]


def exact_dtype(out_dtype: np.dtype, depth: int) -> np.dtype:
    """Floating dtype in which sums for a result of ``out_dtype`` are kept.

    Single precision where its rounding cannot show (results of up to 24 bits, overlap up to
    `FLOAT32_DEPTH` patches), double precision otherwise.
    """
    small = out_dtype.itemsize <= 2 or out_dtype == np.float32
    return np.dtype("float32" if small and depth <= FLOAT32_DEPTH else "float64")
