"""A Cloud-Optimized GeoTIFF read by async-geotiff over obstore: many windows at once, and no GDAL."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from geopatcher.core.containment import told
from geopatcher.core.domain import RasterDomain
from geopatcher.errors import GeopatcherError, SourceChangedError, SourceError
from geopatcher.fields.array_source import differing, exact_nodata
from geopatcher.fields.cog_tiff import load_tiff

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from geopatcher.core.box import Box
    from geopatcher.core.protocols import Array
    from geopatcher.fields.cog_access import CogAccess
    from geopatcher.fields.cog_tiff import Image, Tiff

T = TypeVar("T")
#: Windows that are on their way at once.
AT_ONCE = 16
#: Masks of the last windows that are kept for whoever asks which of their pixels count.
MASKS = 32


@dataclass(frozen=True)
class Header:
    """What is known of an image: its grid, its tiles, and whether it has a mask."""

    domain: RasterDomain
    tile: tuple[int, int]
    masked: bool


class CogSource:
    """Pixels of one image of a GeoTIFF in an object store; `read` may be called by several threads.

    Parameters
    ----------
    access
        Where the file is.
    ifd_index
        Which image of the file: 0 is the raster itself, others are overviews.
    timeout
        Seconds that one call may take.

    """

    def __init__(self, access: CogAccess, ifd_index: int = 0, timeout: float = 120.0) -> None:
        self.access = access
        self.ifd_index = ifd_index
        self.timeout = timeout
        self._lock = threading.Lock()
        self._image: tuple[Tiff, Image] | None = None
        self._masks: OrderedDict[Box, NDArray[np.bool_]] = OrderedDict()
        self.opened_as: dict[str, str | int | float] = {}
        self.header = self._run(self._read_header, "open")

    def __getstate__(self) -> dict[str, object]:
        return {
            "access": self.access,
            "ifd_index": self.ifd_index,
            "timeout": self.timeout,
            "header": self.header,
            "opened_as": self.opened_as,
        }

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._lock, self._image, self._masks = threading.Lock(), None, OrderedDict()

    @property
    def domain(self) -> RasterDomain:
        """Grid, georeference, dtype and nodata."""
        return self.header.domain

    @property
    def block_shape(self) -> tuple[int, int]:
        """``(height, width)`` of a tile."""
        return self.header.tile

    @property
    def has_nodata(self) -> bool:
        """Whether there is a nodata value or a mask."""
        return self.header.masked or exact_nodata(self.domain.nodata, self.domain.dtype) is not None

    @property
    def name(self) -> str:
        """The address, without secrets."""
        return str(self.access)

    @property
    def reads_concurrently(self) -> bool:
        """Several threads may read at once."""
        return True

    def files(self) -> Sequence[Path]:
        """Return the file, if it is one of this machine."""
        return self.access.files()

    def version(self) -> str:
        """Return what the store calls this version of the file.

        Raises
        ------
        SourceChangedError
            It is another one than was opened, so its tiles lie elsewhere.

        """
        self._run(self._require_same, "ask for")
        return str(self.opened_as)

    def identity(self) -> Mapping[str, str | int | float]:
        """Return the address and what the store calls this version of the file."""
        return {"cog": self.name, "ifd": self.ifd_index, **self._run(self.access.told, "ask for")}

    def read(self, box: Box) -> Array:
        """Return ``(bands, h, w)``; pixels of floats that are missing are NaN.

        Raises
        ------
        SourceError
            The store does not give them, or not in time.

        """
        return self.read_many([box])[0]

    def read_many(self, boxes: Sequence[Box]) -> list[Array]:
        """Return the pixels of several boxes, in their order, read at the same time."""
        return self._run(partial(self._gather, boxes), f"read {_named(boxes)} of")

    async def read_async(self, box: Box) -> Array:
        """Return the pixels of a box, awaited."""
        return await self._told(self._read(box), f"read {box} of")

    def valid(self, box: Box, pixels: Array) -> Array | None:
        """Return where integer pixels hold data; ``None`` without a nodata value or a mask."""
        if pixels.dtype.kind == "f" or not self.has_nodata:
            return None
        known = differing(pixels, self.domain.nodata)
        if self.header.masked:
            known &= self._mask(box)
        return known

    def _mask(self, box: Box) -> NDArray[np.bool_]:
        with self._lock:
            kept = self._masks.get(box)
        if kept is None:
            self.read(box)
            with self._lock:
                kept = self._masks[box]
        return kept

    async def _gather(self, boxes: Sequence[Box]) -> list[Array]:
        turns = asyncio.Semaphore(AT_ONCE)

        async def in_turn(box: Box) -> Array:
            async with turns:
                return await self._read(box)

        try:
            async with asyncio.TaskGroup() as group:  # one that fails cancels the others
                tasks = [group.create_task(in_turn(box)) for box in boxes]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        return [task.result() for task in tasks]

    async def _read(self, box: Box) -> Array:
        image = (await self._opened())[1]
        if self.access.files():  # one of this machine is asked in no time, one elsewhere when a run begins
            await self._require_same()
        pixels, mask = await image.pixels(box)
        pixels = pixels.astype(self.domain.dtype, copy=False)
        if mask is not None and pixels.dtype.kind != "f":
            with self._lock:
                self._masks[box] = mask
                while len(self._masks) > MASKS:
                    self._masks.popitem(last=False)
        if pixels.dtype.kind == "f":
            nodata = self.domain.nodata
            if nodata is not None and not np.isnan(nodata):
                pixels = np.where(pixels == pixels.dtype.type(nodata), pixels.dtype.type(np.nan), pixels)
            if mask is not None:
                pixels = np.where(mask, pixels, pixels.dtype.type(np.nan))
        return pixels

    async def _read_header(self) -> Header:
        (tiff, image), lost = await asyncio.gather(self._opened(), self.access.lost_beside())
        if lost is not None:
            raise SourceError(f"cannot open {self.name}: {lost}")
        domain = RasterDomain(
            shape=(tiff.count, *image.shape),
            transform=image.transform,
            crs=tiff.crs,
            nodata=tiff.nodata,
            dtype=tiff.dtype,
        )
        return Header(domain, image.tile, image.masked)

    async def _opened(self) -> tuple[Tiff, Image]:
        if self._image is None:
            tiff, said = await asyncio.gather(load_tiff(self.access), self.access.told())
            self._require(said)
            self._image = (tiff, tiff.image(self.ifd_index))
        return self._image

    async def _require_same(self) -> None:
        self._require(await self.access.told())

    def _require(self, said: dict[str, str | int | float]) -> None:
        """Take what the store calls the file that was opened, and no other one after that."""
        self.opened_as = self.opened_as or said
        if said != self.opened_as:
            raise SourceChangedError(f"{self.name} has changed since it was opened: open it again")

    def _run(self, make: Callable[[], Awaitable[T]], doing: str) -> T:
        return run(self._told(make(), doing))

    async def _told(self, waiting: Awaitable[T], doing: str) -> T:
        """Await, no longer than the time there is; say which file and what it was that failed."""
        try:
            return await asyncio.wait_for(waiting, self.timeout)
        except TimeoutError as error:
            raise SourceError(
                f"cannot {doing} {self.name}: no answer within {self.timeout:g} s; pass a longer timeout="
            ) from error
        except GeopatcherError:
            raise
        except Exception as error:  # stores and decoders have errors of many kinds
            raise SourceError(f"cannot {doing} {self.name}: {told(error)}{self.access.advice}") from error


def run(waiting: Coroutine[object, object, T]) -> T:
    """Wait for a coroutine, in a thread of its own where this one runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(waiting)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, waiting).result()


def _named(boxes: Sequence[Box]) -> str:
    return str(boxes[0]) if len(boxes) == 1 else f"{len(boxes)} windows"
