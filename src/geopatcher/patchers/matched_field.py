"""Several sources at once: a primary one, and others at the same places or times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from geopatcher.api.subset import box_of_bounds
from geopatcher.core.box import Box, box_of
from geopatcher.engine.cuts import mirror
from geopatcher.fields.open import as_field
from geopatcher.fields.placing import placed_on
from geopatcher.fields.plain_field import array_of, raster_domain
from geopatcher.fields.raster import RasterField
from geopatcher.fields.warping import METHODS
from geopatcher.patchers.matched_patches import PRIMARY_KEY, check_names
from geopatcher.patchers.placed_steps import METHODS as STEP_METHODS
from geopatcher.patching.lonlat import bounds_as_counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geopatcher.core.box import PixelWindow
    from geopatcher.core.domain import RasterDomain
    from geopatcher.core.protocols import PixelSource, SourceField
    from geopatcher.patchers.cubes import CubeLike
    from geopatcher.patchers.placed_steps import Method, Tolerance

#: Brings what a secondary source has onto the pixels or steps of the primary one.
Coreg: TypeAlias = Callable[[object, object], object]


@dataclass(frozen=True)
class MatchedField:
    """A primary source, and secondary ones that are read wherever it is.

    Sources are whatever a patcher takes: fields, paths, arrays; or series, for a patcher over time. A
    secondary one lies on the grid of the primary one, or is a raster that GDAL warps onto it where
    ``resampling`` says how, or is brought onto it by a function of ``coreg``. That is given what the
    secondary source has there, and what the primary one has; of rasters on different grids, the pixels
    that the primary patch touches. Rasters of other sizes, of which none says where on the ground it lies,
    cover the same ground.

    Parameters
    ----------
    primary
        The source that says where patches are.
    secondaries
        The others by name.
    coreg
        For some of them ``f(raw_secondary, primary_patch)``: both are data, as `select` gives it, and what
        comes back has the height and width of the second.
    valid_mask
        Whether patches say where all sources have data, by default.
    resampling
        How pixels are made where a secondary source is warped, by GDAL's names: one for all, or for some by
        their own name. ``{"label": "nearest"}`` is for classes.
    reindex
        Of series with other steps, by their names, which step stands for one of the primary source, by their
        labels as xarray and pandas find it: ``"nearest"`` (of two that are equally near the later one),
        ``"ffill"``, the last one before, ``"bfill"``, the first one after, or ``"exact"``. Where none does,
        there is NaN, and integers become floats. It comes before ``coreg``.
    tolerance
        For some of these, how far away the label of that step may be: a number, or a span such as ``"3D"``.

    Raises
    ------
    ValueError
        A secondary source is called ``"primary"``; ``coreg``, ``resampling``, ``reindex`` or ``tolerance``
        names one that is not there, or the first two the same; or there is no such method.
    TypeError
        A function of ``coreg`` cannot be called.

    Examples
    --------
    >>> import numpy as np
    >>> from rasterio.windows import Window
    >>> image, height = np.zeros((3, 20, 30)), np.ones((20, 30))
    >>> both = MatchedField(image, {"dem": height}).select(Window(0, 0, 8, 4))
    >>> {name: data.shape for name, data in both.items()}
    {'primary': (3, 4, 8), 'dem': (4, 8)}

    """

    forbid_in_yaml: ClassVar[bool] = True

    primary: CubeLike
    secondaries: Mapping[str, CubeLike] = field(default_factory=dict)
    coreg: Mapping[str, Coreg] = field(default_factory=dict)
    valid_mask: bool = True
    resampling: Mapping[str, str] | str = field(default_factory=dict)
    reindex: Mapping[str, Method] = field(default_factory=dict)
    tolerance: Mapping[str, Tolerance] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "secondaries", dict(self.secondaries))
        object.__setattr__(self, "coreg", dict(self.coreg or {}))
        if PRIMARY_KEY in self.secondaries:
            raise ValueError(f"a secondary source cannot be called {PRIMARY_KEY!r}: that is the first one")
        check_names(self.coreg, self.secondaries, "coreg=, of the secondaries,")
        for name, function in self.coreg.items():
            if not callable(function):
                raise TypeError(f"coreg[{name!r}] is called with two patches; {function!r} cannot be")
        check_names(self.methods, self.secondaries, "resampling=, of the secondaries,")
        for name, method in self.methods.items():
            if method not in METHODS:
                raise ValueError(f"resampling is one of {', '.join(METHODS)}, not {method!r}")
            if name in self.coreg:
                raise ValueError(f"{name!r} is in resampling and in coreg: one of them brings it here")

        check_names(self.reindex, self.secondaries, "reindex=, of the secondaries,")
        check_names(self.tolerance, self.reindex, "tolerance=, of those in reindex=,")
        for name, how in self.reindex.items():
            if how not in STEP_METHODS:
                raise ValueError(f"reindex[{name!r}] is one of {', '.join(STEP_METHODS)}, not {how!r}")

    @property
    def methods(self) -> Mapping[str, str]:
        """How secondary sources are warped, by their names."""
        if isinstance(self.resampling, str):
            warped = (name for name in self.secondaries if name not in self.coreg)
            return dict.fromkeys(warped, self.resampling)
        return self.resampling

    @property
    def sources(self) -> Mapping[str, CubeLike]:
        """All sources by name, the primary one first."""
        return {PRIMARY_KEY: self.primary, **self.secondaries}

    @cached_property
    def fields(self) -> Mapping[str, SourceField[object]]:
        """All sources as fields; they are opened when this is first asked for."""
        found = {name: as_field(source) for name, source in self.sources.items()}  # type: ignore[arg-type]
        for name, method in self.methods.items():
            grid, given = raster_domain(found[PRIMARY_KEY].domain), found[name].source
            placed = placed_on(name, given, grid, PRIMARY_KEY, resampling=method).source
            found[name] = found[name] if placed is given else RasterField(placed)
        return found

    @property
    def domain(self) -> RasterDomain:
        """Grid, georeference, dtype and nodata of the primary source."""
        return raster_domain(self.fields[PRIMARY_KEY].domain)

    def select(self, indexer: PixelWindow) -> dict[str, object]:
        """Return the data of a window of each source.

        Parameters
        ----------
        indexer
            A rasterio ``Window`` of whole pixels of the primary source.

        Returns
        -------
        dict
            ``{"primary": data, name: data}``, on the pixels of the primary source.

        Raises
        ------
        ValueError
            A secondary source lies on another grid, and no ``coreg`` brings it here; or what that returns
            has another height and width.

        """
        primary = self.fields[PRIMARY_KEY].select(indexer)
        others = {
            name: self.brought(name, self.fields[name].select(self.window_of(name, indexer)), primary)
            for name in self.secondaries
        }
        return {PRIMARY_KEY: primary, **others}

    def is_aligned(self, name: str) -> bool:
        """Return whether a secondary source lies on the grid of the primary one.

        Parameters
        ----------
        name
            Of the secondary source.

        Returns
        -------
        bool
            Whether height and width are equal, and the georeference where both have one.

        Raises
        ------
        ValueError
            It does not, and no ``coreg`` brings it here.

        """
        mine, its = self.domain, raster_domain(self.fields[name].domain)
        aligned = on_one_grid(mine, its)
        if not aligned and name not in self.coreg:
            raise ValueError(
                f"{name!r} is on another grid than the primary source: {told_grid(its)}, and not "
                f"{told_grid(mine)}. Have it warped by resampling={{{name!r}: 'nearest'}}, or give "
                f"coreg={{{name!r}: f}} with a function f(raw, primary) that brings a patch onto the "
                f"pixels of the primary one"
            )
        return aligned

    def window_of(self, name: str, indexer: PixelWindow) -> Window:
        """Return the pixels of a secondary source that a window of the primary one touches.

        Parameters
        ----------
        name
            Of the secondary source.
        indexer
            A window of the primary source.

        Returns
        -------
        rasterio.windows.Window
            The same window on the same grid; without a georeference, of a grid of another size, that part
            of it.

        Raises
        ------
        ValueError
            The secondary source has nothing there, or only one of the two says where it lies.

        """
        mine, its = self.domain, raster_domain(self.fields[name].domain)
        box = box_of(indexer)
        if not self.is_aligned(name):
            box = touched(mine, its, box)
        return Window(box.col0, box.row0, box.width, box.height)

    def brought(self, name: str, raw: object, primary: object) -> object:
        """Return the data of a secondary source on the pixels or steps of the primary one.

        Parameters
        ----------
        name
            Of the secondary source.
        raw
            Its data.
        primary
            The data of the primary source.

        Returns
        -------
        object
            What ``coreg`` makes of them; the data itself where it has no function for this source.

        """
        return self.coreg[name](raw, primary) if name in self.coreg else raw

    def missing(self, name: str) -> float | int | None:
        """Return the value of missing cells of a source that is a field.

        Parameters
        ----------
        name
            Of the source.

        Returns
        -------
        float, int or None
            Its nodata value.

        """
        return raster_domain(self.fields[name].domain).nodata

    def marked(self, name: str, box: Box, mirrored: bool = False) -> NDArray[np.bool_] | None:
        """Return where a source that is a field says, beside NaN and a value, that it has data.

        Files have masks, and what was warped has ends: no value of integers says so.

        Parameters
        ----------
        name
            Of the source, on the grid of the primary one.
        box
            A rectangle of the primary source.
        mirrored
            Whether it shows the raster mirrored about its outermost pixels where it reaches beyond, with data
            where these have some. By default there is none.

        Returns
        -------
        numpy.ndarray or None
            Booleans ``(bands, h, w)``; ``None`` where NaN and a value say all.

        """
        source = self.fields[name].source
        domain = source.domain
        says_all = not source.has_nodata or domain.nodata is not None or domain.dtype.kind == "f"
        inner = box.intersect(Box.of_shape(domain.grid_shape))
        if says_all and (mirrored or inner == box):
            return None
        if mirrored and inner != box:
            rows = mirror(np.arange(box.row0, box.row1), domain.height)
            cols = mirror(np.arange(box.col0, box.col1), domain.width)
            shown = Box(int(rows.min()), int(rows.max()) + 1, int(cols.min()), int(cols.max()) + 1)
            return _has_data(source, shown)[:, (rows - shown.row0)[:, np.newaxis], cols - shown.col0]
        known = np.zeros((domain.n_bands, *box.shape), dtype=np.bool_)
        if not inner.empty:
            known[:, *inner.slices(box)] = True if says_all else _has_data(source, inner)
        return known


def _has_data(source: PixelSource, box: Box) -> NDArray[np.bool_]:
    """Return where a source says that it has data in a rectangle, ``(bands, h, w)``."""
    pixels = source.read(box)
    valid = source.valid(box, pixels)
    return np.broadcast_to(np.bool_(True) if valid is None else valid, pixels.shape)


def touched(mine: RasterDomain, its: RasterDomain, box: Box) -> Box:
    """Return the pixels of one grid that a rectangle of another one touches.

    Where neither says where on the ground it lies, they cover the same: a grid of half as many rows has half
    the rows there.

    Raises
    ------
    ValueError
        There are none, or one grid lies on the ground and nobody knows where the other one does.

    """
    inner = box.intersect(Box.of_shape(mine.grid_shape))
    if is_placed(mine) != is_placed(its):
        raise ValueError(
            f"a source of {told_grid(its)} is on another grid than the primary source, of {told_grid(mine)}, "
            f"and not both say where on the ground they lie: which of its pixels belong to a patch cannot be "
            f"known. Give both a transform and a CRS, or neither, if they cover the same"
        )
    if not is_placed(mine):
        if inner.empty:
            raise ValueError(f"rows and columns {box} are outside the primary source of {told_grid(mine)}")
        rows = share(inner.row0, inner.row1, its.height, mine.height)
        return Box(*rows, *share(inner.col0, inner.col1, its.width, mine.width))
    bounds = mine.cut(inner).bounds
    if mine.crs != its.crs and mine.crs is not None and its.crs is not None:
        bounds = bounds_as_counted(transform_bounds(mine.crs, its.crs, *bounds), its.crs, its.bounds)
    return box_of_bounds(its, bounds)


def share(start: int, stop: int, its: int, mine: int) -> tuple[int, int]:
    """Return which of ``its`` pixels of an axis those from ``start`` to ``stop`` of ``mine`` touch.

    >>> share(3, 8, its=10, mine=20), share(3, 8, its=40, mine=20)
    ((1, 4), (6, 16))
    """
    return start * its // mine, -(-stop * its // mine)


def is_placed(domain: RasterDomain) -> bool:
    """Return whether it is known where on the ground a grid lies."""
    return domain.crs is not None or not domain.transform.is_identity


def on_one_grid(one: RasterDomain, other: RasterDomain) -> bool:
    """Return whether height and width are equal, and the georeference where both have one."""
    if one.grid_shape != other.grid_shape:
        return False
    if not (is_placed(one) and is_placed(other)):
        return True
    tolerance = 1e-6 * max(abs(one.transform.a), abs(one.transform.b))
    same = np.allclose(one.transform[:6], other.transform[:6], rtol=0.0, atol=tolerance)
    return same and (one.crs == other.crs or one.crs is None or other.crs is None)


def told_grid(domain: RasterDomain) -> str:
    """Return the size of a grid, and where it lies, for people."""
    size = f"{domain.height} x {domain.width} pixels"
    return f"{size} at {domain.bounds} in {domain.crs or 'no CRS'}" if is_placed(domain) else size


def known_cells(data: object, nodata: float | int | None = None) -> NDArray[np.bool_]:
    """Return where data is there: neither NaN, NaT, ``None`` or NA, nor masked, nor nodata."""
    cells = array_of(data)
    known = ~np.ma.getmaskarray(cells)
    plain = np.ma.getdata(cells)
    if plain.dtype.kind in "fc":
        known = known & ~np.isnan(plain)
    elif plain.dtype.kind in "mM":
        known = known & ~np.isnat(plain)
    elif plain.dtype.kind == "O":  # of a table whose columns are of several kinds
        known = known & np.asarray(np.frompyfunc(_is_known, 1, 1)(plain), np.bool_)
    if nodata is not None and not np.isnan(nodata):
        known = known & (plain != nodata)
    return np.asarray(known)


def _is_known(value: object) -> bool:
    """Whether an object is a value: NaN and NaT differ from themselves, and what NA is equal to is NA."""
    same = value == value  # noqa: PLR0124
    return value is not None and isinstance(same, bool | np.bool_) and bool(same)
