"""Numbers of steps, made when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, SupportsIndex, overload

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray


class Steps(Sequence[int]):
    """Steps of a series: a range or an array of them, as a sequence of integers that is equal to a list.

    Parameters
    ----------
    steps
        A range, or an integer array ``(n,)``.

    Examples
    --------
    >>> steps = Steps(range(0, 10, 4))
    >>> len(steps), steps[-1], steps == [0, 4, 8], steps[1:]
    (3, 8, True, Steps(4, 8))

    """

    def __init__(self, steps: range | NDArray[np.int64]) -> None:
        self._steps = steps

    def __len__(self) -> int:
        return len(self._steps)

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Steps: ...
    def __getitem__(self, index: SupportsIndex | slice) -> int | Steps:
        if isinstance(index, slice):
            return Steps(self._steps[index])
        return int(self._steps[index])

    def __iter__(self) -> Iterator[int]:
        return map(int, self._steps)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment] # it is equal to lists, which have none

    def __repr__(self) -> str:
        shown = [str(step) for step in self[:6]] + ["..."] * (len(self) > 6)
        return f"Steps({', '.join(shown)})"
