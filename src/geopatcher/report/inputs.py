"""The raster a result was made from: given, or found where its ledger says it was."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.errors import GeopatcherError, SourceError
from geopatcher.fields.open import as_field
from geopatcher.fields.zarr_field import is_zarr
from geopatcher.formats.local_files import is_elsewhere
from geopatcher.inspect.arrays import RESULT, stored_rasters
from geopatcher.inspect.levels import raster_of
from geopatcher.inspect.meaning import meant
from geopatcher.inspect.styles import seen, style_of
from geopatcher.report.segments import Control

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geopatcher.core.box import Box
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array
    from geopatcher.fields.open import Source
    from geopatcher.inspect.levels import Raster
    from geopatcher.runs.ledger.book import Account

#: Bands of an input that a result is compared with: each of them is read at every border.
MAX_BANDS = 4


@dataclass(frozen=True)
class Origin:
    """Where a result says that it came from: ``places`` to look at, and which version of a file it was.

    ``bands`` are those that were read, from 0; empty for all. ``known`` has the size of the file and its
    time of change, where it is a file.
    """

    name: str
    places: tuple[Path, ...]
    bands: tuple[int, ...] = ()
    known: Mapping[str, int] | None = None

    @classmethod
    def of(cls, account: Account, result: Path | None) -> Origin | None:
        """Read the ledger of a result, which lies at no path in a bucket.

        ``None`` where it names nothing on this machine that could be opened again.
        """
        print_ = account.header.fingerprint
        name = print_.get("source.path")
        if not isinstance(name, str) or not name or is_elsewhere(name):
            return None
        told = account.header.how.get("source")
        beside = [] if result is None else [result.parent / Path(name).name]
        if result is not None and isinstance(told, str):
            beside.insert(0, result.parent / told)
        sizes = {
            key: value
            for key in ("size", "mtime_ns")
            if isinstance(value := print_.get(f"source.{key}"), int)
        }
        numbers = str(print_.get("source.bands", "")).split(",")
        bands = tuple(int(number) - 1 for number in numbers if number.isdecimal() and number != "0")
        return cls(name, (*beside, Path(name)), bands, sizes or None)

    def found(self) -> tuple[Path | None, str]:
        """Return where it is, or nothing and why."""
        there = [place for place in self.places if place.exists()]
        if not there:
            return None, f"the input {self.name} is not where it was: give it (--input)"
        same = [place for place in there if self._is(place)]
        if not same:
            return None, f"the input {there[0]} has changed since: give the one it was made from (--input)"
        return same[0], ""

    def _is(self, place: Path) -> bool:
        stat = place.stat()
        now = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
        return self.known is None or all(now[key] == value for key, value in self.known.items())


@dataclass(frozen=True)
class Input:
    """A raster a result was made from, on the same grid; ``bands`` are those that were read, from 0."""

    raster: Raster
    bands: tuple[int, ...]

    def control(self) -> Control:
        """Return what a result is compared with: bands that were read, of many a few spread over them."""
        chosen = self.bands
        if len(chosen) > MAX_BANDS:
            chosen = tuple(
                chosen[at] for at in np.linspace(0, len(chosen) - 1, MAX_BANDS).round().astype(int)
            )
        classes = style_of(self.raster, chosen[0], seen(self.raster, chosen[0])).classes
        labels = bool(classes) and len(chosen) == 1

        def read(box: Box) -> Array:
            return self.raster.read(box, chosen)

        return Control(read, labels)


def input_for(source: Source | None, origin: Origin | None, domain: RasterDomain) -> tuple[Input | None, str]:
    """Return the raster a result of ``domain`` was made from, or nothing and why.

    Raises
    ------
    SourceError
        A ``source`` that is given cannot be opened, or lies on another grid.

    """
    if source is not None:
        raster = input_raster(source, domain)
        read = origin.bands if origin is not None else ()
        return Input(raster, _bands(read, raster)), ""
    if origin is None:
        return None, ""
    place, why = origin.found()
    if place is None:
        return None, why
    try:
        raster = input_raster(str(place), domain)
    except (GeopatcherError, ValueError) as error:  # nobody asked for it: the result is shown without
        return None, f"not compared with the input: {error}"
    return Input(raster, _bands(origin.bands, raster)), ""


def input_raster(source: Source, domain: RasterDomain) -> Raster:
    """Open the raster a result was made from, to be shown beside it.

    Raises
    ------
    SourceError
        It lies on another grid than the result.

    """
    if isinstance(source, str | os.PathLike) and is_zarr(os.fspath(source)):
        raster = stored_rasters(Path(os.fspath(source)))[RESULT]
    else:
        raster = raster_of(as_field(source).source)
    if raster.domain.grid_shape != domain.grid_shape:
        found, wanted = (
            " x ".join(map(str, shape)) for shape in (raster.domain.grid_shape, domain.grid_shape)
        )
        raise SourceError(
            f"the input has {found} pixels and the result {wanted}: they are laid over each other pixel by "
            f"pixel, so give the raster the result was made from"
        )
    return meant(raster)


def _bands(read: Sequence[int], raster: Raster) -> tuple[int, ...]:
    """Return the bands that were read, as far as the raster has them; else all."""
    there = tuple(band for band in read if band < raster.domain.n_bands)
    return there or tuple(range(raster.domain.n_bands))
