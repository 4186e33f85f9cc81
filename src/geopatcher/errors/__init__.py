"""What can go wrong, by name. Every message states what was wrong, the values, and the next step."""

from __future__ import annotations

import signal

from geopatcher.errors.redaction import clean
from geopatcher.errors.short_traceback import short_traceback


class GeopatcherError(Exception):
    """Base of every error this library raises on purpose; no address in its message has a secret in it."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(clean(value) if isinstance(value, str) else value for value in args))

    def __reduce__(self) -> tuple[object, ...]:
        # Dask pickles exceptions that do not say how by making them without arguments, which some cannot be.
        return (type(self), self.args, dict(vars(self)))

    def _render_traceback_(self) -> list[str]:  # by that name IPython asks for it
        return short_traceback(self)


class IncompleteScanConfiguration(GeopatcherError, ValueError):  # noqa: N818 - a published name
    """The anchors of a plan leave pixels without any patch."""


class MemoryLimitError(GeopatcherError, MemoryError):
    """A run cannot be made to fit the memory it was given."""


class SourceError(GeopatcherError, OSError):
    """A raster could not be opened or read; names the file and the window."""


class SourceAccessError(SourceError):
    """A raster is not there, or may not be read: the answer would be the same again, so nobody asks again."""


class SourceChangedError(SourceError):
    """A raster is no longer what it was when it was opened, or when a run began: open it, or run, again."""


class TargetError(GeopatcherError, OSError):
    """A target could not be created or written; names the path."""


class UnsupportedTargetError(TargetError, ValueError):
    """A target is not of this machine: results go to a local file or folder."""


class TargetExistsError(TargetError, FileExistsError):
    """The target is there already and neither resume nor overwrite applies."""


class TargetLockedError(TargetError):
    """Another live process is writing this target."""


class OperatorError(GeopatcherError, RuntimeError):
    """An operator raised, or returned something that cannot be placed; names operator and window."""


class MissingExtraError(GeopatcherError, ImportError):
    """An optional library is not installed; names the extra that brings it."""


class UnsafeStreamingError(GeopatcherError, RuntimeError):
    """Strict mode: an aggregation that keeps every contribution would be merged in memory."""


class InterruptedRunError(KeyboardInterrupt):
    """A run was asked to stop and stopped after the current strip; run it again to continue.

    It is what Ctrl-C is everywhere in Python, and no `GeopatcherError`: a loop over scenes that goes on
    after an ``except Exception`` stops. ``signal_number`` says what asked: ``signal.SIGINT`` or
    ``signal.SIGTERM``.
    """

    def __init__(self, message: str, signal_number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.signal_number = signal_number

    def __reduce__(self) -> tuple[type[InterruptedRunError], tuple[str, int]]:
        return (type(self), (str(self), self.signal_number))


class TransportError(GeopatcherError, TypeError):
    """Something cannot be handed to another process; names it and says what to do."""


class WorkerLostError(GeopatcherError, RuntimeError):
    """Worker processes ended in the middle of their work, again and again; what is finished is kept."""
