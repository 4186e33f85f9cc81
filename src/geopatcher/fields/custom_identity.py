"""What identifies a field or reader of somebody's own class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from geopatcher.core.box import Box
from geopatcher.core.digests import array_digest, digest_of
from geopatcher.identity.capabilities import Fingerprinted
from geopatcher.identity.operators import identity_of
from geopatcher.identity.values import attributes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from geopatcher.core.protocols import Array

#: Rows that are read of what cannot be known otherwise.
SAMPLED = 16


@runtime_checkable
class Identified(Protocol):
    """A field or reader that says which it is, and which version of itself."""

    def identity(self) -> Mapping[str, str | int | float]:
        """Return entries that differ when its pixels do."""
        ...


def identity_of_custom(
    thing: object, shape: tuple[int, ...], rows: Sequence[Array]
) -> dict[str, str | int | float]:
    """Return what a field or reader of ``shape`` says of itself, or what can be known of it.

    One that holds its cells in an array is known by its class and all it holds. Of any other the ``rows``
    are looked at, and an entry ``"unknown"`` says that this is not all.
    """
    if isinstance(thing, Fingerprinted):
        return {"fingerprint": thing.fingerprint()}
    if isinstance(thing, Identified):
        return dict(thing.identity())
    if _holds_cells(thing, int(np.prod(shape))):
        found = identity_of(thing)
        trouble = {"unknown": "; ".join(found.unknown[:3])} if found.unknown else {}
        return {"state": digest_of(*(f"{key}={found.parts[key]}" for key in sorted(found.parts))), **trouble}
    kind = type(thing).__qualname__
    return {
        "rows": digest_of(*map(array_digest, rows)),
        "unknown": f"{kind} has no method fingerprint() or identity() that says which pixels it has",
    }


def sampled_rows(grid: Box) -> Iterator[Box]:
    """Yield rows spread over a grid.

    >>> [box.row0 for box in sampled_rows(Box(0, 40, 0, 5))][:3]
    [0, 2, 4]
    """
    step = max(1, grid.height // SAMPLED)
    return (Box(row, row + 1, grid.col0, grid.col1) for row in range(grid.row0, grid.row1, step))


def _holds_cells(thing: object, n_cells: int) -> bool:
    held = attributes_of(thing).values()
    return any(isinstance(value, np.ndarray) and value.size >= n_cells for value in held)
