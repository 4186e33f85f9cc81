"""Bands of several rasters as one raster of all of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from geopatcher.core.buffers import empty
from geopatcher.core.metadata import BandMetadata, Metadata
from geopatcher.errors import SourceError
from geopatcher.fields.aligned import Aligned
from geopatcher.fields.composed import Composed, LastRead
from geopatcher.fields.mosaic import grid_of, sources_of
from geopatcher.fields.placing import placed_on
from geopatcher.fields.some_bands import some_bands
from geopatcher.fields.warping import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from geopatcher.core.blocks_below import BlocksBelow
    from geopatcher.core.box import Box
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import Array, PixelSource
    from geopatcher.fields.aligned import Placed
    from geopatcher.fields.grids import Grid
    from geopatcher.fields.mosaic import SceneLike


@dataclass(frozen=True, eq=False, repr=False)
class Stacked(Composed):
    """Rasters on one grid, the bands of one behind those of another; see `BandStack`, which makes it."""

    aligned: Aligned
    domain: RasterDomain
    _last: LastRead = field(default_factory=LastRead, init=False)

    def __repr__(self) -> str:
        grid = f"{self.domain.height:,} x {self.domain.width:,} pixels"
        return f"{type(self).__name__}({self.domain.n_bands} bands, {grid})"

    @property
    def block_shape(self) -> tuple[int, int]:
        """``(height, width)`` for which blocks of all are read once, as far as there is such a size."""
        return self.aligned.block_shape

    @property
    def has_nodata(self) -> bool:
        """Whether pixels may be missing."""
        return any(raster.member.marked for raster in self.aligned.rasters)

    @property
    def name(self) -> str:
        """How many bands, and where the first is from."""
        return f"a stack of {self.domain.n_bands} band(s), {self.aligned.rasters[0].given.name} first"

    @property
    def members(self) -> Sequence[PixelSource]:
        """The rasters, on their own grids."""
        return self.aligned.members

    @property
    def working_bytes(self) -> int:
        """Bytes that a read takes beside the pixels: those of the raster that takes most, on this grid."""
        return self.aligned.working_bytes

    @property
    def blocks_below(self) -> tuple[BlocksBelow, ...]:
        """Of all rasters, on this grid."""
        return self.aligned.blocks_below

    def select_bands(self, bands: Sequence[int]) -> Stacked:
        """Return a source of some of its bands.

        Parameters
        ----------
        bands
            Their numbers, counted from 0, in the order wanted.

        Returns
        -------
        PixelSource
            On the same grid; rasters of which none is wanted are not read.

        Raises
        ------
        ValueError
            A raster is of a kind of source of which bands cannot be chosen.

        """
        places = [(raster, band) for raster in self.aligned.rasters for band in range(raster.member.bands)]
        runs: list[tuple[Placed, list[int]]] = []
        for raster, band in (places[wanted] for wanted in bands):
            if runs and runs[-1][0] is raster:
                runs[-1][1].append(band)
            else:
                runs.append((raster, [band]))
        picked = tuple(_some_of(raster, own) for raster, own in runs)
        return Stacked(Aligned(picked), self.domain.of_bands(tuple(bands)))

    def identity(self) -> Mapping[str, str | int | float]:
        """Return which version it is of each raster.

        Returns
        -------
        dict
            Entries for each raster, and ``"unknown"`` where one cannot be known.

        Raises
        ------
        SourceError
            A raster is not what it was when this object was made.

        """
        return {**self.aligned.identity(), "dtype": str(self.domain.dtype)}

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
        return self.aligned.version()

    def _together(self, box: Box) -> tuple[Array, NDArray[np.bool_] | None]:
        """Return the pixels of a rectangle, and where integers hold data; ``None`` for everywhere."""
        pixels = empty((self.domain.n_bands, *box.shape), self.domain.dtype)
        all_known: NDArray[np.bool_] | None = None
        first = 0
        for raster in self.aligned.rasters:
            bands = slice(first, first + raster.member.bands)
            own, known = raster.read(box)
            pixels[bands] = own
            first = bands.stop
            if known is None:
                continue
            if pixels.dtype.kind == "f":
                np.copyto(pixels[bands], np.nan, where=~known)
            else:
                all_known = np.ones(pixels.shape, np.bool_) if all_known is None else all_known
                all_known[bands] = known
        return pixels, all_known


class BandStack(Stacked):
    """Several rasters as one source that has the bands of all: those of an item at 10, 20 and 60 m, say.

    All are on the grid of the first: rasters that share its pixels are read as they are, others are warped by
    GDAL, in windows. Where one does not reach, its bands are missing.

    Parameters
    ----------
    rasters
        Paths, URLs, sources or fields in a list, or in a dict by the names of their bands. Their dtypes may
        differ as far as one of them, or another, holds the values of all: uint8 and uint16 make uint16.
    grid
        The pixels of the result, as of `Mosaic`; those of the first raster by default.
    resampling
        How pixels are made when a raster is warped, by GDAL's names. By default the nearest of integers, so
        that no value is made up, and bilinear of floats.

    Raises
    ------
    SourceError
        A raster cannot be opened or warped, or lies nowhere on the grid, or no dtype holds the values of all;
        names it.
    ValueError
        There is no such resampling, or there are no rasters.
    TypeError
        A raster or the grid is something else.

    Examples
    --------
    >>> import numpy as np
    >>> from affine import Affine
    >>> from geopatcher import RasterField, reconstruct
    >>> place = Affine(10, 0, 0, 0, -10, 0)
    >>> red, nir = (RasterField.from_array(np.full((2, 2), value), transform=place) for value in (1.0, 3.0))
    >>> reconstruct(BandStack({"red": red, "nir": nir}), lambda patch: patch[1] - patch[0], size=2).array
    array([[2., 2.],
           [2., 2.]])

    """

    def __init__(
        self,
        rasters: Iterable[SceneLike] | Mapping[str, SceneLike],
        grid: Grid | RasterDomain | SceneLike | None = None,
        *,
        resampling: str | None = None,
    ) -> None:
        if isinstance(rasters, str | os.PathLike):
            raise TypeError(f"a stack is made of a list of rasters, such as [{os.fspath(rasters)!r}]")
        named = rasters if isinstance(rasters, Mapping) else None
        sources = sources_of(rasters if named is None else named.values())
        if not sources:
            raise ValueError("a stack is made of one raster at least, and there is none")
        if resampling is not None and resampling not in METHODS:
            raise ValueError(f"resampling is one of {', '.join(METHODS)}, not {resampling!r}")
        onto = sources[0].domain if grid is None else grid_of(grid, sources)
        first = sources[0].name if grid is None else "the grid"
        names = [f"raster {number}" for number in range(1, len(sources) + 1)] if named is None else [*named]
        placed = tuple(
            placed_on(name, source, onto, first, resampling=resampling)
            for name, source in zip(names, sources, strict=True)
        )
        super().__init__(Aligned(placed), _domain_of(placed, onto, by_name=named is not None))


def _some_of(raster: Placed, bands: list[int]) -> Placed:
    """Return a raster with some of its bands, counted from 0."""
    if bands == list(range(raster.member.bands)):
        return raster
    return replace(
        raster,
        given=some_bands(raster.given, bands),
        source=some_bands(raster.source, bands),
        member=replace(raster.member, bands=len(bands), band_names=()),
    )


def _domain_of(rasters: Sequence[Placed], grid: RasterDomain, *, by_name: bool) -> RasterDomain:
    """Return the domain of all bands on a grid.

    It has a nodata value where all rasters have the same one.

    Raises
    ------
    SourceError
        No dtype holds the values of all.

    """
    kinds = [raster.source.domain for raster in rasters]
    dtype = np.result_type(*(kind.dtype for kind in kinds))
    for raster, kind in zip(rasters, kinds, strict=True):
        if kind.dtype.kind in "iu" and dtype.kind == "f" and kind.dtype.itemsize * 2 > dtype.itemsize:
            raise SourceError(
                f"{raster.given.name} holds {kind.dtype}, and other rasters of the stack others, so that "
                f"only {dtype} would hold all, and not exactly: convert one of them"
            )
    told = [name for raster in rasters for name in _band_names(raster, by_name=by_name)]
    names = tuple(told)
    if len(set(told)) < len(told):  # files whose bands have no names call them by number, each from 1
        names = tuple(f"b{number}" for number in range(1, len(told) + 1))
    own_units = [kind.units or ("",) * kind.n_bands for kind in kinds]
    bands = [kind.metadata.bands or (BandMetadata(),) * kind.n_bands for kind in kinds]
    values = {str(kind.nodata) for kind in kinds}
    made = grid.with_bands(names, n_bands=sum(kind.n_bands for kind in kinds), dtype=dtype)
    return replace(
        made,
        nodata=kinds[0].nodata if len(values) == 1 else None,
        units=tuple(unit for units in own_units for unit in units) if any(map(any, own_units)) else (),
        metadata=replace(made.metadata, bands=tuple(one for each in bands for one in each))
        if any(kind.metadata.bands for kind in kinds)
        else Metadata(ground=made.metadata.ground),
    )


def _band_names(raster: Placed, *, by_name: bool) -> list[str]:
    """Return what the bands of a raster are called in a stack, ``""`` where that is not known."""
    own, name = raster.source.domain.band_names, raster.member.name
    if not by_name:
        return list(own or ("",) * raster.member.bands)
    if raster.member.bands == 1:
        return [name]
    return [f"{name} {one}" for one in own or range(1, raster.member.bands + 1)]
