"""What sources that are put together of others have in common: they are read with where they hold data."""

from __future__ import annotations

import threading
import weakref
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from geopatcher.core.blocks_below import blocks_below
from geopatcher.core.cpu import usable_cores
from geopatcher.core.protocols import Concurrent, FromFiles
from geopatcher.core.sources import reads_at_once
from geopatcher.fields.declared import working_bytes
from geopatcher.fields.facts import field_card

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from geopatcher.core.blocks_below import BlocksBelow
    from geopatcher.core.box import Box
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array, PixelSource

T = TypeVar("T")


class LastRead(threading.local):
    """Which pixels a thread read last, and where they hold data. Travels empty."""

    pixels: weakref.ref[Array] | None = None
    known: NDArray[np.bool_] | None = None

    def keep(self, pixels: Array, known: NDArray[np.bool_]) -> None:
        """Remember where pixels hold data, as long as somebody has them."""
        self.pixels, self.known = weakref.ref(pixels), known

    def take(self, pixels: Array) -> NDArray[np.bool_] | None:
        """Return where pixels hold data, if they are the last that were read; once."""
        same = self.pixels is not None and self.pixels() is pixels
        known = self.known if same else None
        self.pixels = self.known = None
        return known

    def __reduce__(self) -> tuple[type[LastRead], tuple[()]]:
        return (LastRead, ())


class Composed(ABC):
    """A source put together of others, its members."""

    domain: RasterDomain
    _last: LastRead

    def _repr_html_(self) -> str:
        return field_card(self, repr(self), self.domain)

    @property
    @abstractmethod
    def members(self) -> Sequence[PixelSource]:
        """What it is put together of."""

    @property
    @abstractmethod
    def has_nodata(self) -> bool:
        """Whether pixels may be missing."""

    @abstractmethod
    def _together(self, box: Box) -> tuple[Array, NDArray[np.bool_] | None]:
        """Return the pixels of a rectangle, and where integers hold data; ``None`` for everywhere."""

    @property
    def reads_concurrently(self) -> bool:
        """Whether all members may be read by several threads."""
        return all(isinstance(member, Concurrent) and member.reads_concurrently for member in self.members)

    @property
    def reads_at_once(self) -> int:
        """As many as the member that is farthest away wants, where all may be read by several threads."""
        return max(map(reads_at_once, self.members)) if self.reads_concurrently else 1

    @property
    def working_bytes(self) -> int:
        """Bytes that a read takes beside the pixels it returns: those of the members read at once."""
        return sum(sorted(map(working_bytes, self.members))[-self._threads :])

    @property
    def blocks_below(self) -> tuple[BlocksBelow, ...]:
        """Of all members: each read takes some of each."""
        return tuple(each for member in self.members for each in blocks_below(member))

    @property
    def _threads(self) -> int:
        """How many members are decoded at once."""
        return min(usable_cores(), len(self.members)) if self.reads_concurrently else 1

    def _each(self, calls: Iterable[Callable[[], T]]) -> Iterator[T]:
        """Yield what calls return, in their order; members are decoded on all cores, few at a time."""
        n_threads, waiting = self._threads, iter(calls)
        if n_threads == 1:
            yield from (call() for call in waiting)
            return
        with ThreadPoolExecutor(n_threads, "geopatcher-decode") as pool:
            while group := [pool.submit(call) for call in islice(waiting, n_threads)]:
                yield from (one.result() for one in group)

    def read(self, box: Box) -> Array:
        """Return the pixels of a rectangle; only what touches it is opened.

        Parameters
        ----------
        box
            Inside the grid.

        Returns
        -------
        numpy.ndarray
            ``(bands, height, width)``. What is missing is NaN in floats; of integers `valid` tells it.

        Raises
        ------
        SourceError
            A member cannot be read, or GDAL says that it is damaged; names it and the window.

        """
        pixels, known = self._together(box)
        if known is not None and pixels.dtype.kind != "f":
            self._last.keep(pixels, known)
        return pixels

    def valid(self, box: Box, pixels: Array) -> NDArray[np.bool_] | None:
        """Return where integers hold data.

        Parameters
        ----------
        box
            Inside the grid.
        pixels
            What `read` gave for it.

        Returns
        -------
        numpy.ndarray or None
            Booleans, ``(bands, height, width)``; ``None`` where all hold data, and for floats.

        """
        if pixels.dtype.kind == "f" or not self.has_nodata:
            return None
        known = self._last.take(pixels)
        if known is None:
            known = self._together(box)[1]
        return None if known is None or known.all() else known

    def files(self) -> tuple[Path, ...]:
        """Return the local files of all members.

        Returns
        -------
        tuple of Path
            None for what is in memory or on the network.

        """
        return tuple(file for one in self.members if isinstance(one, FromFiles) for file in one.files())
