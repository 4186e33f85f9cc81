"""A result in a bucket: claimed by a lease, collected at its place, complete when ``zarr.json`` is put."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geopatcher.errors import TargetError, TargetExistsError
from geopatcher.targets.block_target import BlockTarget
from geopatcher.targets.bucket.lease import Lease
from geopatcher.targets.bucket.ledger import BucketLedger
from geopatcher.targets.bucket.publisher import BucketPublisher
from geopatcher.targets.bucket.store import ROOT, BucketPlace, BucketSink
from geopatcher.targets.places import require_apart
from geopatcher.targets.replacing import CHUNK, METADATA
from geopatcher.targets.work_folder import fresh_token

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from geopatcher.core.box import Box
    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import Resume
    from geopatcher.targets.places import BucketUrl


@dataclass
class BucketWork:
    """What one run at a time has of a store in a bucket: the lease on it, and its ledger."""

    place: BucketPlace
    token: str = field(init=False)
    lease: Lease = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._begin_session()

    def _begin_session(self) -> None:
        self.token = fresh_token()
        url = self.place.url
        self.lease = Lease(self.place.bucket, f"{url.key}.lock", url, self.token)

    @property
    def path(self) -> BucketUrl:
        """What messages call it."""
        return self.place.url

    @property
    def ledger(self) -> BucketLedger:
        """The ledger, of this run and those before it."""
        return BucketLedger(self.lease, f"{self.place.url.key}.ledger")

    @property
    def is_committed(self) -> bool:
        """Whether a result is there."""
        return self.place.files.bucket.head(f"{self.place.url.key}/{ROOT}") is not None

    @property
    def is_held(self) -> bool:
        """Whether this run has the lease, as far as that is known without asking."""
        return self.lease.held

    @property
    def is_begun(self) -> bool:
        """Whether a run left finished blocks to go on with."""
        return self.earlier_ledger() is not None

    def claim(self) -> None:
        """Become the one writer of the target.

        Raises
        ------
        TargetLockedError
            Another live run is.

        """
        if not self.lease.held:
            self._begin_session()
        self.lease.take()

    def release(self) -> None:
        """Let others have the target."""
        self.lease.release()

    def earlier_ledger(self) -> BucketLedger | None:
        """Return the ledger, where there is one and the result is not."""
        return self.ledger if not self.is_committed and self.ledger.entries() else None

    def adopt_earlier(self) -> None:
        """Do nothing: what an earlier run left is where it is, and the lease is of this run."""

    def tidy(self) -> None:
        """Do nothing: what is there is the result."""

    def leave(self) -> None:
        """Remove what this run has left."""
        self.clear()

    def clear(self) -> None:
        """Remove all there is, first what makes a result of it."""
        self.lease.ensure()
        files = self.place.files
        files.remove(ROOT)
        files.remove_all(files.keys())
        self.ledger.clear()


@dataclass
class BucketStore:
    """Where the blocks of a result are put: at once where they stay."""

    work: BucketWork
    _spec: ResultSpec | None = None

    @property
    def is_there(self) -> bool:
        """Always: nothing has to be made."""
        return True

    @property
    def spec(self) -> ResultSpec:
        """What is being made.

        Raises
        ------
        TargetError
            Nothing is, yet.

        """
        if self._spec is None:
            raise TargetError(f"{self.work.path} was completed before it was created")
        return self._spec

    def open(self, spec: ResultSpec) -> BucketSink:
        """Return what puts blocks, and knows those that are there."""
        self._spec = spec
        return BucketSink(self.work.place, spec, self.work.lease.key, self.work.token)

    def reopen(self, spec: ResultSpec, rows: Iterable[Box], *, went_down: bool) -> BucketSink:
        """Open what an earlier run left."""
        _ = rows, went_down
        return self.open(spec)


@dataclass
class BucketTarget(BlockTarget):
    """A zarr store in a bucket; see `geopatcher.targets.protocol.DurableTarget`.

    Its blocks are put once, where they stay. Until ``zarr.json`` is put there is no result: a reader finds no
    store. What is replaced is gone from when the first block of the new result is ready.
    """

    path: BucketUrl
    overwrite: bool = False
    resume: Resume = True
    work: BucketWork = field(init=False, repr=False)
    blocks: BucketStore = field(init=False, repr=False)
    publisher: BucketPublisher = field(init=False, repr=False)

    def __post_init__(self) -> None:
        place = BucketPlace(self.path)
        self.work = BucketWork(place)
        self.blocks = BucketStore(self.work)
        self.publisher = BucketPublisher(place, self.work, self.blocks)

    def check_place(self) -> None:
        """Refuse a bucket that is not there or not for us, and a prefix of other things.

        Raises
        ------
        TargetExistsError
            Something below it is not of a zarr store.

        """
        for key in self.work.place.files.keys():  # noqa: SIM118 - no mapping
            name = key.rpartition("/")[2]
            if name not in METADATA and not CHUNK.fullmatch(name):
                raise TargetExistsError(
                    f"{self.path / key} is not of a zarr store: what holds other things is never replaced; "
                    f"choose another target, or move it"
                )

    def require_apart(self, identity: Mapping[str, str | int | float]) -> None:
        """Refuse to write where the pixels come from, whatever else is allowed.

        Raises
        ------
        TargetError
            A text of the identity of the source is an address in the target, or one around it.

        """
        require_apart(self.path, identity)

    def begin(self, spec: ResultSpec, *, replace: bool) -> BucketSink:
        """Make room for a result; what is there goes, which was checked before."""
        _ = replace
        self.work.claim()
        self.work.clear()
        return self.blocks.open(spec)
