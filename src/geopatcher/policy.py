"""What to do when a read or an operator fails: one policy, without I/O, for sync and async."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import Literal

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
class ErrorPolicy:
    """What becomes of a patch whose read or operator raised.

    ``"raise"`` ends the run; ``"skip"`` leaves the patch out, as if it were not in the plan;
    ``"mask"`` puts NaN where it would have been (nodata, unless another patch covers the cell);
    ``"retry"`` tries again up to ``max_retries`` times, for the errors named in ``retry_on`` only,
    waiting ``backoff_s``, twice that, four times that..., then raises.
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

    def decide(self, error: Exception, attempt: int) -> Decision:
        """Return what to do after ``attempt`` failed tries (1 for the first)."""
        if attempt <= self.max_retries and isinstance(error, self.retry_on):
            return Decision("retry", min(self.backoff_s * 2 ** (attempt - 1), self.max_delay_s))
        return Decision("raise" if self.on_error == "retry" else self.on_error)

    def record(self, error: Exception, anchor: tuple[int, int], kind: str, attempt: int) -> PatchErrorRecord:
        """Return what is kept of a failure."""
        trace = "".join(traceback.format_exception(error)) if self.capture_traceback else ""
        return PatchErrorRecord(anchor, kind, f"{type(error).__name__}: {error}", trace, attempt - 1)
