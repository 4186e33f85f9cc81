"""What samplers share: the base class, seeds, and how anchors are kept inside a domain."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from operator import index
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from geopatcher.core.axis import lattice_axes
from geopatcher.core.config import Configured
from geopatcher.errors import IncompleteScanConfiguration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from geopatcher.core.protocols import HasShape, RectGeometry


class SpatialSampler(Configured, ABC):
    """Chooses where patches sit."""

    @abstractmethod
    def anchors(self, domain: HasShape, geometry: RectGeometry) -> Iterator[tuple[int, int]]:
        """Return an iterator of ``(row, col)`` of each patch's upper-left pixel.

        Every call gives the same anchors, so a plan can be gone through again.

        Parameters
        ----------
        domain
            Anything with a ``shape`` that ends in height and width.
        geometry
            Says the size of patches, and what becomes of those that overhang.

        Returns
        -------
        iterator of tuple of int
            ``(row, col)``, made as they are asked for.

        """


def fixed_seed(seed: SupportsIndex | None) -> int:
    """Return ``seed``, or one drawn from the system for ``None``: drawn once, then kept.

    Raises
    ------
    ValueError
        The seed is negative.

    """
    # 53 bits: the number survives JSON, whichever language reads it.
    number = secrets.randbits(53) if seed is None else index(seed)
    if number < 0:
        raise ValueError(f"a seed is None or a whole number that is not negative, not {number}")
    return number


def free_positions(domain: HasShape, geometry: RectGeometry) -> tuple[int, int]:
    """Return how many rows and columns a patch can start at: from 0 on, whole inside the domain.

    Where the domain is smaller than a patch that is one, 0, from which the patch overhangs; for
    ``boundary="drop"`` none, and for ``"raise"`` an error.
    """
    rows, cols = lattice_axes(domain.shape, geometry.size, (1, 1), geometry.boundary)
    return (rows.count, cols.count)


def settle(
    anchors: NDArray[np.int64],  # (n, 2): row, col
    domain: HasShape,
    geometry: RectGeometry,
) -> NDArray[np.int64]:
    """Apply the geometry's boundary to patches placed one by one, as an axis does to its last one.

    ``"cover"`` moves patches that overhang into the domain, ``"drop"`` leaves them out, ``"pad"``,
    ``"reflect"`` and ``"shrink"`` keep them as they are.

    Raises
    ------
    IncompleteScanConfiguration
        ``boundary="raise"`` and a patch overhangs.

    """
    grid = np.array(domain.shape[-2:], dtype=np.int64)
    last = grid - np.array(geometry.size, dtype=np.int64)
    if geometry.boundary == "cover":
        return np.clip(anchors, 0, np.maximum(last, 0))
    if geometry.boundary not in ("drop", "raise"):
        return anchors
    whole = ((anchors >= 0) & (anchors <= last)).all(axis=1)
    if geometry.boundary == "raise" and not whole.all():
        row, col = anchors[~whole][0].tolist()
        raise IncompleteScanConfiguration(
            f"{np.count_nonzero(~whole)} of {len(anchors)} patches of {geometry.size[0]}x{geometry.size[1]} "
            f"reach over the edge of the raster of {grid[0]}x{grid[1]}, the first at anchor ({row}, {col}): "
            f'boundary="raise" allows none; "cover" moves them in, "drop" leaves them out'
        )
    return anchors[whole]


def as_pairs(anchors: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Iterate over ``(n, 2)`` anchors as pairs of Python integers, a few thousand converted at once."""
    for start in range(0, len(anchors), 4096):
        block = anchors[start : start + 4096]
        yield from zip(block[:, 0].tolist(), block[:, 1].tolist(), strict=True)
