"""Runs that number objects: the labels of all patches, then a table of which are one, then the result."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import numpy as np

import geopatcher  # whose version is looked up when it is asked for
from geopatcher.accumulators.instances import Numbered
from geopatcher.core.digests import digest_of
from geopatcher.core.protocols import FromFiles
from geopatcher.engine.job import Job
from geopatcher.errors import TargetError, TargetExistsError, UnsupportedTargetError
from geopatcher.fields.zarr_field import zarr_source
from geopatcher.merging.joining import Joining, Numbers
from geopatcher.merging.relabelling import (
    STORE,
    Settled,
    label_source,
    provisional,
    provisional_output,
    settling_plan,
)
from geopatcher.runs.executor import Executor
from geopatcher.runs.fingerprint import fingerprint_of, unknown_in
from geopatcher.targets.folders import remove_folder
from geopatcher.targets.open import ZarrTarget
from geopatcher.targets.places import BucketUrl
from geopatcher.targets.protocol import DurableTarget

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from geopatcher.accumulators.instances import Provisional
    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import PixelSource
    from geopatcher.engine.watch import Watch
    from geopatcher.merging.relabelling import LabelSource
    from geopatcher.planning.footprint import Setting
    from geopatcher.planning.plan import Plan
    from geopatcher.runs.ledger.book import Fingerprint
    from geopatcher.runs.run import Outcome, Run
    from geopatcher.targets.product import Product
    from geopatcher.targets.protocol import BlockStore, Target

#: What says that a folder is one of provisional numbers.
MARK = "instances.json"
#: Ending of that folder, beside the result.
BESIDE = ".instances"
#: Name of the folder in it that has the table of what is one.
TABLE = "table"


@runtime_checkable
class Joins(Protocol):
    """An aggregation that joins objects: nothing of its result is known before all patches are."""

    @property
    def iou(self) -> float:
        """Labels of two patches are one object where their intersection over union is larger."""
        ...


def carried_out(executor: Executor, job: Job, target: Target) -> Outcome:
    """Run a job, in as many steps as its aggregation takes.

    Raises
    ------
    ValueError
        Objects are to be joined, and patches do not overlap, or layers are asked for.

    """
    aggregation: object = job.aggregation
    if not isinstance(aggregation, Joins):
        return executor.run(job, target)
    if job.layers:
        raise ValueError(
            f"aggregation='instances' makes no layers ({', '.join(job.layers)}): leave layers out, or make "
            f"them in a run of their own"
        )
    with _folder_of(target) as folder:
        steps = _Steps.of(executor, job, aggregation.iou, folder)
        outcome = steps.run(steps.settling(job), target)
        if (folder / MARK).is_file():
            remove_folder(folder)
    first = steps.outcome
    if first is None:  # an earlier run has made the labels
        return outcome
    return replace(outcome, errors=first.errors, job=first.job)


@contextmanager
def _folder_of(target: Target) -> Iterator[Path]:
    """Give the folder for provisional numbers: beside a result that an interrupted run goes on with."""
    if isinstance(target, DurableTarget):
        place = target.publisher.place
        if isinstance(place, BucketUrl):
            raise UnsupportedTargetError(
                f"{place} is in a bucket, and objects are numbered in a folder beside the result: write "
                f"{place.name} here, and export that (geopatcher export)"
            )
        yield place.with_name(place.name + BESIDE)
        return
    with tempfile.TemporaryDirectory(BESIDE, "geopatcher-") as folder:
        yield Path(folder) / "run"


@dataclass
class _Fleeting:
    """A store that goes with this process: nothing of it is taken up again."""

    store: ZarrTarget

    @property
    def path(self) -> Path:
        """Its place."""
        return self.store.path

    def check(self) -> None:
        """Refuse a place where it cannot be."""
        self.store.check()

    def create(self, spec: ResultSpec) -> BlockStore:
        """Make it, empty."""
        return self.store.create(spec)

    def complete(self) -> Product:
        """Let it appear."""
        return self.store.complete()

    def discard(self) -> None:
        """Remove it."""
        self.store.discard()


@dataclass
class _Steps(Executor):
    """Runs the job that settles numbers, and before it, in its hold on the target, what that needs.

    ``inner`` is where regions are computed; ``labels`` makes the provisional numbers. ``outcome`` is
    what came of these, once they were made.
    """

    inner: Executor
    labels: Job
    numbering: Provisional
    iou: float
    folder: Path
    outcome: Outcome | None = field(default=None, init=False)
    _target: Target | None = field(default=None, init=False)
    _joined: bool = field(default=False, init=False)

    @classmethod
    def of(cls, inner: Executor, job: Job, iou: float, folder: Path) -> Self:
        """Return the steps of a job that joins objects."""
        numbering = provisional(job.plan.anchors, job.plan.domain.grid_shape)
        output = provisional_output(numbering, job.output.chunks or job.plan.chunks)
        labels = replace(job, aggregation=numbering, output=output)
        labels = labels.sized(labels.spec_for(None, flat=False), 1)
        return cls(inner, labels, numbering, iou, folder)

    def settling(self, job: Job) -> Job:
        """Return the job that gives the labels their final numbers."""
        source = self._source(job)
        plan = settling_plan(source, job.plan.chunks, job.plan.region, job.plan.memory_limit)
        numbers = Numbers(self.numbering.coding, self.folder / TABLE)
        operator = {key: value for key, value in self._made_of.items() if key.startswith("operator")}
        return Job(
            plan=plan,
            source=source,
            operator=Settled(numbers, digest_of(json.dumps(operator, sort_keys=True))),
            weights=np.ones(plan.anchors.patch_shape),
            aggregation=Numbered(),
            name=job.name,
            skip_empty=True,
            output=replace(job.output, dims=None),
            pipelined=job.pipelined,
        )

    @cached_property
    def _made_of(self) -> Fingerprint:
        return fingerprint_of(self.labels)

    def _source(self, job: Job) -> LabelSource:
        """Return the labels as a source that is known by what they are made of."""
        known: dict[str, str | int | float] = {
            f"labels.{key}": value
            for key, value in self._made_of.items()
            if not key.startswith(("operator", "library", "result."))
        }
        known["labels.iou"] = self.iou
        unknown = unknown_in(self._made_of)
        if unknown:
            known["unknown"] = "; ".join(unknown)
        grid = job.source.domain.rescaled(job.plan.reading.scale)
        files = job.source.files() if isinstance(job.source, FromFiles) else ()
        name = f"the labels of {job.source.name}"
        return label_source(self.folder, grid, self._chunks, name, known, files)

    @property
    def _chunks(self) -> tuple[int, int]:
        return self.labels.output.chunks or self.labels.plan.chunks

    @property
    def threads(self) -> int | None:
        """Those of the executor."""
        return self.inner.threads

    def check(self, job: Job, target: Target) -> None:
        """Refuse what the executor refuses of the labels."""
        _ = job
        self._target = target
        self.inner.check(self.labels, target)

    def memory_for(self, plan: Plan) -> int:
        """Return what the executor gives a region."""
        return self.inner.memory_for(plan)

    def cut(self, job: Job) -> Iterable[Box]:
        """Cut as the executor does."""
        return self.inner.cut(job)

    def setting(self, plan: Plan, source: PixelSource) -> Setting:
        """Return where the executor would run it."""
        return self.inner.setting(plan, source)

    def compute(self, run: Run, regions: Sequence[Box]) -> None:
        """Make the labels, if they are not there, and the table; then have the regions computed."""
        stats = run.operate.stats
        if regions and not self._joined:
            self._label(begun=run.session.spec is not None)
            if self.outcome is not None:
                stats.add(self.outcome.stats)
                stats.source_bytes = self.outcome.stats.source_bytes
                stats.notes += self.outcome.stats.notes
            stats.notes.append(f"{self._join(run.watch):,} objects")
            self._joined = True
        n_patches = stats.patches
        self.inner.compute(run, regions)
        stats.patches = n_patches

    def _label(self, *, begun: bool) -> None:
        """Have the labels of all patches written, or take those that are there.

        Those of which an earlier run has ``begun`` to make the result stay as they are, even if patches
        failed: other labels would have other numbers.
        """
        place = self.folder / STORE
        if begun and place.exists():
            return
        self._claim()
        kept: Target = _Fleeting(ZarrTarget(place))
        if isinstance(self._target, DurableTarget):
            kept = ZarrTarget(place, overwrite=self._target.overwrite, resume=self._target.resume)
        self.outcome = self.inner.run(self.labels, kept)
        if begun and self.outcome.errors:
            raise TargetError(
                f"{len(self.outcome.errors)} patches failed, and part of the result was made of labels that "
                f"are gone: its numbers may differ; pass overwrite=True (--overwrite) to begin anew"
            )

    def _claim(self) -> None:
        """Make the folder, or see that it is one of provisional numbers.

        Raises
        ------
        TargetExistsError
            It is something else.
        TargetError
            It cannot be made.

        """
        mark = self.folder / MARK
        try:
            self.folder.mkdir(exist_ok=True)
            is_ours = mark.is_file() or not any(self.folder.iterdir())
            if is_ours:
                mark.write_text(json.dumps({"geopatcher": geopatcher.__version__}))
        except OSError as error:
            raise TargetError(f"cannot make {self.folder}: {error}") from error
        if not is_ours:
            raise TargetExistsError(
                f"{self.folder}, where labels go until objects are numbered, holds other things: move it, or "
                f"choose another target"
            )

    def _join(self, watch: Watch) -> int:
        """Make the table of which labels are one object, anew each time; return how many there are."""
        table = self.folder / TABLE
        remove_folder(table)
        table.mkdir()
        plan = self.labels.plan
        joining = Joining(self.numbering.coding, plan.anchors.patch_shape[0], self.iou, table, watch.stop)
        return joining.run(zarr_source(self.folder / STORE), plan.region, self._chunks)
