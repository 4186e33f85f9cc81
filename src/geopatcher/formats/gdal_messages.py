"""What GDAL says while it opens and reads, which is more than rasterio raises: it arrives as log records."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rasterio.env import get_gdal_config
from rasterio.errors import RasterioError

from geopatcher.errors.redaction import SECRET_VARIABLES, environment_secrets, redacted, secrets_in
from geopatcher.formats.aws_profiles import with_profile
from geopatcher.formats.traffic import TRAFFIC

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

#: Loggers by which rasterio passes on what GDAL says: while it opens, and while it reads.
OPENING, READING = "rasterio._env", "rasterio._err"
#: Others of its loggers, which name datasets by their address.
_OTHERS = (
    "_base",
    "_filepath",
    "_io",
    "_path",
    "_vsiopener",
    "_warp",
    "env",
    "io",
    "session",
    "shutil",
    "vrt",
)
#: So that what GDAL says reaches `_Listener`, whatever is logged.
_LOUDEST = 1

#: The function of rasterio's that is told of errors, not of warnings.
_SIGNALLING = ".chaining_error_handler"

_SIGNALLED = re.compile(r"^GDAL signalled an error: err_no=\d+, msg=(['\"])(.*)\1$", re.DOTALL)
#: Pixels outside of a projection are missing, not wrong.
_HARMLESS = re.compile(r"^PROJ: |[Tt]ransform|^Reprojection failed")
_DAMAGE = re.compile(r"Corrupt JPEG data|Premature end of JPEG|Invalid JPEG", re.IGNORECASE)
#: Files beside a raster that hold more than copies of it: a mask, a nodata value, a georeference.
_BESIDE = (".msk", ".aux.xml", ".tfw", ".tifw", ".wld")
ANSWER = re.compile(r"HTTP (?:response|error) code(?: on (\S+))?: (\d+)")
#: What is said of a range of bytes that was asked for: the readers of formats drop the answer.
_RANGE_ANSWER = re.compile(r"failed with response_code=(\d+)")


class Said(NamedTuple):
    """One message of GDAL's: by which logger it came, and what it says."""

    logger: str
    text: str


@dataclass
class Heard:
    """What GDAL said in one thread since it began to open or to read; ``of_mosaic`` if that is of tiles."""

    messages: list[Said] = field(default_factory=list)
    of_mosaic: bool = False

    @property
    def damage(self) -> str | None:
        """An error GDAL signalled while it read, or a warning that pixels are damaged."""
        for logger, text in self.messages:
            signalled = _SIGNALLED.match(text)
            if logger == READING and signalled is not None and not _HARMLESS.search(signalled[2]):
                return signalled[2]
            if _DAMAGE.search(text):
                return text.partition(":")[2]
        return None

    @property
    def unanswered(self) -> str | None:
        """What is said of a file beside a raster that a server could not tell of: GDAL takes it for absent.

        GDAL looks for some of them only when they are needed. That one is not there (404), or not for us
        (401, 403), is an answer.
        """
        for _, text in self.messages:
            found = ANSWER.search(text)
            if found is None or not found[1]:
                continue
            name, code = found[1].partition("?")[0], int(found[2])
            if (code in (0, 408, 429) or code >= 500) and name.lower().endswith(_BESIDE):
                how = f"HTTP {code}" if code else "the connection failed"
                return f"whether there is a file beside it could not be asked, {name}: {how}"
        return None

    @property
    def answer(self) -> str:
        """What a server answered instead of giving a range of bytes, ``""`` where nothing is said of that."""
        codes = [found[1] for _, text in self.messages if (found := _RANGE_ANSWER.search(text)) is not None]
        return f"HTTP response code: {codes[-1]}" if codes else ""

    def require_sound(self) -> None:
        """Raise what GDAL said, and went on: `damage`, or `unanswered`.

        Raises
        ------
        RasterioError
            There was something.

        """
        flaw = (self.damage or self.unanswered) if self.messages else None
        if flaw is not None:
            raise RasterioError(flaw)


