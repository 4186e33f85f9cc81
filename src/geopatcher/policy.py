"""What to do when a read or an operator fails: one policy, without I/O, for sync and async."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from geopatcher.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

OnError = Literal["raise", "skip", "mask", "retry"]
ON_ERROR: tuple[OnError, ...] = ("raise", "skip", "mask", "retry")


@dataclass(frozen=True, slots=True)
class PatchErrorRecord:
    """A patch that failed: where, in which stage (``"read"`` or ``"operator"``), and why."""

    anchor: tuple[int, int]
    kind: str
    message: str
    traceback: str = field(default="", repr=False)
    retry_count: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about a failure: ``"raise"``, ``"skip"``, ``"mask"``, or ``"retry"`` after ``delay_s``."""

    action: OnError
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A call given up under a policy that carries on: its last error, and how often it was tried."""

    error: Exception
    attempts: int


@dataclass(frozen=True, slots=True)
class ErrorPolicy:
    """What becomes of a patch whose read or operator raised.

    ``"raise"`` ends the run; ``"skip"`` leaves the patch out, as if it were not in the plan;
    ``"mask"`` puts NaN where it would have been (nodata, unless another patch covers the cell);
    ``"retry"`` tries again up to ``max_retries`` times, for the errors named in ``retry_on`` only,
    waiting ``backoff_s``, twice that, four times that..., then raises. With ``max_retries`` the
    others try again too before they raise, skip or mask.

    Raises
    ------
    ValueError
        ``on_error`` is unknown, ``max_retries`` is negative, or ``"retry"`` has no retries.

    Examples
    --------
    >>> policy = ErrorPolicy("skip", max_retries=2, backoff_s=0.5)
    >>> [policy.decide(OSError("busy"), attempt) for attempt in (1, 2, 3)]  # doctest: +NORMALIZE_WHITESPACE
    [Decision(action='retry', delay_s=0.5), Decision(action='retry', delay_s=1.0),
     Decision(action='skip', delay_s=0.0)]
    >>> policy.decide(ZeroDivisionError(), 1).action
    'skip'

    """

    on_error: OnError = "raise"
    max_retries: int = 0
    retry_on: tuple[type[Exception], ...] = (OSError, TimeoutError)
    capture_traceback: bool = True
    backoff_s: float = 0.1
    max_delay_s: float = 30.0

    def __post_init__(self) -> None:
        if self.on_error not in ON_ERROR:
            raise ValueError(f"on_error={self.on_error!r} is none of {', '.join(ON_ERROR)}")
        if self.max_retries < 0:
            raise ValueError(f"max_retries must be 0 or more, not {self.max_retries}")
        if self.on_error == "retry" and self.max_retries == 0:
            raise ValueError('on_error="retry" never tries again with max_retries=0: pass max_retries=3, say')

    def decide(self, error: Exception, attempt: int) -> Decision:
        """Return what to do after ``attempt`` failed tries (1 for the first).

        An operator that returned something of the wrong shape will not get better: that always raises.
        """
        if isinstance(error, OperatorError):
            return Decision("raise")
        if attempt <= self.max_retries and isinstance(error, self.retry_on):
            # 2.0 ** 1024 overflows; any delay has met its ceiling long before.
            return Decision("retry", min(self.backoff_s * 2.0 ** min(attempt - 1, 60), self.max_delay_s))
        return Decision("raise" if self.on_error == "retry" else self.on_error)

    def record(self, error: Exception, anchor: tuple[int, int], kind: str, attempt: int) -> PatchErrorRecord:
        """Return what is kept of a failure."""
        trace = "".join(traceback.format_exception(error)) if self.capture_traceback else ""
        return PatchErrorRecord(anchor, kind, f"{type(error).__name__}: {error}", trace, attempt - 1)


def attempt(
    call: Callable[[], T], policy: ErrorPolicy, sleep: Callable[[float], None] = time.sleep
) -> T | Failure:
    """Call until it succeeds or the policy gives up; raise what the policy says to raise.

    >>> attempt(lambda: 1 // 0, ErrorPolicy("skip"))
    Failure(error=ZeroDivisionError('integer division or modulo by zero'), attempts=1)
    """
    tries = 0
    while True:
        tries += 1
        try:
            return call()
        except Exception as error:  # sources and operators are not ours; the policy decides
            decision = policy.decide(error, tries)
            if decision.action == "raise":
                raise
            if decision.action != "retry":
                return Failure(error, tries)
        sleep(decision.delay_s)


async def attempt_async(
    call: Callable[[], Awaitable[T]],
    policy: ErrorPolicy,
    sleep: Callable[[float], Awaitable[None]],
) -> T | Failure:
    """Do what `attempt` does, awaiting the call and the delays, for which `asyncio.sleep` will do."""
    tries = 0
    while True:
        tries += 1
        try:
            return await call()
        except Exception as error:  # sources and operators are not ours; the policy decides
            decision = policy.decide(error, tries)
            if decision.action == "raise":
                raise
            if decision.action != "retry":
                return Failure(error, tries)
        await sleep(decision.delay_s)
