"""A file in a bucket or on a web server, read in ranges: what libraries take that read from open files.

This module imports obstore, and is loaded by `geopatcher._optional.load` when it is needed.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

from obstore.exceptions import PreconditionError

from geopatcher.errors import SourceAccessError, SourceChangedError, SourceError
from geopatcher.errors.redaction import shown
from geopatcher.formats.opened_buckets import named, store_of
from geopatcher.formats.side_by_side import side_by_side
from geopatcher.formats.signing import SIGNED, renewing
from geopatcher.formats.traffic import TRAFFIC
from geopatcher.formats.urls import file_address
from geopatcher.formats.web_pages import page_instead_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from _typeshed import WriteableBuffer
    from obstore import GetOptions, ObjectMeta
    from obstore.store import ObjectStore as Store

    from geopatcher.formats.signing import Sign

#: Bytes that are fetched together, at least; metadata of HDF5 lie in many small pieces.
PAGE_BYTES = 64 << 10
#: Bytes of pages that are kept.
KEPT_BYTES = 8 << 20
#: Bytes that are fetched by requests at the same time, and by one of them, at most.
TOGETHER_BYTES, REQUEST_BYTES = 4 << 20, 512 << 10


class _Opened(NamedTuple):
    """A store, the key of the file in it, and how often its address had been signed."""

    store: Store
    key: str
    signed: int


class RemoteFile(io.RawIOBase):
    """A file at an address such as ``s3://bucket/era5/t2m.nc``, for reading.

    It travels as its address, its version, and the name of the function that gives ``credentials`` or the
    one that makes a signed address of it, ``sign``, and is opened anew where it arrives. One that has another
    version by then, or later, is an error. ``trouble`` is the last error: what calls this from C may raise
    another one in its place. Of a server nothing is asked but ranges: a signature may be for these only.

    Raises
    ------
    SourceAccessError
        From every method: it is not there, or not for us.
    SourceError
        It cannot be read, or has changed.

    """

    def __init__(
        self, path: str, credentials: str | None = None, sign: Sign | None = None, version: str = ""
    ) -> None:
        super().__init__()
        self.path, self.credentials, self.sign = path, credentials, sign
        if sign is not None:
            SIGNED.note(path, sign)
        self._version = version
        self._at = 0
        self._pages: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.RLock()
        self._opened: _Opened | None = None
        self.trouble: SourceError | None = None

    def __reduce__(self) -> tuple[type[RemoteFile], tuple[str, str | None, Sign | None, str]]:
        return (RemoteFile, (self.path, self.credentials, self.sign, self._version))

    def __repr__(self) -> str:
        return f"RemoteFile({str(self)!r})"

    def __str__(self) -> str:
        return shown(self.path)

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
        count = max(0, min(self._at + len(target), self.n_bytes) - self._at)
        self.read_spans([(self._at, target[:count])])
        self._at += count
        return count

    def read_spans(self, spans: Iterable[tuple[int, memoryview]]) -> None:
        """Fill buffers of bytes with what is at each place; pages are fetched by several requests at once.

        All of it must be within the file.
        """
        together: list[tuple[int, memoryview]] = []
        pages: set[int] = set()
        most = max(1, TOGETHER_BYTES // PAGE_BYTES)
        for start, target in spans:
            for done in range(0, len(target), TOGETHER_BYTES):
                piece = (start + done, target[done : done + TOGETHER_BYTES])
                wanted = _pages(*piece)
                if pages and len(pages.union(wanted)) > most:
                    self._copy(together, pages)
                    together, pages = [], set()
                together.append(piece)
                pages.update(wanted)
        if together:
            self._copy(together, pages)

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
        return _stamp(self._get(0, 1, {}, f"there is no file {self}: check the address")[0])

    @cached_property
    def _meta(self) -> ObjectMeta:
        """What the server says of it with its first bytes."""
        meta, start = self._get(0, PAGE_BYTES, {}, f"there is no file {self}: check the address")
        stamp = _stamp(meta)
        if self._version and self._version != stamp:
            raise self._failed(SourceChangedError(f"{self} has changed since it was opened: open it again"))
        self._version = stamp
        self._pages[0] = start
        return meta

    def _failed(self, error: SourceError) -> SourceError:
        self.trouble = error
        return error

    def _copy(self, spans: Sequence[tuple[int, memoryview]], wanted: set[int]) -> None:
        """Fill buffers; pages that are not there are fetched, those side by side by one request."""
        with self._lock:
            pages = {page: self._pages[page] for page in wanted if page in self._pages}
            side_by_side([partial(self._fetch, run, pages) for run in _runs(sorted(wanted - pages.keys()))])
            for page in sorted(wanted):
                self._pages[page] = pages[page]
                self._pages.move_to_end(page)
            while len(self._pages) * PAGE_BYTES > KEPT_BYTES:
                self._pages.popitem(last=False)
        for start, target in spans:
            first = _pages(start, target).start
            joined = b"".join(pages[page] for page in _pages(start, target))
            target[:] = joined[start - first * PAGE_BYTES :][: len(target)]

    def _fetch(self, run: range, into: dict[int, bytes]) -> None:
        """Fetch pages that lie side by side."""
        start, stop = run.start * PAGE_BYTES, min(run.stop * PAGE_BYTES, self.n_bytes)
        options: GetOptions = {}
        tag = self._meta["e_tag"]
        if tag and not tag.startswith("W/"):
            options["if_match"] = tag
        changed = f"{self} has changed while it was read: start again"
        meta, whole = self._get(start, stop, options, changed)
        if _stamp(meta) != self._version:  # some servers do not look at the condition
            raise self._failed(SourceChangedError(changed))
        for number, page in enumerate(run):
            into[page] = whole[number * PAGE_BYTES : (number + 1) * PAGE_BYTES]

    def _get(self, start: int, stop: int, options: GetOptions, gone: str) -> tuple[ObjectMeta, bytes]:
        """Return what the server says of the file, and a range of it as far as there is one.

        ``gone`` is what is said of a file that is not there.
        """
        doing = f"{self}, bytes {start}:{stop}"

        def once() -> tuple[ObjectMeta, bytes]:
            with named(doing, through=PreconditionError):
                store, key, _ = self._store()
                answer = store.get(key, options={**options, "range": (start, stop)})
                return answer.meta, answer.bytes().to_bytes()

        try:
            meta, content = renewing(self.path, once)
        except (PreconditionError, FileNotFoundError) as error:
            kind = SourceAccessError if not options else SourceChangedError
            raise self._failed(kind(gone)) from error
        except SourceAccessError as error:
            raise self._failed(error) from error
        except SourceError as error:
            page = page_instead_of(self.path)
            raise self._failed(SourceAccessError(f"cannot read {self}: {page}") if page else error) from error
        TRAFFIC.add(1, len(content))
        expected = min(stop, int(meta["size"])) - start
        if len(content) != expected:
            short = f"{self} gave {len(content)} bytes where {expected} were asked for, {start}:{stop}"
            raise self._failed(SourceError(short))
        return meta, content

    def _store(self) -> _Opened:
        """Return what is asked, by the signature that there is now."""
        address = SIGNED.of(self.path)
        count = SIGNED.count(self.path)
        if self._opened is None or self._opened.signed != count:
            found = file_address(address)
            if found is None:
                raise SourceError(
                    f"cannot read {self}: it is signed as an address that is none of a file at https://, "
                    f"s3://, gs:// or az://, {shown(address)}"
                )
            root = f"{found.root}?{found.query}" if found.query else found.root
            self._opened = _Opened(store_of(root, self.credentials), found.key, count)
        return self._opened


def _pages(start: int, target: memoryview) -> range:
    """Return the pages that a span lies in."""
    return range(start // PAGE_BYTES, -(-(start + len(target)) // PAGE_BYTES))


def _runs(pages: Sequence[int]) -> list[range]:
    """Return pages in order as runs of those side by side, none longer than one request may be."""
    most = max(1, REQUEST_BYTES // PAGE_BYTES)
    runs: list[range] = []
    for page in pages:
        if runs and runs[-1].stop == page and len(runs[-1]) < most:
            runs[-1] = range(runs[-1].start, page + 1)
        else:
            runs.append(range(page, page + 1))
    return runs


def _stamp(meta: ObjectMeta) -> str:
    return f"{meta['e_tag'] or meta['last_modified']} {meta['size']}"
