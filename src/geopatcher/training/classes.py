"""How many pixels of each class a raster of labels has, and where the n-th of them lies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geopatcher.errors import SourceError
from geopatcher.training.strips import pieces, read_piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import PixelSource
    from geopatcher.training.strips import Piece

#: More different labels than that are no classes.
MAX_CLASSES = 1 << 16


class Counted(NamedTuple):
    """The classes of some rows, ascending, and how many pixels each has there."""

    box: Box
    classes: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """The pixels of each class of a raster, counted piece by piece in one pass.

    Parameters
    ----------
    source
        One band of labels.
    counted
        What was counted in each piece, from the top.

    """

    source: PixelSource
    counted: tuple[Counted, ...]

    @classmethod
    def of(cls, source: PixelSource, ignore: Iterable[int] = ()) -> ClassCounts:
        """Count a raster; pixels without data do not count, nor do those of classes to ignore.

        Raises
        ------
        ValueError
            Pixels are no whole numbers, or more different ones than are classes.
        SourceError
            It cannot be read.

        """
        left_out = np.asarray(sorted(ignore), dtype=np.int64)
        counted: list[Counted] = []
        seen: set[int] = set()
        for piece in pieces(source):
            found = _counted(piece, source.name, left_out)
            seen.update(found.classes.tolist())
            if len(seen) > MAX_CLASSES:
                raise ValueError(
                    f"{source.name} has more than {MAX_CLASSES} different values down to row "
                    f"{piece.box.row1}: it is no raster of classes. SpatialWeighted draws by a density"
                )
            counted.append(found)
        return cls(source, tuple(counted))

    @cached_property
    def totals(self) -> dict[int, int]:
        """How many pixels each class has, ascending by class."""
        totals: dict[int, int] = {}
        for piece in self.counted:
            for label, count in zip(piece.classes.tolist(), piece.counts.tolist(), strict=True):
                totals[label] = totals.get(label, 0) + count
        return dict(sorted(totals.items()))

    def pixels(self, ranks: Mapping[int, NDArray[np.int64]]) -> dict[int, NDArray[np.int64]]:
        """Return where pixels of classes lie, by their ranks among those of their class.

        Only rows that have one of them are read again.

        Parameters
        ----------
        ranks
            For each class numbers from 0 up to how many there are, row-major.

        Returns
        -------
        dict
            For each class rows and columns ``(n, 2)``, in the order of its ranks.

        Raises
        ------
        SourceError
            The raster cannot be read, or is not the one that was counted.

        """
        found = {label: np.empty((len(wanted), 2), dtype=np.int64) for label, wanted in ranks.items()}
        order = {label: np.argsort(wanted, kind="stable") for label, wanted in ranks.items()}
        before = dict.fromkeys(ranks, 0)
        for part in self.counted:
            piece: Piece | None = None
            for label, count in zip(part.classes.tolist(), part.counts.tolist(), strict=True):
                if label not in ranks:
                    continue
                first = before[label]
                before[label] += count
                in_order = ranks[label][order[label]]
                span = slice(*np.searchsorted(in_order, (first, first + count)).tolist())
                if span.start == span.stop:
                    continue
                piece = read_piece(self.source, part.box) if piece is None else piece
                cells = np.flatnonzero((piece.pixels == label) & piece.known)
                if len(cells) != count:
                    raise SourceError(
                        f"{self.source.name} changed while it was read: class {label} had {count} pixels in "
                        f"{part.box}, and has {len(cells)} now"
                    )
                at = cells[in_order[span] - first]
                width = part.box.width
                places = np.stack([at // width + part.box.row0, at % width], axis=1)
                found[label][order[label][span]] = places
        return found


def _counted(piece: Piece, name: str, ignore: NDArray[np.int64]) -> Counted:
    cells = piece.pixels[piece.known]
    if cells.dtype.kind == "f":
        odd = cells[cells != np.floor(cells)]
        if odd.size:
            raise ValueError(
                f"{name} holds {odd[0]!s} in {piece.box}, which is no class: labels are whole numbers"
            )
    elif cells.dtype.kind not in "iub":
        raise ValueError(f"{name} holds {cells.dtype}, and labels are whole numbers")
    if cells.dtype.kind in "iu" and cells.dtype.itemsize <= 2 and cells.size:
        low = int(cells.min())
        each = np.bincount(cells.astype(np.int64) - low)
        classes = np.flatnonzero(each)
        counts = each[classes]
        classes = classes + low
    else:
        classes, counts = np.unique(cells, return_counts=True)
    classes = classes.astype(np.int64)
    kept = ~np.isin(classes, ignore)
    return Counted(piece.box, classes[kept], counts[kept].astype(np.int64))
