"""Reading under an error policy: what cannot be read is named, so that its patches can be left out."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.containment import contained, told
from geopatcher.core.sources import counted_in
from geopatcher.engine.error_policy import ErrorPolicy, Failure, attempt
from geopatcher.engine.rows import Loss, Unit
from geopatcher.errors import GeopatcherError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array, PixelSource
    from geopatcher.engine.stats import RunStats


#: Most reads spent on finding out what of a rectangle can be read.
RESCUE_READS = 256
#: The same after a rectangle of which nothing could: the disk or the network is gone, not a tile.
FEW_READS = 8


@dataclass
class Reader:
    """Reads rectangles of a source under an error policy.

    A rectangle that fails under ``"skip"`` or ``"mask"``, after its retries, is halved along the
    blocks of the storage, the halves that fail again, and so on: a bad block among ``n`` costs about
    ``2 log2(n)`` reads, and never are more than `RESCUE_READS` spent. What cannot be read is the
    `Loss` of the unit; its pixels are zero, and every patch that needs one of them fails. So one bad
    block costs the patches over it, not the strip.
    """

    source: PixelSource
    stats: RunStats
    policy: ErrorPolicy = field(default_factory=ErrorPolicy)
    sleep: Callable[[float], None] = time.sleep
    _budget: int = field(default=RESCUE_READS, init=False)

    def __call__(self, box: Box) -> Unit:
        """Return the pixels of ``box`` and what of it could not be read.

        Raises
        ------
        SourceError
            The pixels cannot be read, and the policy does not carry on; names source and rows.

        """
        try:
            with self.stats.stage("read"):
                unit = attempt(partial(self._read, box), self.policy, self.sleep)
        except GeopatcherError:
            raise
        except Exception as error:  # whatever a codec or a reader of other people's raises
            raise SourceError(f"cannot read {box} of {counted_in(self.source)}: {told(error)}") from error
        if isinstance(unit, Failure):
            with self.stats.stage("read"):
                unit = self._rescued(box, unit)
        self.stats.count_read(unit.pixels.nbytes)
        return unit

    def _read(self, box: Box) -> Unit:
        pixels = self.source.read(box)
        return Unit.of(pixels, self.source.valid(box, pixels))

    def _rescued(self, box: Box, failure: Failure) -> Unit:
        found: list[tuple[Box, Unit]] = []
        losses: list[Loss] = []
        left = self._budget
        waiting = deque([(box, failure.error)])  # rectangles that failed, the large ones first
        while waiting:
            failed, error = waiting.popleft()
            pieces = halves(failed, self.source.block_shape)
            if not pieces or left < len(pieces):
                losses.append(Loss(failed, error, failure.attempts))
                continue
            left -= len(pieces)
            for piece in pieces:
                try:
                    found.append((piece, contained(partial(self._read, piece))))
                except Exception as again:  # noqa: BLE001 - the policy said to carry on
                    waiting.append((piece, again))
        self._budget = RESCUE_READS if found else FEW_READS
        return _joined(box, found, losses, self.source)


def _joined(box: Box, found: list[tuple[Box, Unit]], losses: list[Loss], source: PixelSource) -> Unit:
    dtype = found[0][1].pixels.dtype if found else source.domain.dtype
    pixels: Array = np.zeros((source.domain.n_bands, *box.shape), dtype)
    valid: Array | None = None
    for piece, part in found:
        where = piece.slices(box)
        pixels[:, *where] = part.pixels
        if part.valid is not None:
            valid = np.ones(pixels.shape, dtype=bool) if valid is None else valid
            valid[:, *where] = part.valid
    return Unit.of(pixels, valid, tuple(losses))


def halves(box: Box, block: tuple[int, int]) -> list[Box]:
    """Cut a rectangle in two along a line of a ``(height, width)`` grid; one within a cell gives none.

    >>> from geopatcher.core.box import Box
    >>> [str(half) for half in halves(Box(0, 100, 0, 40), (32, 32))]
    ['rows 0:64, columns 0:40', 'rows 64:100, columns 0:40']
    """
    spans = ((box.row0, box.row1, block[0]), (box.col0, box.col1, block[1]))
    cells = [-(-stop // size) - start // size for start, stop, size in spans]
    if max(cells) < 2:
        return []
    axis = 0 if cells[0] >= cells[1] else 1
    start, _, size = spans[axis]
    line = (start // size + cells[axis] // 2) * size
    if axis == 0:
        return [replace(box, row1=line), replace(box, row0=line)]
    return [replace(box, col1=line), replace(box, col0=line)]
