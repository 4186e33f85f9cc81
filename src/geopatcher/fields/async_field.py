"""Fields whose windows are awaited."""

from __future__ import annotations

import inspect
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geopatcher._optional import load
from geopatcher.core.protocols import Concurrent
from geopatcher.core.typevars import D_co
from geopatcher.fields.plain_field import Loadable
from geopatcher.fields.raster import RasterField

if TYPE_CHECKING:
    from rasterio.windows import Window

    from geopatcher.core.protocols import AsyncField, HasShape
    from geopatcher.fields.raster import Readable


class AsyncRasterField(RasterField[D_co]):
    """A `RasterField` whose windows are awaited, too: read in threads, or by a reader that is asynchronous.

    Several windows are read at once where the source bears it, as files and URLs do; others wait for
    their turn. A reader whose ``read_from_window`` is a coroutine is awaited in the loop.

    Parameters
    ----------
    reader
        As of `RasterField`.

    Examples
    --------
    >>> import asyncio, numpy as np
    >>> from rasterio.windows import Window
    >>> from geopatcher.fields.array_source import ArraySource
    >>> field = AsyncRasterField(ArraySource.of(np.arange(12.0).reshape(3, 4)))
    >>> asyncio.run(field.aselect(Window(1, 0, 2, 2)))
    array([[1., 2.],
           [5., 6.]])

    """

    def __init__(self, reader: Readable) -> None:
        super().__init__(reader)  # type: ignore[arg-type] # the overloads speak of one kind at a time
        self._turn = threading.Lock()

    async def aselect(self, indexer: Window) -> D_co:
        """Return a window in memory; what `select` gives, loaded where that is lazy.

        Parameters
        ----------
        indexer
            A rasterio ``Window`` of whole pixels.

        Returns
        -------
        numpy.ndarray or object
            ``(bands, h, w)`` or ``(h, w)``; of a reader, what its ``read_from_window`` gives.

        """
        data: object = await load("asyncio").to_thread(self._selected, indexer)
        if inspect.isawaitable(data):
            data = await data
            if isinstance(data, Loadable):
                data = await load("asyncio").to_thread(data.load)
        return data  # type: ignore[return-value]

    def _selected(self, indexer: Window) -> object:
        if isinstance(self.source, Concurrent) and self.source.reads_concurrently:
            return _loaded(self.select(indexer))
        with self._turn:
            return _loaded(self.select(indexer))

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "_turn"}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state, _turn=threading.Lock())


@dataclass(frozen=True, eq=False)
class AwaitedField:
    """A field whose windows are awaited, read one by one where no loop is running."""

    field: AsyncField[object]

    @property
    def domain(self) -> HasShape:
        """That of the field."""
        return self.field.domain

    def select(self, indexer: Window) -> object:
        """Return a window, having waited for it.

        Raises
        ------
        RuntimeError
            A loop is running in this thread.

        """
        if _in_loop():
            raise RuntimeError(
                f"{type(self.field).__name__} is awaited, and a loop is running in this thread: use asplit"
            )
        return load("asyncio").run(self._selected(indexer))

    async def _selected(self, indexer: Window) -> object:
        return await self.field.aselect(indexer)


def _in_loop() -> bool:
    try:
        load("asyncio").get_running_loop()
    except RuntimeError:
        return False
    return True


def _loaded(data: object) -> object:
    return data.load() if isinstance(data, Loadable) else data
