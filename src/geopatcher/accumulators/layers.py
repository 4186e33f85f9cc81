"""Layers beside a result: how much went into each cell, and how well it agreed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.accumulators.base import AnyCellAggregation, CellAggregation
from geopatcher.accumulators.finished import Finished
from geopatcher.accumulators.int64 import Offsets
from geopatcher.core.buffers import zeros
from geopatcher.core.protocols import Array

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from geopatcher.accumulators.pieces import Piece, Tile


class Layer(CellAggregation[Array]):
    """A layer whose state is its only band, ``(h, w)``."""

    def finalise(self, state: Array) -> Finished:
        """Return the band: cells without patches have a true 0."""
        return Finished(state[np.newaxis], None)

    def out_bands(self, n_bands: int) -> int:
        """One."""
        _ = n_bands
        return 1

    def nodata_for(self, dtype: np.dtype) -> float | int | None:
        """Return 0: nothing arrived."""
        _ = dtype
        return 0


@dataclass(frozen=True)
class WeightLayer(Layer):
    """Sum of the window's weights of the patches with a value in any band."""

    def zero(self, tile: Tile) -> Array:
        """Return zeros."""
        return zeros(tile.shape[1:], tile.exact)

    def update(self, state: Array, piece: Piece) -> Array:
        """Add the weights."""
        counts = _counts(piece)
        state[piece.where] += piece.weights if counts is None else piece.weights * counts
        return state

    def merge_states(self, first: Array, second: Array) -> Array:
        """Add."""
        first += second
        return first

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return float32."""
        _ = dtype
        return np.dtype(np.float32)

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """One sum."""
        _ = n_bands, depth
        return dtype.itemsize


@dataclass(frozen=True)
class CountLayer(Layer):
    """Number of patches with a value in any band, up to 65535."""

    def zero(self, tile: Tile) -> Array:
        """Return zeros."""
        return zeros(tile.shape[1:], np.dtype(np.uint16))

    def update(self, state: Array, piece: Piece) -> Array:
        """Count one more."""
        view, counts = state[piece.where], _counts(piece)
        more = view < np.iinfo(np.uint16).max
        view += more if counts is None else more & counts
        return state

    def merge_states(self, first: Array, second: Array) -> Array:
        """Add, up to the limit."""
        total = first.astype(np.uint32) + second
        return np.minimum(total, np.iinfo(np.uint16).max).astype(np.uint16)

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return uint16."""
        _ = dtype
        return np.dtype(np.uint16)

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """One number."""
        _ = n_bands, dtype, depth
        return 2


@dataclass(slots=True, eq=False)
class SpreadState:
    """Sum of weights, weighted mean and weighted sum of squared distances from it, ``(bands, h, w)``.

    The mean is that of the distances from the first value, in ``offsets``.
    """

    tile: Tile
    weight: Array
    mean: Array
    squares: Array
    offsets: Offsets


@dataclass(frozen=True)
class SpreadLayer(CellAggregation[SpreadState]):
    """Weighted standard deviation of the patches over a cell: how far they disagree.

    The square root of the mean over bands of ``sum(w (x - mean)²) / sum(w)``; 0 where one patch
    has a value, NaN where none has. By the updating formula of West (1979),
    https://doi.org/10.1145/359146.359153.
    """

    def zero(self, tile: Tile) -> SpreadState:
        """Return zeros in double precision."""
        weight, mean, squares = (zeros(tile.shape, np.dtype(np.float64)) for _ in range(3))
        return SpreadState(tile, weight, mean, squares, Offsets.zero(tile.shape, tile.dtype))

    def update(self, state: SpreadState, piece: Piece) -> SpreadState:
        """Take in one more value per cell."""
        valid = piece.valid
        data = state.offsets.of(piece.where, piece.cells(state.tile.dtype), valid)
        counts = np.broadcast_to(piece.weights > 0, data.shape)
        counts = counts if valid is None else counts & valid
        weight, mean, squares = (
            array[:, *piece.where] for array in (state.weight, state.mean, state.squares)
        )
        added = piece.weights * counts
        weight += added
        with np.errstate(invalid="ignore", over="ignore"):
            step = data - mean
            share = np.divide(added, weight, out=np.zeros(weight.shape), where=counts)
            mean += np.where(counts, step * share, 0.0)
            squares += np.where(counts, added * step * (data - mean), 0.0)
        return state

    def merge_states(self, first: SpreadState, second: SpreadState) -> SpreadState:
        """Join two samples, as in Chan, Golub & LeVeque (1983)."""
        other = second.mean + first.offsets.join(second.offsets)
        weight = first.weight + second.weight
        share = np.divide(second.weight, weight, out=np.zeros(weight.shape), where=weight > 0)
        step = np.where(second.weight > 0, other - first.mean, 0.0)
        first.squares += second.squares + step**2 * first.weight * share
        first.mean += step * share
        first.weight = weight
        return first

    def finalise(self, state: SpreadState) -> Finished:
        """Return the root of the mean variance of the bands that have a value."""
        known = state.weight > 0
        variance = np.divide(state.squares, state.weight, out=np.zeros(known.shape), where=known)
        bands = known.sum(axis=0)
        spread = np.sqrt(np.maximum(variance.sum(axis=0), 0.0) / np.maximum(bands, 1))
        return Finished(spread[np.newaxis], bands > 0)

    def out_bands(self, n_bands: int) -> int:
        """One."""
        _ = n_bands
        return 1

    def out_dtype(self, dtype: np.dtype) -> np.dtype:
        """Return float32."""
        _ = dtype
        return np.dtype(np.float32)

    def state_bytes(self, n_bands: int, dtype: np.dtype, depth: int) -> int:
        """Weight, mean, squares, and first value with its mark, per band."""
        _ = dtype, depth
        return 33 * n_bands


#: Layers by name.
LAYERS: dict[str, Callable[[], AnyCellAggregation]] = {
    "weight": WeightLayer,
    "count": CountLayer,
    "spread": SpreadLayer,
}


def layers_from_names(names: Iterable[str]) -> dict[str, AnyCellAggregation]:
    """Return the layers by their names, in the order given.

    Raises
    ------
    ValueError
        A name is unknown, given twice, or the names came as one text.

    Examples
    --------
    >>> list(layers_from_names(("count", "spread")))
    ['count', 'spread']

    """
    if isinstance(names, str):
        raise ValueError(f"layers={names!r} is one text: write layers=({names!r},)")  # noqa: TRY004 - its value is wrong
    layers: dict[str, AnyCellAggregation] = {}
    for name in names:
        if name in layers:
            raise ValueError(f"layer {name!r} is asked for twice")
        make = LAYERS.get(name)
        if make is None:
            raise ValueError(f"layer {name!r} is none of: {', '.join(LAYERS)}")
        layers[name] = make()
    return layers


def _counts(piece: Piece) -> Array | None:
    """Where a piece has a value in any band; ``None`` for everywhere."""
    return None if piece.valid is None else np.asarray(piece.valid.any(axis=0))
