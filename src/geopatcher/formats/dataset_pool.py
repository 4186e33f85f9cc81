"""Open GDAL datasets, lent to one thread at a time and kept warm between reads."""

from __future__ import annotations

import atexit
import os
import threading
from collections import OrderedDict
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import rasterio
from rasterio.windows import Window

from geopatcher.errors import SourceAccessError, SourceError
from geopatcher.errors.redaction import shown
from geopatcher.formats.asking import Answers
from geopatcher.formats.doors import Doors
from geopatcher.formats.first_look import look_first
from geopatcher.formats.gdal_environment import GDAL_ERRORS, failure, forget_tiles, opening, reading
from geopatcher.formats.heads import HEADS, or_page
from geopatcher.formats.http_requests import presence
from geopatcher.formats.known_paths import KnownPaths, Version
from geopatcher.formats.local_files import is_elsewhere, left_out, options_for
from geopatcher.formats.rasterio_warnings import no_georeference_warning
from geopatcher.formats.sidecars import is_signed_tiff, lost_beside, not_found
from geopatcher.formats.signing import SIGNED, renewing
from geopatcher.formats.turns import Turns
from geopatcher.formats.urls import (
    ASKED,
    BESIDE,
    INGESTED,
    LESS_ASKED,
    LONE,
    NOT_KEPT,
    ONLY_SUCH,
    TOLD,
    beside_url,
    besides,
    chosen_by_user,
    endings_found,
    endings_of,
    kept_with,
    with_less,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from rasterio.io import DatasetReader

    Door = Callable[[str], AbstractContextManager[None]]
    _Opened = tuple[DatasetReader, tuple[str, ...] | None]

#: Idle datasets kept open: closing one drops GDAL's block cache and costs ~100 warm reads. As many may be in
#: use at once for one raster elsewhere.
MAX_IDLE = 32
#: Drivers of datasets that are made of others.
MOSAICS = ("VRT", "GTI", "STACIT")
#: Options of GDAL under which it looks for no files beside the tiles of a mosaic.
TILES_ALONE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}


