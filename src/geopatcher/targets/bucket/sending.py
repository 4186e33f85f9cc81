"""A finished file on its way into a bucket: sent in parts, looked at when it is there, never half seen."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geopatcher.errors import TargetError, TargetExistsError, TargetLockedError
from geopatcher.targets.bucket.files import stamp_of
from geopatcher.targets.digests import PIECE_BYTES, Finding, TiffRecord, checksum, other_bytes, tiff_record_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    from geopatcher.formats.buckets import Bucket, Entry
    from geopatcher.targets.digests import Reads
    from geopatcher.targets.places import BucketUrl

#: Bytes of a part, unless that makes more parts than stores take; a file no larger is put by one request.
PART_BYTES, MAX_PARTS = 8 << 20, 10_000
#: Parts of a file that are on their way at once.
PARTS_AT_ONCE = 4
#: How often a file is sent, and seconds in between.
TRIES, PAUSE_S = 3, 0.5


def part_bytes_of(n_bytes: int) -> int:
    """Return the bytes of each part of a file, which depend on its size alone.

    >>> part_bytes_of(10**6) >> 20, part_bytes_of(500 * 10**9) >> 20
    (8, 48)
    """
    least = -(-n_bytes // MAX_PARTS)
    return max(PART_BYTES, -(-least // PIECE_BYTES) * PIECE_BYTES)


def sending_bytes(n_bytes: int) -> int:
    """Return about the most memory that it takes to send a file of ``n_bytes``.

    Parts on their way, the one that is read, and as much again of which allocators keep what threads have
    let go of: measured.

    >>> sending_bytes(10**6) / 1e6, sending_bytes(10**9) >> 20
    (2.0, 80)
    """
    return 2 * min(n_bytes, (PARTS_AT_ONCE + 1) * part_bytes_of(n_bytes))


def e_tag_of(file: Path) -> str:
    """Return the ETag that S3 gives to a file that was sent: of MD5 sums, of its parts where it has several.

    Other stores, and those that encrypt with keys of their own, have other ones.
    """
    part_bytes = part_bytes_of(file.stat().st_size)
    sums = [hashlib.md5(part, usedforsecurity=False) for part in _parts(file, part_bytes)]
    if len(sums) <= 1:
        return f'"{(sums or [hashlib.md5(usedforsecurity=False)])[0].hexdigest()}"'
    together = hashlib.md5(b"".join(each.digest() for each in sums), usedforsecurity=False)
    return f'"{together.hexdigest()}-{len(sums)}"'


def record_there(bucket: Bucket, key: str, entry: Entry, piece_bytes: int) -> TiffRecord:
    """Read an object for what is known of it, piece by piece."""
    at_once = max(1, PART_BYTES // piece_bytes) * piece_bytes
    crcs = [
        checksum(memoryview(content)[start : start + piece_bytes])
        for content in bucket.pieces(key, entry.n_bytes, at_once)
        for start in range(0, len(content), piece_bytes)
    ]
    return TiffRecord(entry.n_bytes, stamp_of(entry.e_tag), piece_bytes, tuple(crcs))


def look_there(bucket: Bucket, key: str, known: TiffRecord, reads: Reads = "touched") -> Finding:
    """Compare an object with what is known of a file; it is read where its ETag is another one."""
    entry = bucket.head(key)
    if entry is None:
        return Finding("is missing")
    if entry.n_bytes != known.n_bytes:
        return Finding(f"has {entry.n_bytes:,} bytes, and had {known.n_bytes:,}")
    touched = known.mtime_ns != stamp_of(entry.e_tag)
    is_read = reads == "all" or (reads == "touched" and (touched or not entry.e_tag))
    wrong = other_bytes(record_there(bucket, key, entry, known.piece_bytes), known) if is_read else ""
    return Finding(wrong) if wrong else Finding(touched=touched)


@dataclass(frozen=True)
class Sending:
    """A file on its way to an address: all of it appears, or nothing, and is compared with the file.

    ``require_ours`` raises when this run may not write any more. It is called again when all parts are there,
    before they become the object.
    """

    bucket: Bucket
    url: BucketUrl
    file: Path
    require_ours: Callable[[], None]
    replace: bool

    def send(self) -> None:
        """Send the file.

        One that is there already with the same bytes is as good: an answer that was lost may have been that
        it is complete.

        Raises
        ------
        TargetExistsError
            Something else is there, and it is not to be replaced.
        TargetError
            The store does not take it, or does not hold what was sent, which is then removed.

        """
        known = tiff_record_of(self.file)._replace(mtime_ns=stamp_of(e_tag_of(self.file)))
        failed: TargetError | FileNotFoundError | None = None
        for tries_left in reversed(range(TRIES)):
            if self._is_there(known):
                return
            self._require_free()
            try:
                self._put()
            except (TargetExistsError, TargetLockedError):
                raise
            except (TargetError, FileNotFoundError) as error:
                failed = error
            else:
                self._require_whole(known)
                return
            if tries_left:
                time.sleep(PAUSE_S)
        if not self._is_there(known):
            raise TargetError(f"cannot write {self.url}: {failed}; what was made is kept") from failed

    def _is_there(self, known: TiffRecord) -> bool:
        entry = self.bucket.head(self.url.key)
        return entry is not None and not look_there(self.bucket, self.url.key, known).wrong

    def _require_free(self) -> None:
        self.require_ours()
        if not self.replace and self.bucket.head(self.url.key) is not None:
            raise TargetExistsError(
                f"{self.url} was not there when the run began, and is now: move it, or run the same with "
                f"overwrite=True (--overwrite)"
            )

    def _require_whole(self, known: TiffRecord) -> None:
        wrong = look_there(self.bucket, self.url.key, known).wrong
        if wrong:
            self.bucket.remove([self.url.key])
            raise TargetError(f"{self.url} {wrong}: it was removed, and what was made is kept")

    def _put(self) -> None:
        n_bytes = self.file.stat().st_size
        part_bytes = part_bytes_of(n_bytes)
        if n_bytes > part_bytes:
            with ThreadPoolExecutor(1, "geopatcher-upload") as apart:
                self.bucket.send(self.url.key, self._parts(part_bytes, apart), part_bytes, PARTS_AT_ONCE)
            return
        content = self.file.read_bytes()
        if self.bucket.put_new(self.url.key, content) is None:
            self._require_free()
            self.bucket.put(self.url.key, content)

    def _parts(self, part_bytes: int, apart: Executor) -> Iterator[bytes]:
        """Yield the parts, and ask behind the last one whether they may become an object.

        The store is asked in another thread: this one is in the middle of its upload.
        """
        yield from _parts(self.file, part_bytes)
        apart.submit(self._require_free).result()


def _parts(file: Path, part_bytes: int) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while part := opened.read(part_bytes):
            yield part
