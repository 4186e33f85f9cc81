"""Patches read ahead of the loop that takes them, within bounds."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from geopatcher.api.split import bytes_of
from geopatcher.engine.pipeline import prefetch
from geopatcher.planning.memory import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Generator

    from geopatcher.core.patch import Patch

D = TypeVar("D")

#: More bytes than there are.
UNBOUNDED = 1 << 62


class InFlight(NamedTuple):
    """How many patches, and how many bytes of them, may be read before the loop takes them."""

    patches: int = 0
    n_bytes: int = UNBOUNDED

    @classmethod
    def of(cls, ahead: int, most: int | None = None, most_bytes: int | str | None = None) -> InFlight:
        """Return the bounds of what people ask for; of ``most`` in flight one is in the loop's hands.

        Raises
        ------
        ValueError
            A number makes no sense.

        Examples
        --------
        >>> InFlight.of(8, 4, "1KiB")
        InFlight(patches=3, n_bytes=1024)

        """
        if ahead < 0:
            raise ValueError(f"prefetch must be 0 or more patches, not {ahead}")
        if most is not None and most < 1:
            raise ValueError(f"max_in_flight must be 1 or more patches, not {most}: None is no limit")
        patches = ahead if most is None else min(ahead, most - 1)
        return cls(patches, UNBOUNDED if most_bytes is None else parse_bytes(most_bytes))


def read_ahead(patches: Generator[Patch[D], None, None], bounds: InFlight) -> Generator[Patch[D], None, None]:
    """Yield patches that a thread reads ahead, never more than the bounds say, in their order.

    Closing the generator ends the thread. Without anything to read ahead there is none.
    """
    if not bounds.patches:
        yield from patches
        return
    room = threading.Semaphore(bounds.patches)
    ended = threading.Event()

    def paced() -> Generator[Patch[D], None, None]:
        try:
            while room.acquire() and not ended.is_set():
                patch = next(patches, None)
                if patch is None:
                    return
                yield patch
        finally:
            patches.close()

    with prefetch(paced(), lambda patch: max(bytes_of(patch.data), 1), bounds.n_bytes) as ready:
        try:
            for patch in ready:
                room.release()
                yield patch
        finally:
            ended.set()
            room.release()
