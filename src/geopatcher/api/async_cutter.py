"""Cutting fields in programs that await, see `geopatcher.SpatialPatcher`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar, cast, overload

from geopatcher.api.ahead import InFlight, read_ahead
from geopatcher.api.async_split import AsyncPatchStream, AsyncPlacedStream, WindowTasks, from_thread
from geopatcher.api.cutter import PatchCutter
from geopatcher.core.protocols import AsyncField
from geopatcher.core.typevars import R_co
from geopatcher.engine.hooks import Hooks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geopatcher.api.split import DoneAnchors
    from geopatcher.engine.hooks import AnyHook
    from geopatcher.fields.open import Arrays, Lending, Source

D = TypeVar("D")

#: Patches in flight where nothing is said.
USUAL_IN_FLIGHT = 8


@dataclass
class AsyncCutter(PatchCutter[R_co], Generic[R_co]):
    """A patcher whose patches can be awaited."""

    @overload
    def asplit(
        self,
        field: Lending[D],
        *,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
        journal: DoneAnchors | None = None,
        max_in_flight: int | None = None,
        max_in_flight_bytes: int | str | None = None,
    ) -> AsyncPatchStream[D]: ...
    @overload
    def asplit(
        self,
        field: Arrays,
        *,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
        journal: DoneAnchors | None = None,
        max_in_flight: int | None = None,
        max_in_flight_bytes: int | str | None = None,
    ) -> AsyncPatchStream: ...
    def asplit(
        self,
        field: Source,
        *,
        hooks: Iterable[AnyHook] | AnyHook | None = None,
        journal: DoneAnchors | None = None,
        max_in_flight: int | None = None,
        max_in_flight_bytes: int | str | None = None,
    ) -> AsyncPatchStream[object]:
        """Return the patches of a field as `split` does, to be awaited, in the order of the plan.

        The windows of a field with ``aselect`` (`geopatcher.AsyncField`) are awaited, several at once; what
        any other field gives is read by a thread, as `split` reads it. Retries, ``"skip"`` and
        ``"mask"`` are those of `split`.

        When the loop is left early, close the stream, or hold it by ``contextlib.aclosing``.
        Then, and where the task is cancelled, all tasks and the thread have ended.

        Parameters
        ----------
        field
            The field.
        hooks
            Objects that hear of patches, see `geopatcher.hooks`; none by default.
        journal
            Patches it has are left out.
        max_in_flight
            Most patches that are being read, read, or in the loop's hands; 8 by default.
        max_in_flight_bytes
            Most bytes of patches that are being read or read, such as ``"256MiB"``; one always is.

        Returns
        -------
        AsyncPatchStream
            An asynchronous iterator of `Patch` with a length, ``plan`` and ``aclose()``.

        Raises
        ------
        ValueError
            ``max_in_flight`` is less than 1, or a size is none.
        SourceError
            While iterating: as of `split`.

        Examples
        --------
        >>> import asyncio, numpy as np
        >>> from geopatcher import (SpatialPatcher, SpatialRectangular, SpatialRegularStride,
        ...     SpatialHann, SpatialOverlapAdd)
        >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(8), SpatialHann(),
        ...     SpatialOverlapAdd())
        >>> async def means():
        ...     return [float(patch.data.mean()) async for patch in patcher.asplit(np.ones((8, 16)))]
        >>> asyncio.run(means())
        [1.0, 1.0]

        """
        most = USUAL_IN_FLIGHT if max_in_flight is None else max_in_flight
        bounds = InFlight.of(most, most, max_in_flight_bytes)
        placing = self._placing(field)
        if placing is not None:
            stream = AsyncPlacedStream(placing.stream(Hooks.of(hooks), journal, bounds))
            return cast("AsyncPatchStream[object]", stream)
        splitting = self.splitting(field, hooks, journal)
        if isinstance(field, AsyncField):
            patches = WindowTasks(splitting, field, most, bounds.n_bytes).patches()
        else:
            patches = from_thread(read_ahead(splitting.patches(), bounds))
        return AsyncPatchStream(splitting.plan, patches, journal)
