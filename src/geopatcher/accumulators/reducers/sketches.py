"""Sketches of Apache DataSketches, fed with what differs, and picklable in their serialised form."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from geopatcher._optional import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from geopatcher.core.protocols import Array


_ALL_BITS = (1 << 64) - 1


class HllSketch(Protocol):
    """``datasketches.hll_sketch``."""

    def update(self, datum: float) -> None:
        """Take a value."""

    def get_estimate(self) -> float:
        """Return the number of different values."""
        ...

    def serialize_compact(self) -> bytes:
        """Return its bytes."""
        ...


@dataclass(slots=True, eq=False)
class DistinctSketch:
    """HyperLogLog with ``2 ** p`` registers."""

    p: int
    _sketch: HllSketch | None = field(default=None, repr=False)

    @property
    def sketch(self) -> HllSketch:
        """The library's sketch, made when it is first needed."""
        if self._sketch is None:
            library = load("datasketches")
            self._sketch = library.hll_sketch(self.p, library.tgt_hll_type.HLL_8)
        return self._sketch

    def take(self, values: Array, numbers: Array) -> None:
        """Take different values ``(n,)``; how often each came does not matter."""
        _ = numbers
        # The library takes one value at a time; map and deque loop over them without bytecode.
        deque(map(self.sketch.update, plain(values)), maxlen=0)

    def merge(self, other: DistinctSketch) -> None:
        """Take what another has seen."""
        if other._sketch is not None:
            self._sketch = self._union([self.sketch, other.sketch])

    def estimate(self) -> float:
        """Return about how many different values there were, whatever order they came in.

        The library knows two estimates, and uses the better one only for sketches that saw all
        values in one go. Merging the sketch with itself changes no register and asks for the other,
        which follows from the registers alone.
        """
        return self._union([self.sketch, self.sketch]).get_estimate()

    def _union(self, sketches: list[HllSketch]) -> HllSketch:
        library = load("datasketches")
        union = library.hll_union(self.p)
        for sketch in sketches:
            union.update(sketch)
        joined: HllSketch = union.get_result(library.tgt_hll_type.HLL_8)
        return joined

    def __getstate__(self) -> tuple[int, bytes | None]:
        return self.p, None if self._sketch is None else self._sketch.serialize_compact()

    def __setstate__(self, state: tuple[int, bytes | None]) -> None:
        self.p, stored = state
        self._sketch = None if stored is None else load("datasketches").hll_sketch.deserialize(stored)


class ItemsSketch(Protocol):
    """``datasketches.frequent_items_sketch``."""

    def update(self, item: object, weight: int) -> None:
        """Take an item that came ``weight`` times."""

    def merge(self, other: Self) -> None:
        """Take what another has seen."""

    def get_frequent_items(self, kind: object, threshold: int = 0) -> list[tuple[float, int, int, int]]:
        """Return items with estimate, lower and upper bound of their numbers."""
        ...

    def serialize(self, serde: object) -> bytes:
        """Return its bytes."""
        ...


@dataclass(slots=True, eq=False)
class FrequentSketch:
    """Numbers of the most frequent values, each right within ``n / k`` of the ``n`` taken.

    Half of that error is left to the library's sketch (of ``2 ** lg_size`` entries, 3.5 in
    ``2 ** lg_size``). The rest is spent before: of the values of one piece, the number of the
    ``capacity``-th frequent is taken off all, and only what is left goes into the sketch, one value at
    a time. On values that hardly repeat nothing is left, and they cost nothing further. (Misra-Gries
    summaries merge this way: Agarwal et al. 2012, https://doi.org/10.1145/2213556.2213562.)
    """

    k: int
    dtype: np.dtype
    _sketch: ItemsSketch | None = field(default=None, repr=False)

    @property
    def lg_size(self) -> int:
        """Entries of the sketch, as a power of two."""
        return max(3, math.ceil(math.log2(7 * self.k)))

    @property
    def capacity(self) -> int:
        """Values of one piece that can go into the sketch."""
        return 1 << self.lg_size

    @property
    def sketch(self) -> ItemsSketch:
        """The library's sketch, made when it is first needed."""
        if self._sketch is None:
            self._sketch = load("datasketches").frequent_items_sketch(self.lg_size)
        return self._sketch

    def take(self, values: Array, numbers: Array) -> None:
        """Take different ``values``, each as often as ``numbers`` says."""
        if values.size > self.capacity:
            # Sorted, since choosing one by partition is slow among equal numbers.
            numbers = numbers - np.sort(numbers)[-self.capacity - 1]
            left = numbers > 0
            values, numbers = values[left], numbers[left]
        update: Callable[[object, int], None] = self.sketch.update
        deque(map(update, plain(values), numbers.tolist()), maxlen=0)

    def merge(self, other: FrequentSketch) -> None:
        """Take what another has seen."""
        if other._sketch is not None:
            self.sketch.merge(other.sketch)

    def most_frequent(self) -> np.generic | None:
        """Return the value with the largest estimate, the smallest of several; ``None`` when none is left."""
        kinds = load("datasketches").frequent_items_error_type
        items = self.sketch.get_frequent_items(kinds.NO_FALSE_NEGATIVES)
        found = [(-estimate, item) for item, estimate, _, _ in items]
        if not found:
            return None
        best: np.generic = unplain(min(found)[1], self.dtype)
        return best

    def __getstate__(self) -> tuple[int, str, bytes | None]:
        stored = None if self._sketch is None else self._sketch.serialize(_serde(self.dtype))
        return self.k, self.dtype.str, stored

    def __setstate__(self, state: tuple[int, str, bytes | None]) -> None:
        self.k, dtype, stored = state[0], np.dtype(state[1]), state[2]
        self.dtype = dtype
        self._sketch = (
            None
            if stored is None
            else load("datasketches").frequent_items_sketch.deserialize(stored, _serde(dtype))
        )


def plain(values: Array) -> list[float | int]:
    """Return numbers as the library takes them: floats, and integers of 64 bits with a sign."""
    if values.dtype == np.uint64:
        values = values.view(np.int64)
    listed: list[float | int] = values.tolist()
    return listed


def unplain(value: float | int, dtype: np.dtype) -> np.generic:
    """Return a number that `plain` gave back as what it was.

    >>> unplain(plain(np.array([2**64 - 1], "uint64"))[0], np.dtype("uint64"))
    np.uint64(18446744073709551615)
    """
    if dtype == np.uint64:
        return np.uint64(int(value) & _ALL_BITS)
    scalar: np.generic = dtype.type(value)
    return scalar


def _serde(dtype: np.dtype) -> object:
    library = load("datasketches")
    made: object = library.PyDoublesSerDe() if dtype.kind == "f" else library.PyLongsSerDe()
    return made
