"""Tracebacks of one screen, for notebooks: the frames of people's own code, without those of this package."""

from __future__ import annotations

import traceback
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from traceback import FrameSummary

#: Where the frames that are left out come from.
PACKAGE = Path(__file__).resolve().parents[1]
#: Python's own library.
LIBRARY = Path(traceback.__file__).resolve().parent
#: How a notebook runs a cell, which is around every frame of it.
AROUND = "/IPython/core/"
#: Frames of one error that are shown; of more, the outermost and the innermost.
MOST_FRAMES = 8


def short_traceback(error: BaseException) -> list[str]:
    """Return the lines of an error behind those of what caused it, frames of this package left out.

    >>> try:
    ...     try:
    ...         1 / 0
    ...     except ZeroDivisionError as error:
    ...         raise ValueError("it failed") from error
    ... except ValueError as error:
    ...     lines = short_traceback(error)
    >>> [line for line in lines if line.endswith(("zero", "failed"))]
    ['ZeroDivisionError: division by zero', 'ValueError: it failed']
    """
    chain, one = [error], error.__cause__
    while one is not None and one not in chain:
        chain.append(one)
        one = one.__cause__
    lines: list[str] = []
    hidden = 0
    for each in reversed(chain):
        frames = traceback.extract_tb(each.__traceback__)
        own = _of_people(frames)
        hidden += len(frames) - len(own)
        own = [frame for frame in own if AROUND not in frame.filename]
        lines += [*_shown(own), *_text(traceback.format_exception_only(each)), ""]
    if hidden:
        lines.append(f"{hidden} frames of geopatcher are left out: traceback.print_last() shows them")
    return lines


def _of_people(frames: list[FrameSummary]) -> list[FrameSummary]:
    """Return the frames that are not ours, nor of Python's own library on the way from ours to ours."""
    places = [place for place, frame in enumerate(frames) if _is_ours(frame)]
    ours = set(places)
    for before, after in pairwise(places):
        between = range(before + 1, after)
        if all(_is_library(frames[place]) for place in between):
            ours.update(between)
    return [frame for place, frame in enumerate(frames) if place not in ours]


def _is_library(frame: FrameSummary) -> bool:
    place = Path(frame.filename)
    return place.is_relative_to(LIBRARY) and "site-packages" not in place.parts


def _is_ours(frame: FrameSummary) -> bool:
    return Path(frame.filename).is_relative_to(PACKAGE)


def _shown(frames: list[FrameSummary]) -> list[str]:
    if len(frames) <= MOST_FRAMES:
        return _text(traceback.format_list(frames))
    half = MOST_FRAMES // 2
    between = f"  ... {len(frames) - 2 * half} frames ..."
    first, last = traceback.format_list(frames[:half]), traceback.format_list(frames[-half:])
    return [*_text(first), between, *_text(last)]


def _text(parts: list[str]) -> list[str]:
    return "".join(parts).rstrip("\n").splitlines()
