"""The settings under which GDAL opens and reads for us: nothing it knows to be wrong is lost.

GDAL is set by variables of the environment and by options of `rasterio.Env`, and some of them, and some
of its defaults, make it go on after an error, with pixels that nobody has read:

- threads: since GDAL 3.10 a VRT reads its tiles in threads, which lose their errors; with
  ``GDAL_NUM_THREADS`` so do GeoTIFFs over HTTP. What is read side by side is read by our own threads.
- ``GTIFF_IGNORE_READ_ERRORS``, and JPEG files whose damage is a warning by default;
- a URL that failed once, and a body that came in half, are remembered until the process ends.

`PINNED` is therefore set whatever else is set, and `DEFAULTS` where nothing else is. `environment` does
that for one thread and puts back what was there. It also hears what GDAL says: an error that it signals
while a read "succeeds" is one. Messages that pass through it to the log are without secrets.
"""

from __future__ import annotations

import os
import re
import threading
import weakref
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import rasterio
from rasterio._env import del_gdal_config  # the counterpart of get and set; it has no public name
from rasterio._err import CPLE_BaseError  # what rasterio mostly, but not always, wraps; it has none either
from rasterio.env import get_gdal_config, getenv, hasenv, set_gdal_config
from rasterio.errors import RasterioError
from rasterio.session import DummySession

from geopatcher.errors import SourceAccessError, SourceError
from geopatcher.errors.redaction import redacted, scrub
from geopatcher.formats.cloud_variables import for_gdal
from geopatcher.formats.gdal_messages import ANSWER, config_secrets, hearing, hears_already
from geopatcher.formats.local_files import LOCAL_OPTIONS, is_elsewhere
from geopatcher.formats.rasterio_warnings import no_georeference_warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from rasterio.io import DatasetReader

    from geopatcher.formats.gdal_messages import Heard

#: What opening and reading raise.
#: A message of GDAL's that is no UTF-8 becomes an error of its own, in rasterio.
GDAL_ERRORS = (RasterioError, CPLE_BaseError, UnicodeError)

#: Drivers whose datasets are made of nothing but the file and what lies beside it.
WHOLE = ("GTiff",)

#: GDAL's default cache (5 % of the machine) buys nothing when strips are read once.
CACHE_BYTES = 16 << 20

#: Set whatever the environment and `rasterio.Env` say: with another value errors are lost.
PINNED = {
    "VRT_NUM_THREADS": "1",
    "GTI_NUM_THREADS": "1",
    "GDAL_NUM_THREADS": "1",
    "GTIFF_IGNORE_READ_ERRORS": "NO",
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "YES",
    # A truncated PNG that is read whole comes back with rows of zeros otherwise.
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",
    # What failed, or came in half, is asked for again when it is opened again.
    "CPL_VSIL_CURL_NON_CACHED": ":".join(
        f"/{name}{mark}"
        for name in ("vsicurl", "vsis3", "vsigs", "vsiaz", "vsiadls", "vsioss", "vsiswift")
        for mark in "/?"
    ),
}

#: Set where neither the environment nor `rasterio.Env` says anything: without them a server that accepts
#: connections and says nothing is waited for without end, and one 503 ends a run of hours.
DEFAULTS = {
    "GDAL_HTTP_CONNECTTIMEOUT": "10",  # seconds until a connection stands
    "GDAL_HTTP_LOW_SPEED_TIME": "30",  # seconds with fewer bytes than
    "GDAL_HTTP_LOW_SPEED_LIMIT": "100",  # bytes a second
    "GDAL_HTTP_MAX_RETRY": "3",  # after 429, 500, 502, 503, 504, or a connection that was lost
    "GDAL_HTTP_RETRY_DELAY": "0.5",  # seconds before the first of them, then about twice as long each
}

#: Answers of servers that will be the same again: what they mean, their codes, object stores' words for them.
_REFUSALS = (
    (
        "not authorised: check the credentials, and whether the signature of the address has expired",
        {401, 403, 407},
        re.compile(
            r"Access ?Denied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|AuthenticationFailed",
            re.IGNORECASE,
        ),
    ),
    (
        "it is not there: check the address",
        {404, 410},
        re.compile(
            r"NoSuchKey|NoSuchBucket|BlobNotFound|ContainerNotFound|key does not exist", re.IGNORECASE
        ),
    ),
)


_PIXEL = 'xOff="0" yOff="0" xSize="1" ySize="1"'
#: A mosaic of more tiles than GDAL keeps, at most 1,000 whatever GDAL_MAX_DATASET_POOL_SIZE says. Each is a
#: dataset given as text, so that nothing is opened.
_MANY_TILES = (
    '<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1">'
    + "".join(
        f"<SimpleSource><SourceFilename>"
        f"&lt;VRTDataset rasterXSize=&quot;1&quot; rasterYSize=&quot;1&quot;&gt;"
        f"&lt;VRTRasterBand dataType=&quot;Byte&quot;/&gt;&lt;!-- {number} --&gt;&lt;/VRTDataset&gt;"
        f"</SourceFilename><SourceBand>1</SourceBand><SourceProperties RasterXSize='1' RasterYSize='1' "
        f"DataType='Byte' BlockXSize='1' BlockYSize='1'/>"
        f"<SrcRect {_PIXEL}/><DstRect {_PIXEL}/></SimpleSource>"
        for number in range(1001)
    )
    + "</VRTRasterBand></VRTDataset>"
)


