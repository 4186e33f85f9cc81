"""What `reconstruct` gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from geopatcher._optional import load
from geopatcher.looks.plotting import draw_result
from geopatcher.looks.sampled import overview
from geopatcher.looks.stored import RESULT, rasters_of
from geopatcher.notebook import card, facts_of, thumbnail
from geopatcher.pictures import coloured, data_uri, png_bytes, value_range
from geopatcher.planning.memory import format_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import matplotlib.axes
    import xarray

    from geopatcher.domain import RasterDomain
    from geopatcher.engine.stats import RunStats
    from geopatcher.looks.rasters import Raster
    from geopatcher.planning.plan import Plan
    from geopatcher.policy import PatchErrorRecord
    from geopatcher.protocols import Array
    from geopatcher.sinks.targets import ResultArray

#: Longest side of a picture drawn from a result.
PICTURE_PX = 1024
#: Longest side of the picture beside a result in a notebook.
THUMBNAIL_PX = 256


@dataclass(frozen=True)
class Reconstruction:
    """A finished result.

    ``array`` is an ndarray or, on disk, something that slices like one; ``layers`` are the arrays
    beside it; ``errors`` the patches that failed under an error policy that carries on.
    """

    array: ResultArray
    path: Path | None
    plan: Plan
    stats: RunStats
    domain: RasterDomain
    errors: list[PatchErrorRecord] = field(default_factory=list)
    layers: Mapping[str, ResultArray] = field(default_factory=dict)

    def to_xarray(self) -> xarray.DataArray:
        """Return the result as a DataArray with coordinates and CRS; needs the extra ``xarray``.

        A result on disk in zarr is opened lazily.
        """
        xr = load("xarray")
        load("rioxarray")
        if self.path is not None and self.path.suffix == ".zarr":
            dataset = xr.open_zarr(self.path, consolidated=False, chunks=None, mask_and_scale=False)
            lazy: xarray.DataArray = dataset["data"].rio.write_nodata(self.domain.nodata)
            return lazy
        values = np.asarray(self.array[...])
        dims = ("band", "y", "x")[-values.ndim :]
        array: xarray.DataArray = xr.DataArray(values, dims=dims, name="data")
        if values.ndim == 3:
            array = array.assign_coords(band=np.arange(1, values.shape[0] + 1))
            array.attrs["long_name"] = tuple(self.domain.band_names)
        array = array.rio.write_transform(self.domain.transform)
        array = array.assign_coords(_coordinates(self.domain))
        if self.domain.crs is not None:
            array = array.rio.write_crs(self.domain.crs)
        marked: xarray.DataArray = array.rio.write_nodata(self.domain.nodata)
        return marked

    def rasters(self) -> dict[str, Raster]:
        """Return the result (``"result"``) and its layers as rasters that are read at any scale."""
        return rasters_of(self.path, self.array, self.layers, self.domain)

    def quicklook(self, band: int = 0) -> Array:
        """Return one band thinned to at most `PICTURE_PX` cells a side: float, NaN where there is no data."""
        return overview(self.rasters()[RESULT], band, PICTURE_PX)

    def plot(
        self, band: int = 0, ax: matplotlib.axes.Axes | None = None, *, layers: Sequence[str] = ()
    ) -> matplotlib.axes.Axes:
        """Draw a band in coordinates of its CRS, with its colours explained; needs the extra ``viz``.

        Cells without data are grey. ``layers`` are drawn beside it, with the same zoom; they need a
        figure of their own, so there is no ``ax`` then.

        Raises
        ------
        ValueError
            There is no such band or layer.

        """
        return draw_result(self.rasters(), band, ax, layers)

    def _repr_html_(self) -> str:
        cells = overview(self.rasters()[RESULT], 0, THUMBNAIL_PX)
        picture = png_bytes(coloured(cells, value_range(cells)))
        return card("Reconstruction", facts_of(str(self)), thumbnail(data_uri(picture), "the first band"))

    def __str__(self) -> str:
        stats = self.stats
        rate = stats.patches / stats.elapsed if stats.elapsed else 0.0
        stages = ", ".join(f"{name} {seconds:.2f}" for name, seconds in stats.seconds.items())
        height, width = self.domain.grid_shape
        what = f"{self.domain.n_bands} x {self.domain.dtype}"
        counts = [f"{stats.patches:,}"]
        counts += [f"{stats.skipped:,} empty ones left out"] if stats.skipped else []
        counts += [f"{stats.failed:,} failed"] if stats.failed else []
        read, written = format_bytes(stats.bytes_read), format_bytes(stats.bytes_written)
        lines = [
            f"pixels     {height * width:,} ({height:,} x {width:,}), {what}",
            f"patches    {', '.join(counts)}, overlap {self.plan.overlap:.0%}, {rate:,.0f}/s",
            f"seconds    {stats.elapsed:.2f} ({stages}; stages overlap)",
            f"memory     peak {format_bytes(stats.peak_bytes)}",
            f"read       {read}, {stats.read_amplification:.2f} times the raster",
            f"written    {written}, {stats.write_amplification:.2f} times the result",
            f"result     {'in memory' if self.path is None else self.path}",
            *(f"note       {note}" for note in stats.notes),
        ]
        return "\n".join(lines)


def _coordinates(domain: RasterDomain) -> dict[str, tuple[str, Array]]:
    """Return pixel centres of a grid that is not rotated."""
    transform = domain.transform
    if transform.b != 0 or transform.d != 0:
        return {}
    x = transform.c + transform.a * (np.arange(domain.width) + 0.5)
    y = transform.f + transform.e * (np.arange(domain.height) + 0.5)
    return {"x": ("x", x), "y": ("y", y)}
