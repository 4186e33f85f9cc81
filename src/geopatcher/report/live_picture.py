"""The picture of a run that goes on: finished blocks, coarse, in an array of a size of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.metadata import Metadata
from geopatcher.core.styles import Style, band_of
from geopatcher.engine.previews import thinned_shape
from geopatcher.inspect.classes import classes_shown
from geopatcher.inspect.png import LABELS, USUAL, looks_like_labels, png_bytes, value_range
from geopatcher.inspect.styles import BandStyle, is_whole

if TYPE_CHECKING:
    from geopatcher.core.protocols import Array
    from geopatcher.engine.previews import Preview


class Picture:
    """The first band of a result as far as it is finished; a hook of the run. Any thread may ask.

    However large the result is, it takes a MiB: of each block a few cells are kept.

    Parameters
    ----------
    style
        How the result looks; by default by the values that are there so far.

    Examples
    --------
    >>> from geopatcher.core.box import Box
    >>> from geopatcher.engine.previews import Preview
    >>> picture = Picture()
    >>> picture.on_block_done(Preview(Box(0, 2, 0, 4), np.ones((1, 2, 4), np.float32), 1, (4, 4)))
    >>> picture.n_blocks, picture.cells[:, 0].tolist()
    (1, [1.0, 1.0, nan, nan])

    """

    def __init__(self, style: Style | None = None) -> None:
        self.style = style or Style()
        self.cells: Array = np.zeros((0, 0), np.float32)
        self.n_blocks = 0
        self._lock = threading.Lock()

    def on_block_done(self, preview: Preview) -> None:
        """Keep what is known of a block."""
        with self._lock:
            if not self.cells.size:
                self.cells = np.full(thinned_shape(preview.grid, preview.step), np.nan, np.float32)
            self.cells[preview.places] = preview.cells[0]
            self.n_blocks += 1

    def png(self) -> bytes | None:
        """Return it as PNG; ``None`` while there is nothing."""
        with self._lock:
            cells = self.cells.copy()
        return png_bytes(self._look(cells).painted(cells)) if cells.size else None

    def _look(self, cells: Array) -> BandStyle:
        known = cells[np.isfinite(cells)]
        whole = known.size > 0 and is_whole(known) and looks_like_labels(known.astype(np.int64))
        if self.style.classes or (whole and self.style == Style()):
            return BandStyle(LABELS, (0.0, 255.0), classes_shown(Metadata((band_of(self.style),)), 0, cells))
        return BandStyle(self.style.ramp or USUAL, self.style.range or value_range(known))
