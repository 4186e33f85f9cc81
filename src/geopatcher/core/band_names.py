"""Bands by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def bands_called(name: str, names: Sequence[str]) -> list[int]:
    """Return which bands (from 0) have a name, or else begin with it as a word, in letters of any case.

    >>> bands_called("b04", ("B02", "B04 red")), bands_called("red", ("B04 red",))
    ([1], [])
    """
    exactly = [at for at, known in enumerate(names) if known == name]
    word = name.casefold()
    return exactly or [at for at, known in enumerate(names) if known.casefold().split()[:1] == [word]]
