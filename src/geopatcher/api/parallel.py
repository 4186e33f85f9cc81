"""An operator over the batches of a stream of patches: on threads, or on processes."""

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

from geopatcher.core.containment import told
from geopatcher.engine.error_policy import ErrorPolicy, Failure, PatchErrorRecord, attempt, warn_of_none
from geopatcher.engine.progress import reporting
from geopatcher.errors import OperatorError, WorkerLostError
from geopatcher.executors.workers.pickling import pack_parts
from geopatcher.executors.workers.process_main import Done, Failed
from geopatcher.executors.workers.process_pool import Lost, Pool
from geopatcher.operators.positioning import position_for

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from geopatcher.api.split import PatchStream
    from geopatcher.core.patch import Patch
    from geopatcher.core.protocols import Array
    from geopatcher.executors.workers.process_main import Channel
    from geopatcher.operators.positioning import Position


#: Batches that wait beside those the workers have in hand.
SPARE_BATCHES = 2
#: How often a batch is begun again whose process was killed.
MAX_LOSSES = 3

Backend: TypeAlias = Literal["thread", "process"]
#: What the operator needs of a patch: the data, the anchor to name it by, the position where that is wanted.
Given: TypeAlias = "tuple[tuple[int, int], Array, tuple[Position, ...]]"


class Journal(Protocol):
    """Knows which patches are done, and is told of more; `geopatcher.PatchJournal` is one."""

    def has(self, anchor: tuple[int, int]) -> bool:
        """Whether the patch at ``(row, col)`` is done.

        Parameters
        ----------
        anchor
            ``(row, col)`` of the patch.

        Returns
        -------
        bool
            True for one to leave out.

        """
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
        """Write down a patch.

        Parameters
        ----------
        anchor
            ``(row, col)`` of the patch.
        status
            ``"done"`` or ``"failed"``.
        runtime_s
            Seconds the operator took.
        output_uri
            Where the result is, if anywhere.
        error
            Why it failed.

        """
        ...


@dataclass(frozen=True)
class Made:
    """What became of one patch: the result, or the failure it is left out for."""

    data: object
    seconds: float
    failure: PatchErrorRecord | None = None


@dataclass(frozen=True)
class Work:
    """What a worker does with a batch of anchors and data."""

    operator: Callable[..., object]
    name: str
    policy: ErrorPolicy

    def __call__(self, batch: Sequence[Given]) -> list[Made]:
        """Call the operator on each."""
        return [self._one(*given) for given in batch]

    def _one(self, anchor: tuple[int, int], data: Array, position: tuple[Position, ...]) -> Made:
        started = time.perf_counter()
        try:
            result = attempt(partial(self.operator, data, *position), self.policy)
        except Exception as error:
            raise OperatorError(f"{self.name} failed on the patch at {anchor}: {told(error)}") from error
        seconds = time.perf_counter() - started
        if result is None:
            raise OperatorError(
                f"{self.name} returned None for the patch at {anchor}: did it forget to return?"
            )
        if isinstance(result, Failure):
            record = self.policy.record(result.error, anchor, "operator", result.attempts)
            return Made(None, seconds, record)
        # An operator may give all of its results in the same memory, and several wait here at once.
        return Made(result.copy() if isinstance(result, np.ndarray) else result, seconds)


@dataclass(frozen=True)
class _Serve:
    """The same in another process, where batches are numbered."""

    work: Work

    def __call__(self, task: object, channel: Channel) -> list[Made]:
        _ = channel
        match task:
            case _Numbered(batch=batch):
                return self.work(batch)
        raise TypeError(f"{task!r} is not a batch")


@dataclass
class _Numbered:
    """A batch on its way to a process, and how often one was lost over it."""

    number: int
    batch: list[Given]
    losses: int = 0


@dataclass
class MapRun:
    """The patches of a stream and what works on them."""

    patches: PatchStream[object]
    work: Work
    n_workers: int
    batch_size: int
    errors: list[PatchErrorRecord]
    _like: Array | None = field(default=None, init=False)
    _failures: list[PatchErrorRecord] = field(default_factory=list, init=False)

    def results(self, backend: Backend) -> Generator[tuple[Patch[object], Made], None, None]:
        """Yield patches and what became of them; warn at the end, when the operator failed on every one."""
        with closing(self.on_threads() if backend == "thread" else self.on_processes()) as results:
            yield from results
        left_out = len(self.patches) < self.patches.plan.n_patches  # done at another time
        if self._failures and self._like is None and not left_out:
            warn_of_none(self._failures, self.work.name, self.patches.plan.source_name)

    def on_threads(self) -> Generator[tuple[Patch[object], Made], None, None]:
        """Yield patches and what became of them, worked on by threads."""
        window: deque[tuple[list[Patch[object]], Callable[[], list[Made]]]] = deque()
        with closing(self.patches), ThreadPoolExecutor(self.n_workers, "geopatcher-map") as pool:
            try:
                for batch in self._batches():
                    window.append((batch, pool.submit(self.work, self._bare(batch)).result))
                    if len(window) >= self.n_workers + SPARE_BATCHES:
                        patches, made = window.popleft()
                        yield from self._placed(patches, made())
                while window:
                    patches, made = window.popleft()
                    yield from self._placed(patches, made())
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def on_processes(self) -> Generator[tuple[Patch[object], Made], None, None]:
        """Yield patches and what became of them, worked on by processes."""
        payload = pack_parts(_Serve(self.work), {"operator": self.work.operator})
        waiting: deque[_Numbered] = deque()
        held: dict[int, list[Patch[object]]] = {}
        done: dict[int, list[Made]] = {}
        numbers = 0
        with closing(self.patches), Pool[_Numbered](self.n_workers, payload) as pool:
            batches = self._batches()
            while True:
                while len(held) < self.n_workers + SPARE_BATCHES and (batch := next(batches, None)):
                    held[numbers] = batch
                    waiting.append(_Numbered(numbers, self._bare(batch)))
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

    def _bare(self, batch: list[Patch[object]]) -> list[Given]:
        """Return what of patches the operator needs."""
        operator, domain = self.work.operator, self.patches.plan.domain
        return [
            (patch.anchor, patch.data, position_for(operator, domain, patch.indices))  # type: ignore[misc]
            for patch in batch
        ]

    def _placed(self, patches: list[Patch[object]], made: list[Made]) -> Iterator[tuple[Patch[object], Made]]:
        """Put results into their patches; where there is none, a mask if the policy wants one."""
        for patch, result in zip(patches, made, strict=True):
            if result.failure is not None:
                self.errors.append(result.failure)
                self._failures.append(result.failure)
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


def _again(task: _Numbered, how: str) -> _Numbered:
    if task.losses >= MAX_LOSSES:
        raise WorkerLostError(
            f"{task.losses + 1} processes ended over the same batch, which begins with the patch at "
            f"{task.batch[0][0]}, the last one by {how}: where memory ran out take fewer workers or a "
            f"smaller batch_size, else see what the operator does there"
        )
    return _Numbered(task.number, task.batch, task.losses + 1)


def committed(
    done: Generator[tuple[Patch[object], Made], None, None], journal: Journal | None
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


def shown(
    patches: Generator[Patch[object] | None, None, None], total: int, *, show_progress: bool
) -> Generator[Patch[object], None, None]:
    """Yield the patches that are there, and move a bar for all."""
    with closing(patches), reporting(show_progress, total) as advance:
        for patch in patches:
            advance(1)
            if patch is not None:
                yield patch
