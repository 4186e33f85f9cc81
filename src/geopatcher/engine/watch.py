"""Between strips: a run can be asked to stop there, and says how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geopatcher.planning.anchors import Strip
    from geopatcher.planning.plan import Plan


class StopRequested(Exception):  # noqa: N818 - a request, not an error
    """A run was asked to stop, and did so before it began the strip whose first row is ``row``."""

    def __init__(self, row: int) -> None:
        super().__init__(f"stopped above row {row}")
        self.row = row


class StripListener(Protocol):
    """Hears of strips, in the thread that runs the job."""

    def strip_done(self, plan: Plan, strip: Strip) -> None:
        """Take a strip whose patches are through the operator, and the plan of the region it belongs to."""
        ...


def never() -> bool:
    """Return that nobody asked to stop."""
    return False


def nobody() -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Watch:
    """What is done between strips.

    ``read`` hears when all pixels of a region are read, in the thread that read the last, while patches of
    it wait for the operator.
    """

    stop: Callable[[], bool] = never
    listeners: Sequence[StripListener] = ()
    read: Callable[[], None] = nobody

    def begin(self, strip: Strip) -> None:
        """Begin a strip, or stop before it.

        Raises
        ------
        StopRequested
            The run was asked to stop.

        """
        if self.stop():
            raise StopRequested(strip.rows[0])

    def end(self, plan: Plan, strip: Strip) -> None:
        """Tell that a strip is done."""
        for listener in self.listeners:
            listener.strip_done(plan, strip)
