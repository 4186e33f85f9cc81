"""A uniform sample that does not depend on the order or the pieces the cells come in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from geopatcher.core.protocols import Array


@dataclass(slots=True, eq=False)
class KeyedSample:
    """The ``size`` rows with the smallest keys, out of all that were added.

    With keys that are uniform and belong to the rows, this is a uniform sample without replacement,
    and the same one however the rows were grouped: the minimum of keys is associative. (Bottom-k
    sampling, Cohen & Kaplan 2007, https://doi.org/10.1145/1281100.1281133.) Rows that share a key are
    told apart by their values.
    """

    size: int
    keys: Array = field(default_factory=lambda: np.empty(0, np.uint64))
    rows: Array | None = None
    _waiting: list[tuple[Array, Array]] = field(default_factory=list, repr=False)
    _n_waiting: int = 0
    _full: bool = False

    def add(self, keys: Array, rows: Array) -> None:
        """Take rows ``(n, c)`` with their keys ``(n,)``."""
        if self._full:
            chosen = np.flatnonzero(keys <= self.keys[-1])
            keys, rows = keys[chosen], rows[chosen]
        elif keys.size > 2 * self.size:
            chosen = np.flatnonzero(keys <= np.partition(keys, self.size - 1)[self.size - 1])
            keys, rows = keys[chosen], rows[chosen]
        if keys.size:
            self._waiting.append((keys.copy(), rows.copy()))  # callers reuse their buffers
            self._n_waiting += keys.size
            if self._n_waiting >= self.size:
                self._settle()

    def merge(self, other: KeyedSample) -> None:
        """Take what another has kept."""
        other._settle()
        if other.rows is not None:
            self.add(other.keys, other.rows)

    def sample(self) -> Array | None:
        """Return the rows kept, ``(n, c)``, by ascending key; ``None`` when none came."""
        self._settle()
        return self.rows

    def _settle(self) -> None:
        if not self._waiting:
            return
        settled = [] if self.rows is None else [(self.keys, self.rows)]
        keys = np.concatenate([keys for keys, _ in settled + self._waiting])
        rows = np.concatenate([rows for _, rows in settled + self._waiting])
        order = np.lexsort((*rows.T[::-1], keys))[: self.size]
        self.keys, self.rows = keys[order], rows[order]
        self._waiting, self._n_waiting = [], 0
        self._full = self.keys.size == self.size
