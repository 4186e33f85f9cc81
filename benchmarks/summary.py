"""From runs to rows: medians, ratios, targets. Standard library only: see `benchmarks.catalog`."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import catalog, goals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.children import Run


@dataclass
class Row:
    """One method on one scene: medians of its runs, the highest of the peaks, the largest of the errors."""

    scene: str
    method: str
    runs: int
    seconds: float | None = None
    fastest: float | None = None
    slowest: float | None = None
    inner_seconds: float | None = None
    cpu_seconds: float | None = None
    cpu_ratio: float | None = None  # the same of what processors did, which others on a machine hardly change
    ratio: float | None = None  # seconds over those of its baseline on the same scene
    peak_mib: float | None = None
    written_mib: float | None = None
    result_mib: float | None = None
    max_error: float | None = None
    error: str | None = None


@dataclass
class Held:
    """A target and what was measured."""

    title: str
    most: float
    measured: float | None  # None: what it needs was not run, or failed
    note: str

    @property
    def met(self) -> bool:
        """Whether it is within the target."""
        return self.measured is not None and self.measured <= self.most


def numbers(values: Sequence[object]) -> list[float]:
    """Return those of ``values`` that are numbers."""
    return [float(value) for value in values if isinstance(value, int | float)]


def median(values: Sequence[object]) -> float | None:
    """Return the median of the numbers among ``values``; None if there are none."""
    found = numbers(values)
    return statistics.median(found) if found else None


def mib(size: float | None) -> float | None:
    """Return bytes as MiB."""
    return None if size is None else size / 2**20


def row_of(scene: str, method: str, runs: Sequence[Run]) -> Row:
    """Return one row; the ratio is filled in by `rows_of`."""
    seconds = numbers([run.seconds for run in runs])
    return Row(
        scene,
        method,
        len(runs),
        seconds=median(seconds),
        fastest=min(seconds, default=None),
        slowest=max(seconds, default=None),
        inner_seconds=median([run.inner_seconds for run in runs]),
        cpu_seconds=median([run.cpu_seconds for run in runs]),
        peak_mib=max(numbers([run.peak_mib for run in runs]), default=None),
        written_mib=mib(median([run.written_bytes for run in runs])),
        result_mib=mib(median([run.result_bytes for run in runs])),
        max_error=max(numbers([run.max_error for run in runs]), default=None),
        error=next((run.error for run in runs if run.error), None),
    )


def rows_of(runs: Sequence[Run]) -> list[Row]:
    """Return a row for each method on each scene, in the catalogue's order."""
    scenes = list(dict.fromkeys(run.scene for run in runs))
    rows: list[Row] = []
    for scene in scenes:
        for method in catalog.METHODS:
            own = [run for run in runs if (run.scene, run.method) == (scene, method.name)]
            if own:
                rows.append(row_of(scene, method.name, own))
    known = {(row.scene, row.method): row for row in rows}
    for row in rows:
        baseline = known.get((row.scene, catalog.BY_NAME[row.method].baseline))
        if baseline is not None:
            row.ratio = ratio(row.seconds, baseline.seconds)
            row.cpu_ratio = ratio(row.cpu_seconds, baseline.cpu_seconds)
    return rows


def ratio(own: float | None, baseline: float | None) -> float | None:
    """Return a ratio; None if it has none of its parts."""
    return own / baseline if own is not None and baseline else None


def measured(rows: Sequence[Row], of: tuple[str, str], measure: str) -> tuple[float | None, str]:
    """Return a number and whose it is; ``"*peer"`` is the fastest peer in memory.

    A failed result has no number; but a peer that is wrong is measured all the same, it can only be faster.
    """
    scene, name = of
    found: list[tuple[float, str]] = []
    for row in rows:
        method = catalog.BY_NAME[row.method]
        wanted = (method.peer and method.kind == catalog.MEMORY) if name == "*peer" else row.method == name
        value = {"seconds": row.seconds, "inner_seconds": row.inner_seconds, "peak_mib": row.peak_mib}[
            measure
        ]
        sound = method.peer or row.error is None
        if row.scene == scene and wanted and sound and value is not None:
            found.append((value, row.method))
    return min(found) if found else (None, "")


def targets(rows: Sequence[Row]) -> list[Held]:
    """Return the targets that these rows can speak to."""
    ran = {(row.scene, row.method) for row in rows}
    held: list[Held] = []
    for target in goals.TARGETS:
        if target.numerator not in ran:
            continue
        value, _ = measured(rows, target.numerator, target.measure)
        note = ""
        if target.denominator is not None:
            below, whose = measured(rows, target.denominator, target.measure)
            value = value / below if value is not None and below else None
            note = whose if target.denominator[1] == "*peer" else ""
        held.append(Held(target.title, target.most, value, note))
    return held
