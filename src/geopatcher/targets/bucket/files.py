"""The files of a result as objects below a prefix of a bucket."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geopatcher.targets.digests import NO_FILE, FileRecord, Finding, checksum
from geopatcher.targets.files import Files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from geopatcher.formats.buckets import Bucket, Entry
    from geopatcher.targets.digests import Reads

#: Bytes of a digest that stand for an ETag.
STAMP_BYTES = 6


def stamp_of(e_tag: str) -> int:
    """Return a number that stands for an ETag where files have the time of their last change; 0 for none.

    >>> stamp_of(""), stamp_of('"abc"') == stamp_of('"abc"'), stamp_of('"abc"') == stamp_of('"abd"')
    (0, True, False)
    """
    return int.from_bytes(hashlib.sha256(e_tag.encode()).digest()[:STAMP_BYTES]) if e_tag else 0


@dataclass
class _Listing:
    """What a prefix holds, asked once for thousands of objects, and kept true to what is put since."""

    bucket: Bucket
    prefix: str
    _entries: dict[str, Entry] | None = None

    def entry(self, key: str) -> Entry | None:
        """Return what is known of an object."""
        if self._entries is None:
            self._entries = {entry.key: entry for entry in self.bucket.entries(self.prefix)}
        return self._entries.get(key)

    def forget(self) -> None:
        """Ask again the next time."""
        self._entries = None


@dataclass(frozen=True)
class BucketFiles(Files):
    """Objects whose keys begin with ``prefix/``; what goes wrong is a `TargetError` that names the object.

    An object is put where there is none. Where there is one, an earlier try or a worker that outlived its run
    has put it: with the same bytes it stays, else it is replaced, for the lease says that this is our result.
    """

    bucket: Bucket
    prefix: str
    _listing: _Listing = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_listing", _Listing(self.bucket, self.prefix))

    def below(self, name: str) -> BucketFiles:
        """Return those below a longer prefix."""
        found = BucketFiles(self.bucket, self._key(name))
        object.__setattr__(found, "_listing", self._listing)
        return found

    def put(self, key: str, content: bytes | memoryview) -> FileRecord:
        """Put an object."""
        whole, name = bytes(content), self._key(key)
        e_tag = self.bucket.put_new(name, whole)
        if e_tag is None:
            e_tag = self.bucket.put(name, whole)
        self._listing.forget()
        return FileRecord(len(whole), checksum(whole), stamp_of(e_tag))

    def read(self, key: str) -> bytes:
        """Return an object."""
        return self.bucket.get(self._key(key))

    def remove(self, key: str) -> None:
        """Remove an object, if it is there."""
        self.remove_all([key])

    def remove_all(self, keys: Iterable[str]) -> None:
        """Remove objects, a thousand by a request."""
        self.bucket.remove([self._key(key) for key in keys])
        self._listing.forget()

    def size(self, key: str) -> int:
        """Return the bytes of an object, 0 where there is none."""
        entry = self._listing.entry(self._key(key))
        return 0 if entry is None else entry.n_bytes

    def record(self, key: str) -> FileRecord:
        """Read an object for what is known of it."""
        entry = self.bucket.head(self._key(key))
        if entry is None:
            return NO_FILE
        content = self.bucket.get(self._key(key))
        return FileRecord(len(content), checksum(content), stamp_of(entry.e_tag))

    def look_at(self, key: str, known: FileRecord, reads: Reads = "touched") -> Finding:
        """Compare an object with what is known of it: its bytes are read where its ETag is another one."""
        entry = self._listing.entry(self._key(key))
        if entry is None or known == NO_FILE:
            here, meant = entry is not None, known != NO_FILE
            if here == meant:
                return Finding()
            return Finding(
                "is missing" if meant else "should not be there: it is of a block that held nothing"
            )
        if entry.n_bytes != known.n_bytes:
            return Finding(f"has {entry.n_bytes:,} bytes, and had {known.n_bytes:,}")
        touched = known.mtime_ns not in (0, stamp_of(entry.e_tag))
        is_read = reads == "all" or (reads == "touched" and (touched or not entry.e_tag))
        if is_read and checksum(self.read(key)) != known.crc:
            return Finding("holds other bytes than were written")
        return Finding(touched=touched)

    def keys(self) -> Iterator[str]:
        """Yield the keys of all objects, without the prefix."""
        for entry in self.bucket.entries(self.prefix):
            yield entry.key.removeprefix(f"{self.prefix}/")

    def sync(self, keys: Iterable[str]) -> None:
        """Do nothing: a store that has answered has it."""

    def _key(self, key: str) -> str:
        return f"{self.prefix}/{key}"
