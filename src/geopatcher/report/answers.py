"""What a local page is answered: pages of this package, and nothing that is named by a file."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a status, a type and the bytes."""

    status: int
    kind: str
    content: bytes


class Answering(Protocol):
    """What a page shows; any thread may ask."""

    def answer(self, target: str, /) -> Answer:
        """Answer a request for a path with its query."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


def not_found() -> Answer:
    """Say that there is no such thing, and no more."""
    return Answer(404, "text/plain; charset=utf-8", b"not found\n")


def pages_of(known: Mapping[str, tuple[str, str]]) -> dict[str, Answer]:
    """Return the files of this package that make up a page: address -> file and its type."""
    folder = resources.files("geopatcher.report") / "static"
    return {
        address: Answer(200, kind, (folder / name).read_bytes()) for address, (name, kind) in known.items()
    }
