"""A run of a detector, from its first look at the place of the file to the file."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, SupportsFloat

import numpy as np

from geopatcher.api.detected import DetectedObjects
from geopatcher.api.detecting import TASKS_EACH, Away, Search, search_here
from geopatcher.core.box import Box
from geopatcher.core.protocols import Bounded
from geopatcher.engine.error_policy import all_failed
from geopatcher.engine.progress import reporting
from geopatcher.engine.resident import peak_rss_bytes, this_process
from geopatcher.engine.stats import RunStats
from geopatcher.engine.watch import StopRequested
from geopatcher.errors import SourceError, TargetError
from geopatcher.features.detections import KINDS, Detections, require_one_kind
from geopatcher.features.front import Front, Part
from geopatcher.features.merging import MERGES
from geopatcher.features.vector_files import Features, require_named_crs, write_features
from geopatcher.runs.fingerprint import fingerprint_of, warn_of_unknown
from geopatcher.runs.row_files import RowFiles, RowNote, kept, work_places
from geopatcher.runs.signals import stop_signals
from geopatcher.runs.source_watch import SourceWatch
from geopatcher.targets.replacing import require_apart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from geopatcher.api.detecting import Cluster, FoundRow
    from geopatcher.core.protocols import Array, Resume
    from geopatcher.engine.error_policy import PatchErrorRecord
    from geopatcher.engine.job import Job
    from geopatcher.engine.progress import Advance
    from geopatcher.features.detections import Kind
    from geopatcher.features.merging import Merge
    from geopatcher.runs.ledger.book import Fingerprint
    from geopatcher.runs.signals import StopSignal

#: Objects that are written at once.
AT_ONCE = 2_000
#: Parts of a fingerprint that say something of a raster that is made: here none is.
OF_RASTERS = ("aggregation", "window.", "layers", "result.", "plan.chunks", "plan.region")


@dataclass(frozen=True)
class Wanted:
    """What becomes of detections: the file, and how those of one object become one."""

    out: Path
    iou: float
    score: float
    merge: Merge

    def __post_init__(self) -> None:
        if self.merge not in MERGES:
            raise ValueError(f"merge={self.merge!r}: choose one of {', '.join(MERGES)}")
        _require_number("iou", self.iou, below=1)
        _require_number("score", self.score)


def _require_number(name: str, value: object, below: float = math.inf) -> None:
    if not (isinstance(value, SupportsFloat) and 0 <= float(value) < below):
        to = "" if below == math.inf else f" to less than {below}"
        raise ValueError(f"{name}={value!r} is no number from 0{to}")


@dataclass
class DetectRun:
    """A job whose operator is a detector, and what is wanted of it; ``within`` are the pixels searched.

    ``n_workers`` is how many processes search at once, those of a ``cluster`` where there is one.
    """

    job: Job
    wanted: Wanted
    names: Mapping[int, str]
    within: Box | None
    n_workers: int
    cluster: Cluster | None = None
    stats: RunStats = field(default_factory=RunStats, init=False)
    errors: list[PatchErrorRecord] = field(default_factory=list, init=False)
    _flawed: list[RowNote] = field(default_factory=list, init=False)
    _kind: Kind | None = field(default=None, init=False)

    def result(self, progress: bool | Advance | None, *, resume: Resume, overwrite: bool) -> DetectedObjects:
        """Find, merge and write."""
        started = time.perf_counter()
        job, out = self.job, self.wanted.out
        if job.source.domain.is_tied:
            raise SourceError(f"{job.source.name} has no transform, so objects have no place: warp it first")
        require_named_crs(out, job.source.domain.crs)
        require_apart(job.source, [out, *work_places(out)])
        watch: SourceWatch[RowNote] = SourceWatch(job)
        search = Search(job, self.wanted.score)
        watch.begin()
        fingerprint = self._fingerprint()
        watch.expect(fingerprint)
        files = RowFiles(out, fingerprint, search.columns())
        files.open(resume=resume, overwrite=overwrite)
        if resume is True:
            warn_of_unknown(fingerprint)
        with stop_signals(catch=True) as stop:
            try:
                self._search(search, files, watch, stop, progress)
                made = self._written(files, overwrite=overwrite)
            except BaseException as error:
                said = self._left(files, watch)
                if isinstance(error, StopRequested):
                    raise stop.interruption(said) from None
                error.add_note(said)
                raise
        self.stats.count_traffic()
        self.stats.note_peak(this_process(), peak_rss_bytes())
        self.stats.sum_peaks(this_process(), self.n_workers if self.n_workers > 1 else 0)
        self.stats.elapsed = time.perf_counter() - started
        return made

    def _fingerprint(self) -> Fingerprint:
        known = fingerprint_of(self.job)
        own: dict[str, str | int | float] = {
            "detect.score": repr(float(self.wanted.score)),
            "detect.iou": repr(float(self.wanted.iou)),
            "detect.merge": self.wanted.merge,
            "detect.region": str(self.within),
        }
        return {name: value for name, value in known.items() if not name.startswith(OF_RASTERS)} | own

    def _left(self, files: RowFiles, watch: SourceWatch[RowNote]) -> str:
        """Keep what can be kept, and say what that is."""
        trusted, rows = watch.leave()
        for row in rows:
            files.record(row)
        files.close(tidy=not (trusted and files.notes))
        return kept(files.notes if trusted else {}, self.wanted.out)

    def _search(
        self,
        search: Search,
        files: RowFiles,
        watch: SourceWatch[RowNote],
        stop: StopSignal,
        progress: bool | Advance | None,
    ) -> None:
        """Have the rows that are left searched, and keep what is found."""
        many = (
            -(-len(search.rows) // (self.n_workers * TASKS_EACH)) if self.n_workers > 1 else len(search.rows)
        )
        tasks = list(search.left(files.columns, files.notes.__contains__, max(1, many)))
        if files.notes:
            self.stats.notes.append(
                f"goes on where an earlier run stopped: {len(files.notes)} rows were done"
            )
        n_patches = sum((task.stop - task.first) * (task.right - task.left) for task in tasks)
        with reporting(progress, n_patches) as advance:

            def give(row: FoundRow) -> None:
                self._keep(row, files, watch)
                advance(row.n_patches)

            if self.cluster is not None and tasks:
                Away(search, self.stats, give, stop.requested).on_cluster(tasks, self.cluster)
            elif self.n_workers > 1 and len(tasks) > 1:
                Away(search, self.stats, give, stop.requested).on_processes(tasks, self.n_workers)
            else:
                search_here(search, tasks, self.stats, give, stop.requested)
        for note in watch.finish():
            files.record(note)
        if self.errors and self.stats.failed >= self.stats.patches and not files.notes:
            raise all_failed(self.errors, self.job.name, self.job.source.name)

    def _keep(self, row: FoundRow, files: RowFiles, watch: SourceWatch[RowNote]) -> None:
        """Write a row down; one in which patches failed is searched again by a later run."""
        found = row.detections
        numbers: dict[str, float] = {"n": len(found)}
        if len(found):
            self._take(found.kind)
            numbers |= {"top": float(found.bounds[:, 1].min()), "kind": KINDS.index(found.kind)}
        note = files.write(row.key, found.to_bytes(), numbers)
        if row.errors:
            self.errors += row.errors
            self._flawed.append(note)
            return
        for known in watch.passed(note):
            files.record(known)

    def _written(self, files: RowFiles, *, overwrite: bool) -> DetectedObjects:
        """Make one of the detections of each object, and write them."""
        notes = [note for note in [*files.notes.values(), *self._flawed] if note.numbers["n"]]
        for note in notes:
            self._take(KINDS[int(note.numbers["kind"])])
        front = Front(self.wanted.merge, self.wanted.iou)
        parts = [
            Part(note.numbers["top"], _Fetch(files, note))
            for note in sorted(notes, key=lambda note: (note.numbers["top"], note.key))
        ]
        counts: Counter[int] = Counter()
        write_features(
            self.wanted.out,
            self._features(front.merged(parts), counts),
            self._columns,
            geometry="Point" if self._kind == "point" else "Polygon",
            crs=self.job.source.domain.crs,
            overwrite=overwrite,
        )
        files.close(tidy=True)
        n_seen = int(sum(note.numbers["n"] for note in notes))
        by_class = dict(sorted(counts.items()))
        return DetectedObjects(
            self.wanted.out,
            sum(counts.values()),
            n_seen,
            front.most_held,
            by_class,
            self.stats,
            self.names,
            self.errors,
        )

    def _take(self, kind: Kind) -> None:
        """Take down of what kind objects are, as soon as there are some.

        Raises
        ------
        ValueError
            Others were of another kind, or the rule cannot make one of such.

        """
        require_one_kind({kind, self._kind or kind})
        self._kind, merge = kind, self.wanted.merge
        if kind == "point" and merge != "center":
            raise ValueError(f'merge={merge!r} compares areas, and points have none: take merge="center"')
        if kind == "polygon" and merge == "wbf":
            raise ValueError('merge="wbf" takes means of upright boxes, not of outlines: take merge="nms"')

    @property
    def _columns(self) -> dict[str, np.dtype]:
        columns: dict[str, np.dtype] = {"class": np.dtype("int64")}
        if self.names:
            columns["name"] = np.dtype(object)
        return columns | {"score": np.dtype("float64")}

    def _features(self, merged: Iterator[Detections], counts: Counter[int]) -> Iterator[Features]:
        """Yield what is in the area that is searched, on the ground."""
        for found in merged:
            inside = found.taken(self._inside(found))
            counts.update(inside.labels.tolist())
            for start in range(0, len(inside), AT_ONCE):
                yield self._drawn(inside.taken(np.arange(start, min(start + AT_ONCE, len(inside)))))

    def _inside(self, found: Detections) -> Array:
        """Return which have their centre in the area."""
        cells = np.floor(found.centres).astype(np.int64)
        inside = np.ones(len(found), bool)
        if self.within is not None:
            box = self.within
            cols, rows = cells.T
            inside = (rows >= box.row0) & (rows < box.row1) & (cols >= box.col0) & (cols < box.col1)
        source: object = self.job.source
        area = source.area if isinstance(source, Bounded) else None
        if area is not None:
            for number in np.flatnonzero(inside):
                col, row = cells[number].tolist()
                inside[number] = bool(np.all(area.cells(Box(row, row + 1, col, col + 1))))
        return inside

    def _drawn(self, found: Detections) -> Features:
        at = self.job.source.domain.transform
        x, y = found.points.T
        placed = np.stack([at.a * x + at.b * y + at.c, at.d * x + at.e * y + at.f], axis=1)
        shapes = replace(found, points=placed).shapes
        columns: dict[str, Array] = {"class": found.labels, "score": found.scores}
        if self.names:
            named = [self.names.get(number, str(number)) for number in found.labels.tolist()]
            columns["name"] = np.array(named, object)
        return Features(shapes, columns)


@dataclass(frozen=True)
class _Fetch:
    """Reads the detections of a row."""

    files: RowFiles
    note: RowNote

    def __call__(self) -> Detections:
        """Return them."""
        try:
            return Detections.from_bytes(self.files.read(self.note))
        except (ValueError, KeyError) as error:
            raise TargetError(f"the file of {self.note.key} cannot be read: {error}") from error
