"""What is closed at the end of a ``with``."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Closing:
    """Makes a class with a `close` a context manager, which closes at the end and hides no error."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held open; harmless when that was done before."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
