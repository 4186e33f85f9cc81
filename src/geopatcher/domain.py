"""Metadata of a raster: everything about it but its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from affine import Affine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from geopatcher.box import Box


@dataclass(frozen=True, slots=True)
class RasterDomain:
    """Grid, georeference and band records of a raster.

    ``shape`` is the array's own shape: ``(height, width)`` or ``(bands, height, width)``.
    ``crs`` is WKT or any string pyproj and rasterio understand, ``None`` when unknown.
    ``nodata`` is one value for all bands or ``None``.

    >>> RasterDomain((3, 20, 30)).bounds
    (0.0, 20.0, 30.0, 0.0)
    """

    shape: tuple[int, ...]
    transform: Affine = Affine.identity()  # noqa: RUF009 - Affine is immutable
    crs: str | None = None
    nodata: float | int | None = None
    dtype: np.dtype = np.dtype("float32")  # noqa: RUF009 - dtypes are immutable
    band_names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.shape) not in (2, 3):
            msg = f"a raster has the shape (height, width) or (bands, height, width), not {self.shape}"
            raise ValueError(msg)
        if min(self.shape) < 1:
            msg = f"the raster has no pixels: its shape is {self.shape}"
            raise ValueError(msg)
        for what, given in (("band_names", self.band_names), ("units", self.units)):
            if given and len(given) != self.n_bands:
                raise ValueError(
                    f"{what} are {given}: give one for each of the {self.n_bands} band(s), or none"
                )
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
        """Return the domain of a window, its transform shifted to the window's corner."""
        shape = (*self.shape[:-2], box.height, box.width)
        # By hand: affine 2 has no @, and affine 3 warns of *.
        a, b, c, d, e, f = self.transform[:6]
        corner = (a * box.col0 + b * box.row0 + c, d * box.col0 + e * box.row0 + f)
        shifted = Affine(a, b, corner[0], d, e, corner[1])
        return replace(self, shape=shape, transform=shifted)

    def with_bands(self, names: Iterable[str], *, n_bands: int | None, dtype: np.dtype) -> RasterDomain:
        """Return the same grid with other bands; ``n_bands=None`` makes it two-dimensional."""
        shape = self.grid_shape if n_bands is None else (n_bands, *self.grid_shape)
        return replace(self, shape=shape, dtype=dtype, band_names=tuple(names), units=())


class LayerSpec(NamedTuple):
    """How a layer is stored: its dtype, and what cells that no patch touched hold."""

    dtype: np.dtype
    fill: float | int


@dataclass(frozen=True, slots=True)
class ResultSpec:
    """What a run produces: one array, its layers, and how they are stored.

    ``domain`` has the result's shape, dtype, nodata and band names. ``fill`` is what a cell without
    data holds: nodata, or 0 where the dtype can hold none. ``layers`` has the further arrays,
    ``(height, width)`` each, by name. ``multiscales`` asks a zarr store for overview levels;
    ``overview`` says how four cells become one in them, and in those of a GeoTIFF: ``"average"``,
    ``"mode"`` or ``"nearest"``.
    """

    domain: RasterDomain
    chunks: tuple[int, int]
    fill: float | int
    layers: Mapping[str, LayerSpec] = field(default_factory=dict)
    codec: str = "zstd"
    shards: tuple[int, int] | None = None
    multiscales: bool = False
    overview: str = "average"

    @property
    def n_bands(self) -> int:
        """Bands of the result; 1 for a two-dimensional one."""
        return self.domain.n_bands

    def arrays(self) -> dict[str, tuple[tuple[int, ...], np.dtype, float | int]]:
        """Return shape, dtype and fill of each array by name, the result (``"data"``) first."""
        main = (self.domain.shape, self.domain.dtype, self.fill)
        grid = self.domain.grid_shape
        return {"data": main} | {name: (grid, *layer) for name, layer in self.layers.items()}
