"""For people with their own loop: an operator over patches, on several threads or processes.

`geopatcher.reconstruct` with ``workers=`` needs none of this: it runs whole regions elsewhere, and
reads and writes there. Here patches are read in this process, and their results come back to it.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np

from geopatcher.errors import OperatorError, WorkerLostError
from geopatcher.executors.child import Done, Failed
from geopatcher.executors.pool import Lost, Pool
from geopatcher.executors.transport import pack_parts
from geopatcher.policy import ErrorPolicy, Failure, PatchErrorRecord, attempt
from geopatcher.preparing import name_of
from geopatcher.progress import reporting
from geopatcher.splitting import PatchStream

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from geopatcher.executors.child import Channel
    from geopatcher.fields.dispatch import Source
    from geopatcher.patch import Patch
    from geopatcher.patcher import SpatialPatcher
    from geopatcher.policy import OnError
    from geopatcher.protocols import Array

#: Batches that wait beside those the workers have in hand.
SPARE_BATCHES = 2
#: How often a batch is begun again whose process was killed.
MAX_LOSSES = 3

Backend: TypeAlias = Literal["thread", "process"]


class Journal(Protocol):
    """Knows which patches are done, and is told of more; `geopatcher.PatchJournal` is one."""

    def has(self, anchor: tuple[int, int]) -> bool:
        """Whether the patch at ``(row, col)`` is done."""
        ...

    def commit(
        self,
        anchor: tuple[int, int],
        *,
        status: str,
        runtime_s: float,
        output_uri: str | None = None,
        error: str | None = None,
    ) -> None:
        """Write down a patch."""
        ...


def parallel_map(
    patcher: SpatialPatcher,
    field: Source,
    operator: Callable[[Array], Array],
    *,
    n_workers: int = 8,
    backend: Backend = "thread",
    show_progress: bool = False,
    journal: Journal | None = None,
    on_error: OnError = "raise",
    batch_size: int = 64,
) -> PatchStream:
    """Return the patches of a field with an operator's results as data, in order, made as they are asked for.

    At most ``n_workers + 2`` batches of ``batch_size`` patches are in memory, however slow the loop
    that takes them. The stream carries its plan, so that `SpatialPatcher.merge` stitches it without
    holding the raster; close it to stop early.

    Parameters
    ----------
    patcher
        Cuts the field; its retries count here, too, and what fails is noted in its ``errors``.
    field
        A field, or what becomes one.
    operator
        Takes the data of one patch, ``(bands, h, w)`` or ``(h, w)``, and returns its result. Threads
        call it at the same time. To processes it travels by cloudpickle, or by its name: see
        `geopatcher.executors.NamedOperator`.
    n_workers
        Threads or processes.
    backend
        ``"thread"`` for operators that let go of the interpreter (NumPy, GDAL, most model runtimes),
        ``"process"`` for those written in Python. For a Dask cluster see `SpatialPatcher.to_delayed`.
    show_progress
        Whether to draw a bar on stderr.
    journal
        Patches it has are left out. A patch is committed when the loop asks for the next one.
    on_error
        What becomes of a patch whose operator raised: ``"raise"``, ``"skip"``, ``"mask"`` or ``"retry"``;
        see `geopatcher.ErrorPolicy`.
    batch_size
        Patches handed to a worker at once.

    Raises
    ------
    ValueError
        A number is less than 1, or the backend is unknown.
    OperatorError
        While iterating: the operator raised; names it and the patch.
    TransportError
        While iterating: the operator cannot travel to a process.
    WorkerLostError
        While iterating: a process was killed, again and again.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> from geopatcher import (SpatialPatcher, SpatialRectangular, SpatialRegularStride,
    ...     SpatialHann, SpatialOverlapAdd)
    >>> patcher = SpatialPatcher(SpatialRectangular(8), SpatialRegularStride(4), SpatialHann(),
    ...     SpatialOverlapAdd())
    >>> image = np.arange(600.0).reshape(20, 30)
    >>> doubled = parallel_map(patcher, image, lambda x: 2 * x, n_workers=2)
    >>> bool(np.allclose(patcher.merge(doubled, image), 2 * image))
    True

    """
    for name, value in (("n_workers", n_workers), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"{name} must be 1 or more, not {value}")
    if backend not in ("thread", "process"):
        raise ValueError(
            f'backend={backend!r} is neither "thread" nor "process"; for Dask see SpatialPatcher.to_delayed'
        )
    policy = ErrorPolicy(on_error, patcher.max_retries, patcher.retry_on, patcher.capture_traceback)
    patches = patcher.split(field, journal=journal)
    work = _Work(operator, name_of(operator), policy)
    run = _Run(patches, work, n_workers, batch_size, patcher.errors)
    done = run.on_threads() if backend == "thread" else run.on_processes()
    shown = _shown(_committed(done, journal), len(patches), show_progress=show_progress)
    return PatchStream(patches.plan, shown, journal)


@dataclass(frozen=True)
class _Made:
    """What became of one patch: the result, or the failure it is left out for."""

    data: Array | None
    seconds: float
    failure: PatchErrorRecord | None = None


@dataclass(frozen=True)
class _Work:
    """What a worker does with a batch of anchors and data."""

    operator: Callable[[Array], Array]
    name: str
    policy: ErrorPolicy

    def __call__(self, batch: Sequence[tuple[tuple[int, int], Array]]) -> list[_Made]:
        """Call the operator on each."""
        return [self._one(anchor, data) for anchor, data in batch]

    def _one(self, anchor: tuple[int, int], data: Array) -> _Made:
        started = time.perf_counter()
        try:
            result = attempt(partial(self.operator, data), self.policy)
        except Exception as error:
            raise OperatorError(
                f"{self.name} failed on the patch at {anchor}: {type(error).__name__}: {error}"
            ) from error
        seconds = time.perf_counter() - started
        if result is None:
            raise OperatorError(
                f"{self.name} returned None for the patch at {anchor}: it must return an array"
            )
        if isinstance(result, Failure):
            record = self.policy.record(result.error, anchor, "operator", result.attempts)
            return _Made(None, seconds, record)
        return _Made(result, seconds)


@dataclass(frozen=True)
class _Serve:
    """The same in another process, where batches are numbered."""

    work: _Work

    def __call__(self, task: object, channel: Channel) -> list[_Made]:
        _ = channel
        match task:
            case _Numbered(batch=batch):
                return self.work(batch)
        raise TypeError(f"{task!r} is not a batch")


@dataclass
class _Numbered:
    """A batch on its way to a process, and how often one was lost over it."""

    number: int
    batch: list[tuple[tuple[int, int], Array]]
    losses: int = 0


@dataclass
class _Run:
    """The patches of a stream and what works on them."""

    patches: PatchStream
    work: _Work
    n_workers: int
    batch_size: int
    errors: list[PatchErrorRecord]
    _like: Array | None = field(default=None, init=False)

    def on_threads(self) -> Generator[tuple[Patch[object], _Made], None, None]:
        """Yield patches and what became of them, worked on by threads."""
        window: deque[tuple[list[Patch[object]], Callable[[], list[_Made]]]] = deque()
        with closing(self.patches), ThreadPoolExecutor(self.n_workers, "geopatcher-map") as pool:
            try:
                for batch in self._batches():
                    window.append((batch, pool.submit(self.work, _bare(batch)).result))
                    if len(window) >= self.n_workers + SPARE_BATCHES:
                        patches, made = window.popleft()
                        yield from self._placed(patches, made())
                while window:
                    patches, made = window.popleft()
                    yield from self._placed(patches, made())
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def on_processes(self) -> Generator[tuple[Patch[object], _Made], None, None]:
        """Yield patches and what became of them, worked on by processes."""
        payload = pack_parts(_Serve(self.work), {"operator": self.work.operator})
        waiting: deque[_Numbered] = deque()
        held: dict[int, list[Patch[object]]] = {}
        done: dict[int, list[_Made]] = {}
        numbers = 0
        with closing(self.patches), Pool[_Numbered](self.n_workers, payload) as pool:
            batches = self._batches()
            while True:
                while len(held) < self.n_workers + SPARE_BATCHES and (batch := next(batches, None)):
                    held[numbers] = batch
                    waiting.append(_Numbered(numbers, _bare(batch)))
                    numbers += 1
                if not held:
                    return
                pool.give([waiting.popleft() for _ in range(min(pool.room, len(waiting)))])
                first = next(iter(held))
                if first in done:
                    yield from self._placed(held.pop(first), done.pop(first))
                    continue
                for task, event in pool.wait():
                    match event:
                        case Done(result=list() as made):
                            done[task.number] = made
                        case Failed(carried=carried):
                            raise carried.revive()
                        case Lost(how=how):
                            waiting.appendleft(_again(task, how))

    def _batches(self) -> Iterator[list[Patch[object]]]:
        while batch := list(islice(self.patches, self.batch_size)):
            yield batch

    def _placed(
        self, patches: list[Patch[object]], made: list[_Made]
    ) -> Iterator[tuple[Patch[object], _Made]]:
        """Put results into their patches; where there is none, a mask if the policy wants one."""
        for patch, result in zip(patches, made, strict=True):
            if result.failure is not None:
                self.errors.append(result.failure)
            data = self._mask(patch) if result.data is None else result.data
            if result.data is not None:
                self._like = np.asarray(result.data)
            yield patch.with_data(data), result

    def _mask(self, patch: Patch[object]) -> Array | None:
        """Return what stands for a patch that failed, shaped like the result before it."""
        if self.work.policy.on_error != "mask" or self._like is None or patch.indices is None:
            return None
        shape = (*self._like.shape[:-2], int(patch.indices.height), int(patch.indices.width))
        fill = np.nan if self._like.dtype.kind == "f" else 0
        return np.ma.array(np.full(shape, fill, self._like.dtype), mask=True)


def _bare(batch: list[Patch[object]]) -> list[tuple[tuple[int, int], Array]]:
    """Return what of patches the operator needs: the data, and the anchor to name them by."""
    return [(patch.anchor, patch.data) for patch in batch]  # type: ignore[misc]


def _again(task: _Numbered, how: str) -> _Numbered:
    if task.losses >= MAX_LOSSES:
        raise WorkerLostError(
            f"{task.losses + 1} processes ended over the same batch, which begins with the patch at "
            f"{task.batch[0][0]}, the last one by {how}: where memory ran out take fewer workers or a "
            f"smaller batch_size, else see what the operator does there"
        )
    return _Numbered(task.number, task.batch, task.losses + 1)


def _committed(
    done: Generator[tuple[Patch[object], _Made], None, None], journal: Journal | None
) -> Generator[Patch[object] | None, None, None]:
    """Yield results, and commit each when the next one is asked for; ``None`` for one left out."""
    with closing(done):
        for patch, made in done:
            yield None if patch.data is None else patch
            if journal is not None:
                failure = made.failure
                journal.commit(
                    patch.anchor,
                    status="done" if failure is None else "failed",
                    runtime_s=made.seconds,
                    error=None if failure is None else failure.message,
                )


def _shown(
    patches: Generator[Patch[object] | None, None, None], total: int, *, show_progress: bool
) -> Generator[Patch[object], None, None]:
    """Yield the patches that are there, and move a bar for all."""
    with closing(patches), reporting(show_progress, total) as advance:
        for patch in patches:
            advance(1)
            if patch is not None:
                yield patch