class _Failures:
    """Counts the errors of GDAL's about tiles of mosaics, while GDAL holds its list of tiles locked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0

    def add(self) -> None:
        with self._lock:
            self.count += 1

    def start_anew(self) -> None:
        """In a forked child the lock may have been held."""
        self._lock = threading.Lock()


#: Of the whole process, as GDAL's list of tiles is; see `geopatcher.formats.turns`.
FAILURES = _Failures()
os.register_at_fork(after_in_child=FAILURES.start_anew)


class _Local(threading.local):
    """What one thread is in the middle of."""

    heard: tuple[Heard, ...] = ()  # of each `environment` within the other


_LOCAL = _Local()


class _Listener(logging.Filter):
    """Hears what GDAL says to a thread that opens or reads for us, and takes secrets out of it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass on what would be passed on without this filter, without its secrets."""
        logger = logging.getLogger(record.name)
        above = logger.parent
        passes = logger.level != _LOUDEST or above is None or record.levelno >= above.getEffectiveLevel()
        if not _LOCAL.heard:
            return passes
        if record.name in (OPENING, READING):
            TRAFFIC.hear(record.getMessage())
            if record.levelno >= logging.INFO:
                _note(Said(record.name, record.getMessage()))
        if passes:
            message = record.getMessage()
            plain = redacted(message, secrets=config_secrets())
            if plain != message:
                record.msg, record.args = plain, ()
        return passes


def _note(said: Said) -> None:
    """Let everyone in this thread who hears GDAL hear this."""
    for heard in _LOCAL.heard:
        heard.messages.append(said)
    if any(heard.of_mosaic for heard in _LOCAL.heard) and Heard([said]).damage is not None:
        FAILURES.add()


def _listen() -> None:
    listener = _Listener()
    for name in ("rasterio", OPENING, READING, *(f"rasterio.{other}" for other in _OTHERS)):
        logging.getLogger(name).addFilter(listener)
    for name in (OPENING, READING):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(_LOUDEST)


_listen()


class _Undecodable:
    """Hears errors whose text is no UTF-8, which rasterio fails to decode, inside a callback of C.

    There is nobody to raise that to, so Python prints it, and the read goes on, with pixels that nobody has
    read. What Python would print is given to `sys.unraisablehook`, and by Cython to `sys.excepthook`, which
    are ours while anyone of ours opens or reads; what is not GDAL's is passed on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._unraisable, self._uncaught = sys.unraisablehook, sys.excepthook

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._unraisable, self._uncaught = sys.unraisablehook, sys.excepthook
                sys.unraisablehook, sys.excepthook = self.hear, self.pass_on

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._put_back()

    def start_anew(self) -> None:
        """In a forked child nobody reads, and the lock may have been held."""
        self._lock = threading.Lock()
        if self._users:
            self._users = 0
            self._put_back()

    def _put_back(self) -> None:  # where nobody else has put theirs
        if sys.unraisablehook == self.hear:
            sys.unraisablehook = self._unraisable
        if sys.excepthook == self.pass_on:
            sys.excepthook = self._uncaught

    def hear(self, unraisable: sys.UnraisableHookArgs) -> None:
        """Take an error that rasterio could not decode for one GDAL signalled."""
        error, source = unraisable.exc_value, str(unraisable.object)
        if not (_LOCAL.heard and isinstance(error, UnicodeDecodeError) and source.startswith("rasterio.")):
            self._unraisable(unraisable)
        elif source.endswith(_SIGNALLING):
            text = error.object.decode(errors="backslashreplace")
            _note(Said(READING, f"GDAL signalled an error: err_no=0, msg='{text}'"))

    def pass_on(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Print what is uncaught, but for what `hear` is given, too."""
        if not (_LOCAL.heard and isinstance(error, UnicodeDecodeError)):
            self._uncaught(kind, error, trace)


_UNDECODABLE = _Undecodable()
os.register_at_fork(after_in_child=_UNDECODABLE.start_anew)


def config_secrets() -> frozenset[str]:
    """Return the secrets GDAL was given here, by the environment or by `rasterio.Env`."""
    texts = (get_gdal_config(name, normalize=False) for name in SECRET_VARIABLES)
    return environment_secrets(with_profile(os.environ)) | secrets_in(text for text in texts if text)


def hears_already() -> bool:
    """Whether this thread is within `hearing`."""
    return bool(_LOCAL.heard)


@contextmanager
def hearing() -> Iterator[Heard]:
    """Give what GDAL says in this thread as long as this lasts; one within another hears for both."""
    outside = _LOCAL.heard
    heard = Heard()
    _LOCAL.heard = (*outside, heard)
    try:
        with _UNDECODABLE:
            yield heard
    finally:
        _LOCAL.heard = outside
