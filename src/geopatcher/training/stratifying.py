"""Blocks shared out so that each part has its fraction of the pixels of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geopatcher.training.classes import ClassCounts
from geopatcher.training.strips import one_band_on, read_piece

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from geopatcher.core.protocols import HasShape
    from geopatcher.fields.open import Source


def class_counts_of_blocks(
    labels: Source, domain: HasShape, block_size: tuple[int, int], ignore: Iterable[int]
) -> NDArray[np.int64]:
    """Return how many pixels of each class each block has: ``(blocks, classes)``, row-major.

    Raises
    ------
    ValueError
        No pixel has a class.
    SourceError
        The labels cannot be read, or lie nowhere on the domain.

    """
    source = one_band_on(labels, domain, "stratify", "nearest")
    counts = ClassCounts.of(source, ignore)
    if not counts.totals:
        raise ValueError(f"no pixel of {source.name} has a class to stratify by: all are missing or ignored")
    classes = np.array(list(counts.totals))
    height, width = source.domain.grid_shape
    shape = (-(-height // block_size[0]), -(-width // block_size[1]), len(classes))
    found = np.zeros(shape, dtype=np.int64)
    for counted in counts.counted:
        piece = read_piece(source, counted.box)
        rows = np.arange(counted.box.row0, counted.box.row1) // block_size[0]
        block = rows[:, None] * shape[1] + np.arange(width) // block_size[1]
        cells = np.where(piece.known, piece.pixels, 0).astype(np.int64)
        known = piece.known & np.isin(cells, classes)
        at = block[known] * len(classes) + np.searchsorted(classes, cells[known])
        first = int(rows[0]) * shape[1] * len(classes)
        own = np.bincount(at - first)
        found.reshape(-1)[first : first + len(own)] += own
    return found.reshape(-1, len(classes))


def stratified(
    counts: NDArray[np.int64], fractions: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.int64]:
    """Share blocks out by iterative stratification; return the number of the part of each.

    Of the class that has the fewest pixels left, the block with most of them goes to the part that lacks most
    of them; of parts that lack as many, to the one that lacks most blocks, or by lot. Blocks without any
    class are shared out last. When as many blocks are left as parts have none, these get them.

    Raises
    ------
    ValueError
        There are fewer blocks than parts.

    """
    n_blocks, n_classes = counts.shape
    wanted = fractions[:, None] * counts.sum(axis=0)
    room = fractions * n_blocks
    parts = np.full(n_blocks, -1, dtype=np.int64)
    order = random.permutation(n_blocks)
    left = counts.sum(axis=0)

    def give(block: int, lacking: NDArray[np.float64]) -> None:
        empty = np.flatnonzero(np.bincount(parts[parts >= 0], minlength=len(fractions)) == 0)
        allowed = empty if len(empty) >= np.count_nonzero(parts < 0) else np.arange(len(fractions))
        lots = random.random(len(allowed))
        part = int(allowed[np.lexsort((lots, room[allowed], lacking[allowed]))[-1]])
        parts[block] = part
        wanted[part] -= counts[block]
        room[part] -= 1
        np.subtract(left, counts[block], out=left)

    for label in np.argsort(left, kind="stable").tolist() if n_classes else []:
        holding = order[counts[order, label] > 0]
        for block in holding[np.argsort(-counts[holding, label], kind="stable")].tolist():
            if parts[block] < 0:
                give(block, wanted[:, label])
    for block in order.tolist():
        if parts[block] < 0:
            give(block, room)
    return parts
