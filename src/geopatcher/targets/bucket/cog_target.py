"""A GeoTIFF in a bucket: claimed by a lease, built in a folder of this machine, sent when it is complete."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geopatcher.core.gaps import VALID
from geopatcher.errors import TargetExistsError
from geopatcher.targets.block_target import BlockTarget
from geopatcher.targets.bucket.cog_publisher import BucketCogPublisher
from geopatcher.targets.bucket.store import BucketPlace
from geopatcher.targets.bucket.work_here import LeasedFolder, place_here
from geopatcher.targets.disk import CogTarget
from geopatcher.targets.places import require_apart
from geopatcher.targets.storage import CogStorage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geopatcher.core.domain import ResultSpec
    from geopatcher.core.protocols import Resume
    from geopatcher.targets.cog.work import TileWorkStore
    from geopatcher.targets.places import BucketUrl
    from geopatcher.targets.protocol import BlockStore


@dataclass
class BucketCogTarget(BlockTarget):
    """A Cloud-Optimized GeoTIFF in a bucket; see `geopatcher.targets.protocol.DurableTarget`.

    It is a local one until it is complete: tiles, ledger and file are in a folder of this machine. What it
    replaces stays until then.
    """

    path: BucketUrl
    overwrite: bool = False
    resume: Resume = True
    options: CogStorage = field(default_factory=CogStorage)
    work: LeasedFolder = field(init=False, repr=False)
    blocks: TileWorkStore = field(init=False, repr=False)
    publisher: BucketCogPublisher = field(init=False, repr=False)
    _local: CogTarget = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._local = local = CogTarget(place_here(self.path), options=self.options)
        self.work = LeasedFolder(self.path, BucketPlace(self.path).bucket, local.work)
        self.blocks = local.tiles
        self.publisher = BucketCogPublisher(self.path, self.work, local.publisher)

    @property
    def knows_alpha(self) -> bool:
        """Yes, as of a GeoTIFF elsewhere."""
        return True

    def check_place(self) -> None:
        """Refuse a bucket that is not there or not for us.

        Raises
        ------
        TargetError
            Says what the store said.

        """
        _ = next(self.publisher.files.keys(), None)

    def require_apart(self, identity: Mapping[str, str | int | float]) -> None:
        """Refuse to write where the pixels come from, whatever else is allowed."""
        require_apart(self.path, identity)

    def begin(self, spec: ResultSpec, *, replace: bool) -> BlockStore:
        """Create the folder for the tiles of a result that may ``replace`` another.

        Raises
        ------
        TargetError
            A GeoTIFF cannot hold such a result.
        TargetExistsError
            The file of a layer is there, and neither ``replace`` nor ``overwrite`` is set.

        """
        self.work.claim()
        for name in (*spec.layers, *((VALID,) if spec.masked else ())):
            if not (replace or self.overwrite) and self.publisher.has(name):
                raise TargetExistsError(
                    f"{self.publisher.file_of(name)}, where the layer {name!r} goes, exists: choose another "
                    f"target, or pass overwrite=True (--overwrite)"
                )
        return self._local.begin(spec, replace=True)
