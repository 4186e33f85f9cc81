"""A bar in a notebook, of plain HTML: no widgets need to be installed, and any front end shows it."""

from __future__ import annotations

import sys
import time
from html import escape
from typing import Protocol

#: Seconds between two updates.
REFRESH_S = 0.25


class _Shell(Protocol):
    """The IPython that runs a cell; ``kernel`` is there in a notebook only."""

    def has_trait(self, name: str) -> bool: ...


class _Handle(Protocol):
    """What is shown under a cell, and can be replaced."""

    def update(self, shown: object) -> None: ...


class _IPython(Protocol):
    """The module, where somebody has loaded it."""

    def get_ipython(self) -> _Shell | None: ...


class _Display(Protocol):
    """The module that shows things under a cell."""

    def display(self, shown: object, *, display_id: bool) -> _Handle | None: ...


def _notebook() -> _Display | None:
    """Return what shows things under a cell; ``None`` where this process is no kernel of a notebook."""
    ipython: _IPython | None = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not shell.has_trait("kernel"):
        return None
    display: _Display | None = sys.modules.get("IPython.display")
    return display


def in_notebook() -> bool:
    """Whether this is a kernel of a notebook; IPython on a terminal is none.

    >>> in_notebook()
    False
    """
    return _notebook() is not None


class NotebookBar:
    """Counts what is done, and shows it under the cell a few times a second."""

    def __init__(self, total: int, what: str) -> None:
        self.total, self.what = total, what
        self.done = 0
        self._started = self._told = time.perf_counter()
        display = _notebook()
        self._handle = None if display is None else display.display(self, display_id=True)

    def advance(self, n: int) -> None:
        """Count what was done."""
        self.done += n
        if time.perf_counter() - self._told >= REFRESH_S:
            self.show()

    def show(self) -> None:
        """Show where the count is."""
        self._told = time.perf_counter()
        if self._handle is not None:
            self._handle.update(self)

    def __repr__(self) -> str:
        share = self.done / self.total if self.total else 1.0
        return f"{share:.0%}, {self.done:,} of {self.total:,} {self.what}, {self._time()}"

    def _repr_html_(self) -> str:
        return (
            f'<progress value="{self.done}" max="{max(self.total, 1)}" style="width:22em;max-width:50%;'
            f'vertical-align:middle" aria-label="{escape(self.what, quote=True)}"></progress> '
            f'<span style="font-size:90%">{escape(repr(self))}</span>'
        )

    def _time(self) -> str:
        spent = self._told - self._started
        if self.done >= self.total or not self.done:
            return f"{spent:.0f} s"
        return f"{spent * (self.total - self.done) / self.done:.0f} s left"
