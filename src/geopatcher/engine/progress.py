"""How far a run is: counted patches, shown as a bar on a terminal or handed to a function."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from geopatcher._optional import load
from geopatcher.engine.notebook_progress import NotebookBar, in_notebook

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

#: Is told how many patches were done since it was last called.
Advance: TypeAlias = Callable[[int], None]

#: Seconds between two updates of a bar: a terminal shows no more, and patches can be quick.
REFRESH_S = 0.1
#: Seconds between two lines where no bar is drawn.
LINE_S = 60.0

_LOG = logging.getLogger("geopatcher.progress")


class Stream(Protocol):
    """Where a bar would go."""

    def isatty(self) -> bool:
        """Whether a person is looking."""
        ...


def no_progress(n_patches: int) -> None:
    """Hear of finished patches and do nothing."""


def wants_bar(progress: bool | None, stream: Stream | None) -> bool:
    """Whether to draw a bar: as asked, and by default on a terminal only.

    >>> import io
    >>> wants_bar(None, io.StringIO()), wants_bar(True, io.StringIO()), wants_bar(None, None)
    (False, True, False)
    """
    return (stream is not None and stream.isatty()) if progress is None else progress


@contextmanager
def reporting(progress: bool | Advance | None, total: int, what: str = "patches") -> Iterator[Advance]:
    """Give the function to tell of finished patches while the context is open.

    Parameters
    ----------
    progress
        A function is used as it is; ``True`` draws a bar, under the cell in a notebook and else on stderr;
        ``False`` is quiet; ``None`` draws one in a notebook and when stderr is a terminal, and else logs a
        line a minute to ``geopatcher.progress``.
    total
        How many patches there will be.
    what
        What is counted, for the bar.

    Examples
    --------
    >>> seen = []
    >>> with reporting(seen.append, total=3) as advance:
    ...     advance(1)
    ...     advance(2)
    >>> seen
    [1, 2]

    """
    if callable(progress):
        yield progress
        return
    if progress is not False and in_notebook():
        shown = NotebookBar(total, what)
        try:
            yield shown.advance
        finally:
            shown.show()
        return
    if not wants_bar(progress, sys.stderr):
        yield no_progress if progress is False else _Lines(total, what).advance
        return
    rich, console = load("rich.progress"), load("rich.console")
    bar = rich.Progress(
        rich.TextColumn("{task.description}"),
        rich.BarColumn(bar_width=None),
        rich.TextColumn("{task.percentage:>3.0f}%"),
        rich.TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + what),
        rich.TextColumn("{task.fields[rate]}"),
        rich.TimeRemainingColumn(compact=True),
        rich.TextColumn("left"),
        console=console.Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
    )
    with bar:
        counter = _Bar(bar, bar.add_task("", total=total, rate=""))
        try:
            yield counter.advance
        finally:
            counter.show()


@dataclass
class _Lines:
    """Counts patches and logs how many there were, once a minute."""

    total: int
    what: str
    started: float = field(default_factory=time.perf_counter)
    told: float = field(default_factory=time.perf_counter)
    done: int = 0

    def advance(self, n_patches: int) -> None:
        """Count finished patches."""
        self.done += n_patches
        now = time.perf_counter()
        if now - self.told < LINE_S:
            return
        self.told = now
        rate = self.done / max(now - self.started, 1e-9)
        left = (self.total - self.done) / rate if rate else 0.0
        share = self.done / self.total if self.total else 1.0
        count = f"{self.done:,} of {self.total:,} {self.what}"
        _LOG.info("%s, %.0f %%, %.3g/s, %.0f min left", count, 100 * share, rate, left / 60)


@dataclass
class _Bar:
    """Counts patches and moves a bar, a few times a second."""

    bar: RichProgress
    task: TaskID
    started: float = field(default_factory=time.perf_counter)
    shown: float = 0.0
    done: int = 0

    def advance(self, n_patches: int) -> None:
        """Count finished patches."""
        self.done += n_patches
        if time.perf_counter() - self.shown >= REFRESH_S:
            self.show()

    def show(self) -> None:
        """Move the bar to where the count is."""
        self.shown = time.perf_counter()
        rate = self.done / max(self.shown - self.started, 1e-9)
        self.bar.update(
            self.task, completed=self.done, rate=f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
        )
