"""Cloud-Optimized GeoTIFFs read many windows at a time, by obstore and async-geotiff."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from geopatcher.core.arrays import Array
from geopatcher.core.box import Box, box_of
from geopatcher.fields.boundless import filled
from geopatcher.fields.cog_access import CogAccess
from geopatcher.fields.cog_source import CogSource
from geopatcher.fields.raster import RasterField

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from geopatcher.core.box import PixelWindow
    from geopatcher.fields.cog_access import Store


class ObstoreCogField(RasterField[Array]):
    """A tiled GeoTIFF in an object store, on a web server or on disk, read without GDAL; see `from_url`.

    Where `select` takes a window `select_many` takes several and reads them at the same time, which behind a
    slow network is as many times faster. Needs obstore and async-geotiff, the extra ``cloud``.

    Parameters
    ----------
    source
        What `from_url` makes.

    """

    def __init__(self, source: CogSource) -> None:
        super().__init__(source)

    @property
    def _cog(self) -> CogSource:
        return cast("CogSource", self.source)

    @classmethod
    def from_url(
        cls,
        url: str | os.PathLike[str],
        *,
        storage_options: Mapping[str, object] | None = None,
        ifd_index: int = 0,
        store: Store | None = None,
        path: str | None = None,
        timeout: float = 120.0,
    ) -> ObstoreCogField:
        """Open a GeoTIFF; its headers are read.

        Parameters
        ----------
        url
            ``s3://bucket/a.tif``, ``gs://``, ``az://``, ``https://host/a.tif``, or a path.
        storage_options
            What obstore's ``from_url`` takes to open the store, such as ``{"region": "eu-central-1",
            "skip_signature": True}``. Secrets among them are not pickled: workers take theirs from the
            environment.
        ifd_index
            Which image of the file: 0 is the raster, others its overviews, in the order in which they are
            stored.
        store
            A store of obstore that is open already, in which the path of ``url``, or ``path``, is looked for.
            Such a field is not sent to other processes.
        path
            Of the file in the store, if it is not that of ``url``.
        timeout
            Seconds that a call may take.

        Returns
        -------
        ObstoreCogField
            Whose windows are arrays ``(bands, h, w)``, floats with NaN where there is no data.

        Raises
        ------
        SourceError
            It is not there, no tiled GeoTIFF, or does not come in time.
        ValueError
            ``url`` names no file, or ``timeout`` is not positive.
        MissingExtraError
            obstore or async-geotiff is not installed.

        Examples
        --------
        >>> import tempfile, numpy as np, rasterio
        >>> path = tempfile.mkdtemp() + "/a.tif"
        >>> profile = {"driver": "COG", "height": 64, "width": 64, "count": 1, "dtype": "uint8"}
        >>> place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 0, 0, -10, 0)}
        >>> with rasterio.open(path, "w", **profile, **place) as dataset:
        ...     dataset.write(np.ones((1, 64, 64), "uint8"))
        >>> field = ObstoreCogField.from_url(path)
        >>> windows = [rasterio.windows.Window(0, 0, 8, 8), rasterio.windows.Window(8, 0, 4, 8)]
        >>> [array.shape for array in field.select_many(windows)]
        [(1, 8, 8), (1, 8, 4)]

        """
        if not timeout > 0:
            raise ValueError(f"timeout is a number of seconds, more than 0, not {timeout!r}")
        access = CogAccess.of(str(url), storage_options, store, path, float(timeout))
        return cls(CogSource(access, ifd_index, float(timeout)))

    def select_many(self, windows: Iterable[PixelWindow]) -> list[Array]:
        """Return several windows, in their order, read at the same time.

        Parameters
        ----------
        windows
            Rasterio ``Window`` of whole pixels; they may reach over the edge, as for `select`.

        Returns
        -------
        list of numpy.ndarray
            ``(bands, h, w)`` each.

        Raises
        ------
        SourceError
            One of them cannot be read.

        """
        boxes = [box_of(window) for window in windows]
        inner = [self._inner(box) for box in boxes]
        wanted = [box for box in inner if box.n_pixels]
        read = iter(self._cog.read_many(wanted)) if wanted else iter(())
        parts = [next(read) if box.n_pixels else None for box in inner]
        return [
            filled(self.domain, box, part, inside)
            for box, part, inside in zip(boxes, parts, inner, strict=True)
        ]

    async def aselect(self, window: PixelWindow) -> Array:
        """Return a window, awaited; as `select` gives it.

        Parameters
        ----------
        window
            A rasterio ``Window`` of whole pixels.

        Returns
        -------
        numpy.ndarray
            ``(bands, h, w)``.

        Raises
        ------
        SourceError
            It cannot be read.

        """
        box = box_of(window)
        inner = self._inner(box)
        part = await self._cog.read_async(inner) if inner.n_pixels else None
        return filled(self.domain, box, part, inner)

    def _inner(self, box: Box) -> Box:
        return box.intersect(Box.of_shape(self.domain.grid_shape))
