"""Reading under an error policy: what cannot be read is named, so that its patches can be left out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.engine.rows import Loss, Unit
from geopatcher.errors import GeopatcherError, SourceError
from geopatcher.policy import ErrorPolicy, Failure, attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from geopatcher.box import Box
    from geopatcher.engine.stats import RunStats
    from geopatcher.protocols import Array, PixelSource


@dataclass(frozen=True)
class Reader:
    """Reads rectangles of a source under an error policy.

    A rectangle that fails under ``"skip"`` or ``"mask"``, after its retries, is read again in the
    pieces the storage decodes at once, each once: at most as many reads as there are such pieces.
    The ones that fail are the `Loss` of the unit; their pixels are zero, and every patch that needs
    one of them fails. So one bad tile costs the patches over it, not the strip.
    """

    source: PixelSource
    stats: RunStats
    policy: ErrorPolicy = field(default_factory=ErrorPolicy)
    sleep: Callable[[float], None] = time.sleep

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
            raise SourceError(
                f"cannot read {box} of {self.source.name}: {type(error).__name__}: {error}"
            ) from error
        if isinstance(unit, Failure):
            unit = self._rescued(box, unit)
        self.stats.bytes_read += unit.pixels.nbytes
        return unit

    def _read(self, box: Box) -> Unit:
        pixels = self.source.read(box)
        return Unit(pixels, self.source.valid(box, pixels))

    def _rescued(self, box: Box, failure: Failure) -> Unit:
        pieces = list(box.tiles(self.source.block_shape))
        domain = self.source.domain
        pixels: Array = np.zeros((domain.n_bands, *box.shape), domain.dtype)
        valid: Array | None = None
        losses = []
        for piece in pieces:
            try:
                part = self._read(piece) if len(pieces) > 1 else None
            except Exception as error:  # noqa: BLE001 - the policy said to carry on
                losses.append(Loss(piece, error, failure.attempts))
                continue
            if part is None:
                losses.append(Loss(piece, failure.error, failure.attempts))
                continue
            if part.pixels.dtype != pixels.dtype:
                pixels = pixels.astype(part.pixels.dtype)
            where = piece.slices(box)
            pixels[:, *where] = part.pixels
            if part.valid is not None:
                valid = np.ones(pixels.shape, dtype=bool) if valid is None else valid
                valid[:, *where] = part.valid
        return Unit(pixels, valid, tuple(losses))