class _Cache:
    """GDAL's cache of blocks, one for the whole process: small while anyone of ours opens or reads.

    It is put back when the last of them is done, to what it was before the first; GDAL works its own
    default out once, from the memory of the machine, so that number is what is put back. While there are
    `KeptTiles` it is as large as these ask for, and is left so between reads: what does not fit is forgotten
    at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before = self._ours = CACHE_BYTES
        self._left: int | None = None
        #: Changed without the lock, which a thread may hold when it collects garbage.
        self._asked: dict[int, int] = {}

    def ask(self, key: int, n_bytes: int) -> None:
        self._asked[key] = n_bytes

    def release(self, key: int) -> None:
        self._asked.pop(key, None)
        if not self._asked and not self._users:
            self._put_back(self._left)

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                found = get_gdal_config("GDAL_CACHEMAX")
                self._before = self._before if found == self._left else found
                self._ours = max(CACHE_BYTES, 0, *list(self._asked.values()))
                set_gdal_config("GDAL_CACHEMAX", self._ours)

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                kept = self._asked and self._ours > self._before
                self._left = self._ours if kept else None
                self._put_back(None if kept else self._ours)

    def _put_back(self, ours: int | None) -> None:
        if ours is not None and get_gdal_config("GDAL_CACHEMAX") == ours:  # nobody else set it
            set_gdal_config("GDAL_CACHEMAX", self._before)

    def start_anew(self) -> None:
        """In a forked child nobody reads, and the lock may have been held."""
        self._lock = threading.Lock()
        if self._users:
            self._users = 0
            set_gdal_config("GDAL_CACHEMAX", self._before)


_CACHE = _Cache()
os.register_at_fork(after_in_child=_CACHE.start_anew)


class KeptTiles:
    """As long as this lives, GDAL keeps so many bytes of decoded blocks between reads of ours.

    For who reads the same blocks again and again: a block takes longer to decode than to copy. Pickled it
    asks for the same in another process.

    Parameters
    ----------
    n_bytes
        Of blocks in this process. Of several that ask, the one that asks for most gets it.

    """

    def __init__(self, n_bytes: int) -> None:
        self.n_bytes = n_bytes
        _CACHE.ask(id(self), n_bytes)
        weakref.finalize(self, _CACHE.release, id(self))

    def __reduce__(self) -> tuple[type[KeptTiles], tuple[int]]:
        return (KeptTiles, (self.n_bytes,))


def environment(**more: str) -> AbstractContextManager[Heard]:
    """Read as `PINNED` and `DEFAULTS` say in this thread, and with ``more`` options of GDAL.

    Everything is put back at the end. Gives what GDAL says meanwhile. One within another is the same.
    Options of the main thread are those of all threads that have none of their own (so it is in
    rasterio), for as long as it lasts.

    >>> with environment():
    ...     get_gdal_config("VRT_NUM_THREADS")
    1
    >>> get_gdal_config("VRT_NUM_THREADS") is None
    True
    """
    return _set(PINNED | more, DEFAULTS | for_gdal(os.environ))


def reading(path: str, driver: str, options: Mapping[str, str]) -> AbstractContextManager[Heard]:
    """Read an open dataset as in an `environment`, with ``options`` of GDAL; ``driver`` is the dataset's.

    What is elsewhere makes GDAL tell of requests, by their addresses: without an Env it would print it. Of a
    file of this machine that is all there is no server is asked: how servers are asked is left as it is,
    which spares half of what there is to set for each read.

    >>> with reading("a.tif", "GTiff", LOCAL_OPTIONS):
    ...     get_gdal_config("VRT_NUM_THREADS"), get_gdal_config("GDAL_HTTP_MAX_RETRY")
    (1, None)
    """
    if is_elsewhere(path):
        return opening(**options)
    if options is LOCAL_OPTIONS and driver in WHOLE:
        return _set(PINNED | options, {})
    return environment(**options)


@contextmanager
def _set(wanted: Mapping[str, str], asking: Mapping[str, str]) -> Iterator[Heard]:
    inner = hears_already()
    with nullcontext() if inner else _CACHE, _options(wanted, asking, inner=inner), hearing() as heard:
        yield heard


@contextmanager
def opening(**more: str) -> Iterator[Heard]:
    """Open, write or close as in an `environment`, where GDAL's messages go to the log.

    Without an `Env` of rasterio's GDAL would print them, addresses and all. What reads has no need of
    one, and making it takes longer than to read a tile.

    `rasterio.open` puts options of a user's `Env` back in force when it returns: what is read afterwards
    is read in an `environment` that begins then.
    """
    with environment(**more) as heard, nullcontext() if hasenv() else rasterio.Env(session=DummySession()):
        yield heard


@contextmanager
def _options(wanted: Mapping[str, str], asking: Mapping[str, str], *, inner: bool) -> Iterator[None]:
    """Set options of GDAL, and those of ``asking`` servers where nobody has set them; put them back.

    As rasterio does, in the main thread they are those of the process, in others of the thread. What a
    thread is told may be another's for a moment, so what is not its own is not kept when it is put back.
    """
    main = threading.current_thread() is threading.main_thread()
    own = getenv() if hasenv() else {}
    before: list[tuple[str, str | None]] = []
    try:
        for name, value in (*wanted.items(), *asking.items()):
            found = get_gdal_config(name, normalize=False)
            given = name not in wanted and found not in (None, value)
            if given or (found == value and (main or inner)):
                continue
            kept = found is not None and (name in own or (main and found != os.environ.get(name)))
            before.append((name, found if kept else None))
            set_gdal_config(name, value, normalize=False)
        yield
    finally:
        for name, found in reversed(before):
            if found is None:
                del_gdal_config(name)
            else:
                set_gdal_config(name, found, normalize=False)


def forget_tiles() -> None:
    """Have GDAL forget which tiles of mosaics it could not open.

    It keeps one list of the tiles that it used last, of all mosaics of the process, as long as any is open,
    whoever opened it. One that could not be opened stays in it, and is then read as missing, without an
    error: when the same mosaic is opened and read again, too. So the list is filled with others.
    """
    with opening(), no_georeference_warning(), rasterio.open(_MANY_TILES) as dataset:
        dataset.read(1)


@contextmanager
def foreign(name: str, box: object) -> Iterator[None]:
    """Let an object of other people's read ``box`` of itself in an `environment`: it may do so by GDAL.

    Raises
    ------
    SourceError
        GDAL cannot read, or says that pixels are damaged; errors of others are left as they are.

    """
    with environment() as heard:
        try:
            yield
            heard.require_sound()
        except GDAL_ERRORS as error:
            forget_tiles()
            raise failure(error, f"cannot read {name}, {box}") from error


@contextmanager
def opened(path: str | os.PathLike[str], doing: str = "") -> Iterator[DatasetReader]:
    """Give a raster of ours, opened and read in an `environment`; it is closed afterwards.

    ``doing`` begins the message of an error, such as ``"cannot read a.tif, rows 0:10"``. In a bucket nothing
    lies beside it, and nothing is looked for: rasterio would keep the interpreter meanwhile.

    Raises
    ------
    SourceError
        It cannot be opened or read, or GDAL says that its pixels are damaged.

    """
    alone = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"} if is_elsewhere(os.fspath(path)) else {}
    try:
        with opening(**alone), no_georeference_warning():
            dataset = rasterio.open(path)
        with environment(**alone) as heard, dataset:
            yield dataset
            heard.require_sound()
    except GDAL_ERRORS as error:
        raise failure(error, doing or f"cannot read {os.fspath(path)}", os.fspath(path)) from error


def failure(error: Exception, doing: str, *paths: str, answer: str = "") -> SourceError:
    """Return what is raised in the place of an error of GDAL's, which is freed of secrets.

    ``doing`` says what failed, such as ``"cannot open a.tif as a raster"``, and ``answer`` what a server
    said, where the error does not. An answer that will be the same again is a `SourceAccessError`.
    """
    secrets = config_secrets()
    why = "; ".join([*_chain(error), *([answer] if answer else [])])
    found = ANSWER.search(why)
    code = 0 if found is None else int(found[2])
    scrub(error, *paths, secrets=secrets)
    why = redacted(why, *paths, secrets=secrets)
    for meaning, its_codes, pattern in _REFUSALS:
        if code in its_codes or pattern.search(why):
            return SourceAccessError(f"{doing}: {meaning} ({why})")
    return SourceError(f"{doing}: {why}")


def _chain(error: BaseException) -> list[str]:
    """Return the messages of an error of rasterio's and of its causes, the one that says most first."""
    found: list[str] = []
    one: BaseException | None = error
    while one is not None:
        text = _of_text(one) if isinstance(one, UnicodeError) else str(one)
        if not text.startswith("Read failed. See previous") and not any(text in known for known in found):
            found.append(text)
        one = one.__cause__
    return found or [str(error)]


def _of_text(error: UnicodeError) -> str:
    """Return what to say of a text that rasterio cannot take or give."""
    if isinstance(error, UnicodeEncodeError):
        return f"its name is no UTF-8, by which alone files can be opened: rename it ({error.object!r})"
    if isinstance(error, UnicodeDecodeError):
        text = error.object.decode(errors="backslashreplace")
        return (
            f"a text in it (a tag, the name of a band or of a file it is made of) is no UTF-8: "
            f"{text!r:.200}. Write it anew in UTF-8, or take it out, such as by gdal_edit.py -unsetmd"
        )
    return str(error)
