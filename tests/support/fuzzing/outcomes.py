"""What may come of a call: the right answer, or an error raised on purpose."""

from __future__ import annotations

import linecache
import traceback
from dataclasses import dataclass
from pathlib import Path

import geopatcher
from geopatcher.errors import GeopatcherError, SourceError, TargetError

RIGHT, REFUSED, BELIEVED = "right", "refused", "believed"
#: Where the frames of our own code are.
SOURCES = Path(geopatcher.__file__).parents[1]
OURS = tuple(f"{SOURCES / name}/" for name in ("geopatcher", "geostack", "geotoolz"))


@dataclass(frozen=True)
class Outcome:
    """How a call ended; ``fault`` names what must not be, the same for all inputs that meet it."""

    word: str
    fault: str = ""
    detail: str = ""


class Wrong(Exception):  # noqa: N818 - an answer, not an error of the product
    """The answer is not the right one."""


def outcome_of(entry, call, names=()):
    """Call, and say how it ended; one of a source or target has to name one of ``names``."""
    try:
        return Outcome(call() or RIGHT)
    except Wrong as wrong:
        return Outcome("FAULT", f"{entry}: {wrong.args[0]}", str(wrong.args[1:]))
    except (GeopatcherError, ValueError) as error:
        if not on_purpose(error):
            return fault(entry, error)
        lacking = lacking_in(error, names)
        if lacking:
            return Outcome("FAULT", f"{entry}: an error {lacking} at {where(error)}", trace(error))
        return Outcome(REFUSED)
    except BaseException as error:  # noqa: BLE001 - this is what must not happen
        return fault(entry, error)


def lacking_in(error, names):
    """Say what an error of ours should tell, and does not."""
    if not str(error).strip():
        return "without words"
    is_of_file = isinstance(error, SourceError | TargetError)
    return (
        "that names no file" if names and is_of_file and not any(name in str(error) for name in names) else ""
    )


def fault(entry, error):
    """Return the outcome of an error nobody raised on purpose."""
    return Outcome("FAULT", f"{entry}: {type(error).__name__} at {where(error)}", trace(error))


def trace(error):
    """Return the end of a traceback."""
    return "".join(traceback.format_exception(error))[-4000:]


def on_purpose(error):
    """Whether the product raised an error by a ``raise`` of its own."""
    if isinstance(error, GeopatcherError):
        return True
    last = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(last.filename, last.lineno).strip()
    return last.filename.startswith(OURS) and line.startswith("raise")


def where(error):
    """Return the innermost place of ours in a traceback, and where it goes from there."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(OURS)]
    if not ours:
        return "no frame of ours"
    last = ours[-1]
    short = Path(last.filename).relative_to(SOURCES)
    beyond = "" if last is frames[-1] else f" (in {frames[-1].filename.rpartition('site-packages/')[2]})"
    return f"{short}:{last.name}{beyond}"


def worst(outcomes):
    """Return one outcome for several of the same input."""
    faults = [one for one in outcomes if one.word == "FAULT"]
    if faults:
        return faults[0]
    kinds = {one.word for one in outcomes}
    return Outcome(kinds.pop() if len(kinds) == 1 else "in part")
