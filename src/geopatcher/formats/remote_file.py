"""A file in a bucket or on a web server, read in ranges: what libraries take that read from open files.

This module imports obstore, and is loaded by `geopatcher._optional.load` when it is needed.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING

from obstore.exceptions import PreconditionError

from geopatcher.errors import SourceAccessError, SourceChangedError, SourceError
from geopatcher.formats.opened_buckets import named, store_of
from geopatcher.formats.traffic import TRAFFIC

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from obstore import GetOptions, ObjectMeta
    from obstore.store import ObjectStore as Store

#: Bytes that are fetched together, at least; metadata of HDF5 lie in many small pieces.
PAGE_BYTES = 64 << 10
#: Bytes of pages that are kept.
KEPT_BYTES = 8 << 20


class RemoteFile(io.RawIOBase):
    """A file at ``root/key``, such as ``s3://bucket`` and ``era5/t2m.nc``, for reading.

    It travels as its address, its version and the name of the function that gives ``credentials``, and is
    opened anew where it arrives. One that has another version by then, or later, is an error. ``trouble`` is
    the last error: what calls this from C may raise another one in its place.

    Raises
    ------
    SourceAccessError
        From every method: it is not there, or not for us.
    SourceError
        It cannot be read, or has changed.

    """

    def __init__(self, root: str, key: str, credentials: str | None = None, version: str = "") -> None:
        super().__init__()
        self.root, self.key, self.credentials = root, key, credentials
        self._version = version
        self._at = 0
        self._pages: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self.trouble: SourceError | None = None

    def __reduce__(self) -> tuple[type[RemoteFile], tuple[str, str, str | None, str]]:
        return (RemoteFile, (self.root, self.key, self.credentials, self._version))

    def __repr__(self) -> str:
        return f"RemoteFile({str(self)!r})"

    def __str__(self) -> str:
        return f"{self.root}/{self.key}"

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at}.get(whence)
        self._at = max(0, offset + (self.n_bytes if start is None else start))
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read as many bytes as there are, and as fit."""
        target = memoryview(buffer).cast("B")
        stop = min(self._at + len(target), self.n_bytes)
        count = max(0, stop - self._at)
        if count:
            target[:count] = self._bytes(self._at, stop)
        self._at += count
        return count

    @property
    def n_bytes(self) -> int:
        """How long it is."""
        return int(self._meta["size"])

    @property
    def working_bytes(self) -> int:
        """How many bytes of it are kept while it is read, at most."""
        return min(KEPT_BYTES, self.n_bytes)

    def stamp(self) -> str:
        """Return a text that changes when the file does, as its server says now."""
        return _stamp(self._head())

    @cached_property
    def _store(self) -> Store:
        return store_of(self.root, self.credentials)

    @cached_property
    def _meta(self) -> ObjectMeta:
        meta = self._head()
        stamp = _stamp(meta)
        if self._version and self._version != stamp:
            raise self._failed(SourceChangedError(f"{self} has changed since it was opened: open it again"))
        self._version = stamp
        return meta

    def _head(self) -> ObjectMeta:
        TRAFFIC.add(1)
        try:
            with named(str(self)):
                return self._store.head(self.key)
        except FileNotFoundError as error:
            raise self._failed(SourceAccessError(f"there is no file {self}: check the address")) from error
        except SourceError as error:
            raise self._failed(error) from error

    def _failed(self, error: SourceError) -> SourceError:
        self.trouble = error
        return error

    def _bytes(self, start: int, stop: int) -> bytes:
        """Return bytes; pages that are not there are fetched by one request for each run of them."""
        first, last = start // PAGE_BYTES, (stop - 1) // PAGE_BYTES
        with self._lock:
            pages = {page: self._pages[page] for page in range(first, last + 1) if page in self._pages}
            missing = [page for page in range(first, last + 1) if page not in pages]
            while missing:
                run = 1
                while run < len(missing) and missing[run] == missing[0] + run:
                    run += 1
                whole = self._fetched(missing[0] * PAGE_BYTES, (missing[run - 1] + 1) * PAGE_BYTES)
                for number, page in enumerate(missing[:run]):
                    pages[page] = whole[number * PAGE_BYTES : (number + 1) * PAGE_BYTES]
                missing = missing[run:]
            for page in range(first, last + 1):
                self._pages[page] = pages[page]
                self._pages.move_to_end(page)
            while len(self._pages) * PAGE_BYTES > KEPT_BYTES:
                self._pages.popitem(last=False)
        joined = b"".join(pages[page] for page in range(first, last + 1))
        return joined[start - first * PAGE_BYTES : stop - first * PAGE_BYTES]

    def _fetched(self, start: int, stop: int) -> bytes:
        stop = min(stop, self.n_bytes)
        options: GetOptions = {"range": (start, stop)}
        tag = self._meta["e_tag"]
        if tag and not tag.startswith("W/"):
            options["if_match"] = tag
        try:
            with named(f"{self}, bytes {start}:{stop}", through=PreconditionError):
                content = self._store.get(self.key, options=options).bytes().to_bytes()
        except (PreconditionError, FileNotFoundError) as error:
            changed = SourceChangedError(f"{self} has changed while it was read: start again")
            raise self._failed(changed) from error
        except SourceError as error:
            raise self._failed(error) from error
        TRAFFIC.add(1, len(content))
        if len(content) != stop - start:
            short = f"{self} gave {len(content)} bytes where {stop - start} were asked for, {start}:{stop}"
            raise self._failed(SourceError(short))
        return content


def _stamp(meta: ObjectMeta) -> str:
    return f"{meta['e_tag'] or meta['last_modified']} {meta['size']}"
