"""Calls of an operator that took too long: what they were on, and what becomes of those patches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from geopatcher.engine.error_policy import Failure

#: ``(row, col)`` of a patch's upper-left pixel.
Anchor: TypeAlias = "tuple[int, int]"
#: Limits the time of a call on some patches. What takes longer ends the process.
Limit: TypeAlias = "Callable[[Sequence[Anchor]], AbstractContextManager[None]]"


def too_late(seconds: float, place: str) -> TimeoutError:
    """Return the error of a call that took longer than it may; ``place`` is where it was last.

    >>> too_late(30, "predict (model.py, line 8)")
    TimeoutError('it took longer than 30 s, and was in predict (model.py, line 8)')
    """
    where = f", and was in {place}" if place else ""
    return TimeoutError(f"it took longer than {seconds:g} s{where}")


@dataclass(frozen=True)
class Late:
    """Patches on which an operator took too long before.

    Those that are to be tried ``alone`` shared a batch, and of those that are ``given_up`` it is known
    how often they were tried, and what to say of them.
    """

    alone: frozenset[Anchor] = frozenset()
    given_up: Mapping[Anchor, Failure] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.alone or self.given_up)

    def knows(self, anchor: Anchor) -> bool:
        """Whether a patch is one of them."""
        return anchor in self.alone or anchor in self.given_up
