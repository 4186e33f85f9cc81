"""The oracle of the aggregations: patches taken apart into one list of contributions per cell.

Nothing here is shared with the library: Python numbers, one cell after the other.
"""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

import geopatcher as gp
from geopatcher import Patch

WINDOWS = (gp.SpatialBoxcar(), gp.SpatialHann(), gp.SpatialTukey(0.7), gp.SpatialGaussian(0.4))
FLOATS = ("float16", "float32", "float64")
INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")


class One(NamedTuple):
    """A contribution to a cell."""

    value: float | int
    weight: float


class Scene(NamedTuple):
    """Patches over a raster, in row-major order, and the plan they follow."""

    shape: tuple[int, int]
    bands: int
    patches: list
    plan: object
    chunks: tuple[int, int]
    on_disk: bool = False


class Stream:
    """Patches that carry their plan."""

    def __init__(self, scene):
        self.plan = scene.plan
        self.patches = scene.patches

    def __iter__(self):
        return iter(self.patches)


def contributions(scene):
    """Return ``{(band, row, col): [One, …]}``; NaN and masked cells are left out."""
    cells = {key: [] for key in np.ndindex(scene.bands, *scene.shape)}
    for patch in scene.patches:
        data = patch.data if patch.data.ndim == 3 else patch.data[np.newaxis]
        mask = np.ma.getmaskarray(data)
        values = np.ma.getdata(data)
        for band, row, col in np.ndindex(data.shape):
            value = values[band, row, col].item()
            key = (band, patch.anchor[0] + row, patch.anchor[1] + col)
            if key in cells and not mask[band, row, col] and value == value:  # noqa: PLR0124 - not NaN
                weight = 1.0 if patch.weights is None else float(patch.weights[row, col])
                cells[key].append(One(value, weight))
    return cells


def field(scene, rule, missing=np.nan, dtype=object):
    """Return what a rule ``[One, …] -> value or None`` makes of each cell, ``(bands, h, w)``."""
    out = np.empty((scene.bands, *scene.shape), dtype=object)
    for key, ones in contributions(scene).items():
        value = rule(ones) if ones else None
        out[key] = missing if value is None else value
    return out.astype(dtype)


