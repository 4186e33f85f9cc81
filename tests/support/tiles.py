"""Pieces over one small tile, as the engine hands them to an aggregation."""

from __future__ import annotations

import numpy as np

from geopatcher.accumulators.pieces import Coverings, Piece, Taper, Tile

DOUBLE = np.dtype("float64")


def tile(shape, dtype="float64"):
    """Return a tile of ``(bands, h, w)`` that takes data of ``dtype``."""
    return Tile(shape, np.dtype(dtype), DOUBLE, Coverings())


def piece(data, row=0, col=0, *, valid=None, weights=None):
    """Return a patch of ``(bands, h, w)`` that lies in the tile at a row and a column."""
    data = np.asarray(data)
    shape = data.shape[1:]
    crop = (slice(0, shape[0]), slice(0, shape[1]))
    where = (slice(row, row + shape[0]), slice(col, col + shape[1]))
    valid = None if valid is None else np.broadcast_to(valid, data.shape)
    weights = None if weights is None else np.asarray(weights, float)
    return Piece(where, crop, data, Taper.of(weights, shape, DOUBLE), valid, (row, col))


def result(aggregation, of, *groups):
    """Return values with NaN where nothing is covered: each group in a state of its own, which are merged."""
    states = []
    for group in groups:
        state = aggregation.zero(of)
        for one in group:
            state = aggregation.update(state, one)
        states.append(state)
    total = states[0]
    for state in states[1:]:
        total = aggregation.merge_states(total, state)
    values, covered, base = aggregation.finalise(total)
    values = values.astype(float) + (0 if base is None else base)
    return values if covered is None else np.where(np.broadcast_to(covered, values.shape), values, np.nan)
