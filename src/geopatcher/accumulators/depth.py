"""How many patches overlap at a cell, and which dtypes sums over them need."""

from __future__ import annotations

import numpy as np

#: Depth of overlap assumed in the memory plan where it is not known.
ASSUMED_DEPTH = 16
#: Depths from here on say that it is not known.
UNKNOWN_FROM = 1 << 20
#: Deepest overlap for which means are kept in single precision: a step rounds by up to half an ulp.
FLOAT32_DEPTH = 9


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