def values_of(rng, flavour, shape, dtype):
    """Return random cells: ``plain``, with many ``ties``, or at the ``edges`` of the dtype."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        info = np.finfo(dtype)
        if flavour == "ties":
            return rng.integers(-2, 3, shape).astype(dtype)
        if flavour == "edges":
            few = [0.0, -0.0, 1.0, -np.inf, np.inf, info.max, info.min, info.tiny, -info.tiny]
            return rng.choice(np.array(few, dtype), shape)
        return rng.normal(size=shape).astype(dtype)
    info = np.iinfo(dtype)
    if flavour == "ties":
        return rng.integers(0, 4, shape).astype(dtype)
    if flavour == "edges":
        few = [info.min, info.min + 1, info.max - 1, info.max, 0, info.max // 2, info.max // 2 + 1]
        return rng.choice(np.array(few, dtype), shape)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


@st.composite
def scenes(draw, *, dtypes=("float32",), flavours=("plain", "ties"), bands=(1, 2), gaps=True, flat=None):
    """Draw patches that disagree where they overlap, with windows, missing cells and boundaries."""
    shape = draw(st.tuples(*[st.integers(1, 11)] * 2))
    size = draw(st.tuples(*[st.integers(1, 6)] * 2))
    step = tuple(draw(st.integers(1, edge + (1 if gaps else 0))) for edge in size)
    boundary = draw(st.sampled_from(("cover", "drop", "shrink", "reflect") if gaps else ("cover",)))
    chunks = draw(st.tuples(*[st.integers(1, 8)] * 2))
    window = draw(st.sampled_from((None, *WINDOWS)))
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    flavour = draw(st.sampled_from(flavours))
    missing = draw(st.sampled_from((0.0, 0.0, 0.2, 0.9))) if gaps else 0.0
    n_bands = draw(st.sampled_from(bands))
    two_d = n_bands == 1 and (draw(st.booleans()) if flat is None else flat)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))

    plan = gp.plan(
        np.zeros(shape, "uint8"), size=size, step=step, boundary=boundary, chunks=chunks, allow_gaps=True
    )
    weights = None if window is None else window.weights(gp.SpatialRectangular(size))
    patches = []
    for strip in plan.strips():
        for box in strip.boxes:
            height, width = box.height, box.width
            if boundary == "shrink":
                height, width = min(height, shape[0] - box.row0), min(width, shape[1] - box.col0)
            data = values_of(rng, flavour, (n_bands, height, width), dtype)
            holes = rng.random(data.shape) < missing
            if holes.any():
                if dtype.kind == "f":
                    data[holes] = np.nan
                else:
                    data = np.ma.array(data, mask=holes)
            taper = None if weights is None else weights[:height, :width]
            patches.append(Patch(data[0] if two_d else data, (box.row0, box.col0), None, taper))
    assume(patches)
    return Scene(shape, n_bands, patches, plan, chunks, draw(st.sampled_from((False,) * 7 + (True,))))


def ulps(got, expected):
    """Return how many steps of their dtype two arrays of floats are apart, at most."""
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    if same.all():
        return 0.0
    with np.errstate(over="ignore"):  # the largest number has no neighbour above it
        spacing = np.spacing(np.maximum(np.abs(got[~same]), np.abs(expected[~same])).astype(got.dtype))
    return float((np.abs(got[~same].astype(float) - expected[~same].astype(float)) / spacing).max())


def merged(make, scene, scratch=None, dtype=None):
    """Merge a scene planned and not, in order and shuffled, in memory and (some) on disk: the same bytes.

    ``dtype`` is that of the result, in memory by default the aggregation's own choice.
    """
    domain = np.empty(scene.shape)
    shuffled = [scene.patches[i] for i in np.random.default_rng(7).permutation(len(scene.patches))]
    arrays = []
    with warnings.catch_warnings():  # of integers that are averaged here, on purpose
        warnings.filterwarnings("ignore", "the patches gave", RuntimeWarning)
        for chunks, patches in (
            (None, scene.patches),
            (scene.chunks, iter(shuffled)),
            (scene.chunks, Stream(scene)),
        ):
            aggregation = make(chunks=chunks)
            if dtype is not None:
                object.__setattr__(aggregation, "memory_dtype", lambda _: dtype)
            arrays.append(aggregation.merge(patches, domain))
        if scene.on_disk and scratch is not None:
            target = scratch.mktemp("merge") / "result.zarr"
            on_disk = make(streaming=True, target_path=target, chunks=scene.chunks, dtype=arrays[0].dtype)
            arrays.append(on_disk.merge(scene.patches, domain)[...])
    first = arrays[0]
    assert all(array.dtype == first.dtype and _bytes(array) == _bytes(first) for array in arrays)
    return first.reshape(-1, *scene.shape)


def _bytes(array):
    """Return the bytes of cells; the sign of NaN, which the processor gives to inf - inf, says nothing."""
    if array.dtype.kind == "f":
        array = np.where(np.isnan(array), array.dtype.type(np.nan), array)
    return array.tobytes()


def distance(ones, weighted=True):
    """Return the weighted mean of the absolute values of a cell: what rounding errors are measured by."""
    weights = [one.weight if weighted else 1.0 for one in ones]
    return sum(w * abs(float(one.value)) for w, one in zip(weights, ones, strict=True)) / sum(weights)


def assert_close(got, expected, bound):
    """Assert that cells agree within a bound for each; infinite and missing ones are the same."""
    got, expected = got.astype(float), expected.astype(float)
    known = np.isfinite(expected)
    np.testing.assert_array_equal(got[~known], expected[~known])
    assert (np.abs(got[known] - expected[known]) <= bound.astype(float)[known]).all()


def total(pairs):
    """Sum of weight times value; infinities by the rules of IEEE 754."""
    if all(math.isfinite(value) for value, _ in pairs):
        return float(sum(Fraction(value) * Fraction(weight) for value, weight in pairs))
    return sum(value * weight for value, weight in pairs)


def mean(ones, weighted=True):
    """Weighted mean of contributions in fractions; infinities by the rules of IEEE 754."""
    pairs = [(one.value, one.weight if weighted else 1.0) for one in ones]
    weights = sum(Fraction(weight) for _, weight in pairs)
    whole = total(pairs)
    return float(Fraction(whole) / weights) if math.isfinite(whole) else whole
