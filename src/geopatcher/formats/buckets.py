"""Objects in a bucket: put, put only where there is none, swapped by their ETag, listed and removed.

This module imports obstore, and is loaded by `geopatcher._optional.load` when it is needed.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from obstore.exceptions import AlreadyExistsError, PreconditionError

from geopatcher.errors import TargetError
from geopatcher.formats.opened_buckets import named, store_of
from geopatcher.formats.traffic import TRAFFIC

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from obstore import PutMode, UpdateVersion
    from obstore.exceptions import BaseError
    from obstore.store import ObjectStore as Store

#: How often an object is put whose answer was lost, and seconds in between.
TRIES, PAUSE_S = 3, 0.5
#: Pieces of one object that are read at once.
PIECES_AT_ONCE = 4
#: Objects that are listed, or removed, by one request.
AT_ONCE = 1000


class Entry(NamedTuple):
    """An object: its key, its bytes, its ETag (``""`` where the store gives none), and when it was put."""

    key: str
    n_bytes: int
    e_tag: str
    modified: dt.datetime


@dataclass(frozen=True)
class Bucket:
    """A bucket, ``s3://bucket``, with the credentials of the environment it is used in.

    It pickles as its address, and as the name of the function that gives ``credentials``. Several threads may
    use it at once.

    Raises
    ------
    TargetError
        From every method: the store does not answer, or does not let us; names the object, and no secret.

    """

    root: str
    credentials: str | None = None

    @cached_property
    def _store(self) -> Store:
        return store_of(self.root, self.credentials)

    def __reduce__(self) -> tuple[type[Bucket], tuple[str, str | None]]:
        return (Bucket, (self.root, self.credentials))

    def _named(
        self, key: str, doing: str, through: type[BaseError] | tuple[()] = ()
    ) -> AbstractContextManager[None]:
        return named(f"{self.root}/{key}", doing, TargetError, TargetError, through)

    def get(self, key: str) -> bytes:
        """Return an object.

        Raises
        ------
        FileNotFoundError
            There is none.

        """
        with self._named(key, "read"):
            content = self._store.get(key).bytes().to_bytes()
        TRAFFIC.add(1, len(content))
        return content

    def head(self, key: str) -> Entry | None:
        """Return what is known of an object, ``None`` where there is none."""
        TRAFFIC.add(1)
        with self._named(key, "read"), suppress(FileNotFoundError):
            meta = self._store.head(key)
            return Entry(key, meta["size"], meta["e_tag"] or "", meta["last_modified"])
        return None

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Yield all objects whose keys begin with ``prefix/``."""
        with self._named(prefix, "list"):
            for entries in self._store.list(prefix, chunk_size=AT_ONCE):
                TRAFFIC.add(1)
                for each in entries:
                    yield Entry(each["path"], each["size"], each["e_tag"] or "", each["last_modified"])

    def put(self, key: str, content: bytes | memoryview) -> str:
        """Put an object, in place of one that is there; return its ETag."""
        with self._named(key, "write"):
            return self._put(key, content, "overwrite")

    def put_new(self, key: str, content: bytes | memoryview) -> str | None:
        """Put an object where there is none; return its ETag, ``None`` where there is another one.

        One with the same bytes is as good: an answer that was lost may have been that it was put.
        """
        for tries_left in reversed(range(TRIES)):
            try:
                with self._named(key, "write", AlreadyExistsError):
                    return self._put(key, content, "create")
            except AlreadyExistsError:
                return self._same(key, content)
            except TargetError:
                if not tries_left:
                    raise
                time.sleep(PAUSE_S)
        return None

    def swap(self, key: str, content: bytes, e_tag: str) -> str | None:
        """Put an object in place of the one that has an ETag; return its own, ``None`` where that is gone."""
        try:
            with self._named(key, "write", PreconditionError):
                return self._put(key, content, self._version(key, e_tag))
        except (PreconditionError, FileNotFoundError):
            return self._same(key, content)  # an answer that was lost may have been that it was put

    def send(self, key: str, parts: Iterable[bytes], part_bytes: int, at_once: int) -> str:
        """Put a large object in parts of ``part_bytes``, the last one shorter; return its ETag.

        It is there when all of it is, in place of one that was there. An upload that ends early is aborted,
        and so is one whose ``parts`` raise, which is then raised here.

        Raises
        ------
        FileNotFoundError
            The store does not know the upload any more: it was aborted, or completed and nobody heard of it.

        """
        with self._named(key, "write"):
            put = self._store.put(
                key,
                _counted(parts),
                mode="overwrite",
                use_multipart=True,
                chunk_size=part_bytes,
                max_concurrency=at_once,
            )
        return put["e_tag"] or ""

    def pieces(self, key: str, n_bytes: int, piece_bytes: int) -> Iterator[bytes]:
        """Yield the bytes of an object of ``n_bytes``, so many at a time; several are asked for at once.

        Raises
        ------
        FileNotFoundError
            There is none.

        """

        def read(start: int) -> bytes:
            with self._named(key, "read"):
                content = self._store.get_range(key, start=start, end=min(start + piece_bytes, n_bytes))
            TRAFFIC.add(1, len(content))
            return content.to_bytes()

        with ThreadPoolExecutor(PIECES_AT_ONCE, "geopatcher-pieces") as pool:
            waiting: deque[Future[bytes]] = deque()
            for start in range(0, n_bytes, piece_bytes):
                waiting.append(pool.submit(read, start))
                if len(waiting) == PIECES_AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def remove(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are passed over."""
        waiting = list(keys)
        for start in range(0, len(waiting), AT_ONCE):
            part = waiting[start : start + AT_ONCE]
            TRAFFIC.add(1)
            with self._named(part[0], "remove"):
                try:
                    self._store.delete(part)
                except FileNotFoundError:  # some stores say so, and leave the others
                    self._one_by_one(part)

    def _one_by_one(self, keys: list[str]) -> None:
        for key in keys:
            with suppress(FileNotFoundError):
                self._store.delete(key)

    def _put(self, key: str, content: bytes | memoryview, mode: PutMode) -> str:
        TRAFFIC.add(1)
        return self._store.put(key, bytes(content), mode=mode, use_multipart=False)["e_tag"] or ""

    def _version(self, key: str, e_tag: str) -> UpdateVersion:
        """Return what an object is to be replaced by its store if it is the one that has an ETag.

        Google counts versions instead, and is asked which one that is.

        Raises
        ------
        FileNotFoundError
            There is none, or another one.

        """
        if not self.root.startswith("gs://"):
            return {"e_tag": e_tag}
        TRAFFIC.add(1)
        found = self._store.head(key)
        if (found["e_tag"] or "") != e_tag:
            raise FileNotFoundError(key)
        return {"e_tag": e_tag, "version": found["version"]}

    def _same(self, key: str, content: bytes | memoryview) -> str | None:
        """Return the ETag of an object if it has these bytes."""
        found = self.head(key)
        with suppress(FileNotFoundError):
            if found is not None and found.n_bytes == len(content) and self.get(key) == bytes(content):
                return found.e_tag
        return None


def _counted(parts: Iterable[bytes]) -> Iterator[bytes]:
    for part in parts:
        TRAFFIC.add(1)
        yield part
