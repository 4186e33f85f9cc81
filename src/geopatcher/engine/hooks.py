"""Watching a run: objects that hear of patches, and never stop them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ParamSpec, Protocol, Self, TypeAlias, runtime_checkable

from geopatcher.core.containment import contained, told

if TYPE_CHECKING:
    from geopatcher.engine.previews import Preview

P = ParamSpec("P")

#: ``(row, col)`` of a patch's upper-left pixel.
Anchor: TypeAlias = "tuple[int, int]"


@runtime_checkable
class HearsSplitStart(Protocol):
    """Hears that patches begin to come."""

    def on_split_start(self, n: int) -> None:
        """Take the number of patches.

        Parameters
        ----------
        n
            How many patches there will be.

        """


@runtime_checkable
class HearsPatchStart(Protocol):
    """Hears of each patch before it is made or operated on."""

    def on_patch_start(self, anchor: Anchor) -> None:
        """Take ``(row, col)``.

        Parameters
        ----------
        anchor
            ``(row, col)`` of the upper-left pixel.

        """


@runtime_checkable
class HearsPatchDone(Protocol):
    """Hears of each patch afterwards."""

    def on_patch_done(self, anchor: Anchor, seconds: float, nbytes: int) -> None:
        """Take ``(row, col)``, the seconds it took and the bytes of its data.

        Parameters
        ----------
        anchor
            ``(row, col)`` of the upper-left pixel.
        seconds
            How long the patch took.
        nbytes
            Bytes of its data.

        """


@runtime_checkable
class HearsSplitEnd(Protocol):
    """Hears that the last patch has come."""

    def on_split_end(self) -> None:
        """Take nothing."""


@runtime_checkable
class HearsMergeStart(Protocol):
    """Hears that stitching begins."""

    def on_merge_start(self, n: int | None) -> None:
        """Take the number of patches, ``None`` where it is not known.

        Parameters
        ----------
        n
            How many patches there are, ``None`` where that is not known.

        """


@runtime_checkable
class HearsMergeEnd(Protocol):
    """Hears that stitching is done."""

    def on_merge_end(self, nbytes: int) -> None:
        """Take the bytes of the result, before compression.

        Parameters
        ----------
        nbytes
            Bytes of the result, before compression.

        """


@runtime_checkable
class HearsError(Protocol):
    """Hears of each patch that failed under a policy that carries on."""

    def on_error(self, anchor: Anchor, exc: Exception) -> None:
        """Take ``(row, col)`` and the error.

        Parameters
        ----------
        anchor
            ``(row, col)`` of the patch that failed.
        exc
            What was raised.

        """


@runtime_checkable
class HearsBlockDone(Protocol):
    """Hears of blocks of a result when they are written, one or some in a row, in the thread that writes."""

    def on_block_done(self, preview: Preview) -> None:
        """Take where the block is, and a few of its cells.

        Parameters
        ----------
        preview
            ``box`` is the block, in pixels of the result; ``cells``, ``(bands, h, w)`` float32, are those of
            every ``step``-th row and column that lie in it, NaN where there is no value.

        """


@runtime_checkable
class PatcherHook(  # noqa: N818 - it is no exception, one of its bases hears of them
    HearsSplitStart,
    HearsPatchStart,
    HearsPatchDone,
    HearsSplitEnd,
    HearsMergeStart,
    HearsMergeEnd,
    HearsError,
    HearsBlockDone,
    Protocol,
):
    """A hook with all methods, which do nothing: a class to inherit from, and to override some of them in.

    It need not be: an object with any one of them is a hook as well.

    Examples
    --------
    >>> class Count(PatcherHook):
    ...     patches = 0
    ...     def on_patch_done(self, anchor, seconds, nbytes):
    ...         self.patches += 1
    >>> count = Count()
    >>> Hooks.of(count).patch_done((0, 0), 0.1, 4)
    >>> count.patches
    1

    """


#: An object with any of the methods above.
AnyHook: TypeAlias = (
    HearsSplitStart
    | HearsPatchStart
    | HearsPatchDone
    | HearsSplitEnd
    | HearsMergeStart
    | HearsMergeEnd
    | HearsError
    | HearsBlockDone
)


@dataclass(frozen=True)
class Hooks:
    """The hooks of a run, sorted by what they hear.

    Hooks are called in the thread that runs the job, in the order they were given. One that raises
    becomes a `RuntimeWarning`; the run goes on, and the hook goes on being called.

    Parameters
    ----------
    split_starts, patch_starts, patch_dones, split_ends, merge_starts, merge_ends, errors, block_dones
        Who hears of each.
    any
        Whether there is a hook at all.

    Examples
    --------
    >>> class Count:
    ...     patches = 0
    ...     def on_patch_done(self, anchor, seconds, nbytes):
    ...         self.patches += 1
    >>> count = Count()
    >>> hooks = Hooks.of([count])
    >>> hooks.patch_start((0, 0)); hooks.patch_done((0, 0), 0.1, 4)
    >>> count.patches
    1

    """

    split_starts: Sequence[HearsSplitStart] = ()
    patch_starts: Sequence[HearsPatchStart] = ()
    patch_dones: Sequence[HearsPatchDone] = ()
    split_ends: Sequence[HearsSplitEnd] = ()
    merge_starts: Sequence[HearsMergeStart] = ()
    merge_ends: Sequence[HearsMergeEnd] = ()
    errors: Sequence[HearsError] = ()
    any: bool = field(default=False)
    block_dones: Sequence[HearsBlockDone] = ()

    @classmethod
    def of(cls, hooks: Iterable[AnyHook] | AnyHook | None) -> Self:
        """Take one hook, several, or none.

        Parameters
        ----------
        hooks
            One hook, several, or ``None``.

        Returns
        -------
        Hooks
            The hooks by what they hear.

        Raises
        ------
        TypeError
            An object has none of the methods.

        """
        given = [] if hooks is None else list(hooks) if isinstance(hooks, Iterable) else [hooks]
        for hook in given:
            if not isinstance(hook, _KINDS):
                raise TypeError(
                    f"{type(hook).__name__} has none of the methods of a hook: on_split_start, "
                    f"on_patch_start, on_patch_done, on_split_end, on_merge_start, on_merge_end, on_error, "
                    f"on_block_done"
                )
        return cls(
            [hook for hook in given if isinstance(hook, HearsSplitStart)],
            [hook for hook in given if isinstance(hook, HearsPatchStart)],
            [hook for hook in given if isinstance(hook, HearsPatchDone)],
            [hook for hook in given if isinstance(hook, HearsSplitEnd)],
            [hook for hook in given if isinstance(hook, HearsMergeStart)],
            [hook for hook in given if isinstance(hook, HearsMergeEnd)],
            [hook for hook in given if isinstance(hook, HearsError)],
            bool(given),
            [hook for hook in given if isinstance(hook, HearsBlockDone)],
        )

    def __bool__(self) -> bool:
        return self.any

    def split_start(self, n: int) -> None:
        """Say that ``n`` patches begin to come.

        Parameters
        ----------
        n
            How many patches there will be.

        """
        for hook in self.split_starts:
            _call(hook.on_split_start, n)

    def patch_start(self, anchor: Anchor) -> None:
        """Say that a patch begins.

        Parameters
        ----------
        anchor
            ``(row, col)`` of the patch.

        """
        for hook in self.patch_starts:
            _call(hook.on_patch_start, anchor)

    def patch_done(self, anchor: Anchor, seconds: float, nbytes: int) -> None:
        """Say that a patch is done.

        Parameters
        ----------
        anchor
            ``(row, col)`` of the patch.
        seconds
            How long it took.
        nbytes
            Bytes of its data.

        """
        for hook in self.patch_dones:
            _call(hook.on_patch_done, anchor, seconds, nbytes)

    def split_end(self) -> None:
        """Say that the last patch has come."""
        for hook in self.split_ends:
            _call(hook.on_split_end)

    def merge_start(self, n: int | None) -> None:
        """Say that stitching begins.

        Parameters
        ----------
        n
            How many patches there are, ``None`` where that is not known.

        """
        for hook in self.merge_starts:
            _call(hook.on_merge_start, n)

    def merge_end(self, nbytes: int) -> None:
        """Say that stitching is done.

        Parameters
        ----------
        nbytes
            Bytes of the result.

        """
        for hook in self.merge_ends:
            _call(hook.on_merge_end, nbytes)

    def error(self, anchor: Anchor, exc: Exception) -> None:
        """Say that a patch failed.

        Parameters
        ----------
        anchor
            ``(row, col)`` of the patch.
        exc
            What was raised.

        """
        for hook in self.errors:
            _call(hook.on_error, anchor, exc)

    def block_done(self, preview: Preview) -> None:
        """Say that a block is written.

        Parameters
        ----------
        preview
            Where it is, and a few of its cells.

        """
        for hook in self.block_dones:
            _call(hook.on_block_done, preview)


_KINDS = (
    HearsSplitStart,
    HearsPatchStart,
    HearsPatchDone,
    HearsSplitEnd,
    HearsMergeStart,
    HearsMergeEnd,
    HearsError,
    HearsBlockDone,
)


def _call(method: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    try:
        contained(lambda: method(*args, **kwargs))
    except Exception as error:  # noqa: BLE001 - a hook must never fail a run, whatever it raises
        warnings.warn(
            f"a hook raised in {method.__qualname__}: {told(error)}; the run goes on",
            RuntimeWarning,
            stacklevel=2,
        )
