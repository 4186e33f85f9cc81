"""A file from elsewhere, fetched whole: for what reads files of this machine only."""

from __future__ import annotations

import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from geopatcher.errors import SourceError

if TYPE_CHECKING:
    from geopatcher.formats.remote_file import RemoteFile

#: A longer file is not fetched, and so much of the disk is left free.
MOST_BYTES, FREE_BYTES = 8 << 30, 1 << 30
#: Bytes that are written at once.
PIECE_BYTES = 4 << 20


class FetchedFile:
    """A copy of a file elsewhere, in a folder for temporary files, as long as this lives.

    It travels as what it is fetched from, and is fetched again where the copy is not: another process of
    this machine reads the same one.
    """

    def __init__(self, file: RemoteFile, there: str = "") -> None:
        self._file, self._there = file, there
        self._lock = threading.Lock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __reduce__(self) -> tuple[type[FetchedFile], tuple[RemoteFile, str]]:
        return (FetchedFile, (self._file, self._there))

    @property
    def path(self) -> Path:
        """Where the copy is; it is fetched when it is first asked for.

        Raises
        ------
        SourceError
            It is too large, or cannot be fetched.

        """
        with self._lock:
            place = Path(self._there)
            if not (self._there and place.is_file() and place.stat().st_size == self._file.n_bytes):
                place = self._fetched()
                self._there = str(place)
            return place

    def _fetched(self) -> Path:
        n_bytes, name = self._file.n_bytes, Path(str(self._file)).name
        free = shutil.disk_usage(tempfile.gettempdir()).free
        most = min(MOST_BYTES, free - FREE_BYTES)
        if n_bytes > most:
            raise SourceError(
                f"{self._file} is fetched whole, and has {n_bytes:,} bytes, of which {max(0, most):,} at "
                f"most are fetched into {tempfile.gettempdir()} ({free:,} are free there, of which "
                f"{FREE_BYTES:,} are left): fetch it to a larger disk, or set TMPDIR to one"
            )
        self._folder = tempfile.TemporaryDirectory(prefix="geopatcher-")
        place = Path(self._folder.name, name)
        try:
            self._copy(place, n_bytes)
        except SourceError:
            raise
        except OSError as error:
            raise SourceError(f"cannot write a copy of {self._file} to {place}: {error}") from error
        return place

    def _copy(self, place: Path, n_bytes: int) -> None:
        with place.open("xb") as copy:
            for start in range(0, n_bytes, PIECE_BYTES):
                piece = bytearray(min(PIECE_BYTES, n_bytes - start))
                self._file.read_spans([(start, memoryview(piece))])
                copy.write(piece)
