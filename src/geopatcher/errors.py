"""What can go wrong, by name. Every message states what was wrong, the values, and the next step."""

from __future__ import annotations


class GeopatcherError(Exception):
    """Base of every error this library raises on purpose."""


class IncompleteScanConfiguration(GeopatcherError, ValueError):  # noqa: N818 - a published name
    """The anchors of a plan leave pixels without any patch."""


class MemoryLimitError(GeopatcherError, MemoryError):
    """A run cannot be made to fit the memory it was given."""


class SourceError(GeopatcherError, OSError):
    """A raster could not be opened or read; names the file and the window."""


class TargetError(GeopatcherError, OSError):
    """A target could not be created or written; names the path."""


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


class InterruptedRunError(GeopatcherError, KeyboardInterrupt):
    """A run was asked to stop and stopped after the current strip; run it again to continue."""


class TransportError(GeopatcherError, TypeError):
    """Something cannot be handed to another process; names it and says what to do."""


class WorkerLostError(GeopatcherError, RuntimeError):
    """Worker processes ended in the middle of their work, again and again; what is finished is kept."""
