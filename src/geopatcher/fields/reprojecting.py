"""A raster on another grid, warped in windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geopatcher.core.arrays import Array
from geopatcher.fields.grids import Grid
from geopatcher.fields.mosaic import Mosaic
from geopatcher.fields.open import as_field
from geopatcher.fields.raster import RasterField

if TYPE_CHECKING:
    from geopatcher.fields.grids import CrsLike
    from geopatcher.fields.open import Source


class ReprojectingRasterField(RasterField[Array]):
    """A raster in another CRS, or with other pixels: warped by GDAL as windows of it are read, never whole.

    Without a ``resolution`` the grid is the one GDAL proposes. In the CRS that the raster has already, at its
    own resolution, its pixels are read as they are.

    Parameters
    ----------
    reader
        A path or URL, a reader or GeoTensor, a DataArray, or a field: whatever `reconstruct` takes as a
        raster. Of what is no file windows are read, and warped in memory.
    dst_crs
        ``"EPSG:32633"``, a number of EPSG's, WKT, or a CRS; ``None`` is that of the raster.
    resolution
        Side of a pixel in units of ``dst_crs``, or ``(x, y)``.
    resampling
        How pixels are made, by GDAL's names. ``"nearest"`` is for classes.

    Raises
    ------
    SourceError
        The raster cannot be opened, or not be warped into that CRS.
    ValueError
        The CRS, the resolution or the resampling is not understood.

    Examples
    --------
    >>> import numpy as np
    >>> image = RasterField.from_array(np.zeros((3, 4)), crs="EPSG:32633")
    >>> ReprojectingRasterField(image, "EPSG:32633").domain.shape  # its own pixels
    (1, 3, 4)

    """

    def __init__(
        self,
        reader: Source,
        dst_crs: CrsLike | None,
        resolution: float | tuple[float, float] | None = None,
        resampling: str = "bilinear",
    ) -> None:
        super().__init__(Mosaic([as_field(reader)], Grid(dst_crs, resolution), resampling=resampling))
