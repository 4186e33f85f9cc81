"""Metadata of a raster: everything about it but its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from affine import Affine

from geopatcher.core.gaps import VALID, Gaps
from geopatcher.core.leading import check_leading, leading_of_picked, lengths_of
from geopatcher.core.metadata import Metadata
from geopatcher.core.raster_config import ConfiguredRaster

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from fractions import Fraction

    from geopatcher.core.box import Box
    from geopatcher.core.leading import Leading
    from geopatcher.core.scaling import Scaling


@dataclass(frozen=True, slots=True, eq=False)
class RasterDomain(ConfiguredRaster):
    """Grid, georeference and band records of a raster.

    Parameters
    ----------
    shape
        ``(height, width)`` or ``(bands, height, width)`` in pixels; of a raster of several leading dimensions
        the bands are all of them, see ``leading``.
    transform
        From pixel corners ``(column, row)`` to coordinates of ``crs``; the identity by default.
    crs
        WKT, or any text that pyproj and rasterio understand; ``None`` where it is not known.
    nodata
        One value for all bands, or ``None``.
    dtype
        Of the cells; float32 by default.
    band_names, units
        A text per band, or nothing.
    metadata
        Scales and offsets, tags, colors, and what ties the raster to the ground without a transform.
    leading
        What the bands are along: names, lengths and labels of the leading dimensions, the slowest first. None
        where there is but one of bands, of which ``band_names`` say all.

    Raises
    ------
    ValueError
        The shape is no raster's, bands and their texts differ in number, or do not make up the leading
        dimensions, or the transform is not finite.

    Examples
    --------
    >>> RasterDomain((3, 20, 30)).bounds
    (0.0, 20.0, 30.0, 0.0)
    >>> domain = RasterDomain((20, 30), Affine(10, 0, 5e5, 0, -10, 4e6), "EPSG:32633", nodata=float("nan"))
    >>> domain.get_config()["transform"], RasterDomain.from_config(domain.get_config()) == domain
    ([10.0, 0.0, 500000.0, 0.0, -10.0, 4000000.0], True)

    """

    shape: tuple[int, ...]
    transform: Affine = Affine.identity()  # noqa: RUF009 - Affine is immutable
    crs: str | None = None
    nodata: float | int | None = None
    dtype: np.dtype = np.dtype("float32")  # noqa: RUF009 - dtypes are immutable
    band_names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    metadata: Metadata = Metadata()  # noqa: RUF009 - it is frozen
    leading: Leading = ()

    def __post_init__(self) -> None:
        if len(self.shape) not in (2, 3):
            msg = f"a raster has the shape (height, width) or (bands, height, width), not {self.shape}"
            raise ValueError(msg)
        if min(self.shape) < 1:
            msg = f"the raster has no pixels: its shape is {self.shape}"
            raise ValueError(msg)
        of_bands = (
            ("band_names", self.band_names),
            ("units", self.units),
            ("metadata.bands", self.metadata.bands),
        )
        for what, given in of_bands:
            if given and len(given) != self.n_bands:
                raise ValueError(
                    f"{what} are {given}: give one for each of the {self.n_bands} band(s), or none"
                )
        if self.leading:
            check_leading(self.leading, self.n_bands)
        if not np.isfinite(np.asarray(self.transform[:6], dtype=float)).all():
            msg = f"the transform has values that are not finite: {tuple(self.transform[:6])}"
            raise ValueError(msg)

    @property
    def height(self) -> int:
        """Rows."""
        return self.shape[-2]

    @property
    def width(self) -> int:
        """Columns."""
        return self.shape[-1]

    @property
    def grid_shape(self) -> tuple[int, int]:
        """``(height, width)``."""
        return (self.shape[-2], self.shape[-1])

    @property
    def n_bands(self) -> int:
        """Bands; a two-dimensional raster has one."""
        return self.shape[0] if len(self.shape) == 3 else 1

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths of the leading dimensions; none of a two-dimensional raster."""
        return lengths_of(self.leading) or self.shape[:-2]

    @property
    def array_shape(self) -> tuple[int, ...]:
        """``(height, width)`` with the lengths of all leading dimensions before."""
        return (*self.lengths, *self.grid_shape)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """``(left, bottom, right, top)`` in units of the CRS, for the corners in array order.

        For a rotated transform these bound the four corners.
        """
        a, b, c, d, e, f = self.transform[:6]
        corners = [(0, 0), (self.width, 0), (0, self.height), (self.width, self.height)]
        xs = [a * col + b * row + c for col, row in corners]
        ys = [d * col + e * row + f for col, row in corners]
        if b == d == 0.0:
            return (float(xs[0]), float(ys[3]), float(xs[3]), float(ys[0]))
        return (float(min(xs)), float(min(ys)), float(max(xs)), float(max(ys)))

    def cut(self, box: Box) -> RasterDomain:
        """Return the domain of a window, its transform shifted to the window's corner.

        Parameters
        ----------
        box
            The window in pixels; it may overhang.

        Returns
        -------
        RasterDomain
            Of the window's height and width.

        """
        shape = (*self.shape[:-2], box.height, box.width)
        metadata = self.metadata.cut(box.row0, box.col0)
        if self.is_tied:  # then what moves are the ties
            return replace(self, shape=shape, metadata=metadata)
        # By hand: affine 2 has no @, and affine 3 warns of *.
        a, b, c, d, e, f = self.transform[:6]
        corner = (a * box.col0 + b * box.row0 + c, d * box.col0 + e * box.row0 + f)
        shifted = Affine(a, b, corner[0], d, e, corner[1])
        return replace(self, shape=shape, transform=shifted, metadata=metadata)

    def rescaled(self, scale: Fraction) -> RasterDomain:
        """Return the domain on a grid of pixels ``scale`` times as fine, with the same bounds.

        Parameters
        ----------
        scale
            Pixels of the new grid for one of this, along each axis.

        Returns
        -------
        RasterDomain
            With the shape, the transform and the ties to the ground of that grid.

        Examples
        --------
        >>> from fractions import Fraction
        >>> RasterDomain((3, 20, 30)).rescaled(Fraction(1, 10)).shape
        (3, 2, 3)

        """
        if scale == 1:
            return self
        height, width = (int(length * scale) for length in self.grid_shape)
        metadata = self.metadata.rescaled(scale)
        a, b, c, d, e, f = self.transform[:6]
        size = float(scale)
        finer = Affine(a / size, b / size, c, d / size, e / size, f)
        return replace(
            self,
            shape=(*self.shape[:-2], height, width),
            transform=self.transform if self.is_tied else finer,
            metadata=metadata,
        )

    @property
    def is_tied(self) -> bool:
        """Whether points or coefficients place the raster, and no transform."""
        return bool(self.metadata.ground) and self.transform == Affine.identity()

    def with_bands(self, names: Iterable[str], *, n_bands: int | None, dtype: np.dtype) -> RasterDomain:
        """Return the same grid with other bands; ``n_bands=None`` makes it two-dimensional.

        Parameters
        ----------
        names
            A name per band, or none.
        n_bands
            How many; ``None`` makes the domain two-dimensional.
        dtype
            Of the cells.

        Returns
        -------
        RasterDomain
            Without units and without metadata of bands.

        """
        shape = self.grid_shape if n_bands is None else (n_bands, *self.grid_shape)
        return replace(
            self,
            shape=shape,
            dtype=dtype,
            band_names=tuple(names),
            units=(),
            metadata=self.metadata.of_grid(),
            leading=(),
        )

    def of_bands(self, picked: tuple[int, ...]) -> RasterDomain:
        """Return the same grid with some of the bands.

        Leading dimensions stay where the same is picked of the last one at each place along the others.

        Parameters
        ----------
        picked
            Numbers of bands, counted from 0, in the order wanted.

        Returns
        -------
        RasterDomain
            With as many bands, and the names, units and metadata of these.

        """
        names = tuple(self.band_names[band] if self.band_names else f"b{band + 1}" for band in picked)
        return replace(
            self,
            shape=(len(picked), *self.grid_shape),
            band_names=names,  # bands without a name keep their number, as those of a file do
            units=tuple(self.units[band] for band in picked) if self.units else (),
            metadata=self.metadata.of_bands(picked),
            leading=leading_of_picked(self.leading, picked),
        )


