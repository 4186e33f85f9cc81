"""What to do when a read or an operator fails: one policy, without I/O, for sync and async."""

from __future__ import annotations

import time
import traceback
import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeVar

from geopatcher.core.containment import contained, of_a_signal, stray, told
from geopatcher.errors import OperatorError, SourceAccessError, SourceChangedError, SourceError
from geopatcher.errors.redaction import clean
from geopatcher.formats.rasterio_warnings import caller_level

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from geopatcher.errors import GeopatcherError

T = TypeVar("T")

OnError = Literal["raise", "skip", "mask", "retry"]
ON_ERROR: tuple[OnError, ...] = ("raise", "skip", "mask", "retry")


@dataclass(frozen=True, slots=True)
class PatchErrorRecord:
    """A patch that failed: where, why, and in which stage.

    Parameters
    ----------
    anchor
        ``(row, col)`` of the patch, as in the result: with ``crop`` counted from the corner of the part.
    kind
        The class of the error by its name, such as ``"OSError"``.
    message
        Class and text of the error, without secrets.
    traceback
        Where it was raised; empty where it was not kept.
    retry_count
        How often the stage was tried again.
    stage
        ``"read"`` or ``"operator"``: what failed.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> def picky(patch):
    ...     if patch.max() > 0:
    ...         raise ValueError("too bright")
    ...     return patch
    >>> image = np.zeros((20, 20), "float32")
    >>> image[15, 3] = 1
    >>> result = geopatcher.reconstruct(image, picky, size=10, step=10, window="boxcar", on_error="mask")
    >>> [(failed.anchor, failed.kind, failed.message) for failed in result.errors]
    [((10, 0), 'ValueError', 'ValueError: too bright')]

    """

    anchor: tuple[int, int]
    kind: str
    message: str
    traceback: str = field(default="", repr=False)
    retry_count: int = 0
    stage: str = "operator"


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

    Parameters
    ----------
    on_error
        ``"raise"``, ``"skip"``, ``"mask"`` or ``"retry"``.
    max_retries
        How often a stage is tried again.
    retry_on
        The errors that are worth another try.
    capture_traceback
        Whether records of failures keep it.
    backoff_s, max_delay_s
        Seconds before the first other try, and the most before any.

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

        An operator that returned something of the wrong shape will not get better, nor will a raster that is
        another one by now: that always raises.
        Nor will a server that says that a raster is not there, or not for us: that is not tried again.

        Parameters
        ----------
        error
            What was raised.
        attempt
            How many tries have failed, 1 for the first.

        Returns
        -------
        Decision
            The action, and after how many seconds.

        """
        if isinstance(error, OperatorError | SourceChangedError):
            return Decision("raise")
        lasting = isinstance(error, SourceAccessError)
        if attempt <= self.max_retries and isinstance(error, self.retry_on) and not lasting:
            # 2.0 ** 1024 overflows; any delay has met its ceiling long before.
            return Decision("retry", min(self.backoff_s * 2.0 ** min(attempt - 1, 60), self.max_delay_s))
        return Decision("raise" if self.on_error == "retry" else self.on_error)

    def record(self, error: Exception, anchor: tuple[int, int], stage: str, attempt: int) -> PatchErrorRecord:
        """Return what is kept of a failure, without secrets.

        Parameters
        ----------
        error
            The last error.
        anchor
            ``(row, col)`` of the patch.
        stage
            ``"read"`` or ``"operator"``.
        attempt
            How many tries have failed.

        Returns
        -------
        PatchErrorRecord
            To be kept with the result.

        """
        message = told(error)
        trace = clean("".join(traceback.format_exception(error))) if self.capture_traceback else ""
        return PatchErrorRecord(anchor, type(error).__name__, message, trace, attempt - 1, stage)


def all_failed(errors: Sequence[PatchErrorRecord], operator: str, source: str) -> GeopatcherError:
    """Return the error of a run of which no patch is left: there is no result, whatever the policy.

    >>> str(all_failed([PatchErrorRecord((0, 64), "KeyError", "KeyError: 'b9'")], "ndvi", "a.tif"))
    "the only patch of a.tif failed: ndvi at (0, 64) with KeyError: 'b9'; correct that, and run again"
    """
    first = min(errors, key=lambda error: error.anchor)
    reading = all(error.stage == "read" for error in errors)
    which = (
        f"all {len(errors):,} patches of {source} failed, the first:"
        if len(errors) > 1
        else (f"the only patch of {source} failed:")
    )
    stage = "reading" if first.stage == "read" else operator
    kind = SourceError if reading else OperatorError
    return kind(f"{which} {stage} at {first.anchor} with {first.message}; correct that, and run again")


def require_one(errors: Sequence[PatchErrorRecord], n_patches: int, operator: str, source: str) -> None:
    """Refuse a result of which every patch failed.

    Raises
    ------
    SourceError, OperatorError
        As of `all_failed`.

    """
    if errors and len(errors) == n_patches:
        raise all_failed(errors, operator, source)


def warn_of_none(errors: Sequence[PatchErrorRecord], operator: str, source: str) -> None:
    """Warn that no patch of a stream is left: whoever takes patches one by one has asked for that."""
    warnings.warn(str(all_failed(errors, operator, source)), RuntimeWarning, stacklevel=caller_level())


def attempt(
    call: Callable[[], T], policy: ErrorPolicy, sleep: Callable[[float], None] = time.sleep
) -> T | Failure:
    """Call until it succeeds or the policy gives up; raise what the policy says to raise.

    A ``sys.exit()`` in the call is a failure like any other; see `contained`.

    >>> attempt(lambda: 1 // 0, ErrorPolicy("skip"))
    Failure(error=ZeroDivisionError('integer division or modulo by zero'), attempts=1)
    """
    tries = 0
    while True:
        tries += 1
        try:
            return contained(call)
        except Exception as error:  # sources and operators are not ours; the policy decides
            decision = policy.decide(error, tries)
            if decision.action == "raise":
                raise
            if decision.action != "retry":
                return Failure(error, tries)
        sleep(decision.delay_s)


def persist(call: Callable[[], T], policy: ErrorPolicy, sleep: Callable[[float], None] = time.sleep) -> T:
    """Call as often as the policy tries again, and raise what is left: for what cannot be left out.

    >>> persist(lambda: 7, ErrorPolicy("skip"))
    7
    """
    result = attempt(call, replace(policy, on_error="raise"), sleep)
    if isinstance(result, Failure):  # a policy that raises leaves nothing out
        raise result.error
    return result


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
            return await _contained(call)
        except Exception as error:  # sources and operators are not ours; the policy decides
            decision = policy.decide(error, tries)
            if decision.action == "raise":
                raise
            if decision.action != "retry":
                return Failure(error, tries)
        await sleep(decision.delay_s)


async def _contained(call: Callable[[], Awaitable[T]]) -> T:
    """Await a call; what cancels or closes the one who waits passes, an exit of the program does not."""
    try:
        return await call()
    except SystemExit as error:
        if of_a_signal(error):
            raise
        raise stray(error) from error
