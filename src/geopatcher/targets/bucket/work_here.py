"""Where on this machine a file is built that goes to a bucket: a folder of one's own, and a lease there."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from geopatcher.errors import TargetError
from geopatcher.targets.bucket.lease import Lease

if TYPE_CHECKING:
    from geopatcher.formats.buckets import Bucket
    from geopatcher.targets.places import BucketUrl
    from geopatcher.targets.run_folder import RunFolder

#: Where large files may lie that outlive a start of the system, unless ``TMPDIR`` says where.
LARGE = Path("/var/tmp")  # noqa: S108 - a folder of one's own is made in it


def place_here(url: BucketUrl) -> Path:
    """Return where on this machine a result is built: the same for each run of the user to one address.

    >>> from geopatcher.targets.places import BucketUrl
    >>> place = place_here(BucketUrl("s3://bucket/maps/x.tif"))
    >>> place.suffix, place == place_here(BucketUrl("s3://bucket/maps/x.tif"))
    ('.tif', True)
    """
    above = os.environ.get("TMPDIR") or (LARGE if os.access(LARGE, os.W_OK) else tempfile.gettempdir())
    digest = hashlib.sha256(url.encode()).hexdigest()[:12]
    return Path(above).absolute() / f"geopatcher-{os.getuid()}" / f"{url.stem}-{digest}{url.suffix}"


def make_own(folder: Path) -> None:
    """Make a folder that is of nobody else.

    Raises
    ------
    TargetError
        It cannot be made, or is another's.

    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise TargetError(f"cannot make {folder}, to build a result in: {error}; set TMPDIR") from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise TargetError(
            f"{folder}, to build a result in, may be written by others: set TMPDIR to another place"
        )


@dataclass
class LeasedFolder:
    """What one run at a time has of a file in a bucket: a lease on it, and a folder here to build it in."""

    url: BucketUrl
    bucket: Bucket
    folder: RunFolder
    lease: Lease = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._begin_session()

    def _begin_session(self) -> None:
        self.lease = Lease(self.bucket, f"{self.url.key}.lock", self.url, self.folder.token)

    @property
    def path(self) -> Path:
        """The folder."""
        return self.folder.path

    @property
    def token(self) -> str:
        """The token of this run."""
        return self.folder.token

    @property
    def ledger(self) -> Path:
        """The ledger of this run."""
        return self.folder.ledger

    @property
    def is_held(self) -> bool:
        """Whether this run has it."""
        return self.folder.is_held

    @property
    def is_begun(self) -> bool:
        """Whether runs on this machine left anything to go on with."""
        return self.folder.is_begun

    def claim(self) -> None:
        """Become the one writer of the target.

        Raises
        ------
        TargetLockedError
            Another live run is, of this machine or another.

        """
        if not self.lease.held:
            self._begin_session()
        self.lease.take()
        try:
            make_own(self.path.parent)
            self.folder.claim()
        except BaseException:
            self.lease.release()
            raise

    def release(self) -> None:
        """Let others have the target."""
        self.folder.release()
        self.lease.release()

    def earlier_ledger(self) -> Path | None:
        """Return the ledger of an earlier run on this machine."""
        return self.folder.earlier_ledger()

    def adopt_earlier(self) -> None:
        """Take over what that run left."""
        self.folder.adopt_earlier()

    def tidy(self) -> None:
        """Remove the folder."""
        self.folder.tidy()

    def leave(self) -> None:
        """Remove what this run has left."""
        self.folder.leave()