class HandlePool:
    """Lends dataset handles; a handle is never in two hands at once.

    GDAL handles are not thread-safe, so each borrower gets its own. Idle ones are kept up to
    ``max_idle``, least recently used closed first; one whose file has changed is not lent again.
    Pickles as an empty pool, and is empty in a forked child, whose reads would otherwise move the
    parent's place in the file.
    """

    def __init__(self, max_idle: int = MAX_IDLE) -> None:
        self._max_idle = max_idle
        self._lock = threading.Lock()
        self._idle: OrderedDict[int, tuple[Version, DatasetReader]] = OrderedDict()
        self._turns = Turns(self._forget_tiles)
        self._answers = Answers()
        self._doors = Doors()
        self._known = KnownPaths()

    @property
    def failures(self) -> int:
        """How often a tile of a mosaic could not be read: what was read while this grew may lack it."""
        return self._turns.failures

    @contextmanager
    def borrow(self, path: str, doing: str = "", window: Window | None = None) -> Iterator[DatasetReader]:
        """Give a dataset for ``path``, to be read in an `environment`; it returns to the pool afterwards.

        ``doing`` begins the message of an error, such as ``"cannot read a.tif, rows 0:10"``; ``window`` is
        what is going to be read.

        Raises
        ------
        SourceError
            The file is missing, unreadable, damaged or not a raster, or what is read of it.
        SourceAccessError
            A server says that it is not there, or not for us.

        """
        with self._turns.turn():
            yield from self._lent(path, doing or f"cannot read {shown(path)}", window, self._doors.reading)

    def _lent(self, path: str, doing: str, window: Window | None, door: Door) -> Iterator[DatasetReader]:
        SIGNED.of(path)
        version = self._known.version(path)
        options = self._options(path, version)
        dataset = self._take(version) or renewing(path, partial(self._open, path, options))
        more = HEADS.options(path)
        with reading(path, dataset.driver, {**options, **more} if more else options) as heard:
            heard.of_mosaic = dataset.driver in MOSAICS
            try:
                with door(path):
                    yield dataset
                heard.require_sound()
            except GDAL_ERRORS as error:
                address = dataset.name
                dataset.close()
                self._forget_bytes(path, address)
                failed = failure(error, doing, path, address, SIGNED.of(path), answer=heard.answer)
                if heard.of_mosaic and window is not None and isinstance(failed, SourceAccessError):
                    raise self._of_a_tile(path, failed, doing, window) from error
                if SIGNED.count(path) != version.signature:  # by who read another piece, when it had expired
                    raise SourceAccessError(f"{doing}: its signature was renewed meanwhile") from error
                raise self._refused(path, failed, doing) or failed from error
            except BaseException:
                dataset.close()  # its state is unknown after an error
                raise
        self._give_back(version, dataset)

    @contextmanager
    def look_at(self, path: str) -> Iterator[DatasetReader]:
        """Give a dataset as `borrow` does, of which no pixel is read: metadata may make GDAL print.

        Nobody else reads of it meanwhile.
        """
        with opening(), self._turns.turn():
            yield from self._lent(path, f"cannot read {shown(path)}", None, self._doors.opening)

    def close(self) -> None:
        """Close every idle dataset, and forget what was kept of those elsewhere."""
        for path in self.end():
            self._forget_bytes(path)
        self._known.clear()

    def end(self) -> set[str]:
        """Close every idle dataset, and return their paths."""
        with self._lock:
            idle = [*self._idle.values()]
            self._idle.clear()
        _close([dataset for _, dataset in idle])
        return {known.path for known, _ in idle}

    def _options(self, path: str, version: Version) -> Mapping[str, str]:
        """Return the options of GDAL to open and read with."""
        endings = self._known.beside(path)
        if endings is not None:
            return kept_with(path, endings)
        if not chosen_by_user() and is_signed_tiff(path):
            return ASKED
        return options_for(path, version.size, version.mtime_ns) or beside_url(path)

    def prepare(self, path: str, number: int) -> None:
        """Open as many datasets of a file elsewhere as will be read of at once, where it was not read of yet.

        One that is opened later waits for those who read by then, and its own read comes after theirs. So who
        comes when that is done does not even ask to open: it would wait for what others are fetching.

        Raises
        ------
        SourceError, SourceAccessError
            See `borrow`.

        """
        if self._known.is_prepared(path):
            return
        with self._turns.turn(), self._doors.opening(path):
            if self._known.is_prepared(path):
                return
            version = self._known.version(path)
            with self._lock:
                known = sum(held == version for held, _ in self._idle.values())
                room = self._max_idle - len(self._idle)
            self._known.note_prepared(path)
            for _ in range(min(number - known, room)):
                opened = renewing(path, partial(self._open, path, self._options(path, version)))
                self._give_back(self._known.version(path), opened)

    def is_lone(self, path: str) -> bool:
        """Whether a file elsewhere was found to have none beside it when it was opened."""
        return self._known.beside(path) == ()

    def is_kept(self, path: str) -> bool:
        """Whether datasets of a path are kept, or what a server sent: they may be of another version."""
        with self._lock:
            return path in self._known or any(known.path == path for known, _ in self._idle.values())

    def since(self, path: str) -> int:
        """Return a number that changes when a path is dropped."""
        return self._known.since(path)

    def drop(self, path: str, *, is_same: bool = False) -> None:
        """Have a path opened anew: idle datasets of it are closed, and others when they come back.

        Beside a file that ``is_same`` all has to be there that was there.
        """
        is_kept = self.is_kept(path)
        endings = self._known.forget(path, is_same=is_same) or ()
        with self._lock:
            keys = [key for key, (known, _) in self._idle.items() if known.path == path]
            datasets = [self._idle.pop(key)[1] for key in keys]
        _close(datasets)
        if is_kept:  # else a server would be asked for nothing
            self._forget_bytes(path, endings=endings)

    def forget(self) -> None:
        """Start anew, as in a forked child: its parent may have held the lock, and shares the files."""
        self._lock = threading.Lock()
        self._idle = OrderedDict()
        self._turns = Turns(self._forget_tiles)
        self._answers = Answers()
        self._doors = Doors()
        self._known = KnownPaths()

    def _forget_tiles(self) -> None:
        self.close()
        forget_tiles()

    def _take(self, version: Version) -> DatasetReader | None:
        with self._lock:
            for key, (known, dataset) in reversed(self._idle.items()):
                if known == version:
                    del self._idle[key]
                    return dataset
        return None

    def _open(self, path: str, options: Mapping[str, str]) -> DatasetReader:
        beside = besides(path) if ONLY_SUCH in options and NOT_KEPT not in options else {}
        dataset, endings, there = self._opened_as_if_alone(path, beside) if beside else (None, (), ())
        if dataset is None:
            dataset, endings = self._opened(path, options, there)
        if endings is not None:  # and every question what lies beside it was answered
            self._known.note(path, endings)
        return dataset

    def _opened_as_if_alone(
        self, path: str, beside: Mapping[str, str]
    ) -> tuple[DatasetReader | None, tuple[str, ...] | None, Sequence[str]]:
        """Open a file by itself while its server is asked for those beside it; none where it has some.

        The last are endings of those that there are for sure.
        """
        with presence([*beside.values()]) as found:
            dataset, endings = self._opened(path, LONE)
            known = dict(zip(beside, found(), strict=True))
        if set(known.values()) == {False}:
            return dataset, endings, ()
        _close([dataset])
        return None, (), [ending for ending, is_there in known.items() if is_there]

    def _opened(self, path: str, options: Mapping[str, str], there: Sequence[str] = ()) -> _Opened:
        """Open a file; what lies beside it, by endings, ``None`` where that does not say all.

        What is ``there`` has to be found by GDAL, too, which takes for absent what fails.
        """
        doing, address = f"cannot open {shown(path)} as a raster", SIGNED.of(path)
        asked = options is ASKED or options is LESS_ASKED
        is_known = NOT_KEPT in options and not asked  # what lies beside it
        try:
            asking = opening(**options, **HEADS.options(path))
            with self._doors.opening(path), asking as heard, no_georeference_warning():
                dataset = rasterio.open(address)
                endings = endings_found(dataset, options)
                if is_elsewhere(path):  # each read asks for them, and then nobody needs to wait
                    look_first(dataset)
        except GDAL_ERRORS as error:
            self._forget_bytes(path, address)
            failed = failure(error, doing, path, address)
            if HEADS.are_refused(path, failed):
                return self._opened(path, options, there)
            if INGESTED in options and not isinstance(failed, SourceAccessError):
                return self._opened(path, with_less(options), there)
            raise or_page(failed, doing, path) from error
        lost = heard.unanswered or left_out(path, dataset) or not_found(path, there, endings)
        if lost is None and asked:
            lost = lost_beside(path)
        if lost is not None:
            _close([dataset])
            self._forget_bytes(path, address, BESIDE)  # which GDAL takes for missing now
            raise SourceError(f"{doing}: {lost}")
        if is_known and endings != endings_of(options):
            _close([dataset])
            self.drop(path)
            gone = ", ".join(endings_of(options))
            raise SourceError(f"{doing}: {gone} beside it was there and is there no more: open it again")
        return dataset, endings

    def _forget_bytes(self, path: str, address: str | None = None, endings: Sequence[str] = ()) -> None:
        """Have GDAL forget what it keeps of a file elsewhere: what failed, came in half, or is of old.

        It is kept by the ``address`` that was opened, whose signature may have been renewed since. So are the
        files beside it, with these ``endings`` or those that are known.

        It does when a file is closed that it was not to keep anything of. It may be asked for once more.
        """
        if not is_elsewhere(path) or not (beside_url(path) or is_signed_tiff(path)):
            return
        for ending in ("", *(endings or self._known.beside(path) or ())):
            with (
                self._doors.opening(path),
                suppress(*GDAL_ERRORS),
                opening(**TILES_ALONE, **TOLD, **HEADS.options(path)),
                no_georeference_warning(),
            ):
                rasterio.open((address or SIGNED.of(path)) + ending).close()

    def _refused(self, path: str, failed: SourceError, doing: str) -> SourceAccessError | None:
        """Ask a server again why it no longer gives bytes: GDAL's readers drop its answer."""
        if isinstance(failed, SourceAccessError) or not is_elsewhere(path):
            return None
        refusal = self._answers.of(path, partial(self._refusal, path))
        return SourceAccessError(f"{doing}: {refusal}") if refusal else None

    def _refusal(self, path: str) -> str:
        """Return how a server refuses a file, ``""`` where it does not, or nothing is said of that."""
        try:
            with self._open(path, {}) as dataset, opening() as heard, self._doors.reading(path):
                dataset.read(1, window=Window(0, 0, 1, 1))
        except SourceAccessError as refusal:
            return str(refusal)
        except GDAL_ERRORS as error:
            again = failure(error, f"asking {shown(path)} again", path, SIGNED.of(path), answer=heard.answer)
            return str(again) if isinstance(again, SourceAccessError) else ""
        except SourceError:
            return ""
        return ""

    def _of_a_tile(self, path: str, failed: SourceError, doing: str, window: Window) -> SourceError:
        """Ask again for the tiles of a mosaic alone, whether they are refused.

        A refusal may have been that of a file beside a tile, which there need not be: GDAL 3.12 raises it in
        the place of what became of the tile.
        """
        try:
            with self._open(path, TILES_ALONE) as dataset, opening(**TILES_ALONE) as heard:
                with self._doors.reading(path):
                    dataset.read(1, window=window)
                heard.require_sound()
        except SourceAccessError:
            return failed
        except GDAL_ERRORS as error:
            return failure(error, doing, path, SIGNED.of(path), answer=heard.answer)
        except SourceError as again:
            return again
        return SourceError(f"{doing}: a server gave a tile only when it was asked again")

    def _give_back(self, version: Version, dataset: DatasetReader) -> None:
        if version.since != self._known.since(version.path):  # it was dropped while it was lent
            _close([dataset])
            self._forget_bytes(version.path)
            return
        with self._lock:
            self._idle[id(dataset)] = (version, dataset)
            stale = [
                key
                for key, (known, _) in self._idle.items()
                if known.path == version.path and known != version
            ]
            surplus = [self._idle.pop(key) for key in stale]
            surplus += [self._idle.popitem(last=False)[1] for _ in range(len(self._idle) - self._max_idle)]
            left = {known.path for known, _ in self._idle.values()}
        _close([dataset for _, dataset in surplus])
        for gone in {known.path for known, _ in surplus} - left:
            self._forget_bytes(gone)

    def __reduce__(self) -> tuple[type[HandlePool], tuple[int]]:
        return (HandlePool, (self._max_idle,))


def _close(datasets: list[DatasetReader]) -> None:
    """Close datasets; what is logged of it names them by their address."""
    if datasets:
        with opening():
            for dataset in datasets:
                dataset.close()


#: Shared by every field of the process, so that many fields together stay bounded.
POOL = HandlePool()
# A handle that outlives the interpreter makes rasterio 1.5 complain on stderr.
atexit.register(POOL.end)
os.register_at_fork(after_in_child=POOL.forget)