class LayerSpec(NamedTuple):
    """How a layer is stored: its dtype, what cells that no patch touched hold, and what is said of it.

    Parameters
    ----------
    dtype
        Of the cells.
    fill
        What cells hold that no patch touched; 0 is a value like others.
    bands
        Bands of the layer; 0 is ``(height, width)``.
    metadata
        What is said of its cells.

    """

    dtype: np.dtype
    fill: float | int
    bands: int = 0
    metadata: Metadata = Metadata()

    @property
    def nodata(self) -> float | int | None:
        """What says that a cell has no value."""
        return self.fill or None

    def shape(self, grid: tuple[int, int]) -> tuple[int, ...]:
        """Return the shape of the layer over a grid.

        Parameters
        ----------
        grid
            ``(height, width)``.

        Returns
        -------
        tuple of int
            ``(bands, height, width)`` or ``(height, width)``.

        """
        return (self.bands, *grid) if self.bands else grid


@dataclass(frozen=True, slots=True)
class ResultSpec:
    """What a run produces: one array, its layers, and how they are stored.

    Parameters
    ----------
    domain
        Shape, dtype, nodata and band names of the result.
    chunks
        ``(rows, columns)`` of a block.
    fill
        What a cell without data holds.
    layers
        The further arrays by name.
    codec
        How chunks of a zarr store are compressed.
    shards
        ``(rows, columns)`` of a shard, ``None`` for none.
    multiscales
        Whether a zarr store gets overview levels.
    overview
        ``"average"``, ``"mode"`` or ``"nearest"``: how four cells become one in overview levels.
    masked
        Whether an array `VALID` beside the result says which cells hold data, since no value of the dtype
        stands for missing by itself; see `geopatcher.core.gaps`.
    checksum
        Whether each chunk of a zarr store has a checksum.
    scaling
        Which values whole numbers of the result stand for, where they are made of such; `None` for none.

    """

    domain: RasterDomain
    chunks: tuple[int, int]
    fill: float | int
    layers: Mapping[str, LayerSpec] = field(default_factory=dict)
    codec: str = "zstd"
    shards: tuple[int, int] | None = None
    multiscales: bool = False
    overview: str = "average"
    masked: bool = False
    checksum: bool = False
    scaling: Scaling | None = None

    @property
    def n_bands(self) -> int:
        """Bands of the result; 1 for a two-dimensional one."""
        return self.domain.n_bands

    def arrays(self) -> dict[str, tuple[tuple[int, ...], np.dtype, float | int]]:
        """Return shape, dtype and fill of each array by name, the result (``"data"``) first.

        Returns
        -------
        dict
            ``{name: (shape, dtype, fill)}``, the result (``"data"``) first.

        """
        known: dict[str, tuple[tuple[int, ...], np.dtype, float | int]] = {
            "data": (self.domain.array_shape, self.domain.dtype, self.fill)
        }
        if self.masked:
            known[VALID] = (self.domain.array_shape, np.dtype("uint8"), 0)
        grid = self.domain.grid_shape
        layers = {name: (layer.shape(grid), layer.dtype, layer.fill) for name, layer in self.layers.items()}
        return known | layers

    def settled(self, found: Gaps) -> ResultSpec:
        """Return what the finished result is, given what was found in its cells.

        Where no cell that holds data has the nodata value, that value says all; where one does, it is
        no nodata value any more, and the mask says which cells are missing.

        Parameters
        ----------
        found
            What was counted in the cells.

        Returns
        -------
        ResultSpec
            The same where there is no mask.

        Examples
        --------
        >>> spec = ResultSpec(RasterDomain((2, 3), nodata=0, dtype=np.dtype("uint8")), (2, 3), 0, masked=True)
        >>> spec.settled(Gaps(missing=2)).masked, spec.settled(Gaps(missing=2, met=1)).domain.nodata is None
        (False, True)

        """
        if not self.masked:
            return self
        nodata = None if found.met else self.domain.nodata
        masked = found.missing > 0 and nodata is None
        return replace(self, masked=masked, domain=replace(self.domain, nodata=nodata))
