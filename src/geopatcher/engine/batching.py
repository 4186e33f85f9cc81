"""How many patches an operator is given at once: a number that was asked for, or as many as pay and fit."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self, TypeAlias

#: Patches in a call of the operator; ``"auto"`` finds out how many.
BatchSize: TypeAlias = int | Literal["auto"]

#: Calls of one size before a larger one is tried; the first of them warms up, and its time says nothing.
CALLS = 3
#: How much faster, per patch, a larger batch must be to pay.
PAYS = 1.05
#: Sizes in a row that may be no faster before the search ends: a machine that does other things, too.
MISSES = 2
#: Share of the memory of a device that a call is expected to keep within.
DEVICE_SHARE = 0.9
#: What libraries say of memory they could not have, where their error has no class of its own for that.
SAID = (
    "bad_alloc",
    "bad allocation",
    "failed to allocate memory",
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "alloc_failed",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory, on the host or on a device.

    That is a `MemoryError`, which NumPy's is; the ``OutOfMemoryError`` of torch or CuPy; and an error of
    onnxruntime, or a `RuntimeError`, that says so in its text, as that of torch on a processor does.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(ValueError("out of memory"))
    (True, False)
    >>> is_out_of_memory(RuntimeError("Failed to allocate memory for requested buffer of size 4096"))
    True
    """
    if isinstance(error, MemoryError) or any(
        kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__
    ):
        return True
    if not isinstance(error, RuntimeError) and not type(error).__module__.startswith("onnxruntime."):
        return False
    text = str(error).lower()
    return any(said in text for said in SAID)


class Device(NamedTuple):
    """The memory of a GPU: the most bytes that were allocated at once, and those there are for us."""

    peak_bytes: int
    room_bytes: int

    @classmethod
    def used(cls) -> Self | None:
        """Return that of the GPU which torch uses in this process, ``None`` where it uses none."""
        cuda = vars(sys.modules.get("torch", sys)).get("cuda")
        if cuda is None or not cuda.is_initialized():
            return None
        free, _ = cuda.mem_get_info()
        return cls(cuda.max_memory_allocated(), free + cuda.memory_reserved())


@dataclass
class Trend:
    """Bytes that calls took, by their number of patches, and from them those of calls with more.

    >>> trend = Trend()
    >>> trend.note(1, 30); trend.note(2, 50)
    >>> trend.at(4)
    90
    """

    _seen: dict[int, int] = field(default_factory=dict)

    def note(self, n: int, n_bytes: int) -> None:
        """Take what a call with ``n`` patches took."""
        self._seen[n] = max(n_bytes, self._seen.get(n, 0))

    def at(self, n: int) -> int:
        """Return what a call with ``n`` patches is expected to take: all grows but what does not."""
        known = sorted(self._seen.items())
        if not known:
            return 0
        (fewer, less), (most, n_bytes) = known[-2] if len(known) > 1 else (0, 0), known[-1]
        return n_bytes + max(0, n_bytes - less) * (n - most) // (most - fewer)


@dataclass
class Batching:
    """How many patches a call is given.

    With ``auto`` that begins with one, and is doubled while patches become faster by it and memory lasts, up
    to ``most``; where there was not enough memory it is halved, and stays. ``room_bytes`` is what calls may
    take on the host.

    >>> batching = Batching.of("auto")
    >>> batching.bound(most=8, room_bytes=1 << 30)
    >>> for seconds in (9.0, 1.0, 1.0):
    ...     batching.took(1, seconds)
    >>> batching.size
    2
    """

    size: int = 1
    auto: bool = False
    most: int = 1
    room_bytes: int = 0
    _settled: bool = False
    _best: tuple[float, int] = (0.0, 1)
    _misses: int = 0
    _seconds: list[float] = field(default_factory=list)
    _host: Trend = field(default_factory=Trend)
    _device: Trend = field(default_factory=Trend)
    _device_room: float = 0.0

    @classmethod
    def of(cls, batch_size: BatchSize) -> Self:
        """Return what keeps to a number, or finds one."""
        return cls(auto=True) if batch_size == "auto" else cls(batch_size)

    @property
    def batched(self) -> bool:
        """Whether the operator is given batches, ``(n, bands, h, w)``, be there one patch in them."""
        return self.auto or self.size > 1

    def bound(self, most: int, room_bytes: int) -> None:
        """Take what the plan of a region has room for."""
        self.most, self.room_bytes = most, room_bytes
        if self.auto:
            self.size = min(self.size, most)

    def saw(self, n: int, n_bytes: int) -> None:
        """Take what a call with ``n`` patches took on the host; on a device, that is looked up."""
        self._host.note(n, n_bytes)
        device = Device.used()
        if device is not None:
            self._device.note(n, device.peak_bytes)
            self._device_room = DEVICE_SHARE * device.room_bytes

    def took(self, n: int, seconds: float) -> None:
        """Take how long a call with ``n`` patches took."""
        if not self.auto or self._settled or n != self.size:
            return
        self._seconds.append(seconds)
        if len(self._seconds) < CALLS:
            return
        rate = n / max(min(self._seconds[1:]), 1e-9)
        self._seconds = []
        if rate >= PAYS * self._best[0]:
            self._best, self._misses = (rate, n), 0
        else:
            self._misses += 1
        if self._misses < MISSES and self._fits(2 * n):
            self.size = 2 * n
        else:
            self.size, self._settled = self._best[1], True

    def halve(self, n: int) -> int:
        """Return how many to go on with after memory was short with ``n``: no more will be tried."""
        self.size, self._settled = min(self.size, max(1, n // 2)), True
        return self.size

    def _fits(self, n: int) -> bool:
        on_device = self._device.at(n)
        return (
            n <= self.most
            and self._host.at(n) <= self.room_bytes
            and on_device <= (self._device_room or on_device)
        )
