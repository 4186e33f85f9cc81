"""Several rasters on one grid, one behind the other along a dimension of their own, such as time."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from geopatcher.core.buffers import empty
from geopatcher.core.digests import digest_of
from geopatcher.core.leading import BAND, Dimension
from geopatcher.core.protocols import Versioned
from geopatcher.core.source_identity import digest_of_source, source_identity
from geopatcher.errors import SourceError
from geopatcher.fields.common_domain import domain_of
from geopatcher.fields.composed import Composed, LastRead
from geopatcher.fields.grids import same_crs, whole_shift
from geopatcher.fields.labels import names_along
from geopatcher.fields.mosaic import Mosaic, grid_of, sources_of
from geopatcher.fields.ranking import date_of, parsed_date
from geopatcher.fields.some_bands import some_bands

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from geopatcher.core.box import Box
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.leading import Leading
    from geopatcher.core.metadata import Metadata
    from geopatcher.core.protocols import Array, PixelSource
    from geopatcher.fields.grids import Grid
    from geopatcher.fields.mosaic import SceneLike

#: What lies along the dimension: ``"date"`` takes it from the tags of the rasters.
StackLabels: TypeAlias = "Sequence[str | int | float | date | np.generic] | NDArray[np.generic] | str"
#: Asks for the dates that rasters say of themselves.
FROM_TAGS = "date"
#: The dimension along which texts are dates.
TIME = "time"


class Series(Composed):
    """Rasters on one grid, the bands of one behind those of another; see `Stack`, which makes it."""

    def __init__(self, steps: Sequence[PixelSource], domain: RasterDomain) -> None:
        self._steps = tuple(steps)
        self.domain = domain
        self._last = LastRead()

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.domain.lengths))
        grid = f"{self.domain.height:,} x {self.domain.width:,} pixels"
        return f"{type(self).__name__}({shape} x {self.domain.dtype}, {grid})"

    @property
    def block_shape(self) -> tuple[int, int]:
        """As the first raster is stored."""
        return self._steps[0].block_shape

    @property
    def has_nodata(self) -> bool:
        """Whether pixels may be missing in one of them."""
        return any(step.has_nodata for step in self._steps)

    @property
    def name(self) -> str:
        """How many rasters, and which is the first."""
        return f"a stack of {len(self._steps)} raster(s), {self._steps[0].name} first"

    @property
    def members(self) -> Sequence[PixelSource]:
        """The rasters, in their order."""
        return self._steps

    def select_bands(self, bands: Sequence[int]) -> Series:
        """Return a source of some of its bands.

        Parameters
        ----------
        bands
            Their numbers over all rasters, counted from 0, in the order wanted.

        Returns
        -------
        PixelSource
            On the same grid; rasters of which none is wanted are not read. It has the dimension of the stack
            where the same bands of each raster are wanted.

        Raises
        ------
        ValueError
            A raster is of a kind of source of which bands cannot be chosen.

        """
        places = [(step, own) for step, whole in self._parts() for own in range(whole.stop - whole.start)]
        wanted = [places[band] for band in bands]
        runs = itertools.groupby(wanted, lambda place: id(place[0]))
        each = [[*run] for _, run in runs]
        picked = [some_bands(run[0][0], [own for _, own in run]) for run in each]
        return Series(picked, self.domain.of_bands(tuple(bands)))

    def _together(self, box: Box) -> tuple[Array, NDArray[np.bool_] | None]:
        """Read all rasters."""
        pixels = empty((self.domain.n_bands, *box.shape), self.domain.dtype)
        known: NDArray[np.bool_] | None = None
        reads = (partial(_fill, step, box, pixels[bands]) for step, bands in self._parts())
        for (_, bands), held in zip(self._parts(), self._each(reads), strict=True):
            if held is not None:
                known = np.ones(pixels.shape, np.bool_) if known is None else known
                known[bands] = held
        return pixels, known

    def identity(self) -> Mapping[str, str | int | float]:
        """Return which version it is of each raster.

        Returns
        -------
        dict
            An entry for each, and ``"unknown"`` where one cannot be known.

        Raises
        ------
        SourceError
            A raster is not what it was when this object was made.

        """
        known: dict[str, str | int | float] = {"rasters": len(self._steps)}
        for number, step in enumerate(self._steps, start=1):
            own = source_identity(step)
            if "unknown" in own:
                known["unknown"] = f"{step.name}: {own.pop('unknown')}"
            known[f"raster {number}"] = digest_of_source(own)
        return known

    def version(self) -> str:
        """Return a text that changes when a file of one of the rasters does.

        Returns
        -------
        str
            A digest of what each of them says.

        Raises
        ------
        SourceError
            A server does not answer.

        """
        return digest_of(*(step.version() for step in self._steps if isinstance(step, Versioned)))

    def _parts(self) -> Iterator[tuple[PixelSource, slice]]:
        """Yield each raster and its bands."""
        first = 0
        for step in self._steps:
            bands = slice(first, first + step.domain.n_bands)
            yield step, bands
            first = bands.stop


def _fill(step: PixelSource, box: Box, into: Array) -> NDArray[np.bool_] | None:
    """Put the pixels of a raster into an array, and return where integers hold data."""
    part = step.read(box)
    into[:] = part
    return None if into.dtype.kind == "f" else step.valid(box, part)


class Stack(Series):
    """Several rasters of one grid as one source with a dimension more: an operator sees all of them at once.

    It is given ``(time, bands, h, w)``, or ``(time, h, w)`` of rasters without bands, and may return any
    leading dimensions. The rasters are read one after the other, window by window, never whole.

    Parameters
    ----------
    scenes
        Paths, URLs, sources or fields, in the order wanted: of one grid, as many bands and the same dtype.
    dim
        What the dimension is called.
    labels
        What lies along it, one for each raster: numbers, texts or dates; along ``"time"`` texts are dates,
        too. ``"date"`` takes the dates that the tags of the rasters say. None by default.
    grid
        Puts all of them on these pixels, as `Mosaic` does: a `Grid`, a `RasterDomain`, or a path or source
        that lies on them. By default they have to be of the same grid.
    resampling
        How pixels are made where a raster is warped onto ``grid``; see `Mosaic`.

    Raises
    ------
    SourceError
        A raster cannot be opened, is of another grid or kind than the first, or does not say its date;
        names it.
    ValueError
        There are no rasters, or more or fewer labels, or a text along ``"time"`` is no date.
    TypeError
        A raster or a label is something else.

    Examples
    --------
    >>> import numpy as np, geopatcher
    >>> days = [np.full((2, 30, 40), day, "float32") for day in (1, 2, 6)]
    >>> scenes = [geopatcher.RasterField.from_array(day) for day in days]
    >>> stack = geopatcher.Stack(scenes, labels=["2024-01-03", "2024-01-08", "2024-01-13"])
    >>> result = geopatcher.reconstruct(stack, lambda patch: np.median(patch, axis=0), size=16)
    >>> result.array.shape, float(result.array.max())
    ((2, 30, 40), 2.0)

    """

    def __init__(
        self,
        scenes: Iterable[SceneLike],
        dim: str = TIME,
        labels: StackLabels | None = None,
        grid: Grid | RasterDomain | SceneLike | None = None,
        *,
        resampling: str | None = None,
    ) -> None:
        if isinstance(scenes, str | os.PathLike):
            raise TypeError(f"a stack is made of a list of rasters, such as [{os.fspath(scenes)!r}]")
        given = sources_of(scenes)
        if not given:
            raise ValueError("a stack is made of one raster at least, and there is none")
        along = Dimension(dim, len(given)) if labels is None else _labelled(dim, labels, given)
        if grid is None and resampling is not None:
            raise ValueError(f"resampling={resampling!r} says how pixels are made on another grid: give grid")
        if grid is None:
            _require_one_grid(given)
            steps: tuple[PixelSource, ...] = tuple(given)
        else:
            onto = grid_of(grid, given)
            steps = tuple(Mosaic([one], onto, resampling=resampling) for one in given)
        super().__init__(steps, _stacked(domain_of(steps, steps[0].domain), steps[0].domain, along))


def _labelled(dim: str, labels: StackLabels, scenes: Sequence[PixelSource]) -> Dimension:
    """Return the dimension with what lies along it."""
    if isinstance(labels, str):
        if labels != FROM_TAGS:
            raise TypeError(f'labels are a list, one for each raster, or "{FROM_TAGS}", not {labels!r}')
        labels = [date_of(scene) for scene in scenes]
    array = np.asarray(labels)
    if array.shape != (len(scenes),):
        raise ValueError(f"labels has {array.size} values for {len(scenes)} rasters: give one for each")
    if array.dtype.kind in "biufMm":
        return Dimension.of(dim, array)
    values = array.tolist()
    if dim == TIME and all(isinstance(value, str) for value in values):
        values = [parsed_date(str(value)) for value in values]
    if all(isinstance(value, date) for value in values):
        dates = [_utc(value) for value in values if isinstance(value, date)]
        return Dimension.of(dim, np.array(dates, "M8[us]"))
    return Dimension.of(dim, array)


def _utc(moment: date) -> datetime:
    """Return a date or a time without a zone, of UTC."""
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001 - as NumPy has it
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _require_one_grid(scenes: Sequence[PixelSource]) -> None:
    """Refuse rasters that do not lie on the pixels of the first one.

    Raises
    ------
    SourceError
        Names it, and what its grid is.

    """
    first = scenes[0].domain
    for scene in scenes[1:]:
        domain = scene.domain
        alike = same_crs(domain.crs, first.crs) and domain.grid_shape == first.grid_shape
        if not (alike and whole_shift(domain, first) == (0, 0)):
            raise SourceError(
                f"{scene.name} has {domain.height}x{domain.width} pixels within {domain.bounds}, and "
                f"{scenes[0].name} {first.height}x{first.width} within {first.bounds}: rasters of a stack "
                f"lie on one grid; grid=geopatcher.Grid(...) puts all of them on one (--to-crs, --resolution)"
            )


def _stacked(kind: RasterDomain, first: RasterDomain, along: Dimension) -> RasterDomain:
    """Return the domain of as many rasters of a kind as there are along a dimension."""
    n_steps, inner = along.length, first.leading
    if not inner and len(first.shape) == 3:
        named = first.band_names and first.band_names != tuple(f"b{n + 1}" for n in range(first.n_bands))
        inner = (Dimension.of(BAND, np.array(first.band_names)) if named else Dimension(BAND, first.n_bands),)
    leading: Leading = (along, *inner)
    n_bands = n_steps * first.n_bands
    metadata: Metadata = replace(kind.metadata, bands=kind.metadata.bands * n_steps)
    return replace(
        kind,
        shape=(n_bands, *kind.grid_shape),
        band_names=names_along(leading, n_bands),
        units=kind.units * n_steps,
        metadata=metadata,
        leading=leading,
    )
